//! What a person sees while the stack comes up. The caller decides how it is shown.

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
