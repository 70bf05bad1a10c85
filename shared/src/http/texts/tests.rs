use super::*;

const LONG_NAME: &str = "Vereinigte Webinarwerkstätten Süd";

/// Each text with its name and its place. The patterns have no `..`: a new field must be listed here.
fn texts(texts: &Texts, name: Option<&str>) -> Vec<(&'static str, Place, String)> {
    let Texts {
        language: _,
        confirmation: Confirmation { title, asks, scope, then, only_if },
        instructions: Instructions { close, start_again, go_back_and_start_again, in_a_minute },
        buttons: Buttons { go_on, cancel, back, start_again: again, try_again },
        footer: Footer { reference, tell, support, privacy },
        connected,
        declined,
        damaged,
        incomplete,
        unknown,
        changed,
        used,
        expired,
        expired_at,
        other_browser,
        other_page,
        other_method,
        prefetched_or_embedded,
        too_long,
        other_account,
        connected_meanwhile,
        disconnected_meanwhile,
        provider_failed,
        provider_not_reached,
        reported,
        not_stored,
        not_known,
        out_of_order,
    } = texts;
    let mut all = vec![
        ("confirmation.title", Place::Title, title(name)),
        ("confirmation.asks", Place::Paragraph, asks(name, Some("webinars.example.com"))),
        ("confirmation.scope", Place::Paragraph, (*scope).to_owned()),
        ("confirmation.then", Place::Paragraph, then(name)),
        ("confirmation.only_if", Place::Paragraph, (*only_if).to_owned()),
        ("close", Place::Paragraph, (*close).to_owned()),
        ("start_again", Place::Paragraph, start_again(name)),
        ("go_back_and_start_again", Place::Paragraph, go_back_and_start_again(name)),
        ("in_a_minute", Place::Paragraph, (*in_a_minute).to_owned()),
        ("buttons.go_on", Place::Button, (*go_on).to_owned()),
        ("buttons.cancel", Place::Button, (*cancel).to_owned()),
        ("buttons.back", Place::Button, back(name)),
        ("buttons.start_again", Place::Button, (*again).to_owned()),
        ("buttons.try_again", Place::Button, (*try_again).to_owned()),
        ("reference", Place::Link, (*reference).to_owned()),
        ("tell", Place::Paragraph, tell(name)),
        ("support", Place::Link, (*support).to_owned()),
        ("privacy", Place::Link, (*privacy).to_owned()),
        ("connected.title", Place::Title, connected.title.to_owned()),
        ("connected.text", Place::Paragraph, (connected.text)(name)),
        ("expired_at", Place::Paragraph, expired_at(Timestamp::from_unix(1_795_495_962))),
        ("too_long.title", Place::Title, too_long.title.to_owned()),
        ("too_long.text", Place::Paragraph, (too_long.text)(60)),
        ("reported.title", Place::Title, reported.title.to_owned()),
        ("reported.declined", Place::Paragraph, reported.declined.to_owned()),
        ("reported.later", Place::Paragraph, reported.later.to_owned()),
        ("reported.other", Place::Paragraph, (reported.other)("unsupported_response_type")),
    ];
    for (name, message) in [
        ("declined", declined),
        ("damaged", damaged),
        ("incomplete", incomplete),
        ("unknown", unknown),
        ("changed", changed),
        ("used", used),
        ("expired", expired),
        ("other_browser", other_browser),
        ("other_page", other_page),
        ("other_method", other_method),
        ("prefetched_or_embedded", prefetched_or_embedded),
        ("other_account", other_account),
        ("connected_meanwhile", connected_meanwhile),
        ("disconnected_meanwhile", disconnected_meanwhile),
        ("provider_failed", provider_failed),
        ("provider_not_reached", provider_not_reached),
        ("not_stored", not_stored),
        ("not_known", not_known),
        ("out_of_order", out_of_order),
    ] {
        all.push((name, Place::Title, message.title.to_owned()));
        all.push((name, Place::Paragraph, message.text.to_owned()));
    }
    all
}

#[derive(Debug)]
enum Place {
    Title,
    Paragraph,
    Button,
    Link,
}

impl Place {
    /// Characters, without the application's name: two lines of a title at 320 pixels, one of a button, six of a
    /// paragraph.
    fn room(&self) -> usize {
        match self {
            Self::Title => 50,
            Self::Paragraph => 210,
            Self::Button => 25,
            Self::Link => 20,
        }
    }
}

#[test]
fn no_text_is_empty_or_too_long_for_its_place() {
    for language in Language::ALL {
        for name in [None, Some(LONG_NAME)] {
            for (what, place, text) in texts(Texts::of(language), name) {
                let length = text.replace(LONG_NAME, "").chars().count();
                assert!((1..=place.room()).contains(&length), "{language:?} {what} ({place:?}): {length} {text}");
                assert_eq!(text, text.split_whitespace().collect::<Vec<_>>().join(" "), "{language:?} {what}");
            }
        }
    }
}

#[test]
fn every_text_is_translated() {
    /// Words that two of the languages share.
    const SHARED: [&str; 1] = ["privacy"];
    for (one, other) in [(0, 1), (0, 2), (1, 2)] {
        let [one, other] = [one, other].map(|index| texts(Texts::of(Language::ALL[index]), Some(LONG_NAME)));
        for ((what, _, one), (_, _, other)) in one.iter().zip(&other) {
            assert!(one != other || SHARED.contains(what), "{what}: {one}");
        }
    }
}

#[test]
fn a_text_that_may_name_the_application_names_it() {
    for language in Language::ALL {
        let named = texts(Texts::of(language), Some(LONG_NAME));
        let unnamed = texts(Texts::of(language), None);
        for ((what, _, named), (_, _, unnamed)) in named.iter().zip(&unnamed) {
            assert!(named == unnamed || named.contains(LONG_NAME), "{language:?} {what}: {named}");
        }
        assert_eq!(named.iter().filter(|(_, _, text)| text.contains(LONG_NAME)).count(), 8, "{language:?}");
    }
}

#[test]
fn plurals_and_dates_are_the_languages_own() {
    let time = Timestamp::from_unix(1_772_355_905);
    for (language, one, many, date) in [
        (Language::English, "There is 1 minute to", "There are 30 minutes to", "until 1 March 2026, 09:05 UTC."),
        (Language::Dutch, "Je hebt 1 minuut om", "Je hebt 30 minuten om", "tot 1 maart 2026, 09:05 uur UTC."),
        (Language::German, "Sie 1 Minute Zeit", "Sie 30 Minuten Zeit", "bis zum 1. März 2026, 09:05 Uhr UTC."),
    ] {
        let texts = Texts::of(language);
        assert_eq!(texts.language, language);
        assert!((texts.too_long.text)(1).contains(one), "{language:?}");
        assert!((texts.too_long.text)(30).contains(many), "{language:?}");
        assert!((texts.expired_at)(time).contains(date), "{}", (texts.expired_at)(time));
    }
}
