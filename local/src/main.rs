//! `cargo dev`: the product on a laptop; with the argument `doctor`, `cargo doctor`. Their settings are in
//! [`local::settings`].

use std::io::IsTerminal;
use std::sync::Arc;

use local::log::Terminal;
use local::settings::Settings;
use local::start::{Running, start};
use shared::config::process_environment;
use shared::system::{SystemClock, SystemEntropy};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let ended = match std::env::args().nth(1).as_deref() {
        None => run().await,
        Some("doctor") => doctor().await,
        Some("--help" | "-h") => {
            print!("{}", local::help::text());
            Ok(())
        }
        Some(other) => Err(format!("unknown argument {other}: see cargo dev -- --help").into()),
    };
    match ended {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// Prints one line for each finding; returns an error if one has failed.
async fn doctor() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::read(&process_environment, true)?;
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let examination = local::doctor::examine(settings, process_environment, clock, entropy).await?;
    for finding in &examination.findings {
        println!("{}", local::doctor::line(finding));
    }
    if examination.is_healthy() { Ok(()) } else { Err("a check has failed".into()) }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::read(&process_environment, std::io::stdout().is_terminal())?;
    let (stack, log_is_text, is_coloured) = (settings.stack.clone(), settings.log_is_text, settings.is_coloured);
    let running = start(settings, process_environment, Arc::new(SystemClock), Arc::new(SystemEntropy)).await?;
    let registry = tracing_subscriber::registry().with(LevelFilter::INFO);
    if log_is_text {
        let terminal = if is_coloured { Terminal::Coloured } else { Terminal::Plain };
        registry.with(running.listening(Some(terminal))).init();
        println!("{}", running.banner().text());
    } else {
        registry.with(shared::telemetry::layer(&stack)).with(running.listening(None)).init();
        print_addresses(&running);
    }
    println!("listening on {}", running.server.origin);
    tokio::select! {
        () = running.serve() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}

/// The addresses, for a program that reads the output line by line.
fn print_addresses(running: &Running) {
    match &running.server.simulation {
        Some(_) => println!(
            "WebinarGeek is simulated; set WEBINARGEEK_CLIENT_ID and WEBINARGEEK_CLIENT_SECRET for the real one"
        ),
        None => println!("redirect URI to register with the provider: {}", running.redirect_uri),
    }
    match &running.tunnel {
        Some(tunnel) => println!(
            "customers use {}: its tunnel must lead to {}, which has the browser's routes only",
            tunnel.public_origin, tunnel.leads_to
        ),
        None => println!("on plain http the cookie has neither Secure nor the __Host- prefix; in AWS it has both"),
    }
}
