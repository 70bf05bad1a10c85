//! `cargo dev`: the product on a laptop; with the argument `doctor`, `cargo doctor`. Their settings are in
//! [`local::settings`].

use std::io::IsTerminal;
use std::sync::Arc;

use local::settings::Settings;
use local::start::start;
use shared::config::process_environment;
use shared::system::{SystemClock, SystemEntropy};

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let ended = match std::env::args().nth(1).as_deref() {
        None => run().await,
        Some("doctor") => doctor().await,
        Some(_) => Err("unknown argument; the only one is: doctor".into()),
    };
    match ended {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// One line for each finding; an error where one has failed.
async fn doctor() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::read(&process_environment, true)?;
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let examination = local::doctor::examine(settings, process_environment, clock, entropy).await?;
    for finding in &examination.findings {
        println!("{}", local::doctor::line(finding));
    }
    if examination.is_healthy() { Ok(()) } else { Err("not healthy".into()) }
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
