//! What is read from the person or the program that calls: secrets, and the answer to a question.

use std::io::{self, BufRead, IsTerminal, Write};

use console::Term;
use webinargeek_connect_client::Secret;

use crate::failure::Failure;

/// A secret: from the terminal, which does not show it, or the first line of standard input.
pub(crate) fn secret(what: &str) -> Result<Secret, Failure> {
    let unreadable = |error: io::Error| Failure::File { path: "standard input".to_owned(), error };
    let mut line = zeroize::Zeroizing::new(String::new());
    if io::stdin().is_terminal() {
        let _ = write!(io::stderr().lock(), "{what}: ");
        *line = Term::stderr().read_secure_line().map_err(unreadable)?;
    } else {
        io::stdin().lock().read_line(&mut line).map_err(unreadable)?;
    }
    match line.trim() {
        "" => Err(Failure::Usage(format!("{what} is expected on standard input"))),
        text => Ok(Secret::new(text)),
    }
}

/// Asks a person. A program uses --yes.
pub(crate) fn agrees(question: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage(format!("{question} Use --yes: there is no terminal to ask on")));
    }
    let _ = write!(io::stderr().lock(), "{question} [y/N] ");
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    read.map_err(|error| Failure::File { path: "the terminal".to_owned(), error })?;
    Ok(["y", "yes"].contains(&line.trim().to_lowercase().as_str()))
}
