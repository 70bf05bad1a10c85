//! The arguments of `wgc`, and its help.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed for a reason that is not in this list
  2    the arguments are not valid, or a question could not be asked
  3    there is no such connection, session or stack
  4    only the customer can help: reauth_required, or unconfirmed
  5    unavailable for now: try again later
  6    no credentials, or no permission
  7    the doctor has found something that failed
  8    there is a live connection: connection_exists
  9    the import has ended, and some of its lines have failed
  130  interrupted
After `wgc token ID -- COMMAND` it is the command's own.

No token is an argument: refresh tokens are read from a file, the terminal or standard input.";

/// The command line of webinargeek-connect.
///
/// The API is that of a stack in AWS (`--stack`), or of `cargo dev` (`--url http://127.0.0.1:8787`). Credentials are
/// found as the AWS CLI finds them.
#[derive(Parser)]
#[command(name = "wgc", bin_name = "wgc", version, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub place: Place,
    /// Answer in JSON, failures too: one object, or one a line where more come over time
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

/// Where the deployment is.
#[derive(Args)]
pub(crate) struct Place {
    /// The API's origin. Without it and --stack, the environment variable API_ORIGIN
    #[arg(long, global = true, conflicts_with = "stack", help_heading = "Deployment")]
    pub url: Option<String>,
    /// The stack in AWS; webinargeek-connect by default
    #[arg(long, global = true, help_heading = "Deployment")]
    pub stack: Option<String>,
    /// The stack's region. Without it the one of the profile or of AWS_REGION
    #[arg(long, global = true, help_heading = "Deployment")]
    pub region: Option<String>,
    /// A profile of the AWS CLI. Without it that of AWS_PROFILE
    #[arg(long, global = true, help_heading = "Deployment")]
    pub profile: Option<String>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a link for one customer's journey
    Link(Link),
    /// Show how the journey of a link went
    Session {
        #[arg(value_name = "SESSION_ID")]
        id: String,
    },
    /// Confirm that the right customer came back; the confirmation, or the address that has it, is read from standard
    /// input
    Confirm { session_id: String },
    /// List connections
    List {
        /// Only those of this status: active, degraded, pending, unconfirmed, reauth_required, disconnecting,
        /// quarantined
        #[arg(long)]
        status: Option<String>,
    },
    /// Show a connection
    Show { id: String },
    /// Show, print or use a live token
    Token(Token),
    /// Report that WebinarGeek answered 401 to a token, and get a newer one
    Reject {
        id: String,
        /// The version of the token that was refused
        #[arg(long)]
        version: u64,
    },
    /// Take a connection away and revoke its grants
    Disconnect {
        id: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Take over connections from another system
    Import(Import),
    /// Find what would keep a customer from connecting
    Doctor {
        /// Try how WebinarGeek rotates, on this connection; it may be lost, and its link was made with --throw-away
        #[arg(long, value_name = "ID")]
        throw_away: Option<String>,
    },
    /// Delete rows that are of no use any more, or seal all pairs under the current key; a dry run comes first
    Maintain(Maintain),
    /// Show what happens to connections
    Events(Events),
    /// Show the failures of the last hours, and what to do
    Logs(Logs),
    /// Print the completions of a shell
    Completions { shell: Shell },
}

#[derive(Args)]
pub(crate) struct Link {
    /// Your own name for the customer; without it an id is generated
    pub id: Option<String>,
    /// Where the browser goes when the journey has ended
    #[arg(long, value_name = "URL")]
    pub return_to: Option<String>,
    /// Seconds until the link expires, 60 to 86400
    #[arg(long, value_name = "SECONDS")]
    pub expires_in: Option<u32>,
    /// Leave out the page that asks the customer first
    #[arg(long)]
    pub no_confirm_page: bool,
    /// Connect when the customer approves, without the confirm call
    #[arg(long)]
    pub no_confirm: bool,
    /// Refuse another WebinarGeek account than the one that the connection is for
    #[arg(long)]
    pub same_account: bool,
    /// The language of its pages; by default the one that the browser asks for
    #[arg(long, value_name = "en|nl|de")]
    pub ui_locale: Option<String>,
    /// The connection may be lost: for `wgc doctor --throw-away`
    #[arg(long)]
    pub throw_away: bool,
}

#[derive(Args)]
pub(crate) struct Token {
    pub id: String,
    /// Print the token
    #[arg(long, conflicts_with = "command")]
    pub reveal: bool,
    /// Seconds that it must still be valid, up to half of its lifetime
    #[arg(long, value_name = "SECONDS")]
    pub min_ttl: Option<u32>,
    /// Run this with the token in its environment, as WEBINARGEEK_ACCESS_TOKEN
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Import {
    /// A CSV file with the columns connection_id and refresh_token, or JSON Lines with these members
    #[arg(required_unless_present = "connection")]
    pub file: Option<PathBuf>,
    /// One connection; its refresh token is read from the terminal or standard input
    #[arg(long, value_name = "ID", conflicts_with_all = ["file", "format", "report"])]
    pub connection: Option<String>,
    /// The form of the file, where its name does not end in .csv, .jsonl or .ndjson
    #[arg(long)]
    pub format: Option<Format>,
    /// The result of each line; an import that was stopped goes on from it. FILE.report.jsonl by default
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// How many lines are imported at the same time
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub concurrency: u16,
    /// Replace connections that work, too
    #[arg(long)]
    pub replace: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    Csv,
    Jsonl,
}

#[derive(Args)]
pub(crate) struct Maintain {
    pub task: Task,
    /// Of reap: how many days a row has been of no use, at least 30
    #[arg(long, default_value_t = 90)]
    pub days: u16,
    /// Show what would change, and change nothing
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Do not ask before the change
    #[arg(long)]
    pub yes: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Task {
    /// Deletes rows that have been of no use for long
    Reap,
    /// Puts every pair of tokens under the current sealing key
    Reseal,
}

#[derive(Args)]
pub(crate) struct Events {
    /// Go on until it is interrupted
    #[arg(long)]
    pub follow: bool,
    /// How far to look back in a stack: 15m, 3h or 2d. A laptop shows all events
    #[arg(long, default_value = "1h", value_parser = duration)]
    pub since: Duration,
}

#[derive(Args)]
pub(crate) struct Logs {
    /// How far to look back: 15m, 3h or 2d
    #[arg(long, default_value = "3h", value_parser = duration)]
    pub since: Duration,
    /// Only lines about this connection
    #[arg(long, value_name = "ID")]
    pub connection: Option<String>,
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a number and s, m, h or d, as in 3h".to_owned();
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        _ => return Err(wrong()),
    };
    let number: u32 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    Ok(Duration::from_secs(u64::from(number) * unit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        assert_eq!(duration("3h"), Ok(Duration::from_secs(10_800)));
        assert_eq!(duration("2d"), Ok(Duration::from_secs(172_800)));
        for wrong in ["", "h", "3", "3 h", "-3h", "3€"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_token_can_be_an_argument() {
        for arguments in [["wgc", "import", "acme", "a-refresh-token"], ["wgc", "confirm", "session", "a-confirmation"]]
        {
            assert!(Arguments::try_parse_from(arguments).is_err(), "{arguments:?}");
        }
    }

    /// Each command that a document shows, up to what a shell would do with it.
    #[test]
    fn each_command_in_the_documents_is_a_valid_one() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut shown = 0;
        for document in ["README.md", "docs/deploying.md", "docs/migrating.md", "docs/operating.md", "docs/wgc.md"] {
            let text = std::fs::read_to_string(root.join(document)).unwrap();
            for line in text.lines().map(str::trim_start).filter(|line| line.starts_with("wgc ")) {
                let command = line.split(['|', '>', '#', ';']).next().unwrap();
                let words = command.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
                if let Err(error) = Arguments::try_parse_from(words) {
                    panic!("{document}: {line}\n{error}");
                }
                shown += 1;
            }
        }
        assert!(shown > 10, "{shown}");
    }
}
