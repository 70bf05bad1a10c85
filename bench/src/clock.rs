//! The time for measurements. The started processes note it too, so it is the system's clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Since 1970.
#[expect(clippy::disallowed_methods, reason = "this measures what a clock that is passed in would hide")]
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The latency of a stand-in.
#[expect(clippy::disallowed_methods, reason = "this is the latency that a real service has")]
pub(crate) async fn wait(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}
