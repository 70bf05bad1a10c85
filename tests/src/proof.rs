//! How long the proofs run, and with which seed.
//!
//! | variable | value | if it is not set |
//! |---|---|---|
//! | `PROOF` | `long`: the length that docs/reliability.md claims | the short form, which CI runs |
//! | `SEED` | a number, to repeat a run | 1 |

use crate::random::Random;

/// The length and the seed of a proof.
#[derive(Clone, Copy, Debug)]
pub struct Proof {
    pub long: bool,
    pub seed: u64,
}

impl Proof {
    /// Reads the variables. An invalid value ends the run, so that it does not prove less than intended.
    pub fn asked() -> Self {
        let long = match variable("PROOF").as_deref() {
            None => false,
            Some("long") => true,
            Some(other) => panic!("PROOF is {other}: the only value is long"),
        };
        let seed =
            variable("SEED").map(|text| text.parse().unwrap_or_else(|_| panic!("SEED is {text}, which is no number")));
        Self { long, seed: seed.unwrap_or(1) }
    }

    pub fn length(&self, short: u64, long: u64) -> u64 {
        if self.long { long } else { short }
    }

    /// The randomness of one part of it; it does not depend on the other parts.
    pub fn random(&self, part: u64) -> Random {
        Random::new(self.seed.wrapping_mul(1_000_000_007).wrapping_add(part))
    }
}

#[expect(clippy::disallowed_methods, reason = "the variables choose the length of the proofs")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}
