//! The provider: its present behaviour, and the buttons that break and heal the simulated one.

use maud::{Markup, html};
use serde_json::{Value, json};

use super::{Facts, View};
use crate::provider_order::SecretIs;
use crate::webinargeek::faults::Answer;
use crate::webinargeek::{Behaviour, Fault, Rotation, Simulation};

struct Button {
    name: &'static str,
    /// The visible effect.
    effect: &'static str,
    answer: Answer,
    grant_type: Option<&'static str>,
    carried_out: bool,
}

/// The fault lasts until the provider is healed.
const ALWAYS: u32 = u32::MAX;

fn buttons() -> [Button; 6] {
    let status = |status, retry_after: Option<&str>| Answer::Status {
        status,
        error: None,
        retry_after: retry_after.map(str::to_owned),
    };
    let any = |name, effect, answer| Button { name, effect, answer, grant_type: None, carried_out: false };
    [
        any("Outage", "every request is answered 503", status(503, None)),
        any("Slow", "each answer is right, and takes 4 seconds", Answer::Late(4000)),
        any("No answer", "requests hang for half a minute", Answer::Hang),
        any("HTML", "200 with a maintenance page", Answer::Html),
        Button {
            name: "Lost answers",
            effect: "a refresh is carried out, and its answer breaks off",
            answer: Answer::Break,
            grant_type: Some("refresh_token"),
            carried_out: true,
        },
        any("Too many requests", "429, come back in 30 seconds", status(429, Some("30"))),
    ]
}

impl Button {
    fn order(&self) -> Value {
        json!({
            "answer": self.answer, "grant_type": self.grant_type, "carried_out": self.carried_out, "times": ALWAYS,
        })
    }

    fn is_on(&self, waiting: &[Fault]) -> bool {
        let own = json!(self.answer);
        waiting.iter().any(|fault| json!(fault.answer) == own && fault.grant_type.as_deref() == self.grant_type)
    }
}

pub(super) fn section(
    view: &View,
    facts: &Facts,
    simulation: Option<&Simulation>,
    (origin, token_url): (&str, &str),
) -> Markup {
    html! {
        section id="provider" aria-labelledby="provider-title" {
            h2 #provider-title {
                "WebinarGeek "
                @if simulation.is_some() { span.badge { "simulated" } } @else { span.badge.good { "real" } }
            }
            @match simulation {
                Some(simulation) => (simulated(view, simulation, facts, origin)),
                None => {
                    p {
                        "Requests go to " code { (token_url) } ". It is a real provider, so there are no buttons for "
                        "faults."
                    }
                    p { "Redirect URI to register there: " code { (facts.redirect_uri) } }
                }
            }
        }
    }
}

