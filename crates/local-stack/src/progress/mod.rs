//! The progress that a person sees while the stack starts. The caller decides how to show it.

mod terminal;

pub use terminal::{for_people, on_stderr};

/// Shows progress. Several steps may run at the same time.
pub trait Progress: Send + Sync {
    /// Begins a step.
    fn step(&self, title: &str) -> Box<dyn Step>;
    /// Shows a permanent line.
    fn note(&self, line: &str);
}

/// One step. If dropped without [`Step::done`], it counts as failed.
pub trait Step: Send + Sync {
    /// Shows the current activity.
    fn at(&self, text: &str);
    /// Shows how much is done.
    fn count(&self, done: u64, total: u64);
    /// Ends the step successfully; `text` stays visible.
    fn done(&self, text: &str);
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
