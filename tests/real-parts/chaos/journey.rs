//! A customer's way through the provider's consent page, up to the event that brings the code to the callback.

use std::time::Duration;

use http::header::LOCATION;
use serde_json::Value;
use shared::domain::attempt::writes::begin;
use shared::domain::attempt::{Attempt, Cookie, CookieName, Destination, StateHash};
use shared::domain::connection_id::ConnectionId;
use shared::domain::order::Order;
use shared::domain::secret::{CookieValue, State};
use shared::domain::{digest, pkce};
use shared::ports::{Clock, Entropy, WriteAttempts};
use shared::system::{SystemClock, SystemEntropy};
use tests::browser::provider_client;
use url::Url;

use super::fleet::{Fleet, HOST};
use crate::doorkeeper::REDIRECT_URI;
use crate::gateway::Request;

/// A provider that runs.
#[derive(Clone, Copy)]
pub(super) enum Provider {
    Doorkeeper,
    Simulated,
}

/// The event of `/callback` for a new attempt of a connection.
pub(super) async fn back_with_a_code(fleet: &Fleet, provider: Provider, id: &ConnectionId) -> Value {
    let random = || {
        let entropy: &dyn Entropy = &SystemEntropy;
        entropy.bytes::<32>()
    };
    let state = digest::base64url(random());
    let state_hash = StateHash::of(&State::new(state.clone())).unwrap();
    let value = CookieValue::new(digest::base64url(random()));
    let cookie = Cookie { name: CookieName::new(&state_hash, true), value };
    let verifier = pkce::code_verifier(random());
    let query = [
        ("response_type", "code"),
        ("client_id", "client-one"),
        ("redirect_uri", REDIRECT_URI),
        ("scope", "read"),
        ("state", &state),
        ("code_challenge", &pkce::code_challenge(&verifier)),
        ("code_challenge_method", "S256"),
    ];
    let request = Url::parse_with_params(&format!("{}/oauth/authorize", fleet.provider), query).unwrap();
    let answer = match provider {
        // With `CONSENT` off it does not ask.
        Provider::Doorkeeper => provider_client().get(request).send().await.unwrap(),
        Provider::Simulated => {
            let mut form: Vec<(String, String)> = request.query_pairs().into_owned().collect();
            form.push(("decision".to_owned(), "approve".to_owned()));
            provider_client().post(format!("{}/oauth/authorize", fleet.provider)).form(&form).send().await.unwrap()
        }
    };
    let back = answer.headers().get(LOCATION).unwrap_or_else(|| panic!("no redirect: {}", answer.status()));
    let back = Url::parse(back.to_str().unwrap()).unwrap();

    let now = SystemClock.now();
    let destination = Destination {
        connection_id: id.clone(),
        order: Order::at(now),
        redirect_uri: REDIRECT_URI.to_owned(),
        return_to: None,
        session: None,
        throw_away: false,
        confirmation: None,
        same_account: false,
    };
    let times = [now, now + Duration::from_secs(600)];
    let attempt = Attempt::new(state_hash, &cookie, destination, Some(verifier), None, times);
    fleet.attempts.attempt(&begin(&attempt)).await.unwrap();
    let cookie = format!("{}={}", cookie.name.as_str(), cookie.value.expose());
    Request::new("GET", &format!("/callback?{}", back.query().unwrap())).cookie(&cookie).event(HOST)
}
