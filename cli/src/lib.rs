//! `wgc`, the command line of a deployment, for integrators and operators.
//!
//! It makes API calls, through the library in `clients/rust`. It also reads a stack's outputs and logs, and invokes the
//! one function that has no route.

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

mod arguments;
mod clock;
mod connections;
mod deployment;
mod doctor;
mod events;
mod failure;
mod import;
mod input;
mod laptop;
mod logs;
mod maintain;
mod output;
mod remedies;
mod sessions;
mod table;
mod tokens;

use arguments::{Arguments, Command};
use deployment::Deployment;
use failure::Failure;
use output::Output;

/// Does what the arguments say. Its exit codes are listed in the help.
pub async fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let output = Output::new(arguments.json);
    match carry_out(&output, arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

async fn carry_out(output: &Output, Arguments { place, command, .. }: Arguments) -> Result<(), Failure> {
    if let Command::Completions { shell } = command {
        clap_complete::generate(shell, &mut Arguments::command(), "wgc", &mut std::io::stdout());
        return Ok(());
    }
    let deployment = Deployment::find(&place).await?;
    let client = &deployment.client;
    match command {
        Command::Link(link) => sessions::link(client, output, link).await,
        Command::Session { id } => sessions::show(client, output, &id).await,
        Command::Confirm { session_id } => sessions::confirm(client, output, &session_id).await,
        Command::List { status } => connections::list(client, output, status.as_deref()).await,
        Command::Show { id } => connections::show(client, output, &id).await,
        Command::Disconnect { id, yes } => connections::disconnect(client, output, &id, yes).await,
        Command::Token(token) => tokens::read(client, output, token).await,
        Command::Reject { id, version } => tokens::reject(client, output, &id, version).await,
        Command::Import(import) => import::import(client, output, import).await,
        Command::Doctor { throw_away } => doctor::doctor(client, output, throw_away.as_deref()).await,
        Command::Maintain(maintain) => maintain::maintain(&deployment, output, maintain).await,
        Command::Events(events) => events::events(&deployment, output, events).await,
        Command::Logs(logs) => logs::logs(&deployment, output, logs).await,
        Command::Completions { .. } => Ok(()),
    }
}
