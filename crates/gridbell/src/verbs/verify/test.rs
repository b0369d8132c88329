//! A run of `verify`: what it needs, which steps it makes, and what it leaves to be cleaned up.

use std::sync::{Mutex, PoisonError};

use aws::host::Host;
use jiff::SignedDuration;
use pipeline::{
    config::{Config, Permit, TokenHash, VERIFY},
    ports::{Clock, Random},
};

use super::{
    alarms, crash,
    dispatch::TestDispatch,
    report::{Failed, Found, Report},
    steps,
};
use crate::console::Console;

/// How long the built-in source is open, if nothing closes it before.
const PERMITTED: SignedDuration = SignedDuration::from_mins(15);

/// The dispatch that is followed from its webhook to its signal starts late, so that no deadline comes near.
const FAR: SignedDuration = SignedDuration::from_hours(2);

/// The others start soon, so that a mail about them is urgent and waits for no group.
const NEAR: SignedDuration = SignedDuration::from_mins(10);

/// A run.
pub(super) struct Verification<'a> {
    pub(super) console: &'a Console,
    pub(super) config: &'a Config,
    pub(super) report: &'a Report,
    pub(super) permit: Permit,
    token: String,
    /// The unguessable part of this run's ids.
    name: String,
    left: Mutex<Left>,
}

/// What a run has begun and not ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Left {
    /// Dispatches that may have been published.
    pub(super) dispatches: Vec<TestDispatch>,
    /// Deliveries that were accepted, or went into `retries`.
    pub(super) deliveries: Vec<String>,
    /// The permit may be stored.
    pub(super) permit: bool,
}

impl<'a> Verification<'a> {
    pub(super) fn new(console: &'a Console, config: &'a Config, report: &'a Report, mail: Option<String>) -> Self {
        let token = Host.secret();
        let permit = Permit { token: TokenHash::of(&token), mail, expires_at: Host.now() + PERMITTED };
        Self { console, config, report, permit, token, name: Host.unique(), left: Mutex::default() }
    }

    /// Makes all steps.
    pub(super) async fn run(&self, crash: bool) {
        let Self { report, console, .. } = self;
        let alarms = report.step(alarms::STEP, alarms::state(console));
        let tests = async {
            if !report.step(steps::PERMIT, self.permitted()).await {
                return;
            }
            let first = self.dispatch("signal", FAR);
            let is_open = report.step(steps::WEBHOOK, steps::webhook(self, &first)).await;
            if !is_open || !report.step(steps::SIGNAL, steps::signal(console, &first)).await {
                for step in [steps::ACKNOWLEDGEMENT, steps::CHAIN, steps::REDRIVE, steps::MAIL] {
                    report.skipped(step.name, "the steps before it failed");
                }
                return;
            }
            let failing = async {
                let redriven = self.dispatch("redrive", NEAR);
                if report.step(steps::REDRIVE, steps::redrive(self, &redriven)).await {
                    report.step(steps::MAIL, steps::mail(self, &redriven)).await;
                } else {
                    report.skipped(steps::MAIL.name, "the redrive failed");
                }
            };
            futures_util::join!(
                report.step(steps::ACKNOWLEDGEMENT, steps::acknowledged(self, &first)),
                report.step(steps::CHAIN, steps::chain(console, &first)),
                failing,
            );
            if crash {
                // Last, because the others need a hydrator.
                report.step(crash::STEP, crash::killed(self, &self.dispatch("crash", NEAR))).await;
            }
            report.step(steps::CANCELLATION, steps::cancelled(self)).await;
        };
        futures_util::join!(alarms, tests);
    }

    /// A dispatch of this run. Its step tells [`Left`] before it sends anything.
    pub(super) fn dispatch(&self, part: &str, starts_in: SignedDuration) -> TestDispatch {
        TestDispatch::new(&self.name, part, starts_in)
    }

    /// What must be cleaned up.
    pub(super) fn left(&self) -> Left {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn leave(&self, change: impl FnOnce(&mut Left)) {
        change(&mut self.left.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The source's address with the token of this run. It is never shown.
    pub(super) fn hook(&self) -> String {
        format!("{}/hooks/{VERIFY}/{}", self.console.webhook_base, self.token)
    }

    pub(super) fn refused(&self, error: impl std::fmt::Display) -> Failed {
        Failed::new(self.console.refusal(error).to_string())
    }

    /// Opens the built-in source for this run.
    async fn permitted(&self) -> Result<Found, Failed> {
        self.leave(|left| left.permit = true);
        let stored = self.console.configurations().permit(&self.permit, Host.now()).await;
        if stored.map_err(|error| self.refused(error))? {
            return Ok(Found::Good(format!("{VERIFY} is open for this run")));
        }
        self.leave(|left| left.permit = false);
        Err(Failed::new("another `gridbell verify` runs on this stack, or was killed less than 15 minutes ago")
            .mend("let it end, or try again when its permit has expired"))
    }
}
