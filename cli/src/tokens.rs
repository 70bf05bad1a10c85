//! `token` and `reject`.

use std::process::ExitStatus;

use serde_json::{Value, json};
use webinargeek_connect_client::{Client, Token};

use crate::arguments;
use crate::clock::now;
use crate::failure::Failure;
use crate::output::Output;
use crate::table::{Table, from_now, moment};

/// The variable in which a command finds the token. Other users of the machine can read arguments, but not the
/// environment.
const VARIABLE: &str = "WEBINARGEEK_ACCESS_TOKEN";

pub(crate) async fn read(client: &Client, output: &Output, asked: arguments::Token) -> Result<(), Failure> {
    let token = match asked.min_ttl {
        Some(seconds) => client.token_for(&asked.id, seconds).await?,
        None => client.token(&asked.id).await?,
    };
    if let Some((program, arguments)) = asked.command.split_first() {
        return run(program, arguments, &token).await;
    }
    match (asked.reveal, output.json) {
        (true, false) => output.text(token.access_token.expose()),
        (true, true) => {
            let mut value = described(&token);
            value["access_token"] = token.access_token.expose().into();
            output.line(&value);
        }
        (false, _) => {
            show(output, &asked.id, &token);
            output
                .note("--reveal prints the token; `wgc token ID -- COMMAND` gives it to a command in its environment.");
        }
    }
    Ok(())
}

pub(crate) async fn reject(client: &Client, output: &Output, id: &str, version: u64) -> Result<(), Failure> {
    let token = client.reject(id, version).await?;
    show(output, id, &token);
    Ok(())
}

fn described(token: &Token) -> Value {
    json!({
        "token_type": token.token_type, "expires_at": moment(token.expires_at), "version": token.version,
        "cache_until": moment(token.cache_until),
    })
}

fn show(output: &Output, id: &str, token: &Token) {
    let time = |at| Some(format!("{}, {}", moment(at), from_now(at, now())));
    output.answer(&described(token), || {
        Table::of_members([
            ("connection", Some(id.to_owned())),
            ("token", Some("********".to_owned())),
            ("version", Some(token.version.to_string())),
            ("expires", time(token.expires_at)),
            ("keep until", time(token.cache_until)),
        ])
    });
}

async fn run(program: &str, arguments: &[String], token: &Token) -> Result<(), Failure> {
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).env(VARIABLE, token.access_token.expose());
    let status = command.status().await.map_err(|error| Failure::File { path: program.to_owned(), error })?;
    if status.success() { Ok(()) } else { Err(Failure::Command(exit_code(status))) }
}

/// As a shell reports it: if a signal has ended the command, 128 plus the signal's number.
fn exit_code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return u8::try_from(128 + signal).unwrap_or(1);
    }
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
