//! What the console holds while it runs.

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

/// What came of actions is kept for so many of them: each is shown once, on the page behind it.
const KEPT_SAID: u64 = 64;

/// How many lines of a test are kept.
const KEPT_LINES: usize = 200;

/// The console while it runs.
pub(super) struct App {
    pub(super) access: Arc<dyn StackAccess>,
    pub(super) guard: Guard,
    pub(super) utc: bool,
    said: Mutex<(u64, BTreeMap<u64, Said>)>,
    pub(super) tests: Mutex<BTreeMap<String, TestRun>>,
    pub(super) doctor: Mutex<Option<DoctorRun>>,
}

/// What came of an action.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) done: bool,
    pub(super) lines: Vec<String>,
}

/// A test of a source that was begun here.
#[derive(Debug, Clone)]
pub(super) struct TestRun {
    pub(super) began_at: Timestamp,
    pub(super) lines: Vec<String>,
    /// How it ended; none while it runs.
    pub(super) ended: Option<Result<Tested, String>>,
}

/// The checks of `doctor` that were begun here.
#[derive(Debug, Clone)]
pub(super) struct DoctorRun {
    pub(super) began_at: Timestamp,
    /// What was found; none while it runs.
    pub(super) ended: Option<Result<Vec<CheckResult>, String>>,
}

impl App {
    pub(super) fn new(access: Arc<dyn StackAccess>, guard: Guard, utc: bool) -> Self {
        Self { access, guard, utc, said: Mutex::default(), tests: Mutex::default(), doctor: Mutex::default() }
    }

    /// The zone that times are shown in, and the time.
    pub(super) fn clock(&self) -> Clockface {
        Clockface::at(self.access.now(), self.utc)
    }

    /// The names of the sources; none where no configuration can be read.
    pub(super) async fn sources(&self) -> Vec<String> {
        self.access.config().await.map(|config| config.sources.into_keys().collect()).unwrap_or_default()
    }

    /// Keeps what came of an action; the number under which the next page finds it.
    pub(super) fn say(&self, said: Said) -> u64 {
        let mut kept = lock(&self.said);
        kept.0 += 1;
        let number = kept.0;
        kept.1.insert(number, said);
        kept.1.retain(|known, _| number - known < KEPT_SAID);
        number
    }

    /// What came of an action, once.
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

/// What is locked here is whole after each statement, so a panic elsewhere does not matter.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
