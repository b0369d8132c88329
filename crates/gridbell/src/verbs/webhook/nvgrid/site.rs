//! `webhook status` and `webhook schedule`: show what the site reports.

use anyhow::Result;
use dispatch::text;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{super::About, Asking};
use crate::{endpoint::Opened, show, usage};
use provider_server::times;

/// Longest line shown, in characters.
const MAX_LINE: usize = 2_000;

/// Arguments of `webhook status`.
#[derive(Debug, clap::Args)]
pub(crate) struct Status {
    #[command(flatten)]
    about: About,
    /// Print JSON: the answer with the description's field names
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    asking: Asking,
}

/// Arguments of `webhook schedule`.
#[derive(Debug, clap::Args)]
pub(crate) struct Schedule {
    #[command(flatten)]
    about: About,
    /// Start of the interval, RFC 3339 [default: now]
    #[arg(long, value_name = "INSTANT", value_parser = show::instant)]
    from: Option<Timestamp>,
    /// End of the interval [default: a day after its start]
    #[arg(long, value_name = "INSTANT", value_parser = show::instant)]
    until: Option<Timestamp>,
    /// Tag of a feed; may be repeated [default: all]
    #[arg(long, value_name = "TAG")]
    feed: Vec<String>,
    /// Print JSON: the answer with the description's field names
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    asking: Asking,
}

impl Status {
    pub(in super::super) async fn run(self) -> Result<()> {
        let opened = site(&self.about, "status").await?;
        tell(&self.asking.client(&opened).await?.status().await?, self.json)
    }
}

impl Schedule {
    pub(in super::super) async fn run(self) -> Result<()> {
        let from = self.from.unwrap_or_else(times::now);
        let until = self.until.unwrap_or_else(|| from.checked_add(SignedDuration::from_hours(24)).unwrap_or(from));
        if until <= from {
            return Err(usage::error(format!(
                "--until has to lie after --from, and {until} does not lie after {from}"
            )));
        }
        let opened = site(&self.about, "schedule").await?;
        tell(&self.asking.client(&opened).await?.schedule((from, until), &self.feed).await?, self.json)
    }
}

async fn site(about: &About, what: &str) -> Result<Opened> {
    let opened = about.open().await?;
    if !opened.provider.is_grpc() {
        return Err(usage::error(format!(
            "{what} is told by NvGrid alone, and {} is a source of {}",
            opened.name, opened.provider
        )));
    }
    Ok(opened)
}

fn tell(answer: &Value, json: bool) -> Result<()> {
    if json { show::json(answer) } else { show::screen(&outline(answer)) }
}

/// An answer for people: one name per line, its contents indented. The site's description defines the messages.
pub(super) fn outline(answer: &Value) -> String {
    let mut lines = Vec::new();
    branch(answer, 0, &mut lines);
    lines.iter().map(|line| text::brief(line, MAX_LINE)).collect::<Vec<String>>().join("\n")
}

fn branch(value: &Value, depth: usize, lines: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    let named: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, field)| (name.clone(), field)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, item)| (format!("{}.", at + 1), item)).collect(),
        _ => Vec::new(),
    };
    for (name, field) in named {
        match leaf(field) {
            Some(text) if text.is_empty() => {}
            Some(text) => lines.push(format!("{indent}{name}  {text}")),
            None => {
                lines.push(format!("{indent}{name}"));
                branch(field, depth + 1, lines);
            }
        }
    }
}

/// A value that fits on one line, such as a load or a list of words; none for others.
fn leaf(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Bool(known) => Some(if *known { "yes" } else { "no" }.to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Array(items) if items.is_empty() => Some("none".to_owned()),
        Value::Object(fields) if fields.is_empty() => Some("none".to_owned()),
        Value::Array(items) => {
            items.iter().map(Value::as_str).collect::<Option<Vec<_>>>().map(|words| words.join(", "))
        }
        Value::Object(fields) => {
            let unit = fields.get("unit")?.as_str()?.trim_start_matches("UNIT_").to_ascii_lowercase();
            (fields.len() == 2).then_some(format!("{} {unit}", fields.get("value")?))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_is_told_as_it_is_built() {
        let load = json!({"value": 6.5, "unit": "UNIT_MEGAWATT"});
        let target = json!({"interval": {"start_time": "2026-03-01T12:00:00Z", "end_time": null}, "target_load": load, "feed_tags": ["a", "b"]});
        let answer = json!({"statuses": {"a": {"compliant": false, "load_target": target}}, "load_targets": []});
        assert_eq!(
            outline(&answer),
            "statuses\n  a\n    compliant  no\n    load_target\n      interval\n        start_time  2026-03-01T12:00:00Z\n      \
             target_load  6.5 megawatt\n      feed_tags  a, b\nload_targets  none"
        );
        assert_eq!(outline(&json!({"statuses": {}})), "statuses  none");
        assert_eq!(outline(&json!({"feed": "a\u{1b}[2J\nb"})), "feed  a\u{fffd} b");
    }
}
