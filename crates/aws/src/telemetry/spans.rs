//! Spans as lines of the log, for a local run: `gridbell up --otlp` reads them and sends them to a viewer. So no exporter
//! is built into the functions.

use std::{fmt, io::Write as _};

use pipeline::ports::Clock;
use serde::Serialize;
use tracing::{
    Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, fmt::MakeWriter, layer::Context, registry::LookupSpan};

use crate::host::Host;

/// Writes each hop of a trace as a line when it ends.
pub(super) struct SpanLines<W>(pub(super) W);

/// A span as it stands in the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
struct SpanLine {
    name: String,
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    parent_id: String,
    /// Nanoseconds since 1970, as decimal text.
    start_ns: String,
    end_ns: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    source: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    about: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    error: String,
}

#[derive(Serialize)]
struct Line<'l> {
    span: &'l SpanLine,
}

impl Visit for SpanLine {
    fn record_u128(&mut self, field: &Field, value: u128) {
        if field.name() == "trace_id" {
            self.trace_id = format!("{value:032x}");
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "span_id" => self.span_id = format!("{value:016x}"),
            "parent_id" => self.parent_id = format!("{value:016x}"),
            _ => {}
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "name" => value.clone_into(&mut self.name),
            "source" => value.clone_into(&mut self.source),
            "about" => value.clone_into(&mut self.about),
            "error" => value.clone_into(&mut self.error),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

fn now_ns() -> String {
    Host.now().as_nanosecond().to_string()
}

impl<S, W> Layer<S> for SpanLines<W>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut span = SpanLine { start_ns: now_ns(), ..SpanLine::default() };
        attributes.record(&mut span);
        // A span of the runtime or of an invocation is no hop.
        if let (false, Some(stored)) = (span.span_id.is_empty(), context.span(id)) {
            stored.extensions_mut().insert(span);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(stored) = context.span(id)
            && let Some(span) = stored.extensions_mut().get_mut::<SpanLine>()
        {
            values.record(span);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(stored) = context.span(&id) else { return };
        let Some(span) = stored.extensions_mut().remove::<SpanLine>() else { return };
        let span = SpanLine { end_ns: now_ns(), ..span };
        // Texts and numbers serialise. A log that cannot be written cannot say so.
        if let Ok(mut line) = serde_json::to_vec(&Line { span: &span }) {
            line.push(b'\n');
            let _ = self.0.make_writer().write_all(&line);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use dispatch::TraceParent;
    use jiff::SignedDuration;
    use pipeline::{
        config::{Config, Output, OutputTarget, Reference, TokenHash},
        ingest::receive::Incoming,
        messages::{self, ToHydrate},
    };
    use serde_json::{Value, json};
    use simulation::{Inner, Reply, Simulation, Webhook};
    use tracing::subscriber::with_default;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::telemetry::{subscriber, tests::Written};

    const HEADER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    /// Voltus' webhook about a dispatch in ten minutes, which fails once, is delivered to an output, and which no controller
    /// acknowledges.
    fn play() -> u64 {
        let source = json!({ "provider": "voltus", "api_key": "env:KEY", "tokens": [TokenHash::of("t")], "poll_s": 0 });
        let config = json!({
            "sources": { "voltus-prod": source }, "deadlines": { "lead_s": 600, "immediate_s": 60, "acknowledge": true },
            "contacts": { "email": ["duty@example.com"], "from": "gridbell@example.com", "remind_s": 0 },
        });
        let mut config = Config::parse(&config.to_string()).unwrap();
        let secrets = vec![Reference::Env("SECRET".to_owned())];
        let target =
            OutputTarget::Http { url: "https://gateway.example.com/".to_owned(), secrets, allow_private: false };
        let gateway = Output { target, sources: None, types: None, tests: true, required: true };
        config.outputs.insert("gateway".to_owned(), gateway);
        let sim = Simulation::new(1, config);
        let answer = json!({
            "id": "dkmq", "authorized": true, "test": false, "modification_number": 0,
            "start_time": "2023-12-01T16:50:00Z", "end_time": "2023-12-01T17:50:00Z", "sites": [],
        });
        let replies = [Reply::Status(500, None), Reply::Json(answer.to_string())];
        sim.answers("voltus-prod", "/dispatches/dkmq", replies);
        let body = r#"{"event":{"name":"dispatch.create"},"resource":"/2022-04-15/dispatches/dkmq"}"#;
        let webhook = Incoming::from(Webhook { source: "voltus-prod", token: "t", body });
        assert_eq!(sim.post(Incoming { traceparent: Some(HEADER), ..webhook }).answer().unwrap().status, 200);
        let queued = &sim.queued(Inner::Deliveries)[0].body;
        let Ok(ToHydrate::Job(job)) = messages::read(queued) else { panic!("{queued}") };
        sim.pass(SignedDuration::from_mins(5));
        assert_eq!((sim.signals().len(), sim.mails().len()), (1, 1));
        job.traceparent.map(TraceParent::span_id).unwrap()
    }

    #[test]
    fn one_webhook_is_one_trace_from_the_queue_to_the_output_and_the_mail() {
        let (log, lines) = (Written::default(), Written::default());
        let (to_log, to_lines) = (log.clone(), lines.clone());
        let spans = SpanLines(move || to_lines.clone());
        let mut receiver = 0;
        let logging = subscriber("info".parse().unwrap(), move || to_log.clone()).with(Some(spans));
        with_default(logging, || receiver = play());
        let read = |line: &str| serde_json::from_str::<Value>(line).unwrap();
        let spans: Vec<Value> = lines.text().lines().map(|line| read(line)["span"].take()).collect();
        let text = |span: &Value, name: &str| span[name].as_str().unwrap_or_default().to_owned();
        let names: BTreeMap<String, String> =
            spans.iter().map(|span| (text(span, "span_id"), text(span, "name"))).collect();
        assert_eq!(names.len(), spans.len(), "each span has an id of its own");
        let root = format!("{receiver:016x}");
        let mut edges: Vec<(String, String)> = Vec::new();
        for span in &spans {
            assert_eq!(text(span, "trace_id"), HEADER[3..35], "{span}");
            let parent = text(span, "parent_id");
            let parent = if parent == root { "receive" } else { names.get(&parent).expect("a known parent") };
            edges.push((parent.to_owned(), text(span, "name")));
            assert!(text(span, "start_ns").parse::<u64>().unwrap() <= text(span, "end_ns").parse::<u64>().unwrap());
        }
        edges.sort_unstable();
        edges.dedup();
        let edge = |parent: &str, name: &str| (parent.to_owned(), name.to_owned());
        for expected in [
            edge("receive", "hydrate"),
            edge("hydrate", "fetch"),
            edge("hydrate", "retry"),
            edge("retry", "hydrate"),
            edge("hydrate", "publish"),
            edge("publish", "deadline"),
            edge("deadline", "alert"),
            edge("publish", "deliver"),
        ] {
            assert!(edges.contains(&expected), "{expected:?} in {edges:?}");
        }
        let failed: Vec<String> =
            spans.iter().filter(|span| !span["error"].is_null()).map(|span| text(span, "name")).collect();
        assert_eq!(failed, ["fetch", "hydrate"], "the first attempt");
        let lines = log.text();
        let ids: Vec<Value> = lines.lines().map(|line| read(line)["trace_id"].take()).collect();
        assert!(ids.iter().filter(|id| **id == HEADER[3..35]).count() >= 4, "{lines}");
        let delivered =
            lines.lines().map(read).find(|line| line["message"] == "delivered").expect("the courier's line");
        assert_eq!(delivered["trace_id"], HEADER[3..35], "{delivered}");
    }
}
