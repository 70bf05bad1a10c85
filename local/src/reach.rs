//! Who can reach a listener, and which routes it answers them.

use std::sync::Arc;

use http::HeaderMap;
use http::header::{HOST, ORIGIN};
use shared::domain::return_to::is_loopback;
use url::Url;

/// The routes of a customer's browser. The other routes answer with tokens, or with stored data.
pub(crate) const BROWSERS_ROUTES: [&str; 3] = ["/", "/authorize", "/callback"];

#[derive(Clone)]
pub(crate) enum Reach {
    /// Programs and browsers of this machine.
    Machine,
    /// Anyone, through a tunnel with this origin.
    Tunnel(Arc<str>),
}

impl Reach {
    /// The origin of the request, as API Gateway would give it. A tunnel may put any name into Host.
    pub(crate) fn origin(&self, headers: &HeaderMap, here: &str) -> String {
        match (self, headers.get(HOST).and_then(|value| value.to_str().ok())) {
            (Self::Tunnel(public_origin), _) => public_origin.to_string(),
            (Self::Machine, Some(host)) => format!("http://{host}"),
            (Self::Machine, None) => here.to_owned(),
        }
    }

    /// Whether a request came by a loopback name, from no other site and through no tunnel. Another page in the browser
    /// can send requests here, by DNS rebinding or directly. A tunnel without `PUBLIC_ORIGIN` may write the name of the
    /// laptop into Host. A browser that requests an image or a script sends no Origin, but it sends `Sec-Fetch-Site:
    /// cross-site`.
    pub(crate) fn is_local(&self, headers: &HeaderMap) -> bool {
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let loopback = |url: &str| Url::parse(url).is_ok_and(|url| is_loopback(&url));
        matches!(self, Self::Machine)
            && text(HOST).is_some_and(|host| loopback(&format!("http://{host}/")))
            && text(ORIGIN).is_none_or(loopback)
            && headers.get("sec-fetch-site").is_none_or(|site| site != "cross-site")
            && !headers.keys().any(|name| name == "forwarded" || name.as_str().starts_with("x-forwarded-"))
    }
}
