//! Where the browser goes when a journey has ended: an address of the integrator's, on an allow-list of origins.

use url::{Host, Origin, Url};

use super::secret::Confirmation;

/// The origins that `return_to` may have.
#[derive(Clone, Debug)]
pub enum ReturnToOrigins {
    /// Exactly these: scheme, host and port.
    These(Vec<Origin>),
    /// Any http origin on loopback: the laptop's default.
    AnyLoopback,
}

impl ReturnToOrigins {
    /// By exact origin: a comparison of prefixes is an open redirect.
    fn have(&self, url: &Url) -> bool {
        match self {
            Self::These(origins) => origins.contains(&url.origin()),
            Self::AnyLoopback => url.scheme() == "http" && is_loopback(url),
        }
    }
}

/// Where a page may lead a customer.
#[derive(Clone, Debug)]
pub struct WaysBack {
    /// The allow-list of the deployment, as it is now.
    pub return_to_origins: ReturnToOrigins,
    /// The address of the integrator's application, for journeys without a `return_to`.
    pub application_home: Option<Url>,
}

impl WaysBack {
    /// The address, if the list still allows it. The list may have changed since the address was stored, and an
    /// attacker who can write to the table can write any address.
    pub fn return_to<'a>(&self, return_to: Option<&'a ReturnTo>) -> Option<&'a ReturnTo> {
        return_to.filter(|return_to| self.return_to_origins.have(&return_to.0))
    }

    /// The address that a page links to, without the result of a journey.
    pub fn plain(&self, return_to: Option<&ReturnTo>) -> Option<String> {
        let return_to = self.return_to(return_to).map(|return_to| return_to.as_str().to_owned());
        return_to.or_else(|| self.application_home.as_ref().map(Url::to_string))
    }
}

/// In characters: all browsers and proxies accept addresses of this length.
const LONGEST: usize = 2048;

/// The parameters that the end of a journey adds. An address that has one of them is refused: a backend that reads the
/// first value would take it for the result.
const OURS: [&str; 4] = ["connection_id", "status", "confirmation", "reference"];

/// An absolute http or https address that was on the allow-list when it was parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnTo(Url);

/// How a journey of this browser has ended: the parameters that are added to its `return_to`.
#[derive(Debug)]
pub struct JourneyResult<'a> {
    /// The id that the journey was for, also where it was not connected.
    pub connection_id: &'a str,
    /// `connected`, `denied`, `expired` or `failed`.
    pub status: &'static str,
    /// What the backend confirms the waiting pair with; `None` after a failure, and where none is needed.
    pub confirmation: Option<&'a Confirmation>,
    /// What to look for in the log; `None` where nothing has failed.
    pub reference: Option<&'a str>,
}

