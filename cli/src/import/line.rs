//! One line's import, once.

use std::time::Duration;

use time::OffsetDateTime;
use webinargeek_connect_client::{Client, Code, Connection, Error, Secret};

use super::report::{Outcome, Record, Report};
use super::source::Line;
use crate::clock::{now, pause};
use crate::failure::{Failure, code};

/// The wait before each repetition. The client has already waited once for a 503 before the first.
const PAUSES: [u64; 3] = [1, 2, 4];

/// The largest difference between two clocks. With a larger one AWS refuses every signature.
const SKEW: Duration = Duration::from_secs(300);

pub(super) struct Importer<'a> {
    pub client: &'a Client,
    pub report: &'a Report,
    pub replace: bool,
}

/// What the API says about a line that may have been sent before.
enum Seen {
    Imported(Box<Connection>),
    Unclear,
    NotImported,
}

/// How one try ends.
enum Tried {
    Ended(Record),
    /// The outcome is not known, or the API asks to wait.
    Again(Error),
}

impl Importer<'_> {
    /// An error is not a failure of this line, and stops the run.
    pub(super) async fn carry_out(&self, line: &Line) -> Result<Record, Failure> {
        let refresh_token = match &line.refresh_token {
            Ok(refresh_token) => refresh_token,
            Err(why) => return self.failed(line, "invalid_line", why),
        };
        let mut pauses = PAUSES.into_iter();
        loop {
            let error = match self.once(line, refresh_token).await? {
                Tried::Ended(record) => return Ok(record),
                Tried::Again(error) => error,
            };
            match pauses.next() {
                Some(seconds) => pause(Duration::from_secs(seconds)).await,
                None => return self.ended_with(line, &error),
            }
        }
    }

    async fn once(&self, line: &Line, refresh_token: &Secret) -> Result<Tried, Failure> {
        // Sent by this run, or by a run that was killed.
        let sent_at = match self.report.sent_at(&line.id) {
            Some(at) => match self.look(&line.id, at - SKEW).await {
                Ok(Seen::Imported(connection)) => return self.imported(line, &connection).map(Tried::Ended),
                Ok(Seen::Unclear) => return self.unclear(line).map(Tried::Ended),
                Ok(Seen::NotImported) => at,
                Err(error) => return self.later_or_failed(line, error),
            },
            None => self.report.write(Record::new(line, now(), Outcome::Sent))?.at,
        };
        let error = match self.client.import(&line.id, refresh_token, self.replace).await {
            Ok(connection) => return self.imported(line, &connection).map(Tried::Ended),
            Err(error) => error,
        };
        // The client repeats a call after a 503, and the first call may have been carried out.
        if error.problem().is_some_and(|problem| problem.code == Code::ConnectionExists)
            && let Ok(Seen::Imported(connection)) = self.look(&line.id, sent_at - Duration::from_secs(1)).await
        {
            return self.imported(line, &connection).map(Tried::Ended);
        }
        self.later_or_failed(line, error)
    }

    /// Whether the connection began, or was replaced, since then.
    async fn look(&self, id: &str, since: OffsetDateTime) -> Result<Seen, Error> {
        let connection = match self.client.show(id).await {
            Ok(connection) => connection,
            Err(error) if error.problem().is_some_and(|problem| problem.code == Code::NotFound) => {
                return Ok(Seen::NotImported);
            }
            Err(error) => return Err(error),
        };
        let is_since = |at: Option<OffsetDateTime>| at.is_some_and(|at| at >= since);
        if is_since(connection.created_at) {
            return Ok(Seen::Imported(Box::new(connection)));
        }
        // The schedule refreshes connections too. So a changed connection does not prove that this line's refresh token
        // was used.
        let may_be_replaced = self.replace && is_since(connection.refreshed_at);
        Ok(if may_be_replaced { Seen::Unclear } else { Seen::NotImported })
    }

    fn later_or_failed(&self, line: &Line, error: Error) -> Result<Tried, Failure> {
        let is_for_all = match &error {
            Error::Problem(problem) => problem.status == 403,
            Error::Argument(_) | Error::NoAnswer { .. } => false,
            _ => true,
        };
        if is_for_all {
            return Err(error.into());
        }
        let may_pass = match &error {
            Error::Problem(problem) => [429, 500, 503].contains(&problem.status) && problem.code != Code::Misconfigured,
            _ => matches!(error, Error::NoAnswer { .. }),
        };
        if may_pass { Ok(Tried::Again(error)) } else { self.ended_with(line, &error).map(Tried::Ended) }
    }

    fn imported(&self, line: &Line, connection: &Connection) -> Result<Record, Failure> {
        let is_refused =
            connection.status == "reauth_required" || connection.reason.as_deref() == Some("invalid_grant");
        let outcome = match connection.status.as_str() {
            _ if is_refused => Outcome::Refused,
            "active" => Outcome::Imported,
            _ => Outcome::Stored,
        };
        let detail =
            is_refused.then(|| "WebinarGeek refuses the refresh token: the customer must connect again".to_owned());
        let code = connection.reason.clone().filter(|_| outcome != Outcome::Imported);
        self.report.write(Record { code, detail, ..Record::new(line, now(), outcome) })
    }

    fn unclear(&self, line: &Line) -> Result<Record, Failure> {
        let detail =
            "an earlier run sent this line, and the connection was refreshed since then: it may be replaced already";
        let (code, detail) = (Some("unknown_outcome".to_owned()), Some(detail.to_owned()));
        self.report.write(Record { code, detail, ..Record::new(line, now(), Outcome::Unknown) })
    }

    fn failed(&self, line: &Line, code: &str, detail: &str) -> Result<Record, Failure> {
        let (code, detail) = (Some(code.to_owned()), Some(detail.to_owned()));
        self.report.write(Record { code, detail, ..Record::new(line, now(), Outcome::Failed) })
    }

    fn ended_with(&self, line: &Line, error: &Error) -> Result<Record, Failure> {
        match error {
            Error::Problem(problem) => {
                let (code, detail) = (Some(code(&problem.code).to_owned()), Some(problem.detail.clone()));
                // A 503 may have been carried out: the next run looks first.
                let outcome = if problem.status >= 500 { Outcome::NoAnswer } else { Outcome::Failed };
                let (request_id, at) = (problem.request_id.clone(), self.sent_at(line));
                self.report.write(Record { code, detail, request_id, ..Record::new(line, at, outcome) })
            }
            Error::Argument(why) => self.failed(line, "invalid_line", why),
            _ => {
                let (code, detail) = (Some("no_answer".to_owned()), Some(error.to_string()));
                self.report.write(Record { code, detail, ..Record::new(line, self.sent_at(line), Outcome::NoAnswer) })
            }
        }
    }

    /// The next run looks for what has happened since then.
    fn sent_at(&self, line: &Line) -> OffsetDateTime {
        self.report.sent_at(&line.id).unwrap_or_else(now)
    }
}
