//! The effect of a call, and the record of it in the ledger.

use shared::domain::connection::Row;
use shared::domain::escrow::Escrowed;
use shared::domain::item::{Item, Value};
use shared::domain::write::{Change, Write, WriteName, Written};

use super::{Call, CallId, ProcessId, Step, Turn, World};
use crate::call::{Answer, CallError, Request, Table};
use crate::chooser::Fate;
use crate::invariants::{Sending, Times};
use crate::keys;
use crate::queue::COUNT_LAGS;
use crate::scenario::REPLAY;

impl World {
    pub(super) fn take_effect(&mut self, id: CallId) -> Turn {
        let Some(mut call) = self.calls.remove(&id) else { return Turn::Nothing };
        let answer = self.effect(&call);
        if self.history.is_on() {
            let text = format!("● {}: {}", call.request.name(), answer.name());
            self.note(call.process, || text);
        }
        call.outcome = Some(answer);
        self.calls.insert(id, call);
        self.step_done(id);
        Turn::Nothing
    }

    fn effect(&mut self, call: &Call) -> Answer {
        self.sequence += 1;
        let (now, at) = (self.time(), self.sequence);
        match &call.request {
            Request::Read { table, key } => {
                if key.starts_with("order#") {
                    self.ledger.order_read(call.process, at);
                } else {
                    self.processes[call.process].last_read_at = at;
                }
                Answer::Item(self.store.read(*table, key).cloned())
            }
            Request::Write { table, write } => {
                if self.is_put_off(&call.request, call.outcome.is_none()) {
                    return Answer::Written(Written::Applied(write.apply(self.store.read(*table, &write.key))));
                }
                Answer::Written(self.write(call, *table, write))
            }
            Request::WriteBoth(first, second) => {
                let table = Table::Attempts;
                let both =
                    [first, second].iter().all(|write| self.store.would_apply(table, write, self.mutant.as_ref()));
                if both {
                    self.write(call, table, first);
                    self.write(call, table, second);
                }
                Answer::Both(both)
            }
            Request::Delete(delete) => {
                let deleted = self.store.delete(delete, self.mutant.as_ref());
                if let Some(row) = &deleted {
                    self.ledger.deleted(now, at, delete, row);
                }
                Answer::Deleted(deleted.is_some())
            }
            Request::Walk { segment, after } => {
                self.processes[call.process].last_read_at = at;
                Answer::Walked(self.store.page(*segment, after.as_deref()))
            }
            Request::List { shard } => {
                self.processes[call.process].last_read_at = at;
                Answer::Due(self.store.due(*shard))
            }
            Request::MakeKey { connection } => {
                let mut random = [0; 32];
                self.processes[call.process].entropy.fill(&mut random);
                let (plain, wrapped) = keys::make(connection, self.processes[call.process].kms_key, random);
                Answer::MadeKey { plain, wrapped }
            }
            Request::OpenKey { connection, wrapped } => Answer::OpenedKey(keys::open(connection, wrapped)),
            Request::Secret => Answer::Secret,
            Request::Escrow { message } => {
                if let Ok(escrowed) = Escrowed::from_json(message) {
                    self.ledger.escrowed(&escrowed, &self.provider);
                }
                let lag = self.count_lag();
                self.queue.put(message.clone(), now, lag);
                // The search delivers the queue's messages at its end.
                if !self.merges_local_steps {
                    let after = self.lags.between(1_000, 15_000);
                    self.schedule(self.now + after, Step::Act(REPLAY));
                }
                Answer::Queued
            }
            Request::IsQueueEmpty => Answer::QueueIsEmpty(self.queue.is_empty(now)),
            Request::Exchange { code, verifier, .. } => {
                let granted =
                    self.provider.exchange(code, verifier.as_deref(), call.fate == Fate::AccessTokenOnly, now);
                self.ledger.code_arrived(code, self.provider.code_sent(code));
                Answer::Grant(granted.map_err(|_| CallError::InvalidGrant))
            }
            Request::Refresh { refresh_token } => self.refresh(call, refresh_token),
            Request::Revoke { token } => {
                if !self.provider.revokes {
                    self.ledger.revocation_refused(self.provider.refresh_of(token));
                    return Answer::NotRevoked;
                }
                self.provider.revoke(token);
                self.ledger.counts.revoked += 1;
                Answer::Revoked
            }
            Request::Account { access_token } => {
                let is_accepted = self.provider.present(access_token, now);
                Answer::Account(self.provider.account(access_token).filter(|_| is_accepted))
            }
            Request::Use { access_token } => Answer::Used(self.provider.present(access_token, now)),
        }
    }

