//! `cargo dev` with a clock that is `LATER` seconds ahead.

use std::sync::Arc;
use std::time::Duration;

use local::settings::Settings;
use local::start::start;
use shared::config::process_environment;
use shared::system::SystemEntropy;
use tests::laptop::LaterClock;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds = process_environment("LATER").ok_or("LATER says how many seconds the clock is ahead")?.parse()?;
    let settings = Settings::read(&process_environment, true)?;
    let clock = Arc::new(LaterClock(Duration::from_secs(seconds)));
    let running = start(settings, process_environment, clock, Arc::new(SystemEntropy)).await?;
    println!("listening on {}", running.server.origin);
    running.serve().await;
    Ok(())
}
