//! A browser. It keeps cookies by their rules, shows redirects without following them, and sends forms unchanged.

use std::collections::BTreeMap;
use std::sync::Mutex;

use http::header::{COOKIE, LOCATION, ORIGIN as ORIGIN_HEADER, SET_COOKIE};
use http::{Method, StatusCode};
use shared::http::{Request, Response};
use url::Url;

use crate::world::{ORIGIN, World};

pub struct Browser<'a> {
    world: &'a World,
    cookies: Mutex<BTreeMap<String, String>>,
}

impl<'a> Browser<'a> {
    pub fn new(world: &'a World) -> Self {
        Self { world, cookies: Mutex::default() }
    }

    /// The same browser, with another deployment of the same origin.
    pub fn on<'b>(&self, world: &'b World) -> Browser<'b> {
        Browser { world, cookies: Mutex::new(self.cookies.lock().unwrap().clone()) }
    }

    pub async fn get(&self, url: &str) -> Response {
        self.send(Method::GET, url, &[]).await
    }

    /// In an invocation that has only this many seconds left.
    pub async fn get_with_time(&self, url: &str, seconds: u64) -> Response {
        self.send_within(seconds, Method::GET, url, &[]).await
    }

    /// Sends a request to the product with this browser's cookies, and keeps those of the answer.
    pub async fn send(&self, method: Method, url: &str, headers: &[(&'static str, &str)]) -> Response {
        self.send_within(60, method, url, headers).await
    }

    async fn send_within(&self, seconds: u64, method: Method, url: &str, headers: &[(&'static str, &str)]) -> Response {
        let mut request = Request::default();
        *request.method_mut() = method;
        *request.uri_mut() = url.strip_prefix(ORIGIN).unwrap_or(url).parse().unwrap();
        let cookies = self.cookies();
        if !cookies.is_empty() {
            request.headers_mut().insert(COOKIE, cookies.parse().unwrap());
        }
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let response = self.world.send_within(seconds, ORIGIN, request).await;
        for header in response.headers().get_all(SET_COOKIE) {
            self.keep(header.to_str().unwrap());
        }
        response
    }

    /// RFC 6265bis section 5.7, about the prefix.
    fn keep(&self, header: &str) {
        let mut parts = header.split("; ");
        let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).unwrap();
        let attributes: Vec<&str> = parts.collect();
        if name.starts_with("__Host-") {
            assert!(attributes.contains(&"Secure") && attributes.contains(&"Path=/"), "a browser refuses {header}");
            assert!(!attributes.iter().any(|attribute| attribute.starts_with("Domain")), "a browser refuses {header}");
        }
        let mut cookies = self.cookies.lock().unwrap();
        if attributes.contains(&"Max-Age=0") {
            cookies.remove(name);
        } else {
            cookies.insert(name.to_owned(), value.to_owned());
        }
    }

    pub fn cookies(&self) -> String {
        let cookies = self.cookies.lock().unwrap();
        cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    pub fn plant(&self, name: &str, value: &str) {
        self.cookies.lock().unwrap().insert(name.to_owned(), value.to_owned());
    }

    /// From a link of ours to WebinarGeek's consent page: through the confirmation page, if there is one.
    pub async fn start(&self, url: &str) -> String {
        let mut response = self.get(url).await;
        if response.status() == StatusCode::OK {
            response = self.confirm(url).await;
        }
        location(&response)
    }

    /// Presses "Continue".
    pub async fn confirm(&self, url: &str) -> Response {
        self.send(Method::POST, url, &[(ORIGIN_HEADER.as_str(), ORIGIN)]).await
    }

    /// Presses a button on the provider's consent page, and returns the address of the redirect.
    pub async fn decide(&self, authorization_request: &str, decision: &str) -> String {
        let url = Url::parse(authorization_request).unwrap();
        let mut form: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        form.push(("decision".to_owned(), decision.to_owned()));
        let origin = url.origin().ascii_serialization();
        let response = provider_client().post(format!("{origin}/oauth/authorize")).form(&form).send().await.unwrap();
        assert_eq!(response.status(), 302, "the provider refuses {authorization_request}");
        response.headers()[LOCATION].to_str().unwrap().to_owned()
    }

    /// The whole journey, up to the answer of `/callback`.
    pub async fn journey(&self, url: &str, decision: &str) -> Response {
        let consent = self.start(url).await;
        let callback = self.decide(&consent, decision).await;
        self.get(&callback).await
    }

    /// The journey up to the callback's address, which is not called.
    pub async fn to_callback(&self, url: &str) -> String {
        let consent = self.start(url).await;
        self.decide(&consent, "approve").await
    }
}

pub fn location(response: &Response) -> String {
    assert_eq!(response.status(), StatusCode::SEE_OTHER, "no redirect: {}", response.body());
    response.headers()[LOCATION].to_str().unwrap().to_owned()
}

#[expect(clippy::disallowed_methods, reason = "a browser's requests to the provider, not the product's")]
pub fn provider_client() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap()
}
