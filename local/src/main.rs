//! `cargo dev`: the product on a laptop. What it reads stands in [`local::settings`].

use std::io::IsTerminal;
use std::sync::Arc;

use local::settings::Settings;
use local::start::start;
use shared::config::process_environment;
use shared::system::{SystemClock, SystemEntropy};

#[tokio::main]
async fn main() -> std::process::ExitCode {
    match run().await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::read(&process_environment, std::io::stdout().is_terminal())?;
    if settings.log_is_text {
        tracing_subscriber::fmt().with_target(false).compact().init();
    } else {
        shared::telemetry::init(&settings.stack);
    }
    let running = start(settings, process_environment, Arc::new(SystemClock), Arc::new(SystemEntropy)).await?;
    match &running.server.simulation {
        Some(_) => println!(
            "WebinarGeek is simulated; set WEBINARGEEK_CLIENT_ID and WEBINARGEEK_CLIENT_SECRET for the real one"
        ),
        None => println!("redirect URI to register with the provider: {}", running.redirect_uri),
    }
    println!("on plain http the cookie has neither Secure nor the __Host- prefix; deployed, it has both");
    println!("listening on {}", running.server.origin);
    tokio::select! {
        served = running.serve() => Ok(served?),
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}
