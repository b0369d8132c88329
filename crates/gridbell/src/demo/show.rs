//! The report on a terminal: the timelines, the table of signals, the mails, and the failures.

use dispatch::text::clip;
use jiff::Timestamp;
use serde_json::Value;

use super::{
    gateway::{self, Tally},
    observations::{Line, What},
    report::Report,
};
use crate::show::{self, Paint, power};

/// How many lines of a mail are shown.
const MAIL_LINES: usize = 14;

impl Report {
    /// Prints the report for people.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn show(&self) -> anyhow::Result<()> {
        let paint = Paint::stdout();
        show::line("")?;
        show::line(&paint.bold("Timeline, in seconds since the first webhook"))?;
        for (subject, lines) in &self.timeline {
            show::screen(&format!("\n{}", paint.bold(subject)))?;
            for line in lines {
                show::line(&self.timeline_line(line, paint))?;
            }
        }
        let title = paint.bold("Signals, in the order in which the HTTP output took them");
        show::screen(&format!("\n{title}\n{}", self.table()))?;
        self.show_output(paint)?;
        for mail in &self.mails {
            show::screen(&format!("\n{}", paint.bold(&format!("Mail: {}", mail.subject))))?;
            let mut lines = mail.text.lines();
            for line in lines.by_ref().take(MAIL_LINES) {
                show::line(&format!("  {line}"))?;
            }
            if lines.next().is_some() {
                show::line("  …")?;
            }
        }
        self.show_checks(paint)
    }

    fn show_output(&self, paint: Paint) -> anyhow::Result<()> {
        let Tally { taken, repeated, refused, acknowledged } = &self.output;
        show::screen(&format!("\n{}", paint.bold(&format!("Output {}, kind http", gateway::NAME))))?;
        let verified = if refused.is_empty() { "every signature verified" } else { "some signatures wrong" };
        show::line(&format!("  {taken} events delivered by the courier, {verified}, {repeated} repeated"))?;
        for id in acknowledged {
            show::line(&format!("  acknowledged in its response: {id}"))?;
        }
        Ok(())
    }

    fn show_checks(&self, paint: Paint) -> anyhow::Result<()> {
        let failures = self.failures();
        show::line("")?;
        for failure in &failures {
            show::line(&format!("{} {failure}", paint.with("31", "✗")))?;
        }
        let seconds = self.since_start_s(self.end);
        let good = self.checks() - failures.len();
        let sum = format!(
            "{good} of {} checks hold, {} signals, {} mails, {seconds:.0} s",
            self.checks(),
            self.signals.len(),
            self.mails.len()
        );
        let sum = if failures.is_empty() {
            paint.with("32", &format!("✓ {sum}"))
        } else {
            paint.with("31", &format!("✗ {sum}"))
        };
        show::line(&sum)
    }

    fn timeline_line(&self, line: &Line, paint: Paint) -> String {
        let (word, code) = match line.what {
            What::Webhook => ("webhook", "36"),
            What::Fetch => ("fetch", "2"),
            What::Signal => ("signal", "32"),
            What::Mail => ("mail", "33"),
        };
        format!("{:>7.2}  {}  {}", self.since_start_s(line.at), paint.with(code, &format!("{word:<7}")), line.text)
    }

    fn table(&self) -> String {
        let rows = self.signals.iter().map(|signal| {
            let data = data(&signal.event);
            let test = if data["test"] == true { ", a test" } else { "" };
            vec![
                signal.text("subject").to_owned(),
                signal.text("sequence").to_owned(),
                format!("{:.2}", self.since_start_s(signal.arrived_at)),
                short_kind(signal.text("type")).to_owned(),
                gist(&signal.event) + test,
                span(data, self.start),
            ]
        });
        show::table(&["subject", "#", "s", "type", "asks or tells", "when, UTC"], &["asks or tells"], rows)
    }
}

