//! What must hold after every step, and the ledger that it is checked against.
//!
//! The ledger sees effects, not intentions: what was applied to the tables, what arrived at the provider, what left it,
//! what was shown to an integrator. The first thing that must not be is kept as the [`Violation`] of the run.

use std::collections::{HashMap, HashSet};

use shared::domain::connection::SealedPair;
use shared::domain::connection_id::ConnectionId;
use shared::domain::token_pair::{TokenPair, TokenSet};
use shared::sealing::{self, Place};

use crate::chooser::Fate;
use crate::keys;
use crate::provider::Provider;
use crate::scenario::STACK;
use crate::world::ProcessId;

mod accounts;
mod disconnecting;
mod maintenance;
mod oracle;
mod sending;
mod storing;
mod telling;

pub use oracle::Verdict;
pub use sending::Sending;
pub use storing::Times;

/// The promises, by number. A new one is a line here, and a check where its fact becomes known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// 1. A released token was stored before.
    StoredBeforeRelease,
    /// 2. A pair is committed on the pair that it was made from, and once.
    CommitOnPredecessor,
    /// 3. No refresh token is sent again after its successor was committed.
    NotSentAgain,
    /// 3b. While a lease may still bring its pair, nobody else sends that refresh token.
    OneSender,
    /// 3c. A refresh token waits as long as its last failure asked for.
    BackoffHonoured,
    /// 4. A connection ends only when the provider has refused that very token twice, at least 60 s apart, with no rival.
    EndedOnConfirmation,
    /// 5. One exchange per code, in the browser that began, within the time of the attempt, and one connection per session.
    OneExchange,
    /// 6. A connection that is taken away does not come back.
    DisconnectWins,
    /// 7. At the end each connection yields a token that the provider accepts, or was lost unavoidably.
    NoneLost,
    /// 7b. A lost connection says so, and why.
    LossLabelled,
    /// 8. A token that a caller was told to keep lives as long as it was told, where only the schedule refreshes.
    CacheHonoured,
    /// 8b. A pair is refreshed by whoever has seen it, and not while it is young.
    NotForNothing,
    /// 9. Whoever is told that the account is connected is.
    ToldTheTruth,
    /// 10. Every row makes sense.
    RowMakesSense,
    /// 11. What all workers share is counted once, in its window, and no pause is shortened.
    FleetIsCounted,
    /// 12. No two changes of a connection are told by one event id.
    ToldOnce,
    /// 13. Nothing of a connection that has to be confirmed is handed out or refreshed before, and nobody can confirm it late.
    ConfirmedBeforeUse,
    /// 14. Maintenance changes no pair, puts none under an older key, and deletes only what is dead for long.
    MaintenanceIsHarmless,
    /// 14b. A row that makes no sense is put off only by whoever holds its lease.
    PutOffByItsLease,
    /// 15. The account on a connection is its grant's, and nobody takes it from a connection that has it.
    AccountsAreTrue,
    /// 15b. A refresh ends a replaced grant of another account before it forgets it.
    EndedBeforeForgotten,
}

#[derive(Clone, Debug)]
pub struct Violation {
    pub invariant: Invariant,
    pub time: u64,
    pub what: String,
}

/// What was done and met in a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Pairs that a refresh has stored.
    pub refreshes: u64,
    /// Refresh tokens that arrived at the provider.
    pub sent: u64,
    pub connects: u64,
    pub released: u64,
    pub faults: u64,
    pub crashes: u64,
    pub lost: u64,
    pub unavoidable: u64,
}

impl Counts {
    pub fn add(&mut self, other: &Counts) {
        self.refreshes += other.refreshes;
        self.sent += other.sent;
        self.connects += other.connects;
        self.released += other.released;
        self.faults += other.faults;
        self.crashes += other.crashes;
        self.lost += other.lost;
        self.unavoidable += other.unavoidable;
    }
}

/// A stored pair, opened.
#[derive(Clone)]
pub struct Stored {
    pub token_set: TokenSet,
    pub access: String,
    pub refresh: String,
    /// When it was stored, in milliseconds, and when it was granted, in seconds.
    pub stored_at: u64,
    pub granted_at: i64,
}

/// The youngest pair that anything may ask to refresh: half of the shortest lifetime is left, and a rejection needs a minute.
const YOUNG: i64 = 59;

/// A lease, from the moment that the table had it.
struct Lease {
    process: ProcessId,
    owner: String,
    acquired_at: i64,
    until: i64,
    /// Whether the access token lived then.
    token_lived: bool,
    /// Its owner has noted how it ended.
    settled: bool,
}

