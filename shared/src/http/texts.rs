//! Every sentence of the pages. Each language has one file with one value of [`Texts`]: with a missing text it does not
//! compile.
//!
//! A page says what has happened and whether anything is lost ([`Message`]), and then one thing to do
//! ([`Instructions`]). It uses no words of OAuth. A function gets the integrator's name; without a name, its sentence
//! says "the application".

use std::borrow::Cow;

use crate::domain::language::Language;
use crate::domain::time::Timestamp;

mod de;
mod en;
mod nl;

/// A text that names the application.
type Named = fn(Option<&str>) -> String;

/// All texts of one language. The reader of each is a customer.
pub struct Texts {
    /// `lang` of each page, and its `Content-Language`.
    pub language: Language,
    /// `/authorize`, before the browser is sent to WebinarGeek.
    pub confirmation: Confirmation,
    /// On pages of `/authorize` and `/callback`, below the text.
    pub instructions: Instructions,
    /// Labels, on pages of `/authorize` and `/callback`.
    pub buttons: Buttons,
    /// The reference number, and the links below the card.
    pub footer: Footer,
    /// `/callback`: the account is connected, and the journey has no `return_to`.
    pub connected: NamedMessage,
    /// `/callback`: the customer has declined at WebinarGeek, now or before.
    pub declined: Message,
    // Pages about a link.
    /// A parameter is repeated; or `/callback` has no `state`, or not exactly one of `code` and `error`.
    pub damaged: Message,
    /// `/authorize` without a session, where the install link is off.
    pub incomplete: Message,
    /// `/callback`: no journey has this `state`, or its row was deleted after its time.
    pub unknown: Message,
    /// `/callback`: the stored journey was changed in the table, so its grant would go to another destination.
    pub changed: Message,
    /// The session of the link, or a later one of the same connection, has made the connection.
    pub used: Message,
    /// `/authorize`: the session of the link is unknown, or has expired.
    pub expired: Message,
    /// In place of the text of `expired`, where the time is known.
    pub expired_at: fn(Timestamp) -> String,
    // Pages about the browser.
    /// `/callback`: the cookie of the journey is missing or wrong, so another browser has begun it.
    pub other_browser: Message,
    /// `/authorize`: the form of the confirmation came from another site (cross-site request forgery).
    pub other_page: Message,
    /// The method is not allowed (405). Programs get this page, and rarely a person.
    pub other_method: Message,
    /// A browser has loaded the page ahead of its user, or within another page. The button opens it.
    pub prefetched_or_embedded: Message,
    // Pages about a journey that has made no connection.
    /// `/callback`: the customer came back from WebinarGeek after the time for the consent.
    pub too_long: CountedMessage,
    /// `/callback`: the approval is of another account than the connection's.
    pub other_account: Message,
    /// `/callback`: a newer grant of the connection was stored during the journey.
    pub connected_meanwhile: Message,
    /// `/callback`: the integrator took the connection away during the journey.
    pub disconnected_meanwhile: Message,
    /// `/callback`: WebinarGeek sent an error with a `state`, gave no tokens, or did not name the account.
    pub provider_failed: Message,
    /// `/callback`: the code was certainly not used, so the same address may be opened again.
    pub provider_not_reached: Message,
    /// `/callback`: WebinarGeek sent an error without a `state`.
    pub reported: Reported,
    /// `/callback`: the grant could not be stored yet; it may be stored later, from the queue.
    pub not_stored: Message,
    /// `/callback`: another request has sent the code, and how that ended is not known.
    pub not_known: Message,
    /// A service of AWS failed, or there was too little time, before anything happened to the account.
    pub out_of_order: Message,
}

/// What has happened, and what it means for the customer.
pub struct Message {
    /// The heading.
    pub title: &'static str,
    /// One paragraph below it.
    pub text: &'static str,
}

/// A title and a text.
pub type Words = (&'static str, Cow<'static, str>);

impl Message {
    /// In the form that a page takes.
    pub fn words(&self) -> Words {
        (self.title, self.text.into())
    }
}

/// A [`Message`] that names the application.
pub struct NamedMessage {
    /// The heading.
    pub title: &'static str,
    /// One paragraph below it.
    pub text: Named,
}

/// A [`Message`] that names a number.
pub struct CountedMessage {
    /// The heading.
    pub title: &'static str,
    /// Minutes.
    pub text: fn(i64) -> String,
}

/// The page that asks.
pub struct Confirmation {
    /// The heading.
    pub title: Named,
    /// Who asks for access: the application, and the host that the customer comes from, where they are known.
    pub asks: fn(Option<&str>, Option<&str>) -> String,
    /// Above the list of permissions.
    pub scope: &'static str,
    /// What comes next at WebinarGeek, and that the application does not see the password.
    pub then: Named,
    /// A warning: an attacker may have sent the link, to get access to the reader's account.
    pub only_if: &'static str,
}

/// What the customer does now. A page has one of them at most.
pub struct Instructions {
    /// After a journey that has connected, where no address of the application is known.
    pub close: &'static str,
    /// Above a button that leads to the application.
    pub start_again: Named,
    /// Where no address of the application is known.
    pub go_back_and_start_again: Named,
    /// Above a button that repeats the request, which may succeed later.
    pub in_a_minute: &'static str,
}

/// The labels of buttons and links: what they do.
pub struct Buttons {
    /// From the confirmation to WebinarGeek; or opens the same page.
    pub go_on: &'static str,
    /// From the confirmation back to the application.
    pub cancel: &'static str,
    /// To the application, after the journey.
    pub back: Named,
    /// To the install link.
    pub start_again: &'static str,
    /// To the same address.
    pub try_again: &'static str,
}

/// Below the text of a page: for customers who need help.
pub struct Footer {
    /// Before the reference number of a failure, which is the request id.
    pub reference: &'static str,
    /// Whom to tell the reference number.
    pub tell: Named,
    /// The link to the integrator's help.
    pub support: &'static str,
    /// The link to the integrator's privacy statement.
    pub privacy: &'static str,
}

/// An error that WebinarGeek reports without saying which journey it is about.
pub struct Reported {
    /// The heading.
    pub title: &'static str,
    /// For `access_denied` (RFC 6749 section 4.1.2.1).
    pub declined: &'static str,
    /// For `server_error` and `temporarily_unavailable`.
    pub later: &'static str,
    /// For every other error, by its name in the RFC.
    pub other: fn(&str) -> String,
}

impl Texts {
    /// The texts of a language.
    pub fn of(language: Language) -> &'static Self {
        match language {
            Language::English => &en::TEXTS,
            Language::Dutch => &nl::TEXTS,
            Language::German => &de::TEXTS,
        }
    }
}

/// A date and time in UTC. Months are counted from 0.
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