/// `gridbell.dispatch.scheduled.v1` → `scheduled`; the subject shows the rest.
pub(super) fn short_kind(kind: &str) -> &str {
    let kind = kind.trim_start_matches("gridbell.").trim_end_matches(".v1");
    ["dispatch.", "power.", "account."].iter().find_map(|prefix| kind.strip_prefix(prefix)).unwrap_or(kind)
}

/// `data`'s only member.
fn data(event: &Value) -> &Value {
    event["data"].as_object().and_then(|data| data.values().next()).unwrap_or(&Value::Null)
}

/// The content of a signal in a few words.
pub(super) fn gist(event: &Value) -> String {
    let data = data(event);
    if let Some(intervals) = data["intervals"].as_array() {
        let sum: i64 = intervals.iter().filter_map(|interval| interval["watt_hours"].as_i64()).sum();
        return format!("{} intervals, {sum} Wh", intervals.len());
    }
    let asked = [&data["request"], &data["target"]].into_iter().find(|asked| asked.is_object());
    let Some(asked) = asked else { return clip(&data["payload"].to_string(), 40) };
    let kind = asked["kind"].as_str().unwrap_or_default().replace('_', " ");
    asked["watts"].as_u64().map_or(kind.clone(), |watts| format!("{kind} {}", power(watts)))
}

/// Start and end to the minute; the year and the end's day only where needed.
fn span(data: &Value, now: Timestamp) -> String {
    let instant = |name: &str| data[name].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let Some(start) = instant("start") else { return String::new() };
    let written = |instant: Timestamp, format: &str| instant.strftime(format).to_string();
    let differ = |a: Timestamp, b: Timestamp, format: &str| written(a, format) != written(b, format);
    let day = if differ(start, now, "%Y") { "%Y-%m-%d %H:%M" } else { "%m-%d %H:%M" };
    let end = match instant("end") {
        None => "open".to_owned(),
        Some(end) if differ(start, end, "%F") => written(end, "%m-%d %H:%M"),
        Some(end) => written(end, "%H:%M"),
    };
    format!("{}–{end}", written(start, day))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn signals_in_a_few_words() {
        let check = |data: Value, expected: &str| assert_eq!(gist(&json!({"data": data})), expected);
        check(json!({"dispatch": {"request": {"kind": "reduce", "watts": 55_000}}}), "reduce 55 kW");
        check(json!({"dispatch": {"request": {"kind": "reduce", "watts": 999}}}), "reduce 999 W");
        check(json!({"dispatch": {"request": {"kind": "reduce_max"}}}), "reduce max");
        check(
            json!({"power": {"event": "start_ramp_down", "target": {"kind": "limit", "watts": 6_500_000}}}),
            "limit 6.5 MW",
        );
        check(json!({"power": {"target": {"kind": "limit", "watts": 1_000_001}}}), "limit 1.000001 MW");
        check(json!({"meter": {"intervals": [{"watt_hours": 5}, {"watt_hours": null}]}}), "2 intervals, 5 Wh");
        check(json!({"account": {"payload": {"id": 1}}}), r#"{"id":1}"#);
        check(json!({}), "null");
    }
    #[test]
    fn spans_show_what_is_needed() {
        let now = "2026-03-01T12:00:00Z".parse().expect("an instant");
        let check = |start: Value, end: Value, expected: &str| {
            assert_eq!(span(&json!({"start": start, "end": end}), now), expected);
        };
        check(json!("2026-03-01T14:00:00Z"), json!("2026-03-01T15:30:00Z"), "03-01 14:00–15:30");
        check(json!("2026-03-01T23:00:00Z"), json!("2026-03-02T01:00:00Z"), "03-01 23:00–03-02 01:00");
        check(json!("2023-06-05T00:00:00Z"), json!("2023-06-05T01:00:00Z"), "2023-06-05 00:00–01:00");
        check(json!("2026-03-01T14:00:00Z"), json!(null), "03-01 14:00–open");
        check(json!(null), json!(null), "");
    }
}