fn simulated(view: &View, simulation: &Simulation, facts: &Facts, origin: &str) -> Markup {
    let waiting = simulation.faults.waiting();
    let is_rotated = simulation.faults.rotated_secret().is_some();
    let Behaviour { rotation, expires_in } = simulation.grants.behaviour();
    let requests = simulation.faults.requests();
    let count = |name: &str| requests.get(name).copied().unwrap_or_default();
    html! {
        p class=(if waiting.is_empty() { "state good" } else { "state bad" }) {
            @match waiting.first() {
                None => { b { "Healthy." } " It answers every request as it should." }
                Some(fault) => { b { "Broken: " (named(fault)) "." } }
            }
        }
        @if let Some(fault) = waiting.first() {
            div.code {
                button.copy type="button" data-copy="by-hand" { "Copy" }
                pre tabindex="0" role="region" aria-label="The same by hand" { code #by-hand {
                    "curl -d '" (json!(fault)) "' " (origin) "/local/provider"
                } }
            }
        }
        div.faults {
            @for button in &buttons() {
                @let orders = [json!({ "heal": true }), button.order()];
                (order(view, &orders, button.name, button.effect, button.is_on(&waiting)))
            }
            @let revoke = [json!({ "revoke_all": true })];
            (order(view, &revoke, "Revoke all", "invalid_grant for every present connection", false))
            @let rotate = [json!({ "client_secret": SecretIs::Rotated })];
            (order(view, &rotate, "Rotate the secret", "invalid_client until the new one is stored", is_rotated))
        }
        div.row {
            form method="post" action="/local/console/provider" data-swap {
                (view.fields())
                input type="hidden" name="order" value=(json!({ "heal": true }));
                button.primary disabled[waiting.is_empty()] { "Heal" }
            }
            @if is_rotated {
                form method="post" action="/local/console/provider" data-swap {
                    (view.fields())
                    input type="hidden" name="order" value=(json!({ "client_secret": SecretIs::Stored }));
                    button { "Store the new secret" }
                }
            }
            form method="post" action="/local/console/sweep" data-swap {
                (view.fields())
                button { "Run the schedule now" }
            }
        }
        div.row {
            form.row method="post" action="/local/console/provider" data-swap {
                (view.fields())
                label for="rotation" { "Rotation" }
                select #rotation name="order" data-submit {
                    @for each in [Rotation::Grace, Rotation::Strict, Rotation::ReuseDetection, Rotation::Never] {
                        option value=(json!({ "rotation": each })) selected[each == rotation] { (spoken(each)) }
                    }
                }
                noscript { button { "Set" } }
            }
            form.row method="post" action="/local/console/provider" data-swap {
                (view.fields())
                label for="lifetime" { "New tokens live" }
                select #lifetime name="order" data-submit {
                    @for seconds in lifetimes(expires_in.as_secs()) {
                        option value=(json!({ "expires_in": seconds })) selected[seconds == expires_in.as_secs()] {
                            (super::connections::duration(seconds as i64))
                        }
                    }
                }
                noscript { button { "Set" } }
            }
        }
        p.note { (effect(rotation)) "." }
        p.note {
            "Requests so far: codes " (count("authorization_code")) ", refreshes " (count("refresh_token"))
            ", revocations " (count("revoke")) ", accounts " (count("account"))
            "; with a fault " (simulation.faults.faulty()) ". "
            "It listens on " code { (facts.simulated_origin.as_deref().unwrap_or_default()) } "."
        }
    }
}

fn order(view: &View, orders: &[Value], name: &str, effect: &str, is_on: bool) -> Markup {
    html! {
        form method="post" action="/local/console/provider" data-swap {
            (view.fields())
            @for order in orders { input type="hidden" name="order" value=(order); }
            button.fault aria-pressed=(is_on) { b { (name) } small { (effect) } }
        }
    }
}

fn named(fault: &Fault) -> String {
    let known = buttons().into_iter().find(|button| button.is_on(std::slice::from_ref(fault)));
    let name = known.map_or_else(|| json!(fault.answer).to_string(), |button| button.name.to_lowercase());
    match fault.times {
        // A fault that lasts counts down from the largest number.
        times if times > ALWAYS / 2 => name,
        1 => format!("{name}, to one more request"),
        times => format!("{name}, to {times} more requests"),
    }
}

fn spoken(rotation: Rotation) -> &'static str {
    match rotation {
        Rotation::Grace => "grace",
        Rotation::Strict => "strict",
        Rotation::ReuseDetection => "reuse detection",
        Rotation::Never => "never",
    }
}

fn effect(rotation: Rotation) -> &'static str {
    match rotation {
        Rotation::Grace => "A refresh leaves the old pair valid until the new access token is first used",
        Rotation::Strict => "A refresh ends the old pair at once",
        Rotation::ReuseDetection => "A refresh ends the old pair at once, and its reuse ends the whole grant",
        Rotation::Never => "A refresh replaces the access token alone",
    }
}

/// The present value is among the choices.
fn lifetimes(set: u64) -> Vec<u64> {
    let mut lifetimes = vec![30, 60, 300, 900, 3600, 7200, 86400, set];
    lifetimes.sort_unstable();
    lifetimes.dedup();
    lifetimes
}
