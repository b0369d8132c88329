//! The history of one seed: every call, message, fault, signal and mail with its virtual time, as JSON lines.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::history::Line;

/// The events, oldest first. Most seeds pass, so nothing is written unless recording is on.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    on: bool,
    step: u64,
    lines: Vec<Value>,
}

impl Journal {
    pub(crate) fn new(on: bool) -> Self {
        Self { on, ..Self::default() }
    }

    /// Counts the driver's next step.
    pub(crate) fn next_step(&mut self) {
        self.step += 1;
    }

    pub(crate) fn step(&self) -> u64 {
        self.step
    }

    /// Records an event; `fields` is an object.
    pub(crate) fn note(&mut self, at: Timestamp, what: &str, fields: impl FnOnce() -> Value) {
        if !self.on {
            return;
        }
        let mut line = Map::new();
        line.insert("step".to_owned(), json!(self.step));
        line.insert("at".to_owned(), json!(at));
        line.insert("what".to_owned(), json!(what));
        if let Value::Object(fields) = fields() {
            line.extend(fields);
        }
        self.lines.push(Value::Object(line));
    }

    /// Records a line that the checker checks.
    pub(crate) fn line(&mut self, line: &Line) {
        if !self.on {
            return;
        }
        let mut fields = Map::from_iter([("step".to_owned(), json!(self.step))]);
        if let Ok(Value::Object(event)) = serde_json::to_value(line) {
            fields.extend(event);
        }
        self.lines.push(Value::Object(fields));
    }

    pub(crate) fn into_lines(self) -> Vec<Value> {
        self.lines
    }
}

/// A history for people: one line for each step, with shortened bodies.
pub fn timeline(history: &[Value]) -> String {
    let mut text = String::new();
    for line in history {
        let Value::Object(fields) = line else { continue };
        let word = |name: &str| fields.get(name).map(plain).unwrap_or_default();
        let at = word("at");
        let time = at.split_once('T').map_or(at.as_str(), |(_, time)| time).trim_end_matches('Z');
        let rest: Vec<String> = fields
            .iter()
            .filter(|(name, value)| !matches!(name.as_str(), "step" | "at" | "what") && !value.is_null())
            .map(|(name, value)| format!("{name}={}", shortened(&plain(value))))
            .collect();
        let _ = writeln!(text, "{:>6} {time:<15} {:<9} {}", word("step"), word("what"), rest.join(" "));
    }
    text
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn shortened(text: &str) -> String {
    const MOST: usize = 220;
    let line = text.replace('\n', " ");
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
