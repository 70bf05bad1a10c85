//! A call: it is registered with its fate, and its answer is delivered.

use std::task::Waker;

use shared::domain::write::{Clause, Write, WriteName};

use super::{CallId, Process, ProcessId, Step, Turn, World};
use crate::call::{Answer, CallError, Request, Service, Table};
use crate::chooser::{Fate, FaultsAllowed};
use crate::provider::Class;

pub(super) struct Call {
    pub(super) process: ProcessId,
    pub(super) request: Request,
    pub(super) fate: Fate,
    pub(super) created_at: u64,
    /// The last read of its process when the call was made: a late effect was decided from that read.
    pub(super) last_read_at: u64,
    /// The hash of its process's answers when the call was made: they decide what the call asks for.
    pub(super) answers_hash: u64,
    pub(super) waker: Waker,
    /// The outcome of its last effect, on the way to the caller.
    pub(super) outcome: Option<Answer>,
    pub(super) delivered: Option<Answer>,
    /// The number of its steps that are still in the queue.
    pub(super) steps: u8,
    /// The caller has its answer.
    pub(super) is_over: bool,
}

impl World {
    pub fn register(&mut self, process: ProcessId, mut request: Request, waker: Waker) -> CallId {
        self.reorder_request(process, &mut request);
        self.check_before_sending(process, &request);
        self.collect(&request);
        let allowed = self.allowed(&request);
        let mut fate = self.chooser.fate(&request, allowed);
        if self.is_table_down
            && !allowed.no_faults
            && matches!(request, Request::Write { table: Table::Connections, .. })
        {
            fate = Fate::FailBefore;
        }
        if self.may_be_late(&request) && !allowed.no_faults && self.lags.below(3) == 0 {
            fate = Fate::LateEffect(self.lags.between(10_000, 60_000));
        }
        self.ledger.count_fault(fate);
        if fate.is_fault() && matches!(request, Request::Escrow { .. }) {
            self.ledger.late_pairs_fail(process);
        }
        self.sequence += 1;
        let id = self.sequence;
        let service = request.service();
        let (there, back) = (self.chooser.latency(service), self.chooser.latency(service));
        let sent_at = self.now.max(self.processes[process].frozen_until);
        if self.history.is_on() {
            let with_fate = if fate == Fate::Succeed { String::new() } else { format!("  ✗ {fate:?}") };
            let text = format!("→ {}{with_fate}", request.name());
            self.note(process, || text);
        }
        let mut steps: Vec<(u64, Step)> = Vec::with_capacity(3);
        let effect = (sent_at + there, Step::Effect(id));
        let deliver = (sent_at + there + back, Step::Deliver(id));
        match fate {
            Fate::Succeed | Fate::Html | Fate::NoRefreshToken | Fate::AccessTokenOnly | Fate::FalseRefusal => {
                steps.extend([effect, deliver]);
            }
            Fate::LostAnswer => steps.extend([effect, deliver]),
            Fate::FailBefore | Fate::Throttled { .. } | Fate::ServerError | Fate::Refused => steps.push(deliver),
            Fate::LateEffect(late) => {
                let timeout = sent_at + client_timeout(service);
                steps.extend([(timeout + late, Step::Effect(id)), (timeout, Step::Deliver(id))]);
            }
            Fate::Retried => {
                let again = effect.0 + back + there;
                steps.extend([effect, (again, Step::Effect(id)), (again + back, Step::Deliver(id))]);
            }
            Fate::Repeated(late) => steps.extend([effect, deliver, (deliver.0 + late, Step::Effect(id))]),
            Fate::CrashBefore => self.schedule(self.now, Step::Crash(process)),
            Fate::CrashAfter => steps.push(effect),
            Fate::FreezeBefore(time) => {
                self.freeze(process, self.now + time);
                steps.extend([(effect.0 + time, effect.1), (deliver.0 + time, deliver.1)]);
            }
            Fate::FreezeAfter(time) => {
                self.freeze(process, deliver.0 + time);
                steps.extend([effect, deliver]);
            }
        }
        let count = steps.len() as u8;
        for (time, step) in steps {
            self.schedule(time, step);
        }
        if fate == Fate::CrashAfter {
            // In the search, time does not pass here: the chooser decides the order.
            let later = u64::from(!self.merges_local_steps);
            self.schedule(effect.0 + later, Step::Crash(process));
        }
        let steps = count + self.reorder_steps(id, &request, effect.0);
        self.await_answer(id, process, request, fate, steps, waker);
        id
    }

    fn collect(&mut self, request: &Request) {
        let asked: &[(WriteName, &Vec<Clause>)] = match request {
            _ if !self.collects_conditions => return,
            Request::Write { write, .. } => &[(write.name, &write.clauses)],
            Request::WriteBoth(first, second) => &[(first.name, &first.clauses), (second.name, &second.clauses)],
            Request::Delete(delete) => &[(delete.name, &delete.clauses)],
            _ => return,
        };
        for (name, clauses) in asked {
            let shape = crate::mutant::shape_of(clauses);
            self.conditions.entry((*name, shape)).or_insert_with(|| (*clauses).clone());
        }
    }

    fn await_answer(&mut self, id: CallId, process: ProcessId, request: Request, fate: Fate, steps: u8, waker: Waker) {
        let (outcome, delivered, is_over) = (None, None, false);
        let created_at = self.time();
        let Process { last_read_at, answers_hash, .. } = self.processes[process];
        let call = Call {
            process,
            request,
            fate,
            created_at,
            last_read_at,
            answers_hash,
            waker,
            outcome,
            delivered,
            steps,
            is_over,
        };
        self.calls.insert(id, Box::new(call));
    }

