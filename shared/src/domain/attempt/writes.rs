//! The conditional writes of an attempt, in the order in which they happen.
//!
//! ```text
//! begin ──► pending ──► take ──► exchanging ──► end     connected or failed
//!             │  ▲                   │
//!             └──┘ note              └──► give back     pending: the code was certainly not used
//! ```
//!
//! A code is sent to the provider at most once, by one invocation (protocol rule 6), and only for the browser that
//! started the attempt. An answer without a code does not take the attempt: the same browser may still bring a code.

use std::time::Duration;

use super::{Attempt, Binding, FailedJourney, JourneyFailure, Phase, StateHash};
use crate::domain::language::Language;
use crate::domain::time::Timestamp;
use crate::domain::write::{Change, Test, Write, WriteName, clause};

/// How long a row and its cookie are kept after the attempt has expired: a reload still gets the stored outcome, and a
/// browser that comes back too late is still recognised.
pub const KEPT_AFTER_EXPIRY: Duration = Duration::from_secs(24 * 3600);

/// Stores a new attempt.
pub fn begin(attempt: &Attempt) -> Write {
    let mut changes = vec![
        Change::Set("binding", attempt.binding.as_str().into()),
        Change::Set("destination_mac", attempt.destination_mac.as_str().into()),
        Change::Set("created_at", attempt.created_at.into()),
        Change::Set("expires_at", attempt.expires_at.into()),
        Change::Set("ttl", (attempt.expires_at + KEPT_AFTER_EXPIRY).into()),
        Change::Set("phase", attempt.phase.as_str().into()),
    ];
    changes.extend(attempt.destination.changes());
    changes.extend(attempt.ui_locale.map(Language::change));
    if let Some(verifier) = &attempt.code_verifier {
        changes.push(Change::Set("code_verifier", verifier.expose().into()));
    }
    Write {
        name: WriteName::BeginAttempt,
        key: attempt.state_hash.key(),
        clauses: vec![clause("the state is new", Test::Absent("pk"))],
        changes,
    }
}

/// Notes how a journey has failed so far, before any code was sent: WebinarGeek has answered without a code, or the
/// browser has come back too late.
pub fn note(state_hash: &StateHash, binding: &Binding, failed: &FailedJourney, now: Timestamp) -> Write {
    let mut clauses = vec![
        clause("this browser started it", Test::Equals("binding", binding.as_str().into())),
        // An answer without a code does not change the outcome of a code that was sent, or is being sent.
        clause("no code was sent", is(Phase::Pending)),
    ];
    if failed.why != JourneyFailure::Expired {
        clauses.push(clause("it has not expired", Test::Above("expires_at", now.unix())));
    }
    Write { name: WriteName::NoteFailure, key: state_hash.key(), clauses, changes: failed.changes().into() }
}

/// Takes an attempt for one invocation, before its code is sent.
pub fn take(state_hash: &StateHash, binding: &Binding, now: Timestamp, invocation: &str) -> Write {
    Write {
        name: WriteName::TakeAttempt,
        key: state_hash.key(),
        clauses: vec![
            // DynamoDB deletes expired rows hours late.
            clause("it has not expired", Test::Above("expires_at", now.unix())),
            // Login CSRF: the state of another browser's journey. This also proves that the attempt exists.
            clause("this browser started it", Test::Equals("binding", binding.as_str().into())),
            // Replay, reload, double click. The second part makes it harmless if the SDK repeats the write after a lost
            // answer.
            clause("no other invocation has taken it", Test::Any(vec![is(Phase::Pending), is_taken_by(invocation)])),
        ],
        changes: vec![
            Change::Set("phase", Phase::Exchanging.as_str().into()),
            Change::Set("taken_by", invocation.into()),
            Change::Set("taken_at", now.into()),
        ],
    }
}

/// Gives a taken attempt back: the code was certainly not used, so the same page may be loaded again.
pub fn give_back(state_hash: &StateHash, invocation: &str, failed: &FailedJourney) -> Write {
    let mut changes = vec![
        Change::Set("phase", Phase::Pending.as_str().into()),
        Change::Remove("taken_by"),
        Change::Remove("taken_at"),
    ];
    changes.extend(failed.changes());
    Write {
        name: WriteName::GiveAttemptBack,
        key: state_hash.key(),
        // Also if another request has ended it as lost meanwhile: this invocation knows that the code was not used.
        clauses: vec![clause("this invocation has taken it", taken_by(invocation))],
        changes,
    }
}

/// How an attempt ended: its code was sent, or will not be sent any more.
#[derive(Clone, Debug)]
pub enum End {
    /// The grant is stored. The code verifier is removed from the row.
    Connected,
    /// No connection was made, for this reason.
    Failed(FailedJourney),
}

/// Stores how the attempt ended. A failed attempt may still become connected: a reload may find that the connection was
/// stored. A connected one stays connected.
pub fn end(state_hash: &StateHash, end: &End) -> Write {
    let (phase, failure) = match end {
        End::Connected => (Phase::Connected, FailedJourney::none()),
        End::Failed(failed) => (Phase::Failed, failed.changes()),
    };
    let mut changes = vec![Change::Set("phase", phase.as_str().into())];
    changes.extend(failure);
    // A failed attempt keeps the verifier. If another request has ended it as lost, its own invocation may still give
    // it back, and then its code is sent.
    if matches!(end, End::Connected) {
        changes.push(Change::Remove("code_verifier"));
    }
    Write {
        name: WriteName::EndAttempt,
        key: state_hash.key(),
        clauses: vec![clause(
            "it was taken, and has not connected",
            Test::Any(vec![is(Phase::Exchanging), is(Phase::Failed)]),
        )],
        changes,
    }
}

fn is(phase: Phase) -> Test {
    Test::Equals("phase", phase.as_str().into())
}

fn is_taken_by(invocation: &str) -> Test {
    Test::All(vec![is(Phase::Exchanging), taken_by(invocation)])
}

fn taken_by(invocation: &str) -> Test {
    Test::Equals("taken_by", invocation.into())
}
