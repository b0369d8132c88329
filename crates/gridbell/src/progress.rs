//! What a person sees while the stack comes up: bars on a terminal, plain lines in a pipe, nothing in a test.

use std::{
    io::{IsTerminal, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::time::Instant;

/// Shows what is going on. Several steps may run at once.
pub trait Progress: Send + Sync {
    /// Begins a step.
    fn step(&self, title: &str) -> Box<dyn Step>;
    /// Shows a line that stays.
    fn note(&self, line: &str);
}

/// One step. Dropped without [`Step::done`], it counts as given up.
pub trait Step: Send + Sync {
    /// What it is at.
    fn at(&self, text: &str);
    /// How far it is.
    fn count(&self, done: u64, total: u64);
    /// It has ended well; `text` stays.
    fn done(&self, text: &str);
}

/// Bars where standard error is a terminal, else plain lines.
pub fn for_people() -> Arc<dyn Progress> {
    if std::io::stderr().is_terminal() { Arc::new(Terminal::default()) } else { Arc::new(Plain) }
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _title: &str) -> Box<dyn Step> {
        Box::new(Self)
    }
    fn note(&self, _line: &str) {}
}

impl Step for Silent {
    fn at(&self, _text: &str) {}
    fn count(&self, _done: u64, _total: u64) {}
    fn done(&self, _text: &str) {}
}

struct Plain;

struct PlainStep {
    title: String,
    shown: Mutex<Shown>,
}

/// What a line in a pipe says once in a while, so that minutes of building are not silent.
struct Shown {
    next: Instant,
    count: String,
}

/// How often that is.
const ONCE_IN_A_WHILE: Duration = Duration::from_secs(15);

/// Standard error may be closed; then there is nobody to tell.
fn say(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}

impl Progress for Plain {
    fn step(&self, title: &str) -> Box<dyn Step> {
        say(&format!("{title} …"));
        let shown = Mutex::new(Shown { next: Instant::now() + ONCE_IN_A_WHILE, count: String::new() });
        Box::new(PlainStep { title: title.to_owned(), shown })
    }
    fn note(&self, line: &str) {
        say(line);
    }
}

impl Step for PlainStep {
    fn at(&self, text: &str) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if Instant::now() >= shown.next {
            shown.next = Instant::now() + ONCE_IN_A_WHILE;
            say(&format!("{}: {}{text}", self.title, shown.count));
        }
    }
    fn count(&self, done: u64, total: u64) {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).count = format!("{done} of {total}, ");
    }
    fn done(&self, text: &str) {
        say(&format!("{}: {text}", self.title));
    }
}

/// The bars that are being drawn. Once all have ended they are let go, so that what is printed below them stays.
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
