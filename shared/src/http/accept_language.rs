//! The language that a browser prefers, of those that the pages have (RFC 9110 section 12.5.4).

use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;

use crate::domain::language::Language;

/// The language with the highest weight; of two with the same weight, the first one. English, where the header names
/// none of the pages' languages, or cannot be read.
pub fn read(headers: &HeaderMap) -> Language {
    let values = headers.get_all(ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok());
    let weighted = values.flat_map(|value| value.split(',')).filter_map(range);
    let mut best = None;
    for (language, weight) in weighted.filter(|(_, weight)| *weight > 0) {
        if best.is_none_or(|(_, heaviest)| weight > heaviest) {
            best = Some((language, weight));
        }
    }
    best.map(|(language, _)| language).unwrap_or_default()
}

/// A language of the pages, with its weight in thousandths. `nl-BE` is Dutch: there is one form of each language.
fn range(text: &str) -> Option<(Language, u16)> {
    let mut parts = text.split(';').map(str::trim);
    let primary = parts.next()?.split('-').next()?.to_ascii_lowercase();
    let weight = match parts.next() {
        None => 1000,
        Some(weight) => thousandths(weight.strip_prefix(['q', 'Q'])?.trim_start().strip_prefix('=')?.trim_start())?,
    };
    Language::parse(&primary).map(|language| (language, weight))
}

/// `0`, `0.8`, `1.000`
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn chosen(values: &[&str]) -> Language {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACCEPT_LANGUAGE, HeaderValue::from_str(value).unwrap());
        }
        read(&headers)
    }

    #[test]
    fn the_language_with_the_highest_weight_is_used_and_the_first_one_of_equals() {
        for (value, language) in [
            ("nl", Language::Dutch),
            ("nl-BE,nl;q=0.9,en;q=0.8", Language::Dutch),
            ("en;q=0.5, de;q=0.7, nl;q=0.6", Language::German),
            ("fr-CH, fr;q=0.9, de;q=0.7, *;q=0.5", Language::German),
            ("DE-at", Language::German),
            ("nl;q=0.8,de;q=0.8", Language::Dutch),
            ("nl ; q = 0.3 , en;Q=0.2", Language::Dutch),
            ("de;q=0.001", Language::German),
        ] {
            assert_eq!(chosen(&[value]), language, "{value}");
        }
        assert_eq!(chosen(&["en;q=0.1", "nl;q=0.2"]), Language::Dutch, "several headers are one list");
    }

    #[test]
    fn without_a_language_of_the_pages_it_is_english() {
        for value in ["", "fr", "*", "nl;q=0", "nl;q=2", "nl;q=0.1234", "nl;q=", "nl;p=1", "nlx", "-", ";;;,,,", "q=1"]
        {
            assert_eq!(chosen(&[value]), Language::English, "{value}");
        }
        assert_eq!(chosen(&[]), Language::English);
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_bytes(b"nl\xff").unwrap());
        assert_eq!(read(&headers), Language::English);
    }
}
