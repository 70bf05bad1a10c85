//! The plan of a run, from its seed: how many connections, how long, how many faults. Each number is drawn, so that a
//! million refreshes have many different histories.

use crate::chooser::Odds;
use crate::provider::Class;
use crate::random::Random;

#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    pub class: Class,
    pub connections: usize,
    /// In seconds, like all times below.
    pub duration: u64,
    /// The lifetime of an access token.
    pub lifetime: u64,
    /// The window of P3.
    pub window: u64,
    pub sweep_every: u64,
    /// The chance that a sweep is invoked twice.
    pub double_sweep: f64,
    pub read_every: Option<u64>,
    pub reconnect_every: Option<u64>,
    /// From the seed alone, so that no other number depends on it. The same is true for all fields that say so.
    pub import_every: Option<u64>,
    /// The chance that a session's connection has to be confirmed. From the seed alone.
    pub confirms: f64,
    /// The chance that a connection is given up at the beginning, while a pair of it is in the queue. From the seed
    /// alone.
    pub late_pairs: f64,
    /// Whether an operator acts: seals all pairs under a new key, or deletes rows of no use. Connections that do not
    /// exist at the beginning then have rows that have long been of no use, and some rows are unreadable for a while.
    /// From the seed alone.
    pub maintain_every: Option<u64>,
    /// The chance that a connection begins after a day in which it was `refused`. From the seed alone.
    pub refused: f64,
    /// Whether all clocks stand still for a while, again and again. From the seed alone.
    pub stops_clocks: bool,
    /// Whether the table accepts no writes for a while, again and again. From the seed alone.
    pub outages: bool,
    /// Whether the revocation endpoint works. From the seed alone.
    pub revokes: bool,
    /// Whether the provider says whose account a token is for. From the seed alone.
    pub accounts: bool,
    /// The chance that a browser comes back once more.
    pub reloads: f64,
    /// The chance that an integrator reports a token as refused that was not refused.
    pub mistakes: f64,
    pub disconnects: bool,
    /// The chance that a connection does not exist at the beginning.
    pub unconnected: f64,
    /// Only the schedule refreshes, so every cached token must be valid until its `cache_until`.
    pub orderly: bool,
    pub odds: Odds,
}

impl Plan {
    pub fn drawn(seed: u64, class: Class) -> Self {
        let mut random = Random::new(seed);
        let lifetime = [600, 900, 1800, 7200][random.below(4) as usize];
        let lives = random.between(60, 180);
        let fault = [0.002, 0.01, 0.03, 0.08][random.below(4) as usize];
        let orderly = random.chance(0.25);
        let some = |random: &mut Random, chance: f64, seconds: u64| random.chance(chance).then_some(seconds);
        Self {
            seed,
            class,
            connections: random.between(1, 4) as usize,
            duration: lives * lifetime / 2,
            lifetime,
            // Longer than the sum of three times: the third of the window in which faults go on, the longest
            // Retry-After that is believed, and a sweep. So one later retry falls inside the window.
            window: 2700,
            sweep_every: (lifetime / 8).min(600),
            double_sweep: [0.0, 0.3, 1.0][random.below(3) as usize],
            read_every: some(&mut random, 0.7, lifetime / 4),
            reconnect_every: if orderly { None } else { some(&mut random, 0.4, lifetime * 2) },
            import_every: (!orderly && seed % 7 == 5).then_some(lifetime),
            confirms: if seed % 7 == 5 || seed % 14 == 1 { 0.5 } else { 0.0 },
            late_pairs: if seed % 7 == 3 { 0.5 } else { 0.0 },
            maintain_every: (!orderly && seed % 7 == 1).then_some(lifetime),
            refused: if !orderly && seed % 7 == 2 { 0.5 } else { 0.0 },
            stops_clocks: seed % 5 == 2,
            outages: seed % 11 == 3 && class != Class::P3,
            revokes: seed % 9 != 4,
            accounts: seed % 2 == 1,
            disconnects: !orderly && random.chance(0.2),
            unconnected: 0.0,
            reloads: 0.5,
            mistakes: if orderly { 0.0 } else { 0.05 },
            orderly,
            odds: Odds {
                fault,
                slow: 0.02,
                closed: 0.0,
                no_refresh_token: if random.chance(0.3) { 0.1 } else { 0.0 },
                access_token_only: if seed % 7 == 4 { 0.1 } else { 0.0 },
                unrevocable: if seed.is_multiple_of(3) { 0.5 } else { 0.0 },
            },
        }
    }

    /// Many faults at once and many workers on one connection: these runs must kill the mutants. In one of three,
    /// customers connect, come back, and their connections are taken away.
    pub fn with_many_faults(seed: u64, class: Class) -> Self {
        let plan = Self::drawn_with_many_faults(seed, class);
        // A journey that has to be confirmed is for a connection that does not exist, or is not live.
        let unconnected = if plan.confirms > 0.0 { 0.8 } else { plan.unconnected };
        let maintain_every = plan.maintain_every.map(|_| 40);
        Self { confirms: plan.confirms * 1.8, unconnected, maintain_every, ..plan }
    }

    fn drawn_with_many_faults(seed: u64, class: Class) -> Self {
        let mut random = Random::new(seed ^ 0x0005_7042);
        let drawn = Self::drawn(seed, class);
        if random.chance(0.33) {
            return Self {
                connections: 4,
                lifetime: 1800,
                duration: 1200,
                sweep_every: 120,
                read_every: None,
                reconnect_every: Some(60),
                disconnects: random.chance(0.5),
                unconnected: 0.5,
                reloads: 0.85,
                orderly: false,
                odds: Odds { fault: [0.02, 0.1, 0.25][random.below(3) as usize], slow: 0.3, ..drawn.odds },
                ..drawn
            };
        }
        if random.chance(0.25) {
            // Short durations: connections whose answers were lost come to their end in the run, and it is checked.
            return Self {
                connections: 4,
                lifetime: 600,
                duration: 1_500,
                sweep_every: 20,
                double_sweep: 1.0,
                read_every: Some(60),
                reconnect_every: None,
                mistakes: if drawn.orderly { 0.0 } else { 0.5 },
                odds: Odds { fault: 0.25, slow: 0.2, ..drawn.odds },
                ..drawn
            };
        }
        Self {
            connections: random.between(1, 2) as usize,
            lifetime: 600,
            duration: 5_000,
            sweep_every: [20, 60][random.below(2) as usize],
            double_sweep: 0.7,
            read_every: Some([20, 60, 150][random.below(3) as usize]),
            reconnect_every: [None, Some(150), Some(600)][random.below(3) as usize].filter(|_| !drawn.orderly),
            disconnects: !drawn.orderly && random.chance(0.3),
            mistakes: if drawn.orderly { 0.0 } else { 0.3 },
            odds: Odds {
                fault: [0.02, 0.06, 0.12, 0.25][random.below(4) as usize],
                slow: 0.05,
                closed: if random.chance(0.15) { 0.4 } else { 0.0 },
                ..drawn.odds
            },
            ..drawn
        }
    }
}
