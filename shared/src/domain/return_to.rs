//! Where the browser goes when a journey has ended: an address of the integrator's, on an allow-list of origins.

use url::{Host, Origin, Url};

use super::secret::Confirmation;

/// The origins that `return_to` may have.
#[derive(Clone, Debug)]
pub enum ReturnToOrigins {
    These(Vec<Origin>),
    /// Any http origin on loopback: the laptop's default.
    AnyLoopback,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnTo(Url);

#[derive(Debug, thiserror::Error)]
pub enum InvalidReturnTo {
    #[error("is not an absolute http or https URL")]
    NotAUrl,
    /// `https://trusted.example@evil.example/` reads as the trusted one.
    #[error("must not have a user name or password")]
    UserInfo,
    #[error("must not have a fragment")]
    Fragment,
    /// The parameter of the stack, and the variable that it sets.
    #[error("has the origin {0}, which ReturnToOrigins (RETURN_TO_ORIGINS) does not list")]
    ForeignOrigin(String),
}

impl ReturnTo {
    /// Parsed as a browser parses it, and compared by exact origin: a comparison of prefixes is an open redirect.
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
        let listed = match allowed {
            ReturnToOrigins::These(origins) => origins.contains(&url.origin()),
            ReturnToOrigins::AnyLoopback => url.scheme() == "http" && is_loopback(&url),
        };
        if listed { Ok(Self(url)) } else { Err(InvalidReturnTo::ForeignOrigin(url.origin().ascii_serialization())) }
    }

    /// A value that was parsed before it was stored.
    pub fn stored(text: &str) -> Option<Self> {
        Url::parse(text).ok().map(Self)
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The address with the journey's result appended to the query that it has.
    pub fn with_result(&self, connection_id: &str, status: &str, confirmation: Option<&Confirmation>) -> String {
        let mut url = self.0.clone();
        let mut query = url.query_pairs_mut();
        query.append_pair("connection_id", connection_id).append_pair("status", status);
        if let Some(confirmation) = confirmation {
            query.append_pair("confirmation", confirmation.expose());
        }
        drop(query);
        url.into()
    }
}

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
    fn on_a_laptop_any_http_loopback_origin_will_do() {
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
            return_to.with_result("a:b", "connected", None),
            "https://app.example.com/done?tab=1&connection_id=a%3Ab&status=connected"
        );
    }
}
