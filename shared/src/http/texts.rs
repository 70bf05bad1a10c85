//! Every sentence of the pages. One file a language, each one value of [`Texts`]: a text that is missing does not
//! compile.
//!
//! A page says what has happened and whether anything is lost ([`Message`]), and then one thing to do
//! ([`Instructions`]). Nothing in it is OAuth's language. `{application}` of a function is the integrator's name;
//! without one the sentence says "the application".

use std::borrow::Cow;

use crate::domain::language::Language;
use crate::domain::time::Timestamp;

mod de;
mod en;
mod nl;

/// A text that names the application.
type Named = fn(Option<&str>) -> String;

pub struct Texts {
    pub language: Language,
    pub confirmation: Confirmation,
    pub instructions: Instructions,
    pub buttons: Buttons,
    pub footer: Footer,
    pub connected: NamedMessage,
    pub declined: Message,
    /// Pages about a link.
    pub damaged: Message,
    pub incomplete: Message,
    pub unknown: Message,
    pub changed: Message,
    pub used: Message,
    pub expired: Message,
    /// In place of the text of `expired`, where it is known when.
    pub expired_at: fn(Timestamp) -> String,
    /// Pages about the browser.
    pub other_browser: Message,
    pub other_page: Message,
    pub other_method: Message,
    pub by_no_person: Message,
    /// Pages about a journey that has made no connection.
    pub too_long: CountedMessage,
    pub other_account: Message,
    pub connected_meanwhile: Message,
    pub disconnected_meanwhile: Message,
    pub provider_failed: Message,
    pub provider_not_reached: Message,
    pub reported: Reported,
    pub not_stored: Message,
    pub not_known: Message,
    pub out_of_order: Message,
}

/// What has happened, and what it means for the customer.
pub struct Message {
    pub title: &'static str,
    pub text: &'static str,
}

/// A title and a text.
pub type Words = (&'static str, Cow<'static, str>);

impl Message {
    pub fn words(&self) -> Words {
        (self.title, self.text.into())
    }
}

pub struct NamedMessage {
    pub title: &'static str,
    pub text: Named,
}

pub struct CountedMessage {
    pub title: &'static str,
    /// Minutes.
    pub text: fn(i64) -> String,
}

/// The page that asks.
pub struct Confirmation {
    pub title: Named,
    /// Who asks: the application, and the host that the customer comes from, where they are known.
    pub asks: fn(Option<&str>, Option<&str>) -> String,
    /// Above the list of them.
    pub scope: &'static str,
    pub then: Named,
    pub only_if: &'static str,
}

/// What the customer does now. A page has one of them at most.
pub struct Instructions {
    pub close: &'static str,
    /// By a button that leads to the application.
    pub start_again: Named,
    /// Where no address of the application is known.
    pub go_back_and_start_again: Named,
    pub in_a_minute: &'static str,
}

pub struct Buttons {
    pub go_on: &'static str,
    pub cancel: &'static str,
    pub back: Named,
    pub start_again: &'static str,
    pub try_again: &'static str,
}

pub struct Footer {
    pub reference: &'static str,
    /// Whom to tell the reference number.
    pub tell: Named,
    pub support: &'static str,
    pub privacy: &'static str,
}

/// An error that WebinarGeek reports without saying which journey it is about.
pub struct Reported {
    pub title: &'static str,
    pub declined: &'static str,
    pub later: &'static str,
    /// By the RFC's name of the error.
    pub other: fn(&str) -> String,
}

impl Texts {
    pub fn of(language: Language) -> &'static Self {
        match language {
            Language::English => &en::TEXTS,
            Language::Dutch => &nl::TEXTS,
            Language::German => &de::TEXTS,
        }
    }
}

/// The day of the month, the number of the month from 0, the year, hours and minutes; in UTC.
struct Date {
    day: u8,
    month: usize,
    year: i32,
    hour: u8,
    minute: u8,
}

impl Date {
    fn of(timestamp: Timestamp) -> Self {
        let time = timestamp.utc();
        Self {
            day: time.day(),
            month: usize::from(u8::from(time.month())) - 1,
            year: time.year(),
            hour: time.hour(),
            minute: time.minute(),
        }
    }
}

#[cfg(test)]
mod tests;