    pub fn sleep(&mut self, process: ProcessId, milliseconds: u64, waker: Waker) -> CallId {
        self.sequence += 1;
        let id = self.sequence;
        self.await_answer(id, process, Request::Secret, Fate::Succeed, 1, waker);
        self.schedule(self.now + milliseconds, Step::Wake(id));
        id
    }

    /// The answer, once it is there.
    pub fn take_answer(&mut self, call: CallId, waker: &Waker) -> Option<Answer> {
        let found = self.calls.get_mut(&call)?;
        let answer = found.delivered.take();
        match &answer {
            None => found.waker.clone_from(waker),
            Some(_) if found.steps == 0 => {
                self.calls.remove(&call);
            }
            Some(_) => found.is_over = true,
        }
        answer
    }

    fn allowed(&self, request: &Request) -> FaultsAllowed {
        let falsely = match request {
            Request::Refresh { refresh_token } => {
                self.provider.refresh_tokens.get(refresh_token).is_some_and(|token| !token.refused_falsely)
            }
            _ => false,
        };
        FaultsAllowed { no_faults: self.faults_have_ended || self.window_is_closing(), may_refuse_falsely: falsely }
    }

    /// P3's promise holds if a request succeeds within the window: after a third of the window there are no faults.
    fn window_is_closing(&self) -> bool {
        self.provider.class == Class::P3 && self.ledger.successor_is_missing(self.time(), self.provider.window / 3)
    }

    pub(super) fn deliver(&mut self, id: CallId, step: Step) -> Turn {
        let Some(process) = self.calls.get(&id).map(|call| call.process) else { return Turn::Nothing };
        if !self.processes[process].alive {
            self.step_done(id);
            return Turn::Nothing;
        }
        if self.runnable(process, step).is_none() {
            return Turn::Nothing;
        }
        self.step_done(id);
        let Some(call) = self.calls.get_mut(&id) else { return Turn::Nothing };
        let is_wait = matches!(step, Step::Wake(_));
        match (&call.request, call.fate) {
            (Request::Revoke { token }, Fate::Refused) => {
                self.ledger.revocation_refused(self.provider.refresh_of(token));
            }
            (Request::Refresh { refresh_token }, Fate::Refused) => self.provider.refused_otherwise(refresh_token),
            _ => {}
        }
        let truth = call.outcome.take();
        let answer = match call.fate {
            _ if is_wait => Answer::Secret,
            Fate::Refused if matches!(call.request, Request::Revoke { .. }) => Answer::NotRevoked,
            Fate::Refused => Answer::Failed(CallError::Refused),
            Fate::FailBefore if call.request.service() == Service::Provider => Answer::Failed(CallError::NotSent),
            Fate::Throttled { status, retry_after } => Answer::Failed(CallError::Throttled { status, retry_after }),
            Fate::FailBefore | Fate::LostAnswer | Fate::LateEffect(_) | Fate::ServerError | Fate::Html => {
                Answer::Failed(CallError::Unavailable)
            }
            _ => truth.unwrap_or(Answer::Failed(CallError::Unavailable)),
        };
        let answer = self.reorder_answer(process, id, answer);
        if self.history.is_on() && !is_wait {
            let text = match self.calls.get(&id) {
                Some(call) => format!("← {}: {}", call.request.name(), answer.name()),
                None => String::new(),
            };
            self.note(process, || text);
        }
        if self.merges_local_steps {
            self.note_answer(process, &answer);
        }
        if let Some(call) = self.calls.get_mut(&id) {
            call.delivered = Some(answer);
            call.waker.wake_by_ref();
        }
        Turn::Poll(process)
    }

    /// One step of the call is done. If no process waits for the call any more, it ends with its last step.
    pub(super) fn step_done(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.steps = call.steps.saturating_sub(1);
        let is_awaited = self.processes[call.process].alive && !call.is_over;
        if call.steps == 0 && !is_awaited {
            self.calls.remove(&id);
        }
    }

    /// Whether a write is on its way to a connection's row.
    pub fn is_writing(&self, name: WriteName, id: &str) -> bool {
        let is_it = |write: &Write| write.name == name && write.key == id;
        self.calls.values().any(|call| matches!(&call.request, Request::Write { write, .. } if is_it(write)))
    }

    /// Whether a refresh token is on its way to the provider, or its pair on its way to the table.
    pub fn is_refreshing(&self) -> bool {
        let is_of_a_refresh = |request: &Request| match request {
            Request::Refresh { .. } => true,
            Request::Write { write, .. } => write.name == WriteName::Commit,
            _ => false,
        };
        let is_awaited = |call: &Call| !call.is_over && self.processes[call.process].alive;
        self.calls.values().any(|call| is_awaited(call) && is_of_a_refresh(&call.request))
    }

    /// Whether a code is on its way to the provider.
    pub fn is_exchanging(&self) -> bool {
        self.calls.values().any(|call| !call.is_over && matches!(call.request, Request::Exchange { .. }))
    }
}

/// How long a client waits: the SDK's operation timeout, and the provider's request budget.
fn client_timeout(service: Service) -> u64 {
    match service {
        Service::Store | Service::Keys | Service::Secrets | Service::Queue => 8_000,
        Service::Provider | Service::Api => shared::ports::REQUEST_BUDGET.as_millis() as u64,
    }
}