    fn write(&mut self, call: &Call, table: Table, write: &Write) -> Written<Item> {
        // Sometimes an operator removes a session just before it is confirmed.
        if write.name == WriteName::ConfirmSession && self.sequence.is_multiple_of(61) && !self.merges_local_steps {
            self.store.attempts.remove(&write.key);
            self.ledger.session_removed(&write.key);
        }
        let (written, old) = self.store.write(table, write, self.mutant.as_ref());
        if let Written::Applied(new) = &written {
            if write.name == WriteName::NoteFailure && self.processes[call.process].is_foreign {
                self.ledger.foreign_answer(self.time());
            }
            let times = Times::of(self, &self.processes[call.process], call.created_at, call.last_read_at);
            self.ledger.written(times, call.process, table, write, old.as_ref(), new, &self.provider);
        } else if write.name == WriteName::Commit {
            self.ledger.commit_refused(call.process, write, &self.provider);
        }
        written
    }

    /// The delay of the queue's count for a message.
    pub fn count_lag(&mut self) -> u64 {
        if self.merges_local_steps { COUNT_LAGS } else { self.lags.below(COUNT_LAGS + 1) }
    }

    /// Whether a journey notes that it could not store its grant. This write is often made late, after the grant has
    /// come out of the queue: chance would make this chain of faults too rarely.
    pub(super) fn may_be_late(&self, request: &Request) -> bool {
        let not_stored = Value::from("not_stored");
        let says_so = |write: &Write| {
            write.changes.iter().any(|change| matches!(change, Change::Set("failure", why) if *why == not_stored))
        };
        match request {
            Request::Write { write, .. } | Request::WriteBoth(write, _) => says_so(write),
            _ => false,
        }
    }

    /// Changes a row from outside of the code.
    pub fn touch(&mut self, id: &str, change: impl FnOnce(&mut Item)) {
        self.sequence += 1;
        let Some(item) = self.store.connections.get_mut(id) else { return };
        change(item);
        self.ledger.touched(self.sequence, id, Some(&Row::parse(id, item)));
    }

    /// Stores a row that exists before the run.
    pub fn begin_with(&mut self, write: &Write) {
        if let (Written::Applied(new), old) = self.store.write(Table::Connections, write, None) {
            self.sequence += 1;
            let (now, at) = (self.time(), self.sequence);
            let times = Times { now, asked_at: now, at, last_read_at: at, is_early: false };
            self.ledger.written(times, usize::MAX, Table::Connections, write, old.as_ref(), &new, &self.provider);
        }
    }

    fn refresh(&mut self, call: &Call, refresh_token: &str) -> Answer {
        let now = self.time();
        if self.provider.is_refused(refresh_token, now) {
            self.provider.refused_otherwise(refresh_token);
            return Answer::Failed(CallError::Refused);
        }
        if call.fate == Fate::FalseRefusal {
            if let Some(token) = self.provider.refresh_tokens.get_mut(refresh_token) {
                token.refused_falsely = true;
                token.refused.push(now);
            }
            return Answer::Grant(Err(CallError::InvalidGrant));
        }
        let before = self.provider.refresh_tokens.get(refresh_token).map(|token| token.rotated_at);
        let granted = self.provider.refresh(refresh_token, call.fate == Fate::NoRefreshToken, now);
        if let Some(token) = self.provider.refresh_tokens.get(refresh_token) {
            let sending = Sending {
                token: refresh_token,
                family: token.family,
                rotated: granted.is_ok() && token.rotated_at.is_some(),
                rotated_first: before.flatten().is_none(),
                fate: call.fate,
                sender_lives: self.processes[call.process].alive,
                frozen_for: self.processes[call.process].frozen_until.saturating_sub(self.now),
            };
            self.ledger.refresh_arrived(now, call.process, &sending);
        }
        Answer::Grant(granted.map_err(|_| CallError::InvalidGrant))
    }

    /// Checks a request when it is sent. The protocol excuses only a process that is frozen from here on.
    pub(super) fn check_before_sending(&mut self, process: ProcessId, request: &Request) {
        match request {
            Request::Refresh { refresh_token } => self.ledger.refresh_is_sent(self.time(), process, refresh_token),
            Request::Revoke { token } => {
                self.ledger.revocation_is_sent(self.time(), process, self.provider.refresh_of(token));
            }
            Request::Exchange { code, .. } if self.processes[process].is_foreign => self.ledger.foreign_code(code),
            _ => {}
        }
    }
}
