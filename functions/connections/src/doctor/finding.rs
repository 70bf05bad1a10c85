//! The results of the doctor's checks.

use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckStatus {
    Ok,
    /// It works, but may not be intended.
    Warning,
    Failed,
    /// It cannot be checked before something else is repaired.
    Skipped,
}

impl CheckStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Finding {
    pub check: &'static str,
    pub status: CheckStatus,
    pub detail: String,
    /// What to do; `None` if there is nothing to do.
    pub remedy: Option<&'static str>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, status: CheckStatus::Ok, detail: detail.into(), remedy: None }
    }

    pub(super) fn warning(check: &'static str, detail: impl Into<String>, remedy: &'static str) -> Self {
        Self { check, status: CheckStatus::Warning, detail: detail.into(), remedy: Some(remedy) }
    }

    pub(super) fn failed(check: &'static str, detail: impl Into<String>, remedy: &'static str) -> Self {
        Self { check, status: CheckStatus::Failed, detail: detail.into(), remedy: Some(remedy) }
    }

    pub(super) fn skipped(check: &'static str, detail: impl Into<String>, remedy: &'static str) -> Self {
        Self { check, status: CheckStatus::Skipped, detail: detail.into(), remedy: Some(remedy) }
    }
}

#[derive(Clone, Debug)]
pub struct Examination {
    pub findings: Vec<Finding>,
}

impl Examination {
    /// Whether no check has failed.
    pub fn is_healthy(&self) -> bool {
        self.findings.iter().all(|finding| finding.status != CheckStatus::Failed)
    }

    pub(super) fn show(&self) -> Value {
        let findings = self.findings.iter().map(|finding| {
            json!({
                "check": finding.check,
                "status": finding.status.as_str(),
                "detail": finding.detail,
                "remedy": finding.remedy,
            })
        });
        json!({ "healthy": self.is_healthy(), "findings": findings.collect::<Vec<_>>() })
    }
}
