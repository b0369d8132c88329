//! `cargo xtask swarm storm`: thousands of dispatches announced within a minute, in virtual time.

#![expect(clippy::print_stdout, reason = "a command for developers: it prints no text of providers")]

use anyhow::{Result, bail};
use cost::{AS_OF, Line, PRICES, REGION, Usage};
use jiff::SignedDuration;
use serde_json::json;
use simulation::storm::{self, Aws, Range, StormReport};

const EXAMPLES: &str = "\
Examples:
  cargo xtask swarm storm
  cargo xtask swarm storm --outage 10m --notice 40m
  cargo xtask swarm storm --dispatches 1000 --active 10000 --sites 5 --json";

/// The arguments of `cargo xtask swarm storm`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Storm {
    /// Number of announced dispatches
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    dispatches: usize,
    /// Time within which they are announced
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time)]
    window: SignedDuration,
    /// Number of dispatches that are already active
    #[arg(long, value_name = "N", default_value_t = 0)]
    active: usize,
    /// Number of sites of each dispatch
    #[arg(long, value_name = "N", default_value_t = 1)]
    sites: usize,
    /// The provider's rate limit, in requests a minute
    #[arg(long, value_name = "N", default_value_t = 300)]
    allowance: u32,
    /// Time of a provider's answer
    #[arg(long, value_name = "FROM..TO", default_value = "50ms..500ms", value_parser = range)]
    latency: Range,
    /// How long the provider is down, from the middle of the window
    #[arg(long, value_name = "TIME", value_parser = time)]
    outage: Option<SignedDuration>,
    /// Time from a dispatch's announcement to its start
    #[arg(long, value_name = "TIME", default_value = "700s", value_parser = time)]
    notice: SignedDuration,
    /// Start all dispatches at one instant, `--notice` after the last announcement
    #[arg(long)]
    same_start: bool,
    /// Number of concurrent hydrators, and of concurrent retriers
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    concurrency: u64,
    /// Seed of the choices that AWS leaves open
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

fn time(text: &str) -> Result<SignedDuration, String> {
    let time: SignedDuration = text.parse().map_err(|_| "write it like 60s, 10m or 500ms".to_owned())?;
    if time.is_positive() { Ok(time) } else { Err("it is not longer than nothing".to_owned()) }
}

fn range(text: &str) -> Result<Range, String> {
    let (from, to) = text.split_once("..").ok_or("write it like 50ms..500ms")?;
    let millis = |text| time(text).map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    let (from, to) = (millis(from)?, millis(to)?);
    if from <= to { Ok((from, to)) } else { Err("it ends before it begins".to_owned()) }
}

/// Simulates the storm, and fails if it misses a goal.
pub(crate) fn run(args: &Storm) -> Result<()> {
    let usual = Aws::default();
    let [_, _, alerts, reviews] = usual.most;
    let outcome = storm::run(&storm::Storm {
        seed: args.seed,
        dispatches: args.dispatches,
        window: args.window,
        active: args.active,
        sites: args.sites,
        allowance: args.allowance,
        latency_ms: args.latency,
        outage: args.outage,
        notice: args.notice,
        same_start: args.same_start,
        aws: Aws { most: [args.concurrency, args.concurrency, alerts, reviews], ..usual },
    });
    if args.json {
        println!("{}", serde_json::to_string_pretty(&object(&outcome))?);
    } else {
        for [what, value, goal] in rows(args, &outcome) {
            println!("{what:<44} {value:<56} {goal}");
        }
        println!(
            "Dollars by the list prices of {REGION}, {AS_OF}, without logs. The times of AWS are parameters, not measured."
        );
    }
    if outcome.missed.is_empty() { Ok(()) } else { bail!("missed: {}", outcome.missed.join("; ")) }
}

/// What the run uses of each line of the bill, without logs.
fn consumed(used: &storm::Usage) -> Usage {
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    let count = |count: u64| count as f64;
    Usage::default()
        .with(Line::HttpApi, count(used.http))
        .with(Line::LambdaRequests, count(used.invocations))
        .with(Line::LambdaTime, used.gb_s)
        .with(Line::SqsStandard, count(used.standard))
        .with(Line::SqsFifo, count(used.fifo))
        .with(Line::DynamoWrites, count(used.writes))
        .with(Line::DynamoReads, count(used.reads))
        .with(Line::Mails, count(used.mails))
}

fn dollars(outcome: &StormReport) -> f64 {
    consumed(&outcome.usage).dollars().iter().sum()
}

