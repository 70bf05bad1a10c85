//! How long the proofs run, and from which seed.
//!
//! | variable | value | otherwise |
//! |---|---|---|
//! | `PROOF` | `long`: as much as is claimed | the short form, which CI runs |
//! | `SEED` | a number, to replay a run | always the same one |

use crate::random::Random;

/// What a proof was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Proof {
    pub long: bool,
    pub seed: u64,
}

impl Proof {
    /// From the variables. A value that makes no sense ends the run, rather than prove less than was asked for.
    pub fn asked() -> Self {
        let long = match variable("PROOF").as_deref() {
            None => false,
            Some("long") => true,
            Some(other) => panic!("PROOF is {other}: it may be long, or unset"),
        };
        let seed = variable("SEED").map(|text| text.parse().unwrap_or_else(|_| panic!("SEED is {text}: no number")));
        Self { long, seed: seed.unwrap_or(1) }
    }

    pub fn length(&self, short: u64, long: u64) -> u64 {
        if self.long { long } else { short }
    }

    /// The randomness of one part of it, whatever the others draw.
    pub fn random(&self, part: u64) -> Random {
        Random::new(self.seed.wrapping_mul(1_000_000_007).wrapping_add(part))
    }
}

#[expect(clippy::disallowed_methods, reason = "whoever runs the proofs chooses their length")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}
