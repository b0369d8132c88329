//! Asks a person before an action with outside effects.

use std::io::{BufRead, IsTerminal};

use anyhow::{Result, bail};

/// Whether a person at a terminal can see a question and answer it.
pub(crate) fn can_ask() -> bool {
    !super::out::is_captured() && std::io::stdin().is_terminal() && super::aside_is_seen()
}

/// The web console runs the verb, and must first ask a person about this action.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unasked(pub(crate) String);

/// Asks whether to go on with `what`; `yes` (`--yes`) skips the question.
///
/// # Errors
/// The answer is no; or there is no terminal, which is a wrong command line (exit status 2).
pub(crate) fn consent(yes: bool, what: &str) -> Result<()> {
    if yes {
        return Ok(());
    }
    if super::out::is_captured() {
        return Err(Unasked(what.to_owned()).into());
    }
    if !can_ask() {
        return Err(crate::usage::error(format!("{what}; there is no terminal to ask at: say --yes to go on")));
    }
    super::out::ask(&format!("{what}. Go on? [y/N] "));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    bail!("left as it is")
}
