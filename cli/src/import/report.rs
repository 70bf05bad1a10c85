//! What became of each line: JSON Lines. A record is appended as soon as it is known. The report holds no token.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::source::Line;
use crate::failure::Failure;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// Sent, without a result yet.
    Sent,
    /// Refreshed.
    Imported,
    /// Stored, and not refreshed yet; the schedule goes on trying.
    Stored,
    /// Stored, and WebinarGeek refuses its refresh token: the customer must connect again, or another refresh token is
    /// imported with --replace.
    Refused,
    /// The detail says why; the next run tries again.
    Failed,
    /// No answer came; the next run looks first, and tries again.
    NoAnswer,
    /// A connection was to be replaced, and perhaps it was. The line is not sent again: a person must look at it.
    Unknown,
}

/// One line of the report.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Record {
    pub line: u64,
    #[serde(rename = "connection_id")]
    pub id: String,
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    pub outcome: Outcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Record {
    pub(super) fn new(line: &Line, at: OffsetDateTime, outcome: Outcome) -> Self {
        Self { line: line.number, id: line.id.clone(), at, outcome, code: None, detail: None, request_id: None }
    }

    pub(super) fn has_failed(&self) -> bool {
        match self.outcome {
            Outcome::Sent | Outcome::Imported | Outcome::Stored => false,
            Outcome::Refused | Outcome::Failed | Outcome::NoAnswer | Outcome::Unknown => true,
        }
    }
}

pub(super) struct Report {
    file: Mutex<File>,
    path: String,
    /// The last record of each id.
    records: Mutex<HashMap<String, Record>>,
}

impl Report {
    /// Continues the report of an earlier run, if there is one.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let path_text = path.display().to_string();
        let failed = |error: io::Error| Failure::File { path: path_text.clone(), error };
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => Failure::Failed(format!("{path_text}: another import writes this report")),
            TryLockError::Error(error) => failed(error),
        })?;
        let mut text = String::new();
        file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_string(&mut text)).map_err(failed)?;
        // A process that was killed may have left half a line.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64).map_err(failed)?;
        let mut records = HashMap::new();
        for (number, line) in (1..).zip(text[..whole].lines()) {
            let record: Record = serde_json::from_str(line).map_err(|_| {
                Failure::Failed(format!("{path_text}: line {number} is not a line of an import report"))
            })?;
            records.insert(record.id.clone(), record);
        }
        Ok(Self { file: Mutex::new(file), path: path_text, records: Mutex::new(records) })
    }

    /// Returns after the line is in the file, so that the line is there if the process is killed.
    pub(super) fn write(&self, record: Record) -> Result<Record, Failure> {
        let mut text = serde_json::to_string(&record).unwrap_or_default();
        text.push('\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(text.as_bytes()).map_err(|error| Failure::File { path: self.path.clone(), error })?;
        self.records().insert(record.id.clone(), record.clone());
        Ok(record)
    }

    /// The time from which a line may have been sent without a known result.
    pub(super) fn sent_at(&self, id: &str) -> Option<OffsetDateTime> {
        let record = self.of(id)?;
        [Outcome::Sent, Outcome::NoAnswer].contains(&record.outcome).then_some(record.at)
    }

    pub(super) fn of(&self, id: &str) -> Option<Record> {
        self.records().get(id).cloned()
    }

    /// Whether a line is done.
    pub(super) fn is_done(&self, id: &str, replace: bool) -> bool {
        self.of(id).is_some_and(|record| match record.outcome {
            Outcome::Imported | Outcome::Stored | Outcome::Unknown => true,
            Outcome::Refused => !replace,
            Outcome::Sent | Outcome::Failed | Outcome::NoAnswer => false,
        })
    }

    fn records(&self) -> MutexGuard<'_, HashMap<String, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
