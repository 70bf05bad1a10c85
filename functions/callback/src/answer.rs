//! The answer that a browser brings back from WebinarGeek (RFC 6749 sections 4.1.2 and 4.1.2.1).

use shared::domain::attempt::{JourneyFailure, StateHash};
use shared::domain::secret::{AuthorizationCode, State};
use shared::http::query::Query;

use crate::CallbackError;

pub(crate) enum Answer {
    Code(AuthorizationCode),
    /// `access_denied`.
    Denied,
    /// Another error: its name in RFC 6749, or `unknown`.
    Error(&'static str),
}

impl Answer {
    /// The answer, and the attempt that it belongs to. Parameters that the RFC does not define are ignored, even if
    /// they are repeated.
    pub(crate) fn parse(query: &Query) -> Result<(StateHash, Self), CallbackError> {
        // RFC 9207. The value of `iss` needs no comparison: a deployment has one provider.
        query.only("iss")?;
        let state = query.once("state")?;
        let state_hash = state.and_then(|state| StateHash::of(&State::new(state)));
        let answer = match (query.once("code")?, query.once("error")?) {
            (Some(code), None) => Self::Code(AuthorizationCode::new(code)),
            (None, Some("access_denied")) if state_hash.is_some() => Self::Denied,
            (None, Some(code)) => Self::Error(known(code)),
            _ => return Err(CallbackError::NotAnAuthorizationResponse),
        };
        match (state_hash, answer) {
            (Some(state_hash), answer) => Ok((state_hash, answer)),
            // Some servers leave the state out when they report a wrong setting of the client.
            (None, Self::Error(code)) => Err(CallbackError::ErrorWithoutState(code)),
            (None, _) if state.is_none() => Err(CallbackError::NotAnAuthorizationResponse),
            (None, _) => Err(CallbackError::UnknownState),
        }
    }

    /// Why a journey with this answer has made no connection so far; `None` for a code.
    pub(crate) fn failure(&self) -> Option<JourneyFailure> {
        match self {
            Self::Code(_) => None,
            Self::Denied => Some(JourneyFailure::Denied),
            Self::Error(_) => Some(JourneyFailure::Provider),
        }
    }
}

/// Any other name is not trusted: it is neither logged nor shown.
fn known(code: &str) -> &'static str {
    const CODES: [&str; 7] = [
        "invalid_request",
        "unauthorized_client",
        "access_denied",
        "unsupported_response_type",
        "invalid_scope",
        "server_error",
        "temporarily_unavailable",
    ];
    CODES.into_iter().find(|known| *known == code).unwrap_or("unknown")
}
