//! Tables that fit the terminal; tab-separated lines if there is no terminal.

use std::fmt;
use std::io::{self, IsTerminal};

use comfy_table::{ColumnConstraint, ContentArrangement};
use time::OffsetDateTime;

pub(crate) struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(header: &[&'static str]) -> Self {
        Self { header: header.to_vec(), rows: Vec::new() }
    }

    /// A text may be a customer's own: characters that would control a terminal are left out.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let shown = |cell: String| cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.rows.push(cells.into_iter().map(shown).collect());
    }

    /// Two columns, without a header: the members of one object.
    pub(crate) fn of_members(members: impl IntoIterator<Item = (&'static str, Option<String>)>) -> Self {
        let mut table = Self::new(&[]);
        for (name, value) in members {
            if let Some(value) = value {
                table.row([name.to_owned(), value]);
            }
        }
        table
    }

    fn plain(&self) -> String {
        let header = (!self.header.is_empty()).then(|| self.header.join("\t"));
        let lines: Vec<String> = header.into_iter().chain(self.rows.iter().map(|row| row.join("\t"))).collect();
        lines.join("\n")
    }

    fn fitted(&self, width: u16) -> String {
        let mut table = comfy_table::Table::new();
        table.load_preset(comfy_table::presets::NOTHING).set_width(width);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        if !self.header.is_empty() {
            table.set_header(self.header.iter().map(|name| name.to_uppercase()));
        }
        table.add_rows(&self.rows);
        // A column without values takes space that others need.
        for (index, column) in table.column_iter_mut().enumerate() {
            if self.rows.iter().all(|row| row[index].is_empty()) {
                column.set_constraint(ColumnConstraint::Hidden);
            }
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        table.trim_fmt()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_terminal = io::stdout().is_terminal();
        f.write_str(&if is_terminal { self.fitted(console::Term::stdout().size().1) } else { self.plain() })
    }
}

/// As the API writes it.
pub(crate) fn moment(at: OffsetDateTime) -> String {
    at.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}

/// How far away a moment is: `in 2 h`, `3 min ago`.
pub(crate) fn from_now(at: OffsetDateTime, now: OffsetDateTime) -> String {
    let seconds = (at - now).whole_seconds();
    let distance = match seconds.unsigned_abs() {
        less @ 0..60 => format!("{less} s"),
        less @ 60..7200 => format!("{} min", less / 60),
        less @ 7200..172_800 => format!("{} h", less / 3600),
        more => format!("{} d", more / 86_400),
    };
    if seconds < 0 { format!("{distance} ago") } else { format!("in {distance}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_never_wider_than_the_terminal() {
        let mut table = Table::new(&["id", "status", "reason"]);
        table.row(["acme".to_owned(), "reauth_required".to_owned(), "a long reason that has many words".to_owned()]);
        table.row(["x".repeat(60), "active".to_owned(), String::new()]);
        for width in [30, 40, 80] {
            let fitted = table.fitted(width);
            assert!(fitted.lines().all(|line| line.chars().count() <= usize::from(width)), "{width}\n{fitted}");
        }
        assert!(table.fitted(200).contains(&"x".repeat(60)));
    }

    #[test]
    fn a_column_without_values_is_left_out_on_a_terminal_but_not_for_a_program() {
        let mut table = Table::new(&["id", "reason", "status"]);
        table.row(["acme".to_owned(), String::new(), "active".to_owned()]);
        assert_eq!(table.fitted(80), "ID    STATUS\nacme  active");
        assert_eq!(table.plain(), "id\treason\tstatus\nacme\t\tactive");
    }

    #[test]
    fn a_customers_text_cannot_control_the_terminal() {
        let mut table = Table::new(&["company"]);
        table.row(["\u{1b}[2JAcme\r\n\tInc".to_owned()]);
        assert!(!table.fitted(80).contains(['\u{1b}', '\r', '\t']));
    }

    #[test]
    fn a_time_relative_to_now_has_one_unit() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let far = |seconds: i64| from_now(now + time::Duration::seconds(seconds), now);
        assert_eq!(
            [far(59), far(-60), far(7199), far(7200), far(-172_800)],
            ["in 59 s", "1 min ago", "in 119 min", "in 2 h", "2 d ago"]
        );
    }
}
