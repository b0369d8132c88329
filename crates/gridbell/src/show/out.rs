//! The one way out. Nothing else in the CLI writes to standard output or standard error (a test sees to it), so that a new verb can
//! neither let a provider's escape sequences through nor trip over a reader that has left.
//!
//! A closed pipe (`| head -1`) is no error: the reader has seen enough. SIGPIPE stays ignored, since `up` and `demo` have children to
//! end. A verb that has an end goes on to it and its exit status says what came of it; one that would go on for ever stops.

use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context, Result};
use dispatch::text;
use serde::Serialize;

use super::marks::{cleaned, plain, rendered};

/// How much of a line of an error is shown, in characters.
const MAX_ERROR: usize = 2_000;

/// Whether somebody has closed the other end of standard output.
static READER_LEFT: AtomicBool = AtomicBool::new(false);

/// Standard output's reader has left, and what goes on for ever need not.
#[derive(Debug, thiserror::Error)]
#[error("standard output is closed")]
pub(crate) struct ReaderLeft;

/// Takes the lines of a verb that the web console runs.
pub(crate) type Lines = Arc<dyn Fn(String) + Send + Sync>;

tokio::task_local! {
    static CAPTURED: Lines;
}

/// Does that work; each line that it prints goes to `lines` instead of the terminal, and it can ask nobody.
pub(crate) async fn captured<F: Future>(lines: Lines, work: F) -> F::Output {
    CAPTURED.scope(lines, work).await
}

/// Whether the lines of this task go elsewhere than to the terminal.
pub(super) fn is_captured() -> bool {
    CAPTURED.try_with(|_| ()).is_ok()
}

/// Prints one line.
pub(crate) fn line(text: &str) -> Result<()> {
    if CAPTURED.try_with(|lines| lines(plain(text.trim_end()))).is_ok() {
        return Ok(());
    }
    raw(format!("{}\n", rendered(&cleaned(text.trim_end(), usize::MAX))).as_bytes())
}

/// Prints several lines.
pub(crate) fn screen(text: &str) -> Result<()> {
    raw(format!("{}\n", rendered(text.trim_end())).as_bytes())
}

/// Prints a value as indented JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    raw(format!("{}\n", text::json(&serde_json::to_string_pretty(value)?)).as_bytes())
}

/// Prints a value as JSON on one line.
pub(crate) fn json_line(value: &impl Serialize) -> Result<()> {
    raw(format!("{}\n", text::json(&serde_json::to_string(value)?)).as_bytes())
}

/// Writes bytes as they are: gridbell's own, or what was asked for byte for byte.
pub(crate) fn raw(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            READER_LEFT.store(true, Ordering::Relaxed);
            Ok(())
        }
        written => written.context("standard output cannot be written"),
    }
}

/// # Errors
/// [`ReaderLeft`], once it has.
pub(crate) fn while_read() -> Result<(), ReaderLeft> {
    if READER_LEFT.load(Ordering::Relaxed) { Err(ReaderLeft) } else { Ok(()) }
}

/// Says something beside the result, on standard error.
pub(crate) fn aside(text: &str) {
    if CAPTURED.try_with(|lines| lines(plain(text))).is_ok() {
        return;
    }
    say(&format!("{}\n", rendered(text)));
}

/// Says why it did not work: in one line, since others may have written a part of it; or in several, where that is all our own.
pub(crate) fn error(text: &str, ours: bool) {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<String> = lines.map(|line| cleaned(line, MAX_ERROR)).collect();
    say(&format!("error: {}\n", rendered(&lines.join(if ours { "\n  " } else { " " }))));
}

/// Asks something; the answer is typed behind it.
pub(super) fn ask(question: &str) {
    say(&rendered(&cleaned(question, usize::MAX)));
}

/// Where standard error is closed, there is nobody to tell.
fn say(text: &str) {
    drop(io::stderr().write_all(text.as_bytes()));
}

/// Whether a person sees what is printed.
pub(crate) fn is_seen() -> bool {
    io::stdout().is_terminal()
}

/// Whether a person sees what is said beside it.
pub(crate) fn aside_is_seen() -> bool {
    io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// Every file of the CLI.
    fn sources(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            match entry.path() {
                path if path.is_dir() => sources(&path, found),
                path if path.extension().is_some_and(|extension| extension == "rs") => found.push(path),
                _ => {}
            }
        }
    }

    #[test]
    fn nothing_is_written_but_here() {
        let mut files = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
        assert!(files.len() > 100, "{}", files.len());
        for file in files.iter().filter(|file| !file.ends_with("show/out.rs")) {
            let text = std::fs::read_to_string(file).expect("readable");
            for way in ["io::stdout", "io::stderr", "println!(", "print!("] {
                assert!(!text.contains(way), "{} writes by itself: {way}", file.display());
            }
        }
    }
}
