//! Checks of the requests to the provider.

use super::{Invariant, Ledger, open};
use crate::chooser::Fate;
use crate::provider::Provider;
use crate::world::ProcessId;
use shared::domain::connection::refresh::UNSETTLED_GRACE;
use shared::domain::escrow::Escrowed;

/// A refresh token at the provider.
pub struct Sending<'a> {
    pub token: &'a str,
    pub family: u32,
    /// It was exchanged for another.
    pub rotated: bool,
    pub rotated_first: bool,
    pub fate: Fate,
    pub sender_lives: bool,
    /// How long its process will stand still, in milliseconds.
    pub frozen_for: u64,
}

impl Ledger {
    /// A pair is in the queue: it counts as stored, even if its process dies.
    pub fn escrowed(&mut self, escrowed: &Escrowed, provider: &Provider) {
        let Some(pair) = open(escrowed.id().as_str(), escrowed.pair(), provider) else { return };
        let made_from = provider.access_tokens.get(&pair.access).and_then(|access| access.parent.clone());
        self.holding.values_mut().for_each(|held| held.retain(|(token, _)| Some(token) != made_from.as_ref()));
        self.has_queued_successor.extend(made_from);
    }

    /// The message is deleted from the queue: its pair is in a row, or the log names it.
    pub fn left_the_queue(&mut self, escrowed: &Escrowed, provider: &Provider) {
        let pair = open(escrowed.id().as_str(), escrowed.pair(), provider);
        let made_from = pair.and_then(|pair| provider.access_tokens.get(&pair.access)?.parent.clone());
        if let Some(made_from) = made_from {
            self.has_queued_successor.remove(&made_from);
        }
    }

    /// A process sends a refresh token.
    pub fn refresh_is_sent(&mut self, now: u64, process: ProcessId, token: &str) {
        if self.spent.get(token).is_some_and(|exempt| !exempt.contains(&process)) {
            let overtaken = || format!("{token} is sent after its successor was committed");
            self.violate(now, Invariant::NotSentAgain, overtaken);
        }
        let leases = self.leases.get(token).map(Vec::as_slice).unwrap_or_default();
        let Some(mine) = leases.iter().rfind(|lease| lease.process == process) else { return };
        let grace = UNSETTLED_GRACE.as_secs() as i64;
        let senders = self.senders.get(token).map(Vec::as_slice).unwrap_or_default();
        let rival = leases.iter().find(|lease| {
            lease.process != process
                && !lease.settled
                && lease.acquired_at <= mine.acquired_at
                && lease.until + grace >= mine.acquired_at
                && senders.contains(&lease.process)
        });
        if let Some(rival) = rival {
            let until = rival.until;
            let taken = mine.acquired_at;
            self.violate(now, Invariant::OneSender, || {
                format!("{token} has another sender, whose lease ran until {until} and was taken over at {taken}")
            });
        } else if self.not_before.get(token).is_some_and(|not_before| mine.acquired_at < *not_before) {
            self.violate(now, Invariant::BackoffHonoured, || {
                format!("{token} is sent before the time of its next try")
            });
        }
        self.senders.entry(token.to_owned()).or_default().push(process);
    }

    /// A refresh token has arrived, and the provider has answered.
    pub fn refresh_arrived(&mut self, now: u64, process: ProcessId, sending: &Sending<'_>) {
        self.counts.sent += 1;
        let Sending { token, family, rotated, fate, sender_lives, .. } = sending;
        let excuse = match fate {
            _ if !sender_lives => Some("its process had died"),
            Fate::LostAnswer | Fate::Html => Some("the answer was lost"),
            Fate::LateEffect(_) => Some("the answer came after the timeout"),
            Fate::CrashAfter => Some("its process died before the answer"),
            _ => None,
        };
        if let Some(excuse) = excuse {
            if *rotated && sending.rotated_first {
                self.excuse((*token).to_owned(), *family, excuse);
            } else {
                self.excused_families.insert(*family, excuse);
            }
        } else if *rotated {
            self.holding.entry(process).or_default().push(((*token).to_owned(), *family));
        }
        let senders = self.senders.get(*token).map(Vec::as_slice).unwrap_or_default();
        if senders.iter().any(|sender| *sender != process) {
            // A forbidden one was reported when it was sent.
            self.excused_families.insert(*family, "its lease was rightly taken over");
        }
        match fate {
            Fate::FreezeBefore(_) => {
                self.excused_families.insert(*family, "its process was frozen between the last check and sending");
            }
            Fate::FreezeAfter(time) if *time >= 30_000 => {
                self.excused_families.insert(*family, "its process was frozen with the answer");
            }
            _ if sending.frozen_for >= 30_000 => {
                self.excused_families.insert(*family, "its process was frozen before the answer");
            }
            _ => {}
        }
        if *rotated && !self.spent.contains_key(*token) {
            self.open.entry((*token).to_owned()).or_insert(now);
        }
    }
}
