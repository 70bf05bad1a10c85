//! The table of states in docs/ARCHITECTURE.md shows what the domain's writes do, and which events follow.
//!
//! The writes of the domain make rows of each state. Every write is applied to each of these rows. The resulting
//! state and event are one cell. A cell with another content fails, and so does a result without a cell.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use events::event::Event;
use events::state::Seen;
use shared::domain::account::{Account, KnownAccount, identify, identify_waiting};
use shared::domain::connection::disconnect::{RevocationOutcome, disconnect};
use shared::domain::connection::grant::{Decision, connect};
use shared::domain::connection::reap::{Reaping, reap};
use shared::domain::connection::refresh::{PutOffBy, RefreshReason, acquire, commit, give_up, quarantine, settle};
use shared::domain::connection::reseal::{held, reseal};
use shared::domain::connection::revocation::{Revocation, Verdict, add, claim, remove};
use shared::domain::connection::schedule::leave;
use shared::domain::connection::waiting::{await_confirmation, confirm, expire};
use shared::domain::connection::{Row, SealedPair};
use shared::domain::failure_class::FailureClass;
use shared::domain::item::Value;
use shared::domain::order::Order;
use shared::domain::token_pair::PairId;
use shared::domain::write::{Write, WriteName, failing};

mod rows;

use rows::{EVERY, Stored, awaited, grant, id, later, new_pair, pair, samples, settlement};

const STATES: [&str; 8] = [
    "no row",
    "active",
    "not refreshed",
    "needs customer",
    "awaiting confirmation",
    "disconnecting",
    "tombstone",
    "unreadable",
];

/// The rows of the table in the document. `connect` has two: an imported pair has no access token yet.
const IMPORT: &str = "connect, imported";

/// Whether a write is one to a connection's row. A new kind of write does not compile until it is listed here.
fn is_of_a_connection(name: WriteName) -> bool {
    match name {
        WriteName::Connect
        | WriteName::AwaitConfirmation
        | WriteName::Confirm
        | WriteName::ExpireConfirmation
        | WriteName::Acquire
        | WriteName::Commit
        | WriteName::Settle
        | WriteName::GiveUp
        | WriteName::Quarantine
        | WriteName::Disconnect
        | WriteName::AddRevocation
        | WriteName::ClaimRevocation
        | WriteName::RemoveRevocation
        | WriteName::LeaveSchedule
        | WriteName::Identify
        | WriteName::IdentifyWaiting
        | WriteName::Reseal
        | WriteName::ReapTombstone
        | WriteName::ReapConnection => true,
        WriteName::BeginAttempt
        | WriteName::NoteFailure
        | WriteName::TakeAttempt
        | WriteName::GiveAttemptBack
        | WriteName::EndAttempt
        | WriteName::BeginSession
        | WriteName::EndSession
        | WriteName::ConfirmSession
        | WriteName::TakePresentOrder
        | WriteName::TakeNextOrder
        | WriteName::ClaimAccount
        | WriteName::Pause
        | WriteName::CountRefusals
        | WriteName::BeginWindow
        | WriteName::NoteSuccess
        | WriteName::TakeSlots
        | WriteName::BeginSecond
        | WriteName::LowerRate
        | WriteName::HandOn => false,
    }
}

fn labels() -> Vec<&'static str> {
    let of_a_connection = WriteName::ALL.iter().copied().filter(|name| is_of_a_connection(*name));
    let labels = of_a_connection.map(WriteName::as_str);
    labels.flat_map(|label| if label == "connect" { vec![label, IMPORT] } else { vec![label] }).collect()
}

/// Every write that the protocol may apply to a row which was read as `row`.
fn writes(row: Option<&Row>) -> Vec<(&'static str, Write)> {
    let now = later();
    let mut writes = Vec::new();
    for (label, is_not_refreshed) in [("connect", false), (IMPORT, true)] {
        let grant = grant(20, is_not_refreshed);
        if let Ok(Decision::Store) = grant.decide(row) {
            writes.push((label, connect(&grant, row, EVERY, now).0));
        }
    }
    if let Ok(Decision::Store) = grant(20, false).decide(row) {
        writes.push(("", await_confirmation(&grant(20, false), &awaited(), row, now).0));
    }
    // Workers that read the row earlier make these: only the condition decides.
    let live = match row {
        Some(Row::Connection(connection)) => connection.pair.id,
        Some(Row::Tombstone(_) | Row::Unreadable(_)) | None => PairId::new([1; 16]),
    };
    let reasons =
        [RefreshReason::Scheduled, RefreshReason::OnDemand { seen: live }, RefreshReason::Rejected { seen: live }];
    writes.extend(reasons.map(|reason| ("", acquire(&id(), &reason, "other", now))));
    writes.push(("", commit(&id(), live, 20, &new_pair(20), EVERY)));
    let failures = [FailureClass::Unreachable, FailureClass::Unopenable, FailureClass::InvalidGrant];
    writes.extend(failures.map(|class| ("", settle(&id(), "me", &settlement(class, now)))));
    let whys = [FailureClass::InvalidGrant, FailureClass::Refused, FailureClass::NoRefreshToken];
    writes.extend(whys.map(|why| ("", give_up(&id(), "me", why, now, now))));
    let account = Account { id: "4711".to_owned(), company: None, email: None };
    writes.push(("", identify(&id(), live, &KnownAccount { account: account.clone(), also_connected_as: None })));
    let Some(row) = row else { return writes };
    if let Row::Unreadable(unreadable) = row {
        writes.push(("", quarantine(unreadable, PutOffBy::Schedule, now, now)));
        writes.push(("", quarantine(unreadable, PutOffBy::Lease("me"), now, now)));
    }
    if let Some(waits) = row.waiting() {
        writes.push(("", confirm(row, waits, EVERY, now).0));
        writes.extend(expire(row, waits, now).map(|(write, _)| ("", write)));
        writes.push(("", identify_waiting(&id(), waits.pair_id(), &account)));
    }
    writes.extend(disconnect(row, Order::from_number(20), now).map(|(write, _)| ("", write)));
    writes.extend(
        add(row, Revocation::new(pair(30), Order::from_number(9), None, now), now).map(|(write, _)| ("", write)),
    );
    for grant in row.revocations().into_iter().flat_map(|list| list.iter()) {
        writes.extend(claim(row, grant, now).map(|(write, _)| ("", write)));
        writes.extend(
            [RevocationOutcome::Done, RevocationOutcome::Failed]
                .into_iter()
                .filter_map(|it| Some(("", remove(row, grant.pair.id, it)?))),
        );
    }
    writes.extend(leave(row).map(|write| ("", write)));
    for held in held(row) {
        let resealed = SealedPair { sealed: vec![99], data_key: vec![99], ..held };
        writes.extend(reseal(row, &resealed).map(|write| ("", write)));
    }
    writes
}

