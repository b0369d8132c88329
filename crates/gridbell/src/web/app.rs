//! The console's state.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

use super::{
    access::{CheckResult, StackAccess, Tested},
    guard::Guard,
};
use crate::show::Clockface;

/// How many results of actions are stored; the page after the action shows each once.
const KEPT_SAID: u64 = 64;

/// How many lines of a test are stored.
const KEPT_LINES: usize = 200;

/// The console's state.
pub(super) struct App {
    pub(super) access: Arc<dyn StackAccess>,
    pub(super) guard: Guard,
    pub(super) utc: bool,
    said: Mutex<(u64, BTreeMap<u64, Said>)>,
    pub(super) tests: Mutex<BTreeMap<TestOf, TestRun>>,
    pub(super) doctor: Mutex<Option<DoctorRun>>,
}

/// The result of an action.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) done: bool,
    pub(super) lines: Vec<String>,
}

/// What is tested.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TestOf {
    Source(String),
    Output(String),
}

/// A test of a source or of an output, started in the console.
#[derive(Debug, Clone)]
pub(super) struct TestRun {
    pub(super) began_at: Timestamp,
    pub(super) lines: Vec<String>,
    /// Its result; none while it runs.
    pub(super) ended: Option<Result<Tested, String>>,
}

/// A run of `doctor`'s checks, started in the console.
#[derive(Debug, Clone)]
pub(super) struct DoctorRun {
    pub(super) began_at: Timestamp,
    /// Its results; none while it runs.
    pub(super) ended: Option<Result<Vec<CheckResult>, String>>,
}

impl App {
    pub(super) fn new(access: Arc<dyn StackAccess>, guard: Guard, utc: bool) -> Self {
        Self { access, guard, utc, said: Mutex::default(), tests: Mutex::default(), doctor: Mutex::default() }
    }

    /// The zone for times, and the current time.
    pub(super) fn clock(&self) -> Clockface {
        Clockface::at(self.access.now(), self.utc)
    }

    /// The names of the sources; none if the configuration cannot be read.
    pub(super) async fn sources(&self) -> Vec<String> {
        self.access.config().await.map(|config| config.sources.into_keys().collect()).unwrap_or_default()
    }

    /// Stores the result of an action; returns its number for the next page.
    pub(super) fn say(&self, said: Said) -> u64 {
        let mut kept = lock(&self.said);
        kept.0 += 1;
        let number = kept.0;
        kept.1.insert(number, said);
        kept.1.retain(|known, _| number - known < KEPT_SAID);
        number
    }

    /// Removes and returns the result of an action.
    pub(super) fn take_said(&self, number: u64) -> Option<Said> {
        lock(&self.said).1.remove(&number)
    }
}

impl TestRun {
    pub(super) fn began(at: Timestamp) -> Self {
        Self { began_at: at, lines: Vec::new(), ended: None }
    }

    pub(super) fn line(&mut self, line: String) {
        if self.lines.len() < KEPT_LINES {
            self.lines.push(line);
        }
    }
}

/// Ignores a panic in another thread: the locked data is consistent after each statement.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
