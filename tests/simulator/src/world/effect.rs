//! What a call does when it takes effect, and what the ledger is told of it.

use shared::domain::escrowed::Escrowed;
use shared::domain::write::{Write, Written};

use super::{Call, CallId, Process, ProcessId, Step, Turn, World};
use crate::call::{Answer, Refusal, Request, Table};
use crate::chooser::Fate;
use crate::invariants::{Sending, Times};
use crate::keys;
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
        self.used_up(id);
        Turn::Nothing
    }

    fn effect(&mut self, call: &Call) -> Answer {
        let now = self.now;
        match &call.request {
            Request::Read { table, key } => {
                self.processes[call.process].looked_at = now;
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
                    self.ledger.deleted(now, delete, row);
                }
                Answer::Deleted(deleted.is_some())
            }
            Request::Walk { after } => {
                self.processes[call.process].looked_at = now;
                Answer::Walked(self.store.page(after.as_deref()))
            }
            Request::List { shard } => {
                self.processes[call.process].looked_at = now;
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
                self.queue.put(message.clone(), now);
                self.schedule(now + 1000, Step::Drive(REPLAY));
                Answer::Queued
            }
            Request::IsQueueEmpty => Answer::QueueIsEmpty(self.queue.is_empty()),
            Request::Exchange { code, verifier, .. } => {
                let granted = self.provider.exchange(code, verifier.as_deref(), now);
                self.ledger.code_arrived(code, self.provider.code_sent(code));
                Answer::Grant(granted.map_err(|_| Refusal::InvalidGrant))
            }
            Request::Refresh { refresh_token } => self.refresh(call, refresh_token),
            Request::Revoke { token } => {
                self.provider.revoke(token);
                Answer::Revoked
            }
            Request::Account { access_token } => {
                let is_accepted = self.provider.present(access_token, now);
                Answer::Account(self.provider.account(access_token).filter(|_| is_accepted))
            }
            Request::Use { access_token } => Answer::Used(self.provider.present(access_token, now)),
        }
    }

    fn write(&mut self, call: &Call, table: Table, write: &Write) -> Written {
        let (written, old) = self.store.write(table, write, self.mutant.as_ref());
        if let Written::Applied(new) = &written {
            let Process { started_at: began_at, looked_at, .. } = self.processes[call.process];
            let times = Times { now: self.now, asked_at: call.created_at, began_at, looked_at };
            self.ledger.written(times, call.process, table, write, old.as_ref(), new, &self.provider);
        }
        written
    }

    /// What stood in the table before anybody looked.
    pub fn begin_with(&mut self, write: &Write) {
        if let (Written::Applied(new), old) = self.store.write(Table::Connections, write, None) {
            let times = Times { now: self.now, asked_at: self.now, began_at: self.now, looked_at: self.now };
            self.ledger.written(times, usize::MAX, Table::Connections, write, old.as_ref(), &new, &self.provider);
        }
    }

    fn refresh(&mut self, call: &Call, refresh_token: &str) -> Answer {
        let now = self.now;
        if call.fate == Fate::FalseRefusal {
            if let Some(token) = self.provider.refresh_tokens.get_mut(refresh_token) {
                token.refused_falsely = true;
                token.refused.push(now);
            }
            return Answer::Grant(Err(Refusal::InvalidGrant));
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
                frozen_for: self.processes[call.process].frozen_until.saturating_sub(now),
            };
            self.ledger.refresh_arrived(now, call.process, &sending);
        }
        Answer::Grant(granted.map_err(|_| Refusal::InvalidGrant))
    }

    /// The moment of sending: a process that is frozen from here on is the protocol's one exemption.
    pub(super) fn check_before_sending(&mut self, process: ProcessId, request: &Request) {
        match request {
            Request::Refresh { refresh_token } => self.ledger.refresh_leaves(self.now, process, refresh_token),
            Request::Exchange { code, .. } if self.processes[process].is_foreign => self.ledger.foreign_code(code),
            _ => {}
        }
    }
}
