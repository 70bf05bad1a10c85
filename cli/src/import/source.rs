//! The lines of a file. No text of it is repeated in an error: a refresh token may be anywhere in a line that is not valid.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use serde_json::Value;
use webinargeek_connect_client::Secret;
use zeroize::Zeroizing;

use crate::arguments::Format;
use crate::failure::Failure;

pub(super) struct Line {
    pub number: u64,
    /// The connection's; `#17` where line 17 has none of its own.
    pub id: String,
    /// What is wrong with the line, where it is not valid.
    pub refresh_token: Result<Secret, String>,
}

pub(super) fn read(file: &Path, format: Option<Format>) -> Result<Vec<Line>, Failure> {
    let named = match file.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => Some(Format::Csv),
        Some("jsonl" | "ndjson") => Some(Format::Jsonl),
        _ => None,
    };
    let format = format.or(named).ok_or_else(|| Failure::Usage("say --format csv or --format jsonl".to_owned()))?;
    let failed = |error| Failure::File { path: file.display().to_string(), error };
    let mut text = Zeroizing::new(String::new());
    std::fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text)).map_err(failed)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let lines = match format {
        Format::Csv => csv_lines(text)?,
        Format::Jsonl => json_lines(text),
    };
    Ok(without_repetitions(lines))
}

fn csv_lines(text: &str) -> Result<Vec<Line>, Failure> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|_| no_header())?.clone();
    let column = |name: &str| header.iter().position(|column| column == name).ok_or_else(no_header);
    let (id, refresh_token) = (column("id")?, column("refresh_token")?);
    let mut lines = Vec::new();
    for record in reader.records() {
        let line = match record {
            Ok(record) => {
                let number = record.position().map_or(0, csv::Position::line);
                Line::of(number, record.get(id), record.get(refresh_token))
            }
            Err(error) => {
                let number = error.position().map_or(0, csv::Position::line);
                Line::invalid(number, "it has another number of columns than the header")
            }
        };
        lines.push(line);
    }
    Ok(lines)
}

fn no_header() -> Failure {
    Failure::Usage("the first line of a CSV file names its columns, `id` and `refresh_token` among them".to_owned())
}

fn json_lines(text: &str) -> Vec<Line> {
    let numbered = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    numbered
        .map(|(number, line)| match serde_json::from_str::<Value>(line) {
            Ok(Value::Object(members)) => {
                let text = |name: &str| members.get(name).and_then(Value::as_str);
                Line::of(number, text("id"), text("refresh_token"))
            }
            _ => Line::invalid(number, "it is no JSON object"),
        })
        .collect()
}

impl Line {
    fn of(number: u64, id: Option<&str>, refresh_token: Option<&str>) -> Self {
        let given = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        match (given(id), given(refresh_token)) {
            (Some(id), Some(refresh_token)) => Self { number, id, refresh_token: Ok(Secret::new(refresh_token)) },
            (Some(id), None) => Self { number, id, refresh_token: Err("it has no refresh_token".to_owned()) },
            (None, _) => Self::invalid(number, "it has no id"),
        }
    }

    fn invalid(number: u64, why: &str) -> Self {
        Self { number, id: format!("#{number}"), refresh_token: Err(why.to_owned()) }
    }
}

/// The second of two lines for one connection would replace the first, or fail because of it.
fn without_repetitions(mut lines: Vec<Line>) -> Vec<Line> {
    let mut first: HashMap<String, u64> = HashMap::new();
    for line in &mut lines {
        if let Some(number) = first.get(&line.id) {
            *line = Line::invalid(line.number, &format!("line {number} has the same id"));
        } else {
            first.insert(line.id.clone(), line.number);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(lines: Vec<Line>) -> Vec<String> {
        let shown = |line: Line| match line.refresh_token {
            Ok(token) => format!("{} {} {}", line.number, line.id, token.expose()),
            Err(why) => format!("{} {}: {why}", line.number, line.id),
        };
        lines.into_iter().map(shown).collect()
    }

    #[test]
    fn a_csv_file_names_its_columns_and_a_line_that_is_not_valid_fails_alone() {
        let text = "name,id,refresh_token\r\nAcme,acme,r1\n\"B, Inc\",b , r2 \nx,y\nEmpty,c,\nNone,,r3\n";
        let expected = [
            "2 acme r1",
            "3 b r2",
            "4 #4: it has another number of columns than the header",
            "5 c: it has no refresh_token",
            "6 #6: it has no id",
        ];
        assert_eq!(shown(csv_lines(text).unwrap()), expected);
        assert!(csv_lines("acme,r1\n").is_err());
    }

    #[test]
    fn json_lines_are_read_one_by_one() {
        let text = "{\"id\":\"acme\",\"refresh_token\":\"r1\"}\n\n{\"id\":\"b\",\"refresh_token\":2}\nr3\n[]\n";
        let expected =
            ["1 acme r1", "3 b: it has no refresh_token", "4 #4: it is no JSON object", "5 #5: it is no JSON object"];
        assert_eq!(shown(json_lines(text)), expected);
    }

    #[test]
    fn the_second_line_of_a_connection_is_not_imported() {
        let lines = csv_lines("id,refresh_token\na,r1\nb,r2\na,r3\n").unwrap();
        assert_eq!(shown(without_repetitions(lines)), ["2 a r1", "3 b r2", "4 #4: line 2 has the same id"]);
    }
}
