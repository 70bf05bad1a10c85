//! The lines of a file. An error never repeats a text of the file: a refresh token may be anywhere in a line that is
//! not valid.

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
    /// The connection's id; `#17` if line 17 has none.
    pub id: String,
    /// What is wrong with the line, if it is not valid.
    pub refresh_token: Result<Secret, String>,
}

pub(super) fn read(file: &Path, format: Option<Format>) -> Result<Vec<Line>, Failure> {
    let named = match file.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => Some(Format::Csv),
        Some("jsonl" | "ndjson") => Some(Format::Jsonl),
        _ => None,
    };
    let format = format.or(named).ok_or_else(|| Failure::Usage("use --format csv or --format jsonl".to_owned()))?;
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
    let (id, refresh_token) = (column("connection_id")?, column("refresh_token")?);
    let (mut lines, mut numbers) = (Vec::new(), LineNumbers { text, byte: 0, number: 1 });
    for record in reader.records() {
        let position = record.as_ref().map_or_else(csv::Error::position, csv::StringRecord::position);
        let number = numbers.of(position.map_or(0, csv::Position::byte));
        lines.push(match record {
            Ok(record) => Line::of(number, record.get(id), record.get(refresh_token)),
            Err(_) => Line::invalid(number, "it has another number of columns than the header"),
        });
    }
    Ok(lines)
}

/// Line numbers as an editor shows them. The reader does not count the second half of a CRLF before a record.
struct LineNumbers<'a> {
    text: &'a str,
    byte: usize,
    number: u64,
}

impl LineNumbers<'_> {
    /// The line number of the record that begins here. Records come in their order.
    fn of(&mut self, byte: u64) -> u64 {
        let from = usize::try_from(byte).unwrap_or(usize::MAX);
        let line_ends = |c: &u8| *c == b'\r' || *c == b'\n';
        let blank = self.text.as_bytes().iter().skip(from).take_while(|c| line_ends(c)).count();
        let begins = from.saturating_add(blank).min(self.text.len());
        let passed = &self.text.as_bytes()[self.byte.min(begins)..begins];
        self.number += passed.iter().filter(|c| **c == b'\n').count() as u64;
        self.byte = begins;
        self.number
    }
}

fn no_header() -> Failure {
    Failure::Usage("the first line of a CSV file must name the columns `connection_id` and `refresh_token`".to_owned())
}

fn json_lines(text: &str) -> Vec<Line> {
    let numbered = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    numbered
        .map(|(number, line)| match serde_json::from_str::<Value>(line) {
            Ok(Value::Object(members)) => {
                let text = |name: &str| members.get(name).and_then(Value::as_str);
                Line::of(number, text("connection_id"), text("refresh_token"))
            }
            _ => Line::invalid(number, "it is not a JSON object"),
        })
        .collect()
}

impl Line {
    fn of(number: u64, id: Option<&str>, refresh_token: Option<&str>) -> Self {
        let given = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        match (given(id), given(refresh_token)) {
            (Some(id), Some(refresh_token)) => Self { number, id, refresh_token: Ok(Secret::new(refresh_token)) },
            (Some(id), None) => Self { number, id, refresh_token: Err("it has no refresh_token".to_owned()) },
            (None, _) => Self::invalid(number, "it has no connection_id"),
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
            *line = Line::invalid(line.number, &format!("line {number} has the same connection_id"));
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
    fn columns_are_found_by_their_names_and_an_invalid_line_fails_alone() {
        let text =
            "name,connection_id,refresh_token\r\nAcme,acme,r1\r\n\"B,\nInc\",b , r2 \nx,y\n\nEmpty,c,\nNone,,r3\n";
        let expected = [
            "2 acme r1",
            "3 b r2",
            "5 #5: it has another number of columns than the header",
            "7 c: it has no refresh_token",
            "8 #8: it has no connection_id",
        ];
        assert_eq!(shown(csv_lines(text).unwrap()), expected);
        assert!(csv_lines("acme,r1\n").is_err());
    }

    #[test]
    fn an_invalid_json_line_fails_alone() {
        let text = "{\"connection_id\":\"acme\",\"refresh_token\":\"r1\"}\n\n{\"connection_id\":\"b\",\"refresh_token\":2}\nr3\n[]\n";
        let expected = [
            "1 acme r1",
            "3 b: it has no refresh_token",
            "4 #4: it is not a JSON object",
            "5 #5: it is not a JSON object",
        ];
        assert_eq!(shown(json_lines(text)), expected);
    }

    #[test]
    fn the_second_line_of_a_connection_is_not_imported() {
        let lines = csv_lines("connection_id,refresh_token\na,r1\nb,r2\na,r3\n").unwrap();
        assert_eq!(shown(without_repetitions(lines)), ["2 a r1", "3 b r2", "4 #4: line 2 has the same connection_id"]);
    }
}