/// Why an address is not accepted as `return_to`. Each message follows the name of the field.
#[derive(Debug, thiserror::Error)]
pub enum InvalidReturnTo {
    /// It is relative, does not parse, or has another scheme.
    #[error("is not an absolute http or https URL")]
    NotAUrl,
    /// `https://trusted.example@evil.example/` looks like an address of the trusted host.
    #[error("must not have a user name or password")]
    UserInfo,
    /// A browser does not send the fragment to the server.
    #[error("must not have a fragment")]
    Fragment,
    /// Longer than all browsers and proxies accept.
    #[error("may have at most {LONGEST} characters")]
    TooLong,
    /// It has a parameter with which the end of a journey reports its result.
    #[error("must not have the parameter `{0}`, which the end of a journey adds")]
    OurParameter(&'static str),
    /// The parameter of the stack, and the variable that it sets.
    #[error("has the origin {0}, which ReturnToOrigins (RETURN_TO_ORIGINS) does not list")]
    ForeignOrigin(String),
}

impl ReturnTo {
    /// Parsed as a browser parses it.
    pub fn parse(text: &str, allowed: &ReturnToOrigins) -> Result<Self, InvalidReturnTo> {
        let url = Url::parse(text).map_err(|_| InvalidReturnTo::NotAUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidReturnTo::NotAUrl);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidReturnTo::UserInfo);
        }
        if url.fragment().is_some() {
            return Err(InvalidReturnTo::Fragment);
        }
        if text.chars().count() > LONGEST || url.as_str().len() > LONGEST {
            return Err(InvalidReturnTo::TooLong);
        }
        // Some frameworks do not tell upper and lower case apart.
        let has = |ours: &&str| url.query_pairs().any(|(name, _)| name.eq_ignore_ascii_case(ours));
        if let Some(ours) = OURS.into_iter().find(has) {
            return Err(InvalidReturnTo::OurParameter(ours));
        }
        if allowed.have(&url) {
            Ok(Self(url))
        } else {
            Err(InvalidReturnTo::ForeignOrigin(url.origin().ascii_serialization()))
        }
    }

    /// From a stored value, which was checked before it was stored.
    pub fn stored(text: &str) -> Option<Self> {
        Url::parse(text).ok().map(Self)
    }

    /// The address as it is stored, without a result.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The host, by which a customer recognises the integrator.
    pub fn host(&self) -> Option<&str> {
        self.0.host_str()
    }

    /// The address with the journey's result appended to the query that it has.
    pub fn with_result(&self, result: &JourneyResult<'_>) -> String {
        let mut url = self.0.clone();
        let [connection_id, status, confirmation, reference] = OURS;
        let mut query = url.query_pairs_mut();
        query.append_pair(connection_id, result.connection_id).append_pair(status, result.status);
        if let Some(value) = result.confirmation {
            query.append_pair(confirmation, value.expose());
        }
        if let Some(value) = result.reference {
            query.append_pair(reference, value);
        }
        drop(query);
        url.into()
    }
}

/// `localhost` and the names below it, `127.0.0.0/8` and `::1` (RFC 6761 section 6.3, RFC 8252 section 7.3).
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(origin: &str) -> ReturnToOrigins {
        ReturnToOrigins::These(vec![Url::parse(origin).unwrap().origin()])
    }

    #[test]
    fn an_exact_origin_is_allowed_and_nothing_that_looks_like_it() {
        let allowed = only("https://app.example.com");
        assert!(ReturnTo::parse("https://app.example.com/done?tab=1", &allowed).is_ok());
        assert!(ReturnTo::parse("HTTPS://APP.EXAMPLE.COM:443/done", &allowed).is_ok());
        for bad in [
            "https://app.example.com.evil.example/",
            "https://app.example.com@evil.example/",
            "https://user@app.example.com/",
            "https://app.example.com:8443/",
            "http://app.example.com/",
            "https://app.example.com/#token",
            "https:\\\\evil.example\\",
            "//app.example.com/",
            "javascript:alert(1)",
            "/done",
            "",
        ] {
            assert!(ReturnTo::parse(bad, &allowed).is_err(), "{bad}");
        }
    }

    #[test]
    fn on_a_laptop_every_http_origin_on_loopback_is_allowed() {
        let allowed = ReturnToOrigins::AnyLoopback;
        for good in ["http://127.0.0.1:3000/x", "http://localhost/x", "http://[::1]:9/"] {
            assert!(ReturnTo::parse(good, &allowed).is_ok(), "{good}");
        }
        for bad in ["https://example.com/", "http://127.0.0.1.example.com/", "http://localhost.example.com/"] {
            assert!(ReturnTo::parse(bad, &allowed).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_result_is_appended_to_the_query_that_is_there() {
        let return_to =
            ReturnTo::parse("https://app.example.com/done?tab=1", &only("https://app.example.com")).unwrap();
        assert_eq!(
            return_to.with_result(&JourneyResult {
                connection_id: "a:b",
                status: "connected",
                confirmation: None,
                reference: None
            }),
            "https://app.example.com/done?tab=1&connection_id=a%3Ab&status=connected"
        );
    }
}
