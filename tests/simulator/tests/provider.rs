//! The models of P1 and P2 give the same answers as the simulated provider, which the contract suite compares with a
//! real Doorkeeper, to the same random sequence of operations.

#![expect(clippy::unwrap_used, reason = "test code: a panic is the failure")]

use std::time::Duration;

use local::webinargeek::{Grants, Rotation};
use shared::domain::digest;
use shared::domain::time::Timestamp;
use simulator::provider::{Class, Provider};
use simulator::random::Random;

const CLIENT: &str = "client";
const REDIRECT: &str = "https://connect.example.com/callback";
const LIFETIME: u64 = 600;

/// One history on both; the model names the tokens.
fn the_same_answers(class: Class, rotation: Rotation, seed: u64) {
    let mut model = Provider::new(class, LIFETIME * 1000, 0);
    let engine = Grants::open(None, rotation, Duration::from_secs(LIFETIME)).unwrap();
    let mut random = Random::new(seed);
    let mut now = 0;
    let (mut codes, mut access, mut refresh) = (Vec::new(), vec!["a0".to_owned()], vec!["r0".to_owned()]);
    for step in 0..60 {
        now += random.below(120);
        let (time, clock) = (now * 1000, Timestamp::from_unix(now as i64));
        let any = |random: &mut Random, from: &[String]| from[random.below(from.len() as u64) as usize].clone();
        let told = format!("{class:?}, seed {seed}, step {step}");
        match random.below(10) {
            0 => {
                let verifier = format!("verifier{step}");
                let code = model.issue_code(Some(digest::sha256(&verifier)), time);
                let request =
                    [("client_id", CLIENT), ("redirect_uri", REDIRECT), ("code_challenge", &digest::sha256(&verifier))];
                let request = request.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
                engine.issue_code(&code, &request, clock);
                codes.push((code, verifier));
            }
            1..3 if !codes.is_empty() => {
                // A replay is left out: whether it revokes is a setting of Doorkeeper's.
                let (code, verifier) = codes.swap_remove(random.below(codes.len() as u64) as usize);
                let verifier = if random.chance(0.2) { "wrong".to_owned() } else { verifier };
                let pair = model.exchange(&code, Some(&verifier), false, time).ok().map(|grant| grant.pair);
                let fresh = pair.as_ref().map_or(("-".to_owned(), format!("-{step}")), |pair| {
                    let refresh = pair.refresh_token.as_ref().map(|token| token.expose().to_owned());
                    (pair.access_token.expose().to_owned(), refresh.unwrap())
                });
                let granted = engine.redeem(&code, REDIRECT, Some(&verifier), CLIENT, fresh.clone(), clock);
                assert_eq!(pair.is_some(), granted.is_some(), "{told}: exchange");
                if pair.is_some() {
                    access.push(fresh.0);
                    refresh.push(fresh.1);
                }
            }
            3..6 => {
                let token = any(&mut random, &refresh);
                let pair = model.refresh(&token, false, time).ok().map(|grant| grant.pair);
                let fresh = pair.as_ref().map_or((format!("-{step}"), format!("-{step}")), |pair| {
                    let refresh = pair.refresh_token.as_ref().map(|token| token.expose().to_owned());
                    (pair.access_token.expose().to_owned(), refresh.unwrap())
                });
                let granted = engine.refresh(&token, CLIENT, fresh.clone(), clock);
                assert_eq!(pair.is_some(), granted.is_some(), "{told}: refresh {token}");
                if pair.is_some() {
                    access.push(fresh.0);
                    refresh.push(fresh.1);
                }
            }
            6..9 => {
                let token = any(&mut random, &access);
                assert_eq!(model.present(&token, time), engine.present(&token, clock).is_ok(), "{told}: use {token}");
            }
            _ if random.chance(0.3) => {
                let is_access = random.chance(0.5);
                let token = any(&mut random, if is_access { &access } else { &refresh });
                model.revoke(&token);
                engine.revoke(&token, CLIENT);
            }
            _ => {}
        }
    }
}

#[test]
fn p1_answers_as_doorkeeper_with_previous_refresh_token_does() {
    (0..150).for_each(|seed| the_same_answers(Class::P1, Rotation::Grace, seed));
}

#[test]
fn p2_answers_as_doorkeeper_without_it_does() {
    (0..150).for_each(|seed| the_same_answers(Class::P2, Rotation::Strict, seed));
}
