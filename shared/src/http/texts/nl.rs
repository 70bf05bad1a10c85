//! Dutch, with "je".

use super::{
    Buttons, Confirmation, CountedMessage, Date, Footer, Instructions, Message, NamedMessage, Reported, Texts,
};
use crate::domain::language::Language;

const MONTHS: [&str; 12] = [
    "januari",
    "februari",
    "maart",
    "april",
    "mei",
    "juni",
    "juli",
    "augustus",
    "september",
    "oktober",
    "november",
    "december",
];

pub(super) static TEXTS: Texts = Texts {
    language: Language::Dutch,
    confirmation: Confirmation {
        title: |application| match application {
            Some(name) => format!("Koppel {name} aan je WebinarGeek-account"),
            None => "Koppel je WebinarGeek-account".to_owned(),
        },
        asks: |application, host| match (application, host) {
            (Some(name), Some(host)) => format!("{name} ({host}) vraagt toegang tot je WebinarGeek-account."),
            (Some(name), None) | (None, Some(name)) => format!("{name} vraagt toegang tot je WebinarGeek-account."),
            (None, None) => "De applicatie waar je vandaan komt, vraagt toegang tot je WebinarGeek-account.".to_owned(),
        },
        scope: "Rechten:",
        then: |application| match application {
            Some(name) => {
                format!("Hierna log je in bij WebinarGeek en geef je toestemming. {name} ziet je wachtwoord nooit.")
            }
            None => "Hierna log je in bij WebinarGeek en geef je toestemming. De applicatie ziet je wachtwoord nooit."
                .to_owned(),
        },
        only_if: "Ga alleen verder als je hier zojuist zelf om hebt gevraagd.",
    },
    instructions: Instructions {
        close: "Je kunt dit venster sluiten.",
        start_again: |application| match application {
            Some(name) => format!("Begin opnieuw bij {name} om te koppelen."),
            None => "Begin opnieuw bij de applicatie om te koppelen.".to_owned(),
        },
        go_back_and_start_again: |application| match application {
            Some(name) => format!("Ga terug naar {name} en begin daar opnieuw."),
            None => "Ga terug naar de applicatie waar je vandaan komt en begin daar opnieuw.".to_owned(),
        },
        in_a_minute: "Probeer het over een minuut opnieuw.",
    },
    buttons: Buttons {
        go_on: "Doorgaan",
        cancel: "Annuleren",
        back: |application| match application {
            Some(name) => format!("Terug naar {name}"),
            None => "Terug naar de applicatie".to_owned(),
        },
        start_again: "Opnieuw beginnen",
        try_again: "Opnieuw proberen",
    },
    footer: Footer {
        reference: "Referentienummer",
        tell: |application| match application {
            Some(name) => format!("Gebeurt het opnieuw, geef dit nummer dan door aan {name}."),
            None => "Gebeurt het opnieuw, geef dit nummer dan door aan de makers van de applicatie.".to_owned(),
        },
        support: "Hulp",
        privacy: "Privacy",
    },
    connected: NamedMessage {
        title: "Je WebinarGeek-account is gekoppeld",
        text: |application| match application {
            Some(name) => format!("Je hebt {name} toegang gegeven. Je hoeft niets meer te doen."),
            None => "Je hebt de applicatie toegang gegeven. Je hoeft niets meer te doen.".to_owned(),
        },
    },
    declined: Message {
        title: "Je hebt geen toestemming gegeven",
        text: "Je WebinarGeek-account is niet gekoppeld en er is niets veranderd. Je kunt het later alsnog koppelen.",
    },
    damaged: Message {
        title: "Deze link is beschadigd",
        text: "Een deel van het adres ontbreekt of klopt niet. Er is niets met je account gebeurd.",
    },
    incomplete: Message {
        title: "Deze link is niet compleet",
        text: "Het einde van het adres is misschien weggevallen. Er is niets met je account gebeurd.",
    },
    unknown: Message {
        title: "We kennen deze link niet",
        text: "De link is te oud of er is een deel van veranderd. Er is niets met je account gebeurd.",
    },
    changed: Message {
        title: "Deze link is veranderd",
        text: "Voor de zekerheid zijn we gestopt. Je account is niet gekoppeld.",
    },
    used: Message {
        title: "Deze link is al gebruikt",
        text: "Er is een account mee gekoppeld, of met een nieuwere link. Die koppeling blijft zoals ze is.",
    },
    expired: Message {
        title: "Deze link is verlopen",
        text: "Voor de zekerheid werkt een link maar een beperkte tijd. Er is niets met je account gebeurd.",
    },
    expired_at: |time| {
        let Date { day, month, year, hour, minute } = Date::of(time);
        let month = MONTHS[month];
        format!(
            "De link werkte tot {day} {month} {year}, {hour:02}:{minute:02} uur UTC. Er is niets met je account gebeurd."
        )
    },
    other_browser: Message {
        title: "We herkennen deze browser niet",
        text: "Je kunt alleen afronden in de browser waarin je bent begonnen, met cookies toegestaan. Deze pagina heeft niets veranderd.",
    },
    other_page: Message {
        title: "Bevestig het hier",
        text: "Een andere pagina heeft je hierheen gestuurd, en we gaan alleen verder vanaf onze eigen pagina. Er is niets \
            met je account gebeurd.",
    },
    other_method: Message {
        title: "Dit adres open je in een browser",
        text: "Het is op een andere manier aangeroepen. Er is niets met je account gebeurd.",
    },
    prefetched_or_embedded: Message {
        title: "Open deze pagina zelf",
        text: "Je browser heeft de pagina geladen zonder jou, daarom zijn we niet verdergegaan. Er is niets verloren.",
    },
    too_long: CountedMessage {
        title: "Dit duurde te lang",
        text: |minutes| {
            let time = if minutes == 1 { "1 minuut".to_owned() } else { format!("{minutes} minuten") };
            format!(
                "Je hebt {time} om bij WebinarGeek toestemming te geven. Je account is niet gekoppeld en er is niets \
                 veranderd."
            )
        },
    },
    other_account: Message {
        title: "Dit is een ander WebinarGeek-account",
        text: "Alleen het account dat al gekoppeld is, kun je opnieuw koppelen. Dat blijft gekoppeld, en je toestemming is \
            niet gebruikt. Log bij WebinarGeek eerst in met dat account.",
    },
    connected_meanwhile: Message {
        title: "Intussen is er al een account gekoppeld",
        text: "Dat blijft gekoppeld, en je toestemming is niet gebruikt.",
    },
    disconnected_meanwhile: Message {
        title: "De koppeling is intussen beëindigd",
        text: "Je toestemming kwam daarvoor te laat en is niet gebruikt. Je account is niet gekoppeld.",
    },
    provider_failed: Message {
        title: "WebinarGeek antwoordde niet zoals verwacht",
        text: "Je account is niet gekoppeld en er is niets veranderd.",
    },
    provider_not_reached: Message {
        title: "WebinarGeek antwoordde niet zoals verwacht",
        text: "Er is niets verloren: je toestemming is nog geldig.",
    },
    reported: Reported {
        title: "WebinarGeek meldde een fout",
        declined: "Er staat dat je geen toestemming hebt gegeven. Je account is niet gekoppeld en er is niets veranderd.",
        later: "Het is daar nu te druk. Je account is niet gekoppeld en er is niets veranderd.",
        other: |error| format!("Je account is niet gekoppeld en er is niets veranderd. De fout heet {error}."),
    },
    not_stored: Message {
        title: "Er ging bij ons iets mis",
        text: "Je account is misschien nog niet gekoppeld. Opnieuw beginnen kan geen kwaad.",
    },
    not_known: Message {
        title: "We weten niet zeker of het gelukt is",
        text: "We kunnen niet zien of je account gekoppeld is. Opnieuw beginnen kan geen kwaad.",
    },
    out_of_order: Message {
        title: "Er ging bij ons iets mis",
        text: "Er is niets verloren en er is niets met je account gebeurd.",
    },
};
