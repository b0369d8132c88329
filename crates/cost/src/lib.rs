//! What gridbell costs in AWS: the consumption of each step times the list price.

mod calls;
mod prices;

use std::ops::{Add, Mul};

use serde::Serialize;

pub use calls::{Count, STEPS, Step};
pub use prices::{AS_OF, Line, PRICES, Price, REGION};

/// The functions' memory, as in `infra/template.yaml`.
const MEMORY_GB: f64 = 0.25;
/// Bytes that the HTTP API logs per request.
const ACCESS_BYTES: f64 = 300.0;
/// Minutes per month, at 730 hours.
const MINUTES: f64 = 43_800.0;
/// How often Lambda polls an idle queue per minute: five pollers, each waits for 20 s.
const POLLS_PER_MINUTE: f64 = 15.0;
/// `deliveries`, `retries`, `alerts`, `reviews`.
const MAPPINGS: f64 = 4.0;
/// How often one source is polled while no dispatch is near: every five minutes.
const SOURCE_POLLS_PER_MINUTE: f64 = 0.2;

/// Seconds per invocation. They are assumptions, not measured at AWS: a few milliseconds for each AWS call and 150 for
/// a provider's response.
mod seconds {
    pub(super) const RECEIVER: f64 = 0.010;
    pub(super) const HYDRATOR: f64 = 0.200;
    pub(super) const HYDRATOR_TEN: f64 = 0.300;
    pub(super) const OTHER: f64 = 0.030;
    pub(super) const COURIER: f64 = 0.150;
    pub(super) const COURIER_TEN: f64 = 0.250;
}

/// What a webhook contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Brings {
    /// A dispatch that was unknown: the most expensive case
    New,
    /// A change of a known dispatch
    Update,
    /// Nothing new: a repetition
    Unchanged,
}

impl Brings {
    /// The hydrator's step, as the bench names it.
    fn step(self) -> &'static str {
        match self {
            Self::New => "a new thin dispatch",
            Self::Update => "an update",
            Self::Unchanged => "an unchanged redelivery of that",
        }
    }
}

/// The usage of each line of the bill.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage([f64; PRICES.len()]);

impl Usage {
    /// Adds usage to a line.
    #[must_use]
    pub fn with(mut self, line: Line, amount: f64) -> Self {
        self.0[line as usize] += amount;
        self
    }

    /// Dollars per line, in the order of [`PRICES`].
    pub fn dollars(self) -> [f64; PRICES.len()] {
        PRICES.map(|price| self.0[price.line as usize] * price.dollars / price.per)
    }

    /// Dollars per line if nothing else uses each month's free tier.
    pub fn dollars_beyond_free(self) -> f64 {
        PRICES.iter().map(|price| (self.0[price.line as usize] - price.free).max(0.0) * price.dollars / price.per).sum()
    }

    /// Without the HTTP API and its log, as with a Function URL.
    #[must_use]
    pub fn without_api(self) -> Self {
        let requests = self.0[Line::HttpApi as usize];
        self.with(Line::HttpApi, -requests).with(Line::Logs, -requests * ACCESS_BYTES)
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(own, other)| *own += other);
        self
    }
}

impl Mul<f64> for Usage {
    type Output = Self;

    fn mul(self, times: f64) -> Self {
        Self(self.0.map(|amount| amount * times))
    }
}

/// One webhook and all that follows from it, alone or as one of ten in a batch.
pub fn webhook(brings: Brings, in_tens: bool) -> Usage {
    let accepted = counted("a webhook is accepted");
    let received =
        invocation(accepted.alone, seconds::RECEIVER).with(Line::HttpApi, 1.0).with(Line::Logs, ACCESS_BYTES);
    let step = counted(brings.step());
    let hydrated = match step.ten.filter(|_| in_tens) {
        Some(ten) => (invocation(ten, seconds::HYDRATOR_TEN) + mapping()) * 0.1,
        None => invocation(step.alone, seconds::HYDRATOR) + mapping(),
    };
    received + hydrated
}

/// One signal to one HTTP output, alone or as one of ten in a batch. A further output adds less: the invocation is
/// shared.
pub fn output(in_tens: bool) -> Usage {
    let step = counted("a signal to an HTTP output");
    match step.ten.filter(|_| in_tens) {
        Some(ten) => (invocation(ten, seconds::COURIER_TEN) + fifo_mapping()) * 0.1,
        None => invocation(step.alone, seconds::COURIER) + fifo_mapping(),
    }
}

/// What Lambda's polling of `signals` and `outputs` adds to a month where there is a courier.
pub fn idle_month_of_courier() -> Usage {
    let minute = Usage::default().with(Line::SqsFifo, POLLS_PER_MINUTE).with(Line::SqsStandard, POLLS_PER_MINUTE);
    minute * MINUTES
}

