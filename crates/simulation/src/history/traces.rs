//! Traces: each signal leads back to the delivery or poll that caused it.

use std::collections::BTreeMap;

use dispatch::TraceParent;
use serde_json::Value;

use super::Broken;

const INVARIANT: &str = "leads-to-its-delivery";

/// The traces begun so far, by their ids.
#[derive(Debug, Default)]
pub(super) struct Traces(BTreeMap<u128, Began>);

#[derive(Debug)]
struct Began {
    span_id: u64,
    source: String,
    body: Option<String>,
}

impl Traces {
    /// A delivery was queued, or a poll was sent.
    pub(super) fn begins(&mut self, traceparent: &str, source: &str, body: Option<&str>) {
        if let Ok(read) = TraceParent::parse(traceparent) {
            let (source, body) = (source.to_owned(), body.map(str::to_owned));
            self.0.entry(read.trace_id()).or_insert(Began { span_id: read.span_id(), source, body });
        }
    }

    /// Checks the trace of a signal. With polls, a list that a delivery waits for may bring other dispatches as well.
    /// A recorded history may contain no traces.
    pub(super) fn leads(&self, signal: &str, polls: bool, is_complete: bool) -> Option<Broken> {
        if self.0.is_empty() && !is_complete {
            return None;
        }
        let event: Value = serde_json::from_str(signal).ok()?;
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
        let broken = |detail: String| Some(Broken::new(INVARIANT, text("/subject").unwrap_or_default(), detail));
        let traceparent = text("/traceparent").unwrap_or_default();
        let Ok(read) = TraceParent::parse(traceparent) else {
            return broken(format!("{traceparent:?} is no traceparent"));
        };
        // Only the sweep begins a heartbeat.
        if text("/source") == Some("/gridbell") {
            return None;
        }
        let Some(Began { span_id, source, body }) = self.0.get(&read.trace_id()) else {
            return broken(format!("no delivery and no poll has the trace {traceparent}"));
        };
        if *span_id == read.span_id() {
            return broken(format!("{traceparent} is the span that received the delivery, not the one that publishes"));
        }
        if text("/source").and_then(|named| named.strip_prefix("/gridbell/")) != Some(source) {
            return broken(format!("{traceparent} is a trace of {source}"));
        }
        let ids = ["/data/dispatch/id", "/data/power/correlation_id", "/data/meter/id"];
        let is_of_another = |body: &String| ids.iter().filter_map(|id| text(id)).any(|id| !body.contains(id));
        if !polls && body.as_ref().is_some_and(is_of_another) {
            return broken(format!("{traceparent} is the trace of a delivery about something else"));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn traceparent(trace: u64, span: u64) -> String {
        TraceParent::begin([0, trace, span]).to_string()
    }

    #[test]
    fn a_trace_that_leads_elsewhere_is_found() {
        let mut traces = Traces::default();
        let signal = |source: &str, traceparent: &str, id: &str| {
            let data = json!({ "dispatch": { "id": id } });
            json!({ "subject": "s/a", "source": source, "traceparent": traceparent, "data": data }).to_string()
        };
        let good = signal("/gridbell/s", &traceparent(1, 8), "abc");
        assert!(traces.leads(&good, false, false).is_none(), "a recorded history has no traces");
        assert!(traces.leads(&good, false, true).is_some());
        traces.begins(&traceparent(1, 7), "s", Some("/dispatches/abc"));
        traces.begins(&traceparent(2, 7), "s", None);
        let check = |signal: &str, polls: bool, holds: bool| {
            assert_eq!(traces.leads(signal, polls, true).is_none(), holds, "{signal}");
        };
        check(&good, false, true);
        check(&signal("/gridbell/s", &traceparent(2, 8), "other"), false, true);
        check(&signal("/gridbell/s", &traceparent(1, 8), "other"), true, true);
        check(&signal("/gridbell/s", &traceparent(1, 8), "other"), false, false);
        check(&signal("/gridbell/s", &traceparent(1, 7), "abc"), false, false);
        check(&signal("/gridbell/s", &traceparent(3, 8), "abc"), false, false);
        check(&signal("/gridbell/t", &traceparent(1, 8), "abc"), false, false);
        check(&signal("/gridbell/s", "", "abc"), false, false);
        check(&signal("/gridbell", &traceparent(3, 8), ""), false, true);
        check(&signal("/gridbell", "", ""), false, false);
    }
}
