//! Bars on a terminal, plain lines in a pipe.

use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use dispatch::text;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::time::Instant;

use super::{Progress, Step};

/// Writes one line where the person sees it.
type WriteLine = fn(&str);

/// Bars if standard error is a terminal, else lines, each passed to `write_line`.
pub fn for_people(write_line: WriteLine) -> Arc<dyn Progress> {
    let shown: Arc<dyn Progress> =
        if io::stderr().is_terminal() { Arc::new(Terminal::default()) } else { Arc::new(Plain(write_line)) };
    Arc::new(Clean(shown))
}

/// The same on standard error, for tests and developers' commands.
pub fn on_stderr() -> Arc<dyn Progress> {
    // A closed standard error is ignored.
    for_people(|line| drop(writeln!(io::stderr(), "{line}")))
}

struct Plain(WriteLine);

struct PlainStep {
    write_line: WriteLine,
    title: String,
    shown: Mutex<Shown>,
}

/// Prints a line to a pipe at intervals, so that minutes of building are not silent.
struct Shown {
    next: Instant,
    count: String,
}

/// The interval of these lines.
const ONCE_IN_A_WHILE: Duration = Duration::from_secs(15);

/// Longest line shown, in characters: a function's log line may contain a name of any length.
const MAX_LINE: usize = 4_000;

/// Cleans each line, because any of them may contain foreign text (a function's log, an error).
struct Clean<T: ?Sized>(T);

fn clean(line: &str) -> String {
    text::brief(line, MAX_LINE)
}

impl Progress for Clean<Arc<dyn Progress>> {
    fn step(&self, title: &str) -> Box<dyn Step> {
        Box::new(Clean(self.0.step(&clean(title))))
    }
    fn note(&self, line: &str) {
        self.0.note(&clean(line));
    }
}

impl Step for Clean<Box<dyn Step>> {
    fn at(&self, text: &str) {
        self.0.at(&clean(text));
    }
    fn count(&self, done: u64, total: u64) {
        self.0.count(done, total);
    }
    fn done(&self, text: &str) {
        self.0.done(&clean(text));
    }
}

impl Progress for Plain {
    fn step(&self, title: &str) -> Box<dyn Step> {
        self.0(&format!("{title} …"));
        let shown = Mutex::new(Shown { next: Instant::now() + ONCE_IN_A_WHILE, count: String::new() });
        Box::new(PlainStep { write_line: self.0, title: title.to_owned(), shown })
    }
    fn note(&self, line: &str) {
        self.0(line);
    }
}

impl Step for PlainStep {
    fn at(&self, text: &str) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if Instant::now() >= shown.next {
            shown.next = Instant::now() + ONCE_IN_A_WHILE;
            (self.write_line)(&format!("{}: {}{text}", self.title, shown.count));
        }
    }
    fn count(&self, done: u64, total: u64) {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).count = format!("{done} of {total}, ");
    }
    fn done(&self, text: &str) {
        (self.write_line)(&format!("{}: {text}", self.title));
    }
}

/// The bars on the screen. It forgets them when all have ended, so that later output below does not overwrite them.
#[derive(Default)]
struct Screen {
    bars: MultiProgress,
    active: usize,
}

#[derive(Default)]
struct Terminal(Arc<Mutex<Screen>>);

struct TerminalStep {
    screen: Arc<Mutex<Screen>>,
    ended: AtomicBool,
    bar: ProgressBar,
    title: String,
}

impl TerminalStep {
    fn end(&self) {
        if self.ended.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        screen.active -= 1;
        if screen.active == 0 {
            screen.bars = MultiProgress::new();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

impl Progress for Terminal {
    fn step(&self, title: &str) -> Box<dyn Step> {
        let mut screen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        screen.active += 1;
        let bar = ProgressBar::new_spinner().with_style(style("{spinner:.cyan} {prefix:.bold} {wide_msg:.dim}"));
        let bar = screen.bars.add(bar);
        bar.set_prefix(title.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        Box::new(TerminalStep {
            screen: Arc::clone(&self.0),
            ended: AtomicBool::new(false),
            bar,
            title: title.to_owned(),
        })
    }
    fn note(&self, line: &str) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).bars.println(line));
    }
}

impl Step for TerminalStep {
    fn at(&self, text: &str) {
        self.bar.set_message(text.to_owned());
    }
    fn count(&self, done: u64, total: u64) {
        if self.bar.length() != Some(total) {
            self.bar.set_style(style("{spinner:.cyan} {prefix:.bold} {bar:24.cyan/dim} {pos}/{len} {wide_msg:.dim}"));
            self.bar.set_length(total);
        }
        self.bar.set_position(done);
    }
    fn done(&self, text: &str) {
        self.bar.set_style(style("{prefix:.green} {wide_msg}"));
        self.bar.set_prefix(format!("✓ {}", self.title));
        self.bar.finish_with_message(text.to_owned());
        self.end();
    }
}

impl Drop for TerminalStep {
    fn drop(&mut self) {
        if !self.bar.is_finished() {
            self.bar.abandon();
        }
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<String>>>);

    impl Kept {
        fn keep(&self, line: &str) {
            self.0.lock().expect("no panic").push(line.to_owned());
        }
    }

    impl Progress for Kept {
        fn step(&self, title: &str) -> Box<dyn Step> {
            self.keep(title);
            Box::new(self.clone())
        }
        fn note(&self, line: &str) {
            self.keep(line);
        }
    }

    impl Step for Kept {
        fn at(&self, text: &str) {
            self.keep(text);
        }
        fn count(&self, _done: u64, _total: u64) {}
        fn done(&self, text: &str) {
            self.keep(text);
        }
    }

    #[test]
    fn a_line_of_progress_is_clean_and_short() {
        let kept = Kept::default();
        let progress = Clean(Arc::new(kept.clone()) as Arc<dyn Progress>);
        let evil = format!("\u{1b}[2J\u{202e}a\nb{}", "x".repeat(20_000));
        let step = progress.step(&evil);
        step.at(&evil);
        step.done(&evil);
        progress.note(&evil);
        let lines = kept.0.lock().expect("no panic").clone();
        assert_eq!(lines.len(), 4);
        assert!(lines.iter().all(|line| line.starts_with("\u{fffd}a bx") && line.chars().count() < 4_100), "{lines:?}");
    }
}
