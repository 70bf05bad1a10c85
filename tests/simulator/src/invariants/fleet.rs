//! Checks of the rows that all workers share.

use shared::domain::item::Item;
use shared::domain::write::{Write, WriteName};

use super::storing::Times;
use super::{Invariant, Ledger};
use crate::scenario::RATE;
use crate::world::World;

impl Ledger {
    /// The rows that all workers share: no count is lost, none is of another window, and no pause is shortened.
    pub(super) fn fleet_written(&mut self, times: Times, write: &Write, old: Option<&Item>, new: &Item) {
        let number = |item: Option<&Item>, name: &'static str| item.and_then(|item| item.number(name).ok());
        let (before, after) = (number(old, "window"), number(Some(new), "window"));
        let present = shared::domain::fleet::window(World::clock_at(times.asked_at));
        let wrong = match write.name {
            WriteName::BeginWindow if before.is_some_and(|before| Some(before) >= after) => {
                "begins a window a second time"
            }
            WriteName::CountRefusals if after.is_none_or(|after| after != present && after + 1 != present) => {
                "counts into another window"
            }
            WriteName::Pause if number(old, "until") > number(Some(new), "until") => "shortens a pause",
            WriteName::NoteSuccess if number(old, "at") > number(Some(new), "at") => "forgets a later success",
            WriteName::BeginSecond if number(old, "second") >= number(Some(new), "second") => {
                "begins a second another time"
            }
            WriteName::TakeSlots if number(old, "second") != number(Some(new), "second") => {
                "takes slots of another second"
            }
            WriteName::TakeSlots if number(Some(new), "taken") > Some(RATE) => "takes more slots than there are",
            WriteName::LowerRate if number(old, "lowered_at") >= number(Some(new), "lowered_at") => {
                "lowers the rate a second time for the same requests"
            }
            WriteName::HandOn if number(old, "until") > number(Some(new), "until") => {
                "starts runs while others are at work"
            }
            _ => return,
        };
        self.violate(times.now, Invariant::FleetIsCounted, || format!("\"{}\" {wrong}", write.name));
    }
}
