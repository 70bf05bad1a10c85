//! A queue of SQS, with its metrics by the documented rules. A message is deleted when it is done.

/// Seconds until a message is delivered again.
const VISIBILITY: i64 = 300;

/// A message that was received so often is moved to the back of the queue, and the age leaves it out
/// (`ApproximateAgeOfOldestMessage` in "Available CloudWatch metrics for Amazon SQS").
const AGE_LEAVES_OUT: u32 = 3;

struct Message {
    body: String,
    sent: i64,
    received: u32,
    visible_at: i64,
}

#[derive(Default)]
pub(super) struct Queue(Vec<Message>);

impl Queue {
    /// The bodies of all messages that are in it now. A new one was sent at this moment, and a missing one was deleted.
    pub(super) fn holds(&mut self, bodies: &[String], now: i64) {
        self.0.retain(|message| bodies.contains(&message.body));
        for body in bodies {
            if !self.0.iter().any(|message| message.body == *body) {
                self.0.push(Message { body: body.clone(), sent: now, received: 0, visible_at: now });
            }
        }
    }

    /// The messages that the event source mapping has received until now. It asks all the time, so it gets a message as
    /// soon as it is visible, and not when the model's next minute begins.
    pub(super) fn receive(&mut self, now: i64) -> Vec<String> {
        let mut received = Vec::new();
        for message in self.0.iter_mut().filter(|message| message.visible_at <= now) {
            while message.visible_at <= now {
                message.received += 1;
                message.visible_at += VISIBILITY;
            }
            received.push(message.body.clone());
        }
        received
    }

    pub(super) fn metrics(&self, now: i64) -> [(&'static str, f64); 3] {
        let visible = self.0.iter().filter(|message| message.visible_at <= now).count();
        let counted = self.0.iter().filter(|message| message.received < AGE_LEAVES_OUT);
        let age = counted.map(|message| now - message.sent).max().unwrap_or(0);
        [
            ("ApproximateNumberOfMessagesVisible", visible as f64),
            ("ApproximateNumberOfMessagesNotVisible", (self.0.len() - visible) as f64),
            ("ApproximateAgeOfOldestMessage", age as f64),
        ]
    }
}

#[test]
fn the_age_is_of_messages_that_were_received_less_than_three_times() {
    let mut queue = Queue::default();
    queue.holds(&["poison".to_owned()], 0);
    assert_eq!(queue.metrics(900).map(|(_, value)| value), [1.0, 0.0, 900.0], "nothing receives it");
    let mut ages = Vec::new();
    for now in (0..=900).step_by(150) {
        queue.receive(now);
        let [_, in_flight, age] = queue.metrics(now).map(|(_, value)| value);
        assert_eq!(in_flight, 1.0);
        ages.push(age);
    }
    assert_eq!(ages, [0.0, 150.0, 300.0, 450.0, 0.0, 0.0, 0.0]);
    queue.holds(&["poison".to_owned(), "later".to_owned()], 900);
    assert_eq!(queue.metrics(1000)[2].1, 100.0, "the second oldest");
    queue.holds(&[], 1000);
    assert_eq!(queue.metrics(1000).map(|(_, value)| value), [0.0; 3]);
}