fn outcome(before: &Stored, after: &Stored) -> String {
    let event = Event::between(id(), &Seen::of(before.row().as_ref()), &Seen::of(after.row().as_ref()));
    let state = if before.state() == after.state() { "stays" } else { after.state() };
    match event {
        None => state.to_owned(),
        Some(event) => format!("{state}, `{}`", event.kind.as_str().strip_prefix("connection.").unwrap()),
    }
}

/// The outcomes, by write and state.
type Table = BTreeMap<(String, String), BTreeSet<String>>;

fn done() -> Table {
    let mut table = Table::new();
    for label in labels() {
        for state in STATES {
            table.insert((label.to_owned(), state.to_owned()), BTreeSet::new());
        }
    }
    for before in samples() {
        let mut note = |label: &str, after: &Stored| {
            let cell = table.get_mut(&(label.to_owned(), before.state().to_owned()));
            cell.unwrap_or_else(|| panic!("the table has no row {label}")).insert(outcome(&before, after));
        };
        let row = before.row();
        for (label, write) in writes(row.as_ref()) {
            if let Some(after) = before.after(&write) {
                note(if label.is_empty() { write.name.as_str() } else { label }, &after);
            }
        }
        if let Some(Reaping::Delete(delete)) = row.map(|row| reap(&row, later() + Duration::from_secs(86_400)))
            && failing(&delete.clauses, before.0.as_ref()).is_empty()
        {
            note(delete.name.as_str(), &Stored::default());
        }
    }
    table
}

/// The table of the document, whose first cell is `write`.
fn described(paper: &str) -> Table {
    let mut lines = paper.lines().skip_while(|line| !line.starts_with("| write |"));
    let cells =
        |line: &str| -> Vec<String> { line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect() };
    let states = cells(lines.next().expect("docs/ARCHITECTURE.md has the table of states"));
    assert_eq!(states[1..], STATES, "the columns");
    let mut table = Table::new();
    for line in lines.skip(1).take_while(|line| line.starts_with('|')) {
        let cells = cells(line);
        assert_eq!(cells.len(), states.len(), "{line}");
        for (state, cell) in states.iter().zip(&cells).skip(1) {
            let outcomes = cell.split(" / ").filter(|outcome| *outcome != "–").map(str::to_owned).collect();
            table.insert((cells[0].clone(), state.clone()), outcomes);
        }
    }
    table
}

fn rendered(table: &Table) -> String {
    let line = |label: &str| {
        let cells = STATES.map(|state| {
            let outcomes: Vec<&str> = table[&(label.to_owned(), state.to_owned())].iter().map(String::as_str).collect();
            if outcomes.is_empty() { "–".to_owned() } else { outcomes.join(" / ") }
        });
        format!("| {label} | {} |", cells.join(" | "))
    };
    labels().into_iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_table_of_states_agrees_with_the_writes_and_their_events() {
    let paper = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/ARCHITECTURE.md");
    let described = described(&std::fs::read_to_string(paper).unwrap());
    let done = done();
    let rows = |table: &Table| table.keys().map(|(write, _)| write.clone()).collect::<BTreeSet<_>>();
    assert_eq!(rows(&described), rows(&done), "the rows");
    for (cell, outcomes) in &done {
        assert_eq!(described[cell], *outcomes, "{cell:?}; the writes do\n{}", rendered(&done));
    }
}

#[test]
fn every_state_has_sample_rows_and_every_write_changes_one_of_them() {
    let states: BTreeSet<&str> = samples().iter().map(Stored::state).collect();
    assert_eq!(states, BTreeSet::from(STATES));
    let done = done();
    for label in labels() {
        let changes = STATES.iter().any(|state| !done[&(label.to_owned(), (*state).to_owned())].is_empty());
        assert!(changes, "{label} changed no row");
    }
}

/// A worker claims a grant by what it has read, and the row may be damaged by hand before the write. Such a row once
/// counted as one without a live pair: its grants were revoked, also beside a live connection.
#[test]
fn no_grant_of_a_row_that_has_become_unreadable_is_revoked() {
    let mut seen = 0;
    for stored in samples() {
        let Some(Row::Tombstone(_) | Row::Connection(_)) = stored.row() else { continue };
        let mut damaged = stored.clone();
        damaged.0.as_mut().unwrap().0.insert("format".into(), Value::Other);
        let unreadable = damaged.row().unwrap();
        assert!(matches!(unreadable, Row::Unreadable(_)));
        for grant in stored.row().unwrap().revocations().unwrap().iter() {
            assert_eq!(grant.verdict(&unreadable), Verdict::Keep);
            seen += 1;
        }
    }
    assert!(seen > 0);
}
