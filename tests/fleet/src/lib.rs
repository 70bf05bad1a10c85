//! A day of a large fleet in virtual time. The schedule, the sweep, its pace and the handing on of shards are the
//! product's own code ([`refresh::Refresh`]); the rows, the provider and Lambda are models.
//!
//! A refresh is modelled by its time only: two writes, the request, and the processor of its run. The simulator
//! (`tests/simulator`) tests whether a refresh loses a pair.

use std::sync::Arc;
use std::time::Duration;

use refresh::{OtherRuns, Refresh, Run};
use shared::domain::time::Timestamp;
use shared::ports::{Clock, Entropy, FleetRows, ListDue, StartError, StartRun};
use shared::protocol::fleet::Fleet;

pub mod ceiling;
mod provider;
mod rows;
mod system;

pub use provider::{Provider, Trouble};
use rows::Rows;
pub use rows::Seen;
use system::{FleetTable, Seeded, VirtualClock};

/// The time between scheduled runs, which is also the longest time that one takes.
const INTERVAL: Duration = Duration::from_secs(300);

/// What is simulated.
#[derive(Clone)]
pub struct Scenario {
    pub connections: u32,
    pub hours: u64,
    pub most_requests: i64,
    pub most_runs: usize,
    /// The processor time of a refresh, in a run's share of a processor.
    pub processor: Duration,
    /// The time of a call to DynamoDB.
    pub write: Duration,
    pub provider: Provider,
}

impl Scenario {
    /// A healthy provider, and the template's defaults. A refresh takes 0.6 ms of a processor (docs/performance.md). In
    /// the share that 512 MB gets, that is 2.1 ms.
    pub fn of(connections: u32) -> Self {
        Self {
            connections,
            hours: 24,
            most_requests: 50,
            most_runs: 4,
            processor: Duration::from_micros(2100),
            write: Duration::from_millis(5),
            provider: Provider { latency: Duration::from_millis(150), most_a_second: None, trouble: Vec::new() },
        }
    }

    /// Simulates the day, on one thread. The result is always the same for the same scenario.
    pub fn run(&self) -> Seen {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime without I/O can always be built")
            .block_on(self.day())
    }

    async fn day(&self) -> Seen {
        let clock: Arc<dyn Clock> = Arc::new(VirtualClock::default());
        let entropy: Arc<dyn Entropy> = Arc::new(Seeded::default());
        let table: Arc<dyn FleetRows> = Arc::new(FleetTable::default());
        let fleet = Arc::new(Fleet::new(table.clone(), clock.clone()));
        let rows = Arc::new(Rows::new(self, INTERVAL, clock.clone(), fleet));
        let lambda =
            Arc::new(Lambda { scenario: self.clone(), rows: rows.clone(), table, clock: clock.clone(), entropy });
        let end = clock.now() + Duration::from_secs(self.hours * 3600);
        while clock.now() < end {
            lambda.clone().start_run(Run::scheduled());
            clock.sleep(INTERVAL).await;
        }
        rows.seen(end)
    }
}

/// Starts runs, each with the state of a process of its own.
struct Lambda {
    scenario: Scenario,
    rows: Arc<Rows>,
    table: Arc<dyn FleetRows>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Lambda {
    fn start_run(self: Arc<Self>, run: Run) {
        tokio::spawn(async move {
            let deadline = self.clock.now() + INTERVAL;
            let process = Arc::new(self.rows.process());
            let most = self.scenario.most_runs - 1;
            let refresh = Refresh {
                rows: process,
                due: self.rows.clone() as Arc<dyn ListDue>,
                fleet: Arc::new(Fleet::new(self.table.clone(), self.clock.clone())),
                most_requests: self.scenario.most_requests,
                others: (most > 0).then(|| OtherRuns { starts: Arc::new(Starts(self.clone())), most }),
                clock: self.clock.clone(),
                entropy: self.entropy.clone(),
            };
            let began = self.clock.now();
            let summary = refresh.run(run, deadline).await;
            self.rows.run_ended(&summary, began);
        });
    }
}

struct Starts(Arc<Lambda>);

#[async_trait::async_trait]
impl StartRun for Starts {
    async fn start(&self, shards: &[u8], until: Timestamp) -> Result<(), StartError> {
        self.0.clone().start_run(Run { shards: shards.to_vec(), until: Some(until) });
        Ok(())
    }
}