fn rows(args: &Storm, outcome: &StormReport) -> Vec<[String; 3]> {
    let row = |what: &str, value: String, goal: String| [what.to_owned(), value, goal];
    let [p50, p99, most] = outcome.latency_s;
    let [requests, lists, a_minute, refused] = outcome.requests;
    let (incidents, open) = outcome.incidents;
    let late = match outcome.mailed {
        (0, _) => "none was overdue".to_owned(),
        (count, Some(late)) => format!("{count} overdue, each named by {late:.1} s after its time"),
        (count, None) => format!("{count} overdue, not each of them named"),
    };
    let is_out = args.outage.is_some();
    let usage = &outcome.usage;
    vec![
        row("webhooks, accepted", format!("{}, {}", outcome.webhooks.0, outcome.webhooks.1), String::new()),
        row("signals", outcome.signals.to_string(), outcome.webhooks.0.to_string()),
        row("webhook to signal, p50, p99, most", format!("{p50:.1} s, {p99:.1} s, {most:.1} s"), String::new()),
        row(
            if is_out { "last signal after the provider's return" } else { "last signal after the last webhook" },
            format!("{:.1} s", outcome.last_signal_s),
            format!("at most {} s", if is_out { 120 } else { 90 }),
        ),
        row(
            "requests to the provider",
            format!("{requests}, {lists} of them for its list of up to {} bytes", outcome.list_bytes),
            String::new(),
        ),
        row("… in any minute, refused", format!("{a_minute}, {refused}"), format!("at most {}", args.allowance)),
        row(
            "incidents, open in the end",
            format!("{incidents}, {open}"),
            if is_out { "…, 0" } else { "0, 0" }.to_owned(),
        ),
        row("mails about what is overdue", late, "within 10 s".to_owned()),
        row(
            "deadlines checked",
            format!("{}, the last {:.1} s late", outcome.deadlines.0, outcome.deadlines.1),
            "within 5 s".to_owned(),
        ),
        row("write units, most in a second", format!("{}, {}", usage.writes, outcome.most_writes), String::new()),
        row("read units", usage.reads.to_string(), String::new()),
        row("invocations, GB-seconds", format!("{}, {:.0}", usage.invocations, usage.gb_s), String::new()),
        row("SQS requests, FIFO", format!("{}, {}", usage.standard, usage.fifo), String::new()),
        row("dollars", format!("{:.2}", dollars(outcome)), String::new()),
    ]
}

/// The serialized name of a unit variant.
#[expect(clippy::expect_used, reason = "lines of the bill are unit variants")]
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).expect("a unit variant")
}

fn object(outcome: &StormReport) -> serde_json::Value {
    let usage = &outcome.usage;
    let lines: serde_json::Map<_, _> = PRICES
        .iter()
        .zip(consumed(usage).dollars())
        .map(|(price, dollars)| (word(&price.line), json!(dollars)))
        .collect();
    let [p50, p99, most] = outcome.latency_s;
    let [requests, lists, a_minute, refused] = outcome.requests;
    json!({
        "webhooks": outcome.webhooks.0, "accepted": outcome.webhooks.1, "signals": outcome.signals,
        "latency_s": { "p50": p50, "p99": p99, "max": most }, "last_signal_s": outcome.last_signal_s,
        "requests": { "all": requests, "lists": lists, "most_in_a_minute": a_minute, "refused": refused, "list_bytes": outcome.list_bytes },
        "incidents": { "all": outcome.incidents.0, "open": outcome.incidents.1 },
        "overdue": { "dispatches": outcome.mailed.0, "mailed_late_s": outcome.mailed.1 },
        "deadlines": { "checked": outcome.deadlines.0, "late_s": outcome.deadlines.1 },
        "write_units": { "all": usage.writes, "most_in_a_second": outcome.most_writes }, "read_units": usage.reads,
        "invocations": usage.invocations, "gb_seconds": usage.gb_s, "sqs_requests": usage.standard, "fifo_requests": usage.fifo,
        "dollars": { "all": dollars(outcome), "lines": lines }, "missed": outcome.missed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_ranges_are_read_and_nothing_else_is() {
        assert_eq!(range("50ms..500ms"), Ok((50, 500)));
        assert_eq!(range("1s..2m"), Ok((1_000, 120_000)));
        for wrong in ["", "50ms", "500ms..50ms", "50..500", "0s..1s", "-1s..1s", "x..y"] {
            assert!(range(wrong).is_err(), "{wrong}");
        }
    }
}
