//! German, with "Sie".

use super::{
    Buttons, Confirmation, CountedMessage, Date, Footer, Instructions, Message, NamedMessage, Reported, Texts,
};
use crate::domain::language::Language;

const MONTHS: [&str; 12] = [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
];

pub(super) static TEXTS: Texts = Texts {
    language: Language::German,
    confirmation: Confirmation {
        title: |application| match application {
            Some(name) => format!("{name} mit Ihrem WebinarGeek-Konto verbinden"),
            None => "Ihr WebinarGeek-Konto verbinden".to_owned(),
        },
        asks: |application, host| match (application, host) {
            (Some(name), Some(host)) => format!("{name} ({host}) bittet um Zugriff auf Ihr WebinarGeek-Konto."),
            (Some(name), None) | (None, Some(name)) => format!("{name} bittet um Zugriff auf Ihr WebinarGeek-Konto."),
            (None, None) => {
                "Die Anwendung, von der Sie kommen, bittet um Zugriff auf Ihr WebinarGeek-Konto.".to_owned()
            }
        },
        scope: "Berechtigungen:",
        then: |application| match application {
            Some(name) => format!(
                "Als Nächstes melden Sie sich bei WebinarGeek an und stimmen zu. {name} sieht Ihr Passwort nie."
            ),
            None => {
                "Als Nächstes melden Sie sich bei WebinarGeek an und stimmen zu. Die Anwendung sieht Ihr Passwort nie."
                    .to_owned()
            }
        },
        only_if: "Fahren Sie nur fort, wenn Sie gerade selbst darum gebeten haben.",
    },
    instructions: Instructions {
        close: "Sie können dieses Fenster schließen.",
        start_again: |application| match application {
            Some(name) => format!("Beginnen Sie zum Verbinden noch einmal bei {name}."),
            None => "Beginnen Sie zum Verbinden noch einmal in der Anwendung.".to_owned(),
        },
        go_back_and_start_again: |application| match application {
            Some(name) => format!("Gehen Sie zurück zu {name} und beginnen Sie dort noch einmal."),
            None => {
                "Gehen Sie zurück zu der Anwendung, von der Sie kommen, und beginnen Sie dort noch einmal.".to_owned()
            }
        },
        in_a_minute: "Bitte versuchen Sie es in einer Minute noch einmal.",
    },
    buttons: Buttons {
        go_on: "Weiter",
        cancel: "Abbrechen",
        back: |application| match application {
            Some(name) => format!("Zurück zu {name}"),
            None => "Zurück zur Anwendung".to_owned(),
        },
        start_again: "Noch einmal beginnen",
        try_again: "Noch einmal versuchen",
    },
    footer: Footer {
        reference: "Referenznummer",
        tell: |application| match application {
            Some(name) => format!("Wenn es wieder passiert, nennen Sie {name} diese Nummer."),
            None => "Wenn es wieder passiert, nennen Sie dem Anbieter der Anwendung diese Nummer.".to_owned(),
        },
        support: "Hilfe",
        privacy: "Datenschutz",
    },
    connected: NamedMessage {
        title: "Ihr WebinarGeek-Konto ist verbunden",
        text: |application| match application {
            Some(name) => format!("Sie haben {name} Zugriff gegeben. Mehr ist nicht zu tun."),
            None => "Sie haben der Anwendung Zugriff gegeben. Mehr ist nicht zu tun.".to_owned(),
        },
    },
    declined: Message {
        title: "Sie haben nicht zugestimmt",
        text: "Ihr WebinarGeek-Konto ist nicht verbunden, und es hat sich nichts geändert. Sie können es auch später \
            verbinden.",
    },
    damaged: Message {
        title: "Dieser Link ist beschädigt",
        text: "Ein Teil der Adresse fehlt oder ist falsch. Mit Ihrem Konto ist nichts geschehen.",
    },
    incomplete: Message {
        title: "Dieser Link ist unvollständig",
        text: "Vielleicht ist das Ende der Adresse verloren gegangen. Mit Ihrem Konto ist nichts geschehen.",
    },
    unknown: Message {
        title: "Wir kennen diesen Link nicht",
        text: "Er ist zu alt, oder ein Teil davon wurde geändert. Mit Ihrem Konto ist nichts geschehen.",
    },
    changed: Message {
        title: "Dieser Link wurde geändert",
        text: "Sicherheitshalber haben wir hier angehalten. Ihr Konto ist nicht verbunden.",
    },
    used: Message {
        title: "Dieser Link wurde schon verwendet",
        text: "Mit ihm oder mit einem neueren Link wurde ein Konto verbunden. Diese Verbindung bleibt, wie sie ist.",
    },
    expired: Message {
        title: "Dieser Link ist abgelaufen",
        text: "Zur Sicherheit gilt ein Link nur für begrenzte Zeit. Mit Ihrem Konto ist nichts geschehen.",
    },
    expired_at: |time| {
        let Date { day, month, year, hour, minute } = Date::of(time);
        let month = MONTHS[month];
        format!(
            "Er galt bis zum {day}. {month} {year}, {hour:02}:{minute:02} Uhr UTC. Mit Ihrem Konto ist nichts geschehen."
        )
    },
    other_browser: Message {
        title: "Wir erkennen diesen Browser nicht",
        text: "Sie können nur in dem Browser abschließen, in dem Sie begonnen haben, mit erlaubten Cookies. Diese Seite hat nichts geändert.",
    },
    other_page: Message {
        title: "Bitte bestätigen Sie es hier",
        text: "Eine andere Seite hat Sie hergeschickt, und wir fahren nur von unserer eigenen aus fort. Mit Ihrem Konto \
            ist nichts geschehen.",
    },
    other_method: Message {
        title: "Diese Adresse öffnet man im Browser",
        text: "Sie wurde auf andere Weise aufgerufen. Mit Ihrem Konto ist nichts geschehen.",
    },
    prefetched_or_embedded: Message {
        title: "Öffnen Sie diese Seite selbst",
        text: "Ihr Browser hat sie ohne Sie geladen, deshalb ging es nicht weiter. Es ist nichts verloren.",
    },
    too_long: CountedMessage {
        title: "Das hat zu lange gedauert",
        text: |minutes| {
            let time = if minutes == 1 { "1 Minute".to_owned() } else { format!("{minutes} Minuten") };
            format!(
                "Für die Zustimmung bei WebinarGeek haben Sie {time} Zeit. Ihr Konto ist nicht verbunden, und es hat sich \
                 nichts geändert."
            )
        },
    },
    other_account: Message {
        title: "Das ist ein anderes WebinarGeek-Konto",
        text: "Nur das Konto, das schon verbunden ist, kann noch einmal verbunden werden. Es bleibt verbunden, und Ihre \
            Zustimmung wurde nicht verwendet. Melden Sie sich bei WebinarGeek zuerst mit diesem Konto an.",
    },
    connected_meanwhile: Message {
        title: "Inzwischen wurde ein Konto verbunden",
        text: "Es bleibt verbunden, und Ihre Zustimmung wurde nicht verwendet.",
    },
    disconnected_meanwhile: Message {
        title: "Die Verbindung wurde inzwischen beendet",
        text: "Ihre Zustimmung kam dafür zu spät und wurde nicht verwendet. Ihr Konto ist nicht verbunden.",
    },
    provider_failed: Message {
        title: "WebinarGeek hat nicht wie erwartet geantwortet",
        text: "Ihr Konto ist nicht verbunden, und es hat sich nichts geändert.",
    },
    provider_not_reached: Message {
        title: "WebinarGeek hat nicht wie erwartet geantwortet",
        text: "Es ist nichts verloren: Ihre Zustimmung gilt noch.",
    },
    reported: Reported {
        title: "WebinarGeek hat einen Fehler gemeldet",
        declined: "Dort heißt es, Sie haben nicht zugestimmt. Ihr Konto ist nicht verbunden, und es hat sich nichts geändert.",
        later: "Dort ist gerade zu viel los. Ihr Konto ist nicht verbunden, und es hat sich nichts geändert.",
        other: |error| {
            format!("Ihr Konto ist nicht verbunden, und es hat sich nichts geändert. Der Fehler heißt {error}.")
        },
    },
    not_stored: Message {
        title: "Bei uns ist etwas schiefgegangen",
        text: "Ihr Konto ist vielleicht noch nicht verbunden. Noch einmal zu beginnen schadet nicht.",
    },
    not_known: Message {
        title: "Wir sind nicht sicher, ob es gelungen ist",
        text: "Wir können nicht sagen, ob Ihr Konto verbunden ist. Noch einmal zu beginnen schadet nicht.",
    },
    out_of_order: Message {
        title: "Bei uns ist etwas schiefgegangen",
        text: "Es ist nichts verloren, und mit Ihrem Konto ist nichts geschehen.",
    },
};
