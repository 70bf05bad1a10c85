//! Every write of the small rows: the claim of an account, the fleet's counts and times, the order of a connection's
//! events.

use std::time::Duration;

use shared::domain::account::{Account, claim};
use shared::domain::connection_id::ConnectionId;
use shared::domain::fleet::{Tally, hand_on, note_success, pause};
use shared::domain::item::Item;
use shared::domain::order::Order;
use shared::domain::rate::{self, Lowered};
use shared::domain::time::Timestamp;
use shared::domain::write::{Write, WriteName};

use super::NOW;
use crate::random::Random;

/// `None` if a caller that has read this row would not make such a write. Sequences run side by side, so each has a row
/// of its own, `key`.
pub(super) fn make(name: WriteName, random: &mut Random, key: &str, image: Option<&Item>) -> Option<Write> {
    let window = random.between(1, 3) as i64;
    let write = match name {
        WriteName::ClaimAccount => {
            let account = Account { id: "1".to_owned(), company: None, email: None };
            let gone = random.percent(50).then(|| random.pick(&IDS));
            claim(&account, &ConnectionId::parse(random.pick(&IDS)).unwrap(), gone)
        }
        WriteName::Pause => pause(time(random)),
        WriteName::NoteSuccess => note_success(time(random)),
        WriteName::HandOn => hand_on(time(random), time(random)),
        WriteName::TakeSlots => rate::take_slots(time(random), slots(random), 4),
        WriteName::BeginSecond => rate::begin_second(time(random), slots(random)),
        WriteName::LowerRate => rate::lower(Lowered { to: slots(random), at: time(random) }, time(random)),
        WriteName::CountRefusals => tally(random).count(window),
        WriteName::BeginWindow => tally(random).begin(window),
        WriteName::TakePresentOrder => Order::take_present(&ConnectionId::parse("t").unwrap(), time(random)),
        WriteName::TakeNextOrder => {
            let stored = image.and_then(|item| Order::parse(item).ok()).filter(|_| random.percent(60));
            let seen = stored.unwrap_or_else(|| Order::from_number(Order::at(time(random)).number() + window));
            Order::take_after(&ConnectionId::parse("t").unwrap(), seen, time(random))
        }
        _ => return None,
    };
    Some(Write { key: key.to_owned(), ..write })
}

const IDS: [&str; 3] = ["one", "two", "three"];

fn tally(random: &mut Random) -> Tally {
    Tally { refused: random.below(3) as i64, refreshed: random.below(9) as i64 }
}

fn slots(random: &mut Random) -> i64 {
    random.between(1, 3) as i64
}

fn time(random: &mut Random) -> Timestamp {
    Timestamp::from_unix(NOW) + Duration::from_secs(random.below(3))
}
