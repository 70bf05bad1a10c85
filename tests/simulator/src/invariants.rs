//! The promises that must hold after every step, and the ledger that they are checked against.
//!
//! The ledger sees only effects: writes that were applied to the tables, requests that arrived at the provider, its
//! answers, tokens that were handed out. Their order is the order of these effects, and not the time of a clock. The
//! first promise that is broken is kept as the [`Violation`] of the run.

use std::collections::{HashMap, HashSet};

use shared::domain::connection::{Row, SealedPair};
use shared::domain::connection_id::ConnectionId;
use shared::domain::token_pair::{PairId, TokenPair};
use shared::sealing::{self, SealingContext};

use crate::chooser::Fate;
use crate::keys;
use crate::provider::Provider;
use crate::scenario::STACK;
use crate::world::ProcessId;

mod accounts;
mod fingerprint;
mod fleet;
mod journeys;
mod leases;
mod maintenance;
mod oracle;
mod orders;
mod reports;
mod revoking;
mod sending;
mod storing;

use leases::Lease;
pub use oracle::Verdict;
pub use reports::TokenAnswer;
pub use sending::Sending;
pub use storing::{Facts, Times};

/// The promises, by number. For a new one, add a line here, and a check at the place where its fact becomes known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// 1. A token is stored before it is handed out.
    StoredBeforeHandOut,
    /// 2. A pair is committed on the pair that it was made from, and once.
    CommitOnPredecessor,
    /// 3. No refresh token is sent again after its successor was committed.
    NotSentAgain,
    /// 3b. While the owner of a lease may still bring its pair, no other process sends that refresh token.
    OneSender,
    /// 3c. A refresh token is not sent before the time that its last failure asked for.
    BackoffHonoured,
    /// 4. A connection ends only in three cases: the provider has refused that very token twice, at least 60 s apart,
    ///    and no other process held it; or there is no refresh token; or it was refused for a day.
    EndedOnConfirmation,
    /// 5. One exchange per code, in the browser that began, within the time of the attempt, and one connection per
    ///    session.
    OneExchange,
    /// 6. A journey that began before a connection was taken away does not bring it back; a journey that began after
    ///    does.
    DisconnectWins,
    /// 6b. The events of one id have numbers that grow in the order of the events.
    OrdersIncrease,
    /// 7. At the end each connection yields a token that the provider accepts, or its loss was unavoidable.
    NoneLost,
    /// 7b. A lost connection says so, and why.
    LossLabelled,
    /// 8. A token is valid until its `cache_until`.
    CacheHonoured,
    /// 8b. Only a worker that has seen a pair refreshes it. A pair is not refreshed while it is young, or if only its
    ///     customer can help.
    NoNeedlessRefresh,
    /// 9. If a page says that the account is connected, it is connected. A session says what its journey did.
    ReportsAreTrue,
    /// 10. Every row is consistent.
    RowIsConsistent,
    /// 11. A value that all workers share is counted once, in its window, and no pause is shortened.
    FleetIsCounted,
    /// 12. Events are true: each change has an id of its own, and `disconnected` comes only after `connected`.
    EventsAreTrue,
    /// 12b. State, index, list, token route and events say the same about a row.
    RoutesAgree,
    /// 13. A pair that has to be confirmed is neither handed out nor refreshed before that, and cannot be confirmed
    ///     late.
    ConfirmedBeforeUse,
    /// 14. Maintenance changes no pair, puts none under an older key, and deletes only rows that have long been of no
    ///     use.
    MaintenanceIsHarmless,
    /// 14b. An unreadable row is put off under its lease, or once. It is never overwritten.
    UnreadableIsKept,
    /// 15. The account on a connection is its grant's, and is never taken from a connection that has it.
    AccountsAreTrue,
    /// 16. Every grant that is not live is revoked, waits to be revoked, is left to expire by the rules, or was named
    ///     in the log.
    NoGrantForgotten,
    /// 16b. A grant is not revoked if there is a live connection of the same account, or of an account that is not
    ///      known.
    NothingLiveRevoked,
}

#[derive(Clone, Debug)]
pub struct Violation {
    pub invariant: Invariant,
    pub time: u64,
    pub what: String,
}

/// The numbers of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Pairs that a refresh has stored.
    pub refreshes: u64,
    /// Refresh tokens that arrived at the provider.
    pub sent: u64,
    pub connects: u64,
    pub handed_out: u64,
    /// Grants that were revoked.
    pub revoked: u64,
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
        self.handed_out += other.handed_out;
        self.revoked += other.revoked;
        self.faults += other.faults;
        self.crashes += other.crashes;
        self.lost += other.lost;
        self.unavoidable += other.unavoidable;
    }
}