/// A month without webhooks: the sweeps, the heartbeats, one polled source, and Lambda's polling of four queues.
pub fn idle_month() -> Usage {
    let at_work = |what: &str, seconds| invocation(counted(what).alone, seconds);
    let heartbeats = (at_work("a heartbeat is answered", seconds::OTHER) + at_work("… and checked", seconds::OTHER))
        * 2.0
        + mapping() * 4.0;
    let poll = at_work("a poll that finds nothing new", seconds::HYDRATOR).with(Line::SqsStandard, 1.0) + mapping();
    let minute = at_work("a sweep with nothing due", seconds::OTHER)
        + heartbeats
        + poll * SOURCE_POLLS_PER_MINUTE
        + Usage::default().with(Line::SqsStandard, POLLS_PER_MINUTE * MAPPINGS);
    minute * MINUTES
}

/// The first mail of an incident, from an unknown event on.
pub fn incident() -> Usage {
    let steps = ["an unknown event", "… is quarantined", "… becomes an incident", "… and is mailed"];
    steps
        .into_iter()
        .fold(Usage::default(), |sum, what| sum + invocation(counted(what).alone, seconds::OTHER) + mapping())
}

fn counted(what: &str) -> Step {
    let nothing = Step { what: "", alone: Count::default(), ten: None };
    STEPS.iter().find(|step| step.what == what).copied().unwrap_or(nothing)
}

fn invocation(count: Count, lasts_s: f64) -> Usage {
    Usage::default()
        .with(Line::LambdaRequests, 1.0)
        .with(Line::LambdaTime, lasts_s * MEMORY_GB)
        .with(Line::SqsStandard, f64::from(count.standard))
        .with(Line::SqsFifo, f64::from(count.fifo))
        .with(Line::DynamoWrites, f64::from(count.writes))
        .with(Line::DynamoReads, f64::from(count.half_reads) / 2.0)
        .with(Line::Mails, f64::from(count.mails))
        // Lambda logs nothing for a successful invocation: the template's `SystemLogLevel`.
        .with(Line::Logs, f64::from(count.logged))
}

/// What a mapping receives and deletes for one batch.
fn mapping() -> Usage {
    Usage::default().with(Line::SqsStandard, 2.0)
}

/// The same of the FIFO queue `signals`.
fn fifo_mapping() -> Usage {
    Usage::default().with(Line::SqsFifo, 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(usage: Usage) -> f64 {
        usage.dollars().iter().sum()
    }

    #[test]
    fn every_line_has_its_price_in_its_place() {
        for (place, price) in PRICES.iter().enumerate() {
            assert_eq!(price.line as usize, place, "{}", price.name);
            assert!(price.source.starts_with("https://aws.amazon.com/"));
        }
    }

    #[test]
    fn every_step_that_is_billed_was_counted() {
        let steps = [Brings::New, Brings::Update, Brings::Unchanged].map(Brings::step);
        let others = [
            "a webhook is accepted",
            "a sweep with nothing due",
            "a heartbeat is answered",
            "… and checked",
            "a poll that finds nothing new",
            "an unknown event",
            "… is quarantined",
            "… becomes an incident",
            "… and is mailed",
            "a signal to an HTTP output",
        ];
        for what in steps.into_iter().chain(others) {
            assert_eq!(counted(what).what, what);
        }
    }

    #[test]
    fn a_function_url_saves_the_api_and_its_log_and_nothing_else() {
        let one = webhook(Brings::New, false);
        let saved = (total(one) - total(one.without_api())) * 1e6;
        assert!((saved - (1.0 + ACCESS_BYTES * 0.5e6 / 1_073_741_824.0)).abs() < 1e-6, "{saved}");
    }

    #[test]
    fn what_is_free_is_taken_off_and_never_more() {
        let requests = |count| Usage::default().with(Line::SqsStandard, count).dollars_beyond_free();
        assert!(requests(1e6).abs() < 1e-9);
        assert!((requests(3e6) - 0.8).abs() < 1e-9);
    }

    #[test]
    fn an_output_costs_its_writes_and_less_in_tens() {
        let one = output(false);
        assert!(
            one.dollars()[Line::DynamoWrites as usize] > 0.0 && one.dollars()[Line::HttpApi as usize].abs() < 1e-12
        );
        assert!(total(output(true)) < total(one));
        assert!(total(idle_month_of_courier()) > 0.0);
    }

    #[test]
    fn ten_at_once_cost_less_each_and_an_unchanged_one_writes_nothing() {
        assert!(total(webhook(Brings::New, true)) < total(webhook(Brings::New, false)));
        assert!(webhook(Brings::Unchanged, false).dollars()[Line::DynamoWrites as usize].abs() < 1e-12);
    }
}
