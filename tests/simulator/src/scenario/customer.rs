//! The customer: a connect session, the way to the provider, and every kind of return.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::header::{COOKIE, LOCATION, SET_COOKIE};
use http::{Method, StatusCode};
use shared::domain::attempt::StateHash;
use shared::domain::digest;
use shared::domain::return_to::ReturnTo;
use shared::domain::secret::{Confirmation, SessionToken, State};
use shared::domain::session::{Session, SessionId, SessionStatus};
use shared::http::{Endpoint, Invocation};
use shared::ports::{Clock, ReadAttempts, WriteAttempts};
use url::Url;

use super::fleet::{CONSENT_TIME, Deployment, ORIGIN};
use super::{Actor, Scenario};
use crate::invariants::Invariant;
use crate::ports::Ports;
use crate::world::Step;

/// The `return_to` of journeys that have to be confirmed.
pub(super) const RETURN_TO: &str = "https://app.example.com/";

const INVOCATION: Duration = Duration::from_secs(60);

/// The state of a browser that comes back.
#[derive(Clone)]
struct Returning {
    state: String,
    code: String,
    cookie: String,
}

/// A link that the integrator's backend gives to a customer.
#[derive(Clone)]
pub(super) struct Link {
    index: usize,
    session: SessionId,
    token: String,
}

/// A browser on its way.
pub(super) struct Journey {
    id: String,
    /// The browser comes back with a denial or an error, and later perhaps with the code.
    denies: bool,
    back: Arc<Mutex<Option<Returning>>>,
    session: SessionId,
    /// The confirmation from the last redirect to the integrator's product.
    confirmation: Arc<Mutex<Option<String>>>,
}

impl Scenario {
    /// The integrator's backend makes a link.
    pub(super) fn begin_journey(&mut self, index: usize) {
        let mut token = [0; 32];
        self.random.fill(&mut token);
        let token = digest::base64url(token);
        let Some(id) = SessionId::of(&SessionToken::new(token.clone())) else { return };
        let confirm = self.plan.confirms > 0.0 && self.random.chance(self.plan.confirms);
        let same_account = self.plan.accounts && self.random.chance(0.2);
        let throw_away = self.random.chance(0.1);
        let (link, now) = (self.links.len(), self.now());
        self.links.push(Link { index, session: id.clone(), token });
        let connection_id = self.ids[index].clone();
        let deployment = self.deployment();
        let times = (now, now + INVOCATION.as_millis() as u64);
        self.scheduler.spawn(format!("link for {connection_id}"), times, move |ports| async move {
            let ports = Arc::new(ports);
            let Ok(order) = deployment.orders(&ports).take(&connection_id).await else { return };
            let begun_at = Clock::now(&*ports);
            let session = Session {
                id,
                connection_id,
                return_to: ReturnTo::stored(RETURN_TO).filter(|_| confirm),
                confirm_page: false,
                confirm,
                same_account,
                throw_away,
                ui_locale: None,
                status: SessionStatus::Pending,
                is_confirmed: false,
                order,
                begun_at,
                expires_at: begun_at + Duration::from_secs(3600),
            };
            if WriteAttempts::session(&*ports, &session.begin()).await.is_ok() {
                let mut world = ports.world.lock();
                let now = world.now;
                world.schedule(now, Step::Act(Actor::FollowLink(link).pack()));
            }
        });
    }

    /// Sometimes two browsers follow the link, the second one perhaps after the end of the first journey.
    pub(super) fn follow(&mut self, link: usize) {
        let Link { index, session, token } = self.links[link].clone();
        let browsers = if self.random.chance(0.4) { 2 } else { 1 };
        for browser in 0..browsers {
            let within = if browser > 0 && self.random.chance(0.5) { 600_000 } else { 1_000 };
            let start = self.now() + self.random.between(1, within);
            // Some use the install link. It has no session, and makes a new connection.
            let has_session = !self.plan.outages || self.random.chance(0.6);
            self.start_in_a_browser(index, &session, has_session.then_some(token.as_str()), start);
        }
    }

