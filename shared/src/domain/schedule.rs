//! When a connection is refreshed, and how long after a failure.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};

use super::connection_id::ConnectionId;
use super::time::Timestamp;

/// Partitions of the `due` index: due times only grow, and one index partition takes 1,000 writes a second.
pub const SHARDS: u8 = 16;

/// The partition of rows that need no refresh and have something left to do: a pair waits for its confirmation, or
/// grants are to be revoked.
pub const VACANT_SHARD: u8 = SHARDS;

/// Scheduled runs that must remain between a refresh and the expiry.
const SPARE_RUNS: u32 = 4;

const BACKOFF_FIRST: Duration = Duration::from_secs(10);
const BACKOFF_LONGEST: Duration = Duration::from_secs(300);

/// The longest that a provider's `Retry-After` is believed.
pub const RETRY_AFTER_LONGEST: Duration = Duration::from_secs(900);

/// The partition of the `due` index that a connection is in. It never changes.
pub fn shard(id: &ConnectionId) -> u8 {
    digest(&SHA256, id.as_str().as_bytes()).as_ref()[0] % SHARDS
}

/// When a pair is due for its refresh: at a moment between 70 and 80 % of its lifetime. The moment depends on the
/// connection and version alone, so that connections made at the same time are not refreshed at the same time. If fewer
/// than four scheduled runs would remain before the expiry, the window is earlier; it never ends before half of the
/// lifetime.
pub fn refresh_at(
    id: &ConnectionId,
    version: i64,
    granted_at: Timestamp,
    expires_at: Timestamp,
    refresh_every: Duration,
) -> Timestamp {
    // A message of the queue may hold any times: the products below must not overflow.
    let lifetime = granted_at.seconds_until(expires_at).clamp(0, i64::from(u32::MAX));
    let four_runs_before = lifetime - i64::from(SPARE_RUNS) * refresh_every.as_secs() as i64;
    let window_end = (lifetime * 80 / 100).min(four_runs_before.max(lifetime / 2));
    let hash = digest(&SHA256, format!("{id}#{version}").as_bytes());
    let jitter = i64::from(u16::from_be_bytes([hash.as_ref()[0], hash.as_ref()[1]]));
    let after = window_end - lifetime / 10 * jitter / i64::from(u16::MAX);
    granted_at + Duration::from_secs(after as u64)
}

/// How long to wait after the given number of failures in a row (the one just seen included).
pub fn backoff(failures: i64) -> Duration {
    let doublings = (failures - 1).clamp(0, 10) as u32;
    BACKOFF_FIRST.saturating_mul(1 << doublings).min(BACKOFF_LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due_after(lifetime: i64, version: i64, refresh_every: u64) -> i64 {
        let start = Timestamp::from_unix(1_800_000_000);
        let expiry = Timestamp::from_unix(1_800_000_000 + lifetime);
        let id = ConnectionId::parse("tenant").unwrap();
        start.seconds_until(refresh_at(&id, version, start, expiry, Duration::from_secs(refresh_every)))
    }

    #[test]
    fn two_hours_are_refreshed_after_70_to_80_percent_spread_over_the_versions() {
        let due: Vec<i64> = (1..200).map(|version| due_after(7200, version, 300)).collect();
        assert!(due.iter().all(|seconds| (5040..=5760).contains(seconds)), "{due:?}");
        assert!(due.iter().max().unwrap() - due.iter().min().unwrap() > 600, "no spread: {due:?}");
    }

    #[test]
    fn a_shorter_lifetime_leaves_four_runs_and_keeps_its_spread() {
        let due: Vec<i64> = (1..200).map(|version| due_after(3600, version, 300)).collect();
        assert!(due.iter().all(|seconds| (2040..=2400).contains(seconds)), "{due:?}");
        assert!(due.iter().max().unwrap() - due.iter().min().unwrap() > 300, "no spread: {due:?}");
    }

    #[test]
    fn a_lifetime_of_few_runs_is_refreshed_by_its_half() {
        for version in 1..50 {
            assert!((240..=300).contains(&due_after(600, version, 300)));
            assert_eq!(due_after(1, version, 300), 0);
        }
    }

    #[test]
    fn backoff_doubles_from_ten_seconds_to_five_minutes() {
        let seconds: Vec<u64> = (1..9).map(|failures| backoff(failures).as_secs()).collect();
        assert_eq!(seconds, [10, 20, 40, 80, 160, 300, 300, 300]);
    }
}
