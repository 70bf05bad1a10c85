//! A customer's journey through the stack.

use serde_json::json;
use url::Url;

use super::Rehearsal;
use crate::gateway::{Request, body};
use crate::runtime_api::Function;

pub(super) struct Journey {
    pub(super) target: String,
    pub(super) cookie: String,
    pub(super) link: Url,
    pub(super) back: Url,
}

impl Journey {
    pub(super) fn request(&self) -> Request<'_> {
        Request::new("GET", &self.target).cookie(&self.cookie)
    }

    pub(super) fn secrets(&self) -> Vec<String> {
        let mut secrets: Vec<String> = self.back.query_pairs().map(|(_, value)| value.into_owned()).collect();
        secrets.extend([self.cookie.split('=').nth(1).unwrap().to_owned(), self.link.query().unwrap().to_owned()]);
        secrets
    }
}

impl Rehearsal {
    /// A customer's way to the callback, which is not called yet.
    pub(super) async fn to_callback(&self, connections: &Function, authorize: &Function, id: &str) -> Journey {
        // The integrator's backend makes a link.
        let begin = Request::new("POST", "/v1/connect-sessions").json(json!({ "connection_id": id }));
        let session = self.send(connections, begin).await;
        assert_eq!(session["statusCode"], 201, "{session}");
        let link = Url::parse(body(&session)["url"].as_str().unwrap()).unwrap();
        assert_eq!(link.host_str(), Some(self.host()), "from the request's context");

        // The customer follows it, is asked, and is redirected to WebinarGeek.
        let target = format!("/authorize?{}", link.query().unwrap());
        let asked = self.send(authorize, Request::new("GET", &target)).await;
        assert_eq!(asked["statusCode"], 200, "{asked}");
        let sent = Request::new("POST", &target).header("origin", self.stack.output("ApiOrigin"));
        let sent = self.send(authorize, sent).await;
        assert_eq!(sent["statusCode"], 303, "{sent}");
        let cookie = sent["cookies"][0].as_str().unwrap().split(';').next().unwrap().to_owned();
        assert!(cookie.starts_with("__Host-wg_"), "{cookie}");
        let consent = Url::parse(sent["headers"]["location"].as_str().unwrap()).unwrap();
        let mut form: Vec<(String, String)> = consent.query_pairs().into_owned().collect();
        form.push(("decision".to_owned(), "approve".to_owned()));
        let back = self.http.post(format!("{}/oauth/authorize", self.provider)).form(&form).send().await.unwrap();
        let back = Url::parse(back.headers()["location"].to_str().unwrap()).unwrap();
        Journey { target: format!("/callback?{}", back.query().unwrap()), cookie, link, back }
    }
}
