//! The queue of sealed pairs. It delivers a message at least once, and again after a while unless it was deleted.

/// How long a delivered message stays invisible, in milliseconds, as in template.yaml.
pub const OUT_OF_SIGHT: u64 = 300_000;

/// The counts of SQS are approximate for a minute or more.
pub const COUNT_LAGS: u64 = 90_000;

#[derive(Clone)]
pub struct Message {
    pub id: u64,
    pub body: String,
    visible_at: u64,
}

#[derive(Default)]
pub struct Queue {
    messages: Vec<Message>,
    last: u64,
    /// For each message that was ever put: from when, and until when, the count includes it.
    counted: Vec<(u64, Option<u64>)>,
}

impl Queue {
    /// The count includes the message `lag` later.
    pub fn put(&mut self, body: String, now: u64, lag: u64) {
        self.last += 1;
        self.messages.push(Message { id: self.last, body, visible_at: now });
        self.counted.push((now + lag, None));
    }

    /// What the count says, which may be late.
    pub fn is_empty(&self, now: u64) -> bool {
        !self.counted.iter().any(|(from, until)| *from <= now && until.is_none_or(|until| now < until))
    }

    pub fn has_messages(&self) -> bool {
        !self.messages.is_empty()
    }

    pub fn take(&mut self, now: u64) -> Vec<Message> {
        let visible: Vec<&mut Message> = self.messages.iter_mut().filter(|message| message.visible_at <= now).collect();
        let taken = visible.into_iter().map(|message| {
            message.visible_at = now + OUT_OF_SIGHT;
            message.clone()
        });
        taken.collect()
    }

    pub fn hash_messages(&self, hasher: &mut impl std::hash::Hasher) {
        use std::hash::Hash;
        for message in &self.messages {
            (&message.body, message.visible_at).hash(hasher);
        }
        self.counted.hash(hasher);
    }

    pub fn done(&mut self, id: u64, now: u64, lag: u64) {
        self.messages.retain(|message| message.id != id);
        if let Some((_, until)) = self.counted.get_mut(id as usize - 1) {
            until.get_or_insert(now + lag);
        }
    }
}