    fn start_in_a_browser(&mut self, index: usize, session: &SessionId, token: Option<&str>, start: u64) {
        let journey = self.journeys.len();
        let back = Arc::new(Mutex::new(None));
        let denies = self.random.chance(0.1);
        let id = self.ids[index].as_str().to_owned();
        let (session, confirmation) = (session.clone(), Arc::default());
        self.journeys.push(Journey { id: id.clone(), denies, back: back.clone(), session, confirmation });
        // A provider that knows the customer redirects back at once. Other customers take time, and some take too long.
        let at_provider = match self.random.below(10) {
            0..6 => self.random.between(200, 1_000),
            6..9 => self.random.between(2_000, 60_000),
            _ => self.random.between(540_000, 660_000),
        };
        let mut visits = vec![at_provider];
        if denies {
            visits.push(at_provider + self.random.between(1_000, 60_000));
        }
        while self.random.chance(self.plan.reloads) && visits.len() < 6 {
            // A double click, a reload, or a stranger who has the link.
            let within = if self.random.chance(0.7) { 4_000 } else { 120_000 };
            visits.push(at_provider + self.random.below(within));
        }
        let deployment = self.deployment();
        let (method, uri) = match token {
            Some(token) => (Method::GET, format!("/authorize?session={token}")),
            // The confirmation page has been answered.
            None => (Method::POST, "/authorize".to_owned()),
        };
        let times = (start, start + INVOCATION.as_millis() as u64);
        self.scheduler.spawn(format!("authorize {id}"), times, move |ports| async move {
            let ports = Arc::new(ports);
            let request = http::Request::builder().method(method).uri(uri).header(http::header::ORIGIN, ORIGIN);
            let request = request.body(Vec::new()).expect("a constant and a token");
            let response = deployment.authorize(&ports).handle(request, &invocation(&ports)).await;
            let header = |name| response.headers().get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
            let (Some(location), Some(cookie)) = (header(LOCATION), header(SET_COOKIE)) else { return };
            let Ok(location) = Url::parse(location) else { return };
            let parameter =
                |name: &str| location.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
            let mut world = ports.world.lock();
            let (now, time) = (world.now, world.time());
            let code = world.provider.issue_code(parameter("code_challenge"), time);
            let returning = Returning {
                state: parameter("state").unwrap_or_default(),
                code,
                cookie: cookie.split(';').next().unwrap_or_default().to_owned(),
            };
            *back.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(returning);
            for after in visits {
                world.schedule(now + after, Step::Act(Actor::Return(journey).pack()));
            }
        });
    }

    /// A browser comes back: the one that began the journey, or another one that knows the address.
    pub(super) fn come_back(&mut self, journey: usize) {
        let Journey { id, denies, back, confirmation, .. } = &self.journeys[journey];
        let after_return = AfterReturn { journey, confirmation: confirmation.clone(), confirmed_after: None };
        let Some(mut back) = back.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone() else { return };
        let is_foreign = self.random.chance(0.15);
        if is_foreign {
            back.cookie = format!("{}=stolen", back.cookie.split('=').next().unwrap_or_default());
        }
        let answer = match if *denies { self.random.below(4) } else { 3 } {
            0 => "error=temporarily_unavailable".to_owned(),
            1 => "error=access_denied".to_owned(),
            _ => format!("code={}", back.code),
        };
        let now = self.now();
        let (deployment, id) = (self.deployment(), id.clone());
        // Usually the user who came back is confirmed. Some confirmations come about when their time ends.
        let confirmed_after = (self.plan.confirms > 0.0 && self.random.chance(0.7))
            .then(|| if self.random.chance(0.6) { 1_000 } else { self.random.between(894_000, 902_000) });
        let after_return = AfterReturn { confirmed_after, ..after_return };
        let times = (now, now + INVOCATION.as_millis() as u64);
        let name = format!("{} {id}", if is_foreign { "stranger" } else { "callback" });
        let process = self
            .scheduler
            .spawn(name, times, move |ports| return_to_callback(ports, deployment, id, back, answer, after_return));
        self.scheduler.world.lock().processes[process].is_foreign = is_foreign;
    }
}

