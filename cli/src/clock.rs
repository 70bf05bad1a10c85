//! The system's time. Code that depends on the time takes it as an argument.

use std::time::Duration;

use time::OffsetDateTime;

#[expect(clippy::disallowed_methods, reason = "a program of its own, which does not depend on the product's ports")]
pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

#[expect(clippy::disallowed_methods, reason = "a program of its own, which does not depend on the product's ports")]
pub(crate) async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}
