//! Answers of the simulated provider to put into a fault: `json!({ "answer": faults::status(500), "times": 2 })`.

use serde_json::{Value, json};

pub(crate) fn status(status: u16) -> Value {
    json!({ "status": { "status": status, "error": null, "retry_after": null } })
}

/// With a body that names the error, as RFC 6749 section 5.2.
pub(crate) fn error(status: u16, error: &str) -> Value {
    json!({ "status": { "status": status, "error": error, "retry_after": null } })
}

/// With the header `Retry-After`.
pub(crate) fn retry_after(status: u16, retry_after: &str) -> Value {
    json!({ "status": { "status": status, "error": null, "retry_after": retry_after } })
}