/// A pair, opened.
#[derive(Clone, Debug)]
pub struct Opened {
    pub pair_id: PairId,
    pub access: String,
    /// The refresh token. For a grant without one, a name that the provider has never given out.
    pub refresh: String,
    pub has_refresh_token: bool,
}

/// A live pair.
#[derive(Clone)]
pub struct Stored {
    pub pair: Opened,
    /// The place of its write among all effects.
    pub stored_at: u64,
}

/// Why the loss of a rotated pair was unavoidable, or why a grant need not be revoked.
type Excuse = &'static str;

#[derive(Default)]
pub struct Ledger {
    pub violation: Option<Violation>,
    pub counts: Counts,
    /// The rows after their last write.
    rows: HashMap<String, Row>,
    /// By connection: the live pair.
    pub current: HashMap<String, Stored>,
    /// Access tokens that have ever been stored.
    stored: HashSet<String>,
    /// Refresh tokens whose successor was committed. If a frozen process committed it after the end of its lease, other
    /// processes may have taken the lease over before: each token has these processes, which cannot know of that
    /// commit.
    spent: HashMap<String, Vec<ProcessId>>,
    /// By refresh token: the leases on the current pair.
    leases: HashMap<String, Vec<Lease>>,
    /// By refresh token: the processes that have sent it.
    senders: HashMap<String, Vec<ProcessId>>,
    not_before: HashMap<String, i64>,
    /// Refresh tokens that were rotated for a process which has not stored the pair yet.
    holding: HashMap<ProcessId, Vec<(String, u32)>>,
    /// Processes that died before their end, with all that they held in memory.
    crashed: HashSet<ProcessId>,
    excused_tokens: HashMap<String, Excuse>,
    excused_families: HashMap<u32, Excuse>,
    /// Refresh tokens that were rotated, and whose successor is not stored; since when.
    open: HashMap<String, u64>,
    /// Access tokens whose pair was leased before it was due, since a caller asked for that.
    early: HashSet<String>,
    /// Grants that were stored, by name: live or waiting.
    pub grants: HashSet<String>,
    /// Refresh tokens whose successor waits in the queue.
    has_queued_successor: HashSet<String>,
    /// By session: its connection, and the grant that it made first.
    sessions: HashMap<String, (String, String)>,
    /// Sessions that ask for the account that is connected already.
    same_account_sessions: HashSet<String>,
    /// Sessions whose connection may be lost.
    throw_away_sessions: HashSet<String>,
    /// By connection: the order of the latest session that has made it.
    session_orders: HashMap<String, i64>,
    /// Sessions whose row says that they are completed.
    completed: HashSet<String>,
    /// When each process last took a number of an id's order, or read it.
    order_seen: HashMap<ProcessId, u64>,
    /// By grant: when its journey, or its import, began; and by connection, the latest of those that were stored.
    begun: HashMap<String, u64>,
    granted: HashMap<String, u64>,
    /// By connection: when the latest disconnect took its number.
    pub disconnected: HashMap<String, u64>,
    /// Pairs that were ever stored, by connection.
    owned: HashMap<String, Vec<PairId>>,
    opened: HashMap<PairId, Opened>,
    /// Pairs that need no more work: their successor is stored, or they are left to expire.
    dealt_with: HashMap<PairId, Excuse>,
    /// Late pairs of each process that are in no row yet.
    brought_late: HashMap<ProcessId, Vec<PairId>>,
    /// The grants that a process was about to revoke, and whether the row at that time allowed it.
    claims: HashMap<(ProcessId, String), bool>,
    /// Final refusals of the revocation endpoint.
    refused_revocations: HashSet<String>,
    /// When a pair was last put under another key.
    resealed: HashMap<PairId, u64>,
    /// By connection: the claim's key of the account that it has, and since when.
    identified: HashMap<String, (String, u64)>,
    /// Connections that ever had an account, each with the claim's key.
    ever_identified: HashSet<(String, String)>,
    /// The ids of all events so far.
    event_ids: HashSet<String>,
    /// Sessions whose connection was in a row that was removed.
    removed: HashSet<String>,
    /// Access tokens of pairs that were stored in a row that was removed.
    removed_pairs: HashSet<String>,
    /// Connections that an event has reported as connected, and that no event has reported as taken away since.
    connected: HashSet<String>,
    /// By connection: what the token route may say, and since when.
    token_answers: HashMap<String, Vec<(u64, TokenAnswer)>>,
    /// By connection: since when its row cannot be read.
    damaged: HashMap<String, u64>,
    /// Connections whose row was repaired by hand.
    repaired: HashSet<String>,
    /// When a connection last got another grant.
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
        self.brought_late.remove(&process);
    }

    /// If a process dies between the answer and the first durable write, its pair is lost with it.
    pub fn process_crashed(&mut self, process: ProcessId) {
        self.counts.crashes += 1;
        self.crashed.insert(process);
        for (token, family) in self.holding.remove(&process).unwrap_or_default() {
            self.excuse(token, family, "its process died with the answer");
        }
        for pair in self.brought_late.remove(&process).unwrap_or_default() {
            self.dealt_with.insert(pair, "its process died with it");
        }
    }

    /// If a process is frozen for longer than its lease, another one may have refreshed meanwhile. With P4 the loss is
    /// then unavoidable.
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

    /// Whether the successor of a stored pair has been on its way for longer than `limit`.
    pub fn successor_is_missing(&self, now: u64, limit: u64) -> bool {
        self.open.values().any(|since| now > since + limit)
    }

    /// A code arrives at the provider, for the `times`th time.
    pub fn code_arrived(&mut self, code: &str, times: u32) {
        if times > 1 {
            self.violate(0, Invariant::OneExchange, || format!("{code} arrived at the provider {times} times"));
        }
    }

    /// A code is sent for a browser that did not begin the journey.
    pub fn foreign_code(&mut self, code: &str) {
        self.violate(0, Invariant::OneExchange, || {
            format!("{code} is sent for a browser that did not begin the journey")
        });
    }

    /// The answer of a browser that did not begin the journey is noted.
    pub fn foreign_answer(&mut self, now: u64) {
        self.violate(now, Invariant::ReportsAreTrue, || "an attempt notes the answer of another browser".to_owned());
    }

    pub fn count_fault(&mut self, fate: Fate) {
        self.counts.faults += u64::from(fate.is_fault());
    }

    /// An operator has changed the row by hand, or removed it.
    pub fn touched(&mut self, at: u64, id: &str, row: Option<&Row>) {
        self.rows.remove(id);
        match row {
            Some(Row::Unreadable(_)) => drop(self.damaged.insert(id.to_owned(), at)),
            Some(row) => {
                if self.damaged.remove(id).is_some() {
                    self.repaired.insert(id.to_owned());
                }
                self.note_token_answer(at, id, row);
            }
            None => {
                self.damaged.remove(id);
                self.repaired.remove(id);
                // The network may repeat the write that has stored it. No clause can know of a row that does not exist
                // (a million refreshes at P2, seed 4544).
                if let Some(last) = self.current.remove(id) {
                    self.removed_pairs.insert(last.pair.access);
                }
                self.identified.remove(id);
                self.connected.remove(id);
                self.owned.remove(id);
                self.session_orders.remove(id);
                let of_it = self.sessions.extract_if(|_, (of, _)| of == id).map(|(session, _)| session);
                self.removed.extend(of_it);
                self.disconnected.remove(id);
                let of_it = format!("{id}/");
                self.event_ids.retain(|id| !id.starts_with(&of_it));
                self.token_answers.entry(id.to_owned()).or_default().push((at, TokenAnswer::NotFound));
            }
        }
    }
}

/// Every pair that a row holds.
fn held(row: &Row) -> Vec<SealedPair> {
    shared::domain::connection::reseal::held(row)
}

/// A sealed pair, opened as the product opens it.
fn unseal(id: &str, sealed: &SealedPair) -> Option<TokenPair> {
    let connection = ConnectionId::parse(id).ok()?;
    let key = keys::open(id, &sealed.data_key)?;
    sealing::open(&sealed.sealed, &key, SealingContext { stack: STACK, connection: &connection, pair_id: sealed.id })
        .ok()
}

fn open(id: &str, sealed: &SealedPair, provider: &Provider) -> Option<Opened> {
    let pair = unseal(id, sealed)?;
    let access = pair.access_token.expose().to_owned();
    let has_refresh_token = pair.refresh_token.is_some();
    let refresh = match pair.refresh_token {
        Some(token) => token.expose().to_owned(),
        None => provider.access_tokens.get(&access)?.refresh.clone(),
    };
    Some(Opened { pair_id: sealed.id, access, refresh, has_refresh_token })
}
