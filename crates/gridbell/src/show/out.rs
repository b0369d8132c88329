//! All output of the CLI. A test checks that nothing else writes to standard output or standard error, so a new verb
//! can neither print a provider's escape sequences nor fail when its reader closes the pipe.
//!
//! A closed pipe (`| head -1`) is no error: the reader has seen enough. SIGPIPE stays ignored, because `up` and `demo`
//! must end their child processes. A finite verb runs to its end and exits with its usual status; an endless one stops.

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

/// Longest line of an error, in characters.
const MAX_ERROR: usize = 2_000;

/// Whether the reader of standard output has closed it.
static READER_LEFT: AtomicBool = AtomicBool::new(false);

/// The reader of standard output has closed it, so an endless verb stops.
#[derive(Debug, thiserror::Error)]
#[error("standard output is closed")]
pub(crate) struct ReaderLeft;

/// Receives the lines of a verb that the web console runs.
pub(crate) type Lines = Arc<dyn Fn(String) + Send + Sync>;

tokio::task_local! {
    static CAPTURED: Lines;
}

/// Runs `work`; its output goes to `lines` instead of the terminal, and it cannot ask questions.
pub(crate) async fn captured<F: Future>(lines: Lines, work: F) -> F::Output {
    CAPTURED.scope(lines, work).await
}

/// Whether this task's output is captured.
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

/// Writes bytes unchanged: gridbell's own, or content requested byte for byte.
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
/// [`ReaderLeft`], if the reader has closed standard output.
pub(crate) fn while_read() -> Result<(), ReaderLeft> {
    if READER_LEFT.load(Ordering::Relaxed) { Err(ReaderLeft) } else { Ok(()) }
}

/// Prints a message beside the result, on standard error.
pub(crate) fn aside(text: &str) {
    if CAPTURED.try_with(|lines| lines(plain(text))).is_ok() {
        return;
    }
    say(&format!("{}\n", rendered(text)));
}

/// Prints an error: on one line, because parts of it may be foreign; or on several, if all of it is ours.
pub(crate) fn error(text: &str, ours: bool) {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<String> = lines.map(|line| cleaned(line, MAX_ERROR)).collect();
    say(&format!("error: {}\n", rendered(&lines.join(if ours { "\n  " } else { " " }))));
}

/// Prints a question; the person types the answer after it.
pub(super) fn ask(question: &str) {
    say(&rendered(&cleaned(question, usize::MAX)));
}

/// A closed standard error is ignored.
fn say(text: &str) {
    drop(io::stderr().write_all(text.as_bytes()));
}

/// Whether standard output is a terminal.
pub(crate) fn is_seen() -> bool {
    io::stdout().is_terminal()
}

/// Whether standard error is a terminal.
pub(crate) fn aside_is_seen() -> bool {
    io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// Every source file of the CLI.
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