/// What follows in a journey that has to be confirmed.
struct AfterReturn {
    journey: usize,
    confirmation: Arc<Mutex<Option<String>>>,
    /// Milliseconds.
    confirmed_after: Option<u64>,
}

async fn return_to_callback(
    ports: Ports,
    deployment: Deployment,
    id: String,
    back: Returning,
    answer: String,
    after_return: AfterReturn,
) {
    let ports = Arc::new(ports);
    let request = http::Request::builder()
        .method(Method::GET)
        .uri(format!("/callback?state={}&{answer}", back.state))
        .header(COOKIE, &back.cookie)
        .body(Vec::new())
        .expect("base64url and names");
    let response = deployment.callback(&ports).handle(request, &invocation(&ports)).await;
    let address = response.headers().get(LOCATION).and_then(|value| Url::parse(value.to_str().ok()?).ok());
    let brings =
        |name: &str| address.as_ref()?.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let says_connected = response.status() == StatusCode::OK && response.body().contains("is connected")
        || brings("status").as_deref() == Some("connected");
    if let Some(confirmation) = brings("confirmation") {
        *after_return.confirmation.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(confirmation);
        if let Some(after) = after_return.confirmed_after {
            let mut world = ports.world.lock();
            let time = world.now + after;
            world.schedule(time, Step::Act(Actor::Confirm(after_return.journey).pack()));
        }
    }
    let mut world = ports.world.lock();
    world.note(ports.process, || format!("= {}{}", response.status(), if says_connected { ", connected" } else { "" }));
    if says_connected {
        let grant = StateHash::of(&State::new(back.state)).map(|hash| hash.as_str().to_owned()).unwrap_or_default();
        let now = world.time();
        if !world.ledger.grants.contains(&grant) {
            world.ledger.violate(now, Invariant::ReportsAreTrue, || format!("{id} is said to be connected"));
        }
    }
}

impl Scenario {
    /// The integrator's backend confirms with the confirmation that came back, or with a guessed one.
    pub(super) fn confirm(&mut self, journey: usize) {
        let Journey { id, session, confirmation, .. } = &self.journeys[journey];
        let Some(text) = confirmation.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone() else { return };
        let (id, session, now) = (id.clone(), session.clone(), self.now());
        let is_guessed = self.random.chance(0.2);
        // Or the right confirmation is sent for another session of the connection.
        let mut others =
            self.journeys.iter().filter(|other| is_guessed && other.id == id.as_str() && other.session != session);
        let another = others.next_back().map(|other| other.session.clone()).filter(|_| self.random.chance(0.5));
        let text = if is_guessed && another.is_none() { "guessed".to_owned() } else { text };
        let (session, confirmation) = (another.unwrap_or(session), Confirmation::new(text));
        let deployment = self.deployment();
        let times = (now, now + INVOCATION.as_millis() as u64);
        self.scheduler.spawn(format!("confirm {id}"), times, move |ports| async move {
            let ports = Arc::new(ports);
            let Ok(Some(session)) = ReadAttempts::session(&*ports, &session).await else { return };
            let confirmed = deployment.confirming(&ports).confirm(&session, &confirmation).await;
            if is_guessed && matches!(confirmed, Ok(Some(_))) {
                let mut world = ports.world.lock();
                let now = world.time();
                world.ledger.violate(now, Invariant::ConfirmedBeforeUse, || format!("{id} was confirmed by a guess"));
            }
        });
    }
}

fn invocation(ports: &Arc<Ports>) -> Invocation {
    let deadline = Clock::now(&**ports) + INVOCATION;
    debug_assert!(INVOCATION < CONSENT_TIME);
    Invocation { request_id: "request".to_owned(), origin: ORIGIN.to_owned(), deadline, principal: None }
}