/// Why a rotated pair could not be saved.
type Excuse = &'static str;

#[derive(Default)]
pub struct Ledger {
    pub violation: Option<Violation>,
    pub counts: Counts,
    /// By connection.
    pub current: HashMap<String, Stored>,
    /// Access tokens that have ever been stored.
    stored: HashSet<String>,
    /// Refresh tokens whose successor was committed, each with the processes that had taken the lease over by right when a
    /// process that had been frozen past its own committed after all: they cannot know.
    spent: HashMap<String, Vec<ProcessId>>,
    /// On the current pair, by refresh token.
    leases: HashMap<String, Vec<Lease>>,
    /// Who has sent a refresh token.
    senders: HashMap<String, Vec<ProcessId>>,
    not_before: HashMap<String, i64>,
    /// Refresh tokens that were rotated for a process which has not stored the pair yet.
    holding: HashMap<ProcessId, Vec<(String, u32)>>,
    excused_tokens: HashMap<String, Excuse>,
    excused_families: HashMap<u32, Excuse>,
    /// Rotated, and the successor not stored: since when.
    open: HashMap<String, u64>,
    pub grants: HashSet<String>,
    /// By session: the grant that it made first.
    sessions: HashMap<String, String>,
    /// By connection: the order of the latest session that has made it.
    orders: HashMap<String, i64>,
    /// Sessions whose row says that they are completed.
    completed: HashSet<String>,
    pub disconnected: HashMap<String, u64>,
    /// By attempt: when it began, in seconds.
    begun: HashMap<String, i64>,
    /// Connections that have to be confirmed: since when.
    waiting: HashMap<String, u64>,
    /// When a pair was last put under another key.
    resealed: HashMap<(String, &'static str), u64>,
    /// By connection: the claim's key of the account that it has, and since when.
    identified: HashMap<String, (String, u64)>,
    /// Connections that ever had an account, each with the claim's key.
    ever_identified: HashSet<(String, String)>,
    /// The ids of events.
    told: HashSet<String>,
    /// When a connection last changed otherwise than by its schedule.
    pub disturbed: HashMap<String, u64>,
}

impl Ledger {
    pub fn violate(&mut self, time: u64, invariant: Invariant, what: impl FnOnce() -> String) {
        if self.violation.is_none() {
            self.violation = Some(Violation { invariant, time, what: what() });
        }
    }

    pub fn process_ended(&mut self, process: ProcessId) {
        self.holding.remove(&process);
    }

    /// A process that dies between the answer and the first durable write takes the pair along.
    pub fn process_crashed(&mut self, process: ProcessId, _: &Provider) {
        self.counts.crashes += 1;
        for (token, family) in self.holding.remove(&process).unwrap_or_default() {
            self.excuse(token, family, "its process died with the answer");
        }
    }

    /// A process that stands still for longer than its lease may find its pair overtaken: P4 has no answer to that.
    pub fn process_frozen(&mut self, process: ProcessId, time: u64) {
        if time < 30_000 {
            return;
        }
        for (_, family) in self.holding.get(&process).cloned().unwrap_or_default() {
            self.excused_families.insert(family, "its process was frozen with the answer");
        }
    }

    fn excuse(&mut self, token: String, family: u32, excuse: Excuse) {
        self.excused_tokens.insert(token, excuse);
        self.excused_families.insert(family, excuse);
    }

    /// Whether a stored pair's successor has been on its way for longer than this.
    pub fn rotated_without_trace(&self, now: u64, limit: u64) -> bool {
        self.open.values().any(|since| now > since + limit)
    }

    /// A code is at the provider, for the `times`th time.
    pub fn code_arrived(&mut self, code: &str, times: u32) {
        if times > 1 {
            self.violate(0, Invariant::OneExchange, || format!("{code} arrived {times} times"));
        }
    }

    /// A code is sent for another browser than the one that began.
    pub fn foreign_code(&mut self, code: &str) {
        self.violate(0, Invariant::OneExchange, || format!("{code} is sent for a browser that did not begin"));
    }

    pub fn met(&mut self, fate: Fate) {
        self.counts.faults += u64::from(fate.is_fault());
    }
}

/// A sealed pair, opened as the product opens it.
fn open(id: &ConnectionId, sealed: &SealedPair) -> Option<TokenPair> {
    let key = keys::open(id.as_str(), &sealed.data_key)?;
    sealing::open(&sealed.sealed, &key, Place { stack: STACK, connection: id, token_set: sealed.token_set }).ok()
}
