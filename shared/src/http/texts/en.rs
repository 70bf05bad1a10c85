//! English.

use super::{
    Buttons, Confirmation, CountedMessage, Date, Footer, Instructions, Message, NamedMessage, Reported, Texts,
};
use crate::domain::language::Language;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub(super) static TEXTS: Texts = Texts {
    language: Language::English,
    confirmation: Confirmation {
        title: |application| match application {
            Some(name) => format!("Connect {name} to your WebinarGeek account"),
            None => "Connect your WebinarGeek account".to_owned(),
        },
        asks: |application, host| match (application, host) {
            (Some(name), Some(host)) => format!("{name} ({host}) asks for access to your WebinarGeek account."),
            (Some(name), None) | (None, Some(name)) => format!("{name} asks for access to your WebinarGeek account."),
            (None, None) => {
                "The application that sent you here asks for access to your WebinarGeek account.".to_owned()
            }
        },
        scope: "Permissions:",
        then: |application| match application {
            Some(name) => format!("Next, you log in at WebinarGeek and approve. {name} never sees your password."),
            None => "Next, you log in at WebinarGeek and approve. The application never sees your password.".to_owned(),
        },
        only_if: "Continue only if you have just asked for this yourself.",
    },
    instructions: Instructions {
        close: "You can close this window.",
        start_again: |application| match application {
            Some(name) => format!("To connect, start again at {name}."),
            None => "To connect, start again at the application.".to_owned(),
        },
        go_back_and_start_again: |application| match application {
            Some(name) => format!("Go back to {name}, and start again there."),
            None => "Go back to the application that sent you here, and start again there.".to_owned(),
        },
        in_a_minute: "Please try again in a minute.",
    },
    buttons: Buttons {
        go_on: "Continue",
        cancel: "Cancel",
        back: |application| match application {
            Some(name) => format!("Back to {name}"),
            None => "Back to the application".to_owned(),
        },
        start_again: "Start again",
        try_again: "Try again",
    },
    footer: Footer {
        reference: "Reference number",
        tell: |application| match application {
            Some(name) => format!("If it happens again, tell {name} this number."),
            None => "If it happens again, tell the people behind the application this number.".to_owned(),
        },
        support: "Help",
        privacy: "Privacy",
    },
    connected: NamedMessage {
        title: "Your WebinarGeek account is connected",
        text: |application| match application {
            Some(name) => format!("You have given {name} access. There is nothing more to do."),
            None => "You have given the application access. There is nothing more to do.".to_owned(),
        },
    },
    declined: Message {
        title: "You declined",
        text: "Your WebinarGeek account is not connected, and nothing has changed. You can still connect it later.",
    },
    damaged: Message {
        title: "This link is damaged",
        text: "A part of its address is missing or wrong. Nothing has happened to your account.",
    },
    incomplete: Message {
        title: "This link is incomplete",
        text: "The end of its address may have been cut off. Nothing has happened to your account.",
    },
    unknown: Message {
        title: "We do not know this link",
        text: "It is too old, or a part of it was changed. Nothing has happened to your account.",
    },
    changed: Message {
        title: "This link was changed",
        text: "We have stopped, to be safe. Your account is not connected.",
    },
    used: Message {
        title: "This link has been used",
        text: "An account was connected with it, or with a newer link. That connection stays as it is.",
    },
    expired: Message {
        title: "This link has expired",
        text: "To be safe, a link works for a limited time. Nothing has happened to your account.",
    },
    expired_at: |time| {
        let Date { day, month, year, hour, minute } = Date::of(time);
        let month = MONTHS[month];
        format!(
            "It worked until {day} {month} {year}, {hour:02}:{minute:02} UTC. Nothing has happened to your account."
        )
    },
    other_browser: Message {
        title: "We do not recognise this browser",
        text: "You can finish only in the browser in which you began, with cookies allowed. This page has changed nothing.",
    },
    other_page: Message {
        title: "Please confirm it here",
        text: "You were sent here by another page, and we go on only from our own. Nothing has happened to your account.",
    },
    other_method: Message {
        title: "This address is opened in a browser",
        text: "It was called in another way. Nothing has happened to your account.",
    },
    prefetched_or_embedded: Message {
        title: "Open this page yourself",
        text: "Your browser loaded it without you, so we have not gone on. Nothing is lost.",
    },
    too_long: CountedMessage {
        title: "This took too long",
        text: |minutes| {
            let time = if minutes == 1 { "is 1 minute".to_owned() } else { format!("are {minutes} minutes") };
            format!("There {time} to approve at WebinarGeek. Your account is not connected, and nothing has changed.")
        },
    },
    other_account: Message {
        title: "This is another WebinarGeek account",
        text: "Only the account that is connected already can be connected again. It stays connected, and your approval \
            has not been used. Log in at WebinarGeek with that account first.",
    },
    connected_meanwhile: Message {
        title: "An account was connected in the meantime",
        text: "It stays connected, and your approval has not been used.",
    },
    disconnected_meanwhile: Message {
        title: "The connection was ended in the meantime",
        text: "Your approval came too late for it and has not been used. Your account is not connected.",
    },
    provider_failed: Message {
        title: "WebinarGeek did not answer as expected",
        text: "Your account is not connected, and nothing has changed.",
    },
    provider_not_reached: Message {
        title: "WebinarGeek did not answer as expected",
        text: "Nothing is lost: your approval is still good.",
    },
    reported: Reported {
        title: "WebinarGeek reported an error",
        declined: "It says that you declined. Your account is not connected, and nothing has changed.",
        later: "It is busy at the moment. Your account is not connected, and nothing has changed.",
        other: |error| format!("Your account is not connected, and nothing has changed. The error is called {error}."),
    },
    not_stored: Message {
        title: "Something went wrong on our side",
        text: "Your account may not be connected yet. To start again does no harm.",
    },
    not_known: Message {
        title: "We are not sure that it worked",
        text: "We cannot tell whether your account is connected. To start again does no harm.",
    },
    out_of_order: Message {
        title: "Something went wrong on our side",
        text: "Nothing is lost, and nothing has happened to your account.",
    },
};
