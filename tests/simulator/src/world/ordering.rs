//! The mutants that change an order of steps. The simulated services make the change; there is no copy of the code.

use shared::domain::connection::attributes;
use shared::domain::failure_class::FailureClass;
use shared::domain::item::Value;
use shared::domain::write::{Change, Test, WriteName, clause};

use super::{CallId, ProcessId, Step, World};
use crate::call::{Answer, CallError, Request, Table};
use crate::chooser::Fate;
use crate::mutant::Ordering;

impl World {
    pub(super) fn reorder_request(&mut self, process: ProcessId, request: &mut Request) {
        let Request::Write { table: Table::Connections, write } = request else { return };
        if self.ordering().is_none() {
            return;
        }
        if write.name == WriteName::Acquire {
            let owner = write.changes.iter().find_map(|change| match change {
                Change::Set("lease_owner", Value::S(owner)) => Some(owner.clone()),
                _ => None,
            });
            self.owners.insert((process, write.key.clone()), owner.unwrap_or_default());
        }
        match self.ordering() {
            Some(Ordering::CommitGatedByLease) if write.name == WriteName::Commit => {
                let owner = self.owners.get(&(process, write.key.clone())).cloned().unwrap_or_default();
                write.clauses.push(clause("the lease is ours", Test::Equals("lease_owner", owner.into())));
            }
            Some(Ordering::MarkOnFirstRefusal) if write.name == WriteName::Settle => {
                let is_refusal = |change: &Change| matches!(change, Change::SetIfAbsent("invalid_grant_at", _));
                if write.changes.iter().any(is_refusal) {
                    let now = self.clock();
                    write.changes.extend([
                        Change::Set(attributes::NEEDS_CUSTOMER_SINCE, now.into()),
                        Change::Set(attributes::NEEDS_CUSTOMER_WHY, FailureClass::InvalidGrant.as_str().into()),
                        Change::Set(attributes::ATTENTION, attributes::NEEDS_CUSTOMER.into()),
                        Change::Remove(attributes::SHARD),
                    ]);
                }
            }
            _ => {}
        }
    }

    /// Schedules a second effect of a call, if the mutant wants one. Returns the number of additional steps.
    pub(super) fn reorder_steps(&mut self, id: CallId, request: &Request, effect: u64) -> u8 {
        let again = match (self.ordering(), request) {
            (Some(Ordering::HandOutBeforeStore), Request::Write { write, .. }) if write.name == WriteName::Commit => {
                3_000
            }
            (Some(Ordering::ResendWithoutWaiting), Request::Refresh { .. }) => 0,
            (Some(Ordering::CodeSentAgain), Request::Exchange { .. }) => 0,
            _ => return 0,
        };
        self.schedule(effect + again, Step::Effect(id));
        1
    }

    /// Whether this effect is answered, but only made later.
    pub(super) fn is_put_off(&self, request: &Request, is_first: bool) -> bool {
        self.ordering() == Some(Ordering::HandOutBeforeStore)
            && is_first
            && matches!(request, Request::Write { write, .. } if write.name == WriteName::Commit)
    }

    pub(super) fn reorder_answer(&mut self, process: ProcessId, id: CallId, answer: Answer) -> Answer {
        let Some(call) = self.calls.get(&id) else { return answer };
        match (self.ordering(), &call.request) {
            (Some(Ordering::DecryptAfterAnswer), Request::OpenKey { connection, wrapped }) => {
                let key = crate::keys::open(connection, wrapped);
                self.processes[process].key_fails = matches!(call.fate, Fate::FailBefore);
                Answer::OpenedKey(key)
            }
            (Some(Ordering::DecryptAfterAnswer), Request::Refresh { .. }) if self.processes[process].key_fails => {
                Answer::Failed(CallError::Unknown)
            }
            (Some(Ordering::CommitTriedOnce), Request::Write { write, .. })
                if write.name == WriteName::Commit && matches!(answer, Answer::Failed(_)) =>
            {
                Answer::Failed(CallError::Permanent)
            }
            _ => answer,
        }
    }
}
