//! Asking a person before something that others feel.

use std::io::{BufRead, IsTerminal};

use anyhow::{Result, bail};

/// Whether there is a person to ask: one who can answer, and sees what is asked.
pub(crate) fn can_ask() -> bool {
    !super::out::is_captured() && std::io::stdin().is_terminal() && super::aside_is_seen()
}

/// The web console runs the verb, and must ask a person first: what would be done.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unasked(pub(crate) String);

/// Asks whether to go on with `what`; `yes`, which is `--yes`, answers beforehand.
///
/// # Errors
/// The answer is no; or nobody can be asked, which is a wrong command line (exit status 2).
pub(crate) fn consent(yes: bool, what: &str) -> Result<()> {
    if yes {
        return Ok(());
    }
    if super::out::is_captured() {
        return Err(Unasked(what.to_owned()).into());
    }
    if !can_ask() {
        return Err(crate::usage::error(format!("{what}; nobody can be asked here, so say --yes to go on")));
    }
    super::out::ask(&format!("{what}. Go on? [y/N] "));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    bail!("left as it is")
}
