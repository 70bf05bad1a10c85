//! The conditional writes of an attempt, in the order in which they happen.
//!
//! An attempt is sent to the provider at most once, by one invocation (protocol rule 6), and only for the browser that
//! started it.

use std::time::Duration;

use super::{Attempt, Binding, JourneyFailure, Phase, StateHash};
use crate::domain::time::Timestamp;
use crate::domain::write::{Change, Test, Write, WriteName, clause};

/// How long a customer may take at the provider's consent page.
pub const ATTEMPT_LIFETIME: Duration = Duration::from_secs(600);

/// How long a row outlives its attempt, so that a reload still gets the stored outcome.
const KEPT_AFTER_EXPIRY: Duration = Duration::from_secs(24 * 3600);

/// Stores a new attempt.
pub fn begin(attempt: &Attempt) -> Write {
    let mut changes = vec![
        Change::Set("binding", attempt.binding.0.clone().into()),
        Change::Set("connection_id", attempt.connection_id.as_str().into()),
        Change::Set("redirect_uri", attempt.redirect_uri.as_str().into()),
        Change::Set("order", attempt.order.number().into()),
        Change::Set("created_at", attempt.created_at.into()),
        Change::Set("expires_at", attempt.expires_at.into()),
        Change::Set("ttl", (attempt.expires_at + KEPT_AFTER_EXPIRY).into()),
        Change::Set("phase", attempt.phase.as_str().into()),
    ];
    if let Some(verifier) = &attempt.code_verifier {
        changes.push(Change::Set("code_verifier", verifier.expose().into()));
    }
    if let Some(return_to) = &attempt.return_to {
        changes.push(Change::Set("return_to", return_to.as_str().into()));
    }
    if let Some(confirmation) = &attempt.confirmation {
        changes.push(Change::Set("confirmation", confirmation.expose().into()));
    }
    if let Some(session) = &attempt.session {
        changes.extend(session.changes());
    }
    Write {
        name: WriteName::BeginAttempt,
        key: attempt.state_hash.key(),
        clauses: vec![clause("the state is new", Test::Absent("pk"))],
        changes,
    }
}

/// Takes an attempt for one invocation, before its code is sent.
pub fn take(state_hash: &StateHash, binding: &Binding, now: Timestamp, invocation: &str) -> Write {
    let ours = Test::All(vec![
        Test::Equals("phase", Phase::Exchanging.as_str().into()),
        Test::Equals("taken_by", invocation.into()),
    ]);
    Write {
        name: WriteName::TakeAttempt,
        key: state_hash.key(),
        clauses: vec![
            // DynamoDB deletes expired rows hours late.
            clause("it has not expired", Test::Above("expires_at", now.unix())),
            // Login CSRF: a state that another browser started. Also the proof that the attempt exists.
            clause("this browser started it", Test::Equals("binding", binding.0.clone().into())),
            // Replay, reload, double click. The second half makes a repetition by the SDK after a lost answer harmless.
            clause(
                "no other invocation has taken it",
                Test::Any(vec![Test::Equals("phase", Phase::Pending.as_str().into()), ours]),
            ),
        ],
        changes: vec![
            Change::Set("phase", Phase::Exchanging.as_str().into()),
            Change::Set("taken_by", invocation.into()),
            Change::Set("taken_at", now.into()),
        ],
    }
}

/// Gives a taken attempt back: the code was certainly not sent, so the same page may be loaded again.
pub fn give_back(state_hash: &StateHash, invocation: &str) -> Write {
    Write {
        name: WriteName::GiveAttemptBack,
        key: state_hash.key(),
        clauses: vec![clause("this invocation has taken it", Test::Equals("taken_by", invocation.into()))],
        changes: vec![
            Change::Set("phase", Phase::Pending.as_str().into()),
            Change::Remove("taken_by"),
            Change::Remove("taken_at"),
        ],
    }
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub enum End {
    Connected,
    Denied,
    Failed { failure: JourneyFailure, reference: String },
}

/// Stores how the attempt ended. The verifier is no longer needed and is removed. A reload that finds the connection
/// stored ends a failed attempt once more; an attempt that has connected stays connected.
pub fn end(state_hash: &StateHash, end: &End) -> Write {
    let phase = match end {
        End::Connected => Phase::Connected,
        End::Denied => Phase::Denied,
        End::Failed { .. } => Phase::Failed,
    };
    let mut changes = vec![Change::Set("phase", phase.as_str().into()), Change::Remove("code_verifier")];
    match end {
        End::Failed { failure, reference } => changes.extend([
            Change::Set("failure", failure.as_str().into()),
            Change::Set("reference", reference.as_str().into()),
        ]),
        End::Connected | End::Denied => changes.extend([Change::Remove("failure"), Change::Remove("reference")]),
    }
    let is = |phase: Phase| Test::Equals("phase", phase.as_str().into());
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
