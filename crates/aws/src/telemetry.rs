//! Logs: JSON lines on standard output, which Lambda stores. Lambda reads `level` and `timestamp`. Every line of an
//! invocation has the id of its trace.

mod spans;
mod traces;

use std::{io, str};

use dispatch::text;
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    filter::Targets,
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use spans::SpanLines;
use traces::{NoFields, TraceIds, Traced};

/// The module that opens a span for each invocation.
const RUNTIME: &str = "lambda_runtime";

/// Starts the log, with the spans as lines of their own if they are collected. A second call changes nothing.
pub fn start(filter: Targets, has_spans: bool) {
    let writer = || Escaped(io::stdout());
    let spans = has_spans.then_some(SpanLines(writer));
    // Only a second call fails: the first subscriber stays active.
    let _ = subscriber(filter, writer).with(spans).try_init();
}

/// Each logged byte costs money, so of module and spans only the trace's id is written.
fn subscriber<W>(filter: Targets, writer: W) -> impl Subscriber + for<'s> LookupSpan<'s> + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = fmt::layer()
        .json()
        .flatten_event(true)
        .with_target(false)
        .with_current_span(false)
        .with_span_list(false)
        .with_ansi(false)
        .with_writer(writer)
        .map_event_format(Traced)
        .fmt_fields(NoFields);
    tracing_subscriber::registry().with(without_spans(filter)).with(TraceIds).with(lines)
}

/// People read logs at a terminal: characters that affect it are written as escapes, such as `\u001b`. Each line is
/// written whole, in one call.
#[derive(Debug)]
pub(crate) struct Escaped<W>(pub(crate) W);

impl<W: io::Write> io::Write for Escaped<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match str::from_utf8(line) {
            Ok(json) => self.0.write_all(text::json(json).as_bytes())?,
            Err(_) => self.0.write_all(line.escape_ascii().to_string().as_bytes())?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Omits the runtime's spans, which have no trace, unless the filter includes the runtime's own log.
fn without_spans(filter: Targets) -> Targets {
    if filter.iter().any(|(target, _)| target.starts_with(RUNTIME)) {
        return filter;
    }
    let level = filter.default_level().unwrap_or(LevelFilter::OFF);
    filter.with_target(RUNTIME, level.min(LevelFilter::WARN))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::{Map, Value};
    use tracing::{Level, subscriber::with_default};

    use super::*;

    #[derive(Clone, Default)]
    pub(super) struct Written(Arc<Mutex<Vec<u8>>>);

    impl Written {
        pub(super) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl io::Write for Written {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(line)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(filter: &str, log: impl FnOnce()) -> String {
        let written = Written::default();
        let to = written.clone();
        with_default(subscriber(filter.parse().unwrap(), move || Escaped(to.clone())), log);
        written.text()
    }

    fn logged(filter: &str, log: impl FnOnce()) -> Vec<Map<String, Value>> {
        written(filter, log).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn in_an_invocation(log: impl FnOnce()) {
        let span =
            tracing::info_span!(target: "lambda_runtime::layers::trace", "Lambda runtime invoke", requestId = "r");
        span.in_scope(log);
    }

    #[test]
    fn a_line_is_json_with_the_fields_that_lambda_reads() {
        let lines = logged("info", || {
            in_an_invocation(|| tracing::warn!(delivery.id = "d", source.name = None::<&str>, "not hydrated"));
        });
        let [line] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!(line.keys().collect::<Vec<_>>(), ["timestamp", "level", "message", "delivery.id"]);
        assert_eq!((&line["level"], &line["delivery.id"]), (&Value::from("WARN"), &Value::from("d")));
        line["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    }

    #[test]
    fn what_others_wrote_is_logged_and_does_nothing_at_a_terminal() {
        let named = "Mill \u{1b}[2J\u{9b}31m\u{202e}\u{200b}\u{7f}\r\nforged";
        let log = || tracing::warn!(site.name = named, error = %named, "{named}");
        let text = written("info", log);
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.trim_end().chars().any(text::is_hidden), "{text}");
        let line = logged("info", log).remove(0);
        assert_eq!(["site.name", "error", "message"].map(|field| line[field].as_str()), [Some(named); 3]);
    }

    #[test]
    fn the_runtime_logs_only_problems_unless_the_filter_names_it() {
        let check = |filter: &str, expected: &[&str]| {
            let lines = logged(filter, || {
                tracing::event!(target: "lambda_runtime::runtime", Level::ERROR, "error");
                tracing::event!(target: "lambda_runtime::runtime", Level::INFO, "info");
                tracing::info!("ours");
            });
            assert_eq!(lines.iter().map(|line| &line["message"]).collect::<Vec<_>>(), expected, "{filter}");
        };
        check("info", &["error", "ours"]);
        check("warn", &["error"]);
        check("off", &[]);
        check("aws=info", &["ours"]);
        check("info,lambda_runtime=info", &["error", "info", "ours"]);
    }

    #[test]
    fn each_line_has_the_id_of_the_innermost_trace() {
        let span = |trace_id: u128| tracing::error_span!("hop", trace_id, source = "voltus-prod");
        for filter in ["info", "warn"] {
            let lines = logged(filter, || {
                in_an_invocation(|| {
                    tracing::warn!("before");
                    span(0xabc).in_scope(|| {
                        tracing::warn!(delivery.id = "d", "outside");
                        span(u128::MAX).in_scope(|| tracing::error_span!("more").in_scope(|| tracing::warn!("inside")));
                        tracing::warn!("}}");
                    });
                });
            });
            let ids: Vec<Option<&str>> =
                lines.iter().map(|line| line.get("trace_id").and_then(Value::as_str)).collect();
            let (outer, inner) = ("00000000000000000000000000000abc", "f".repeat(32));
            assert_eq!(ids, [None, Some(outer), Some(inner.as_str()), Some(outer)], "{filter}");
            assert_eq!(
                lines[1].keys().collect::<Vec<_>>(),
                ["timestamp", "level", "message", "delivery.id", "trace_id"]
            );
            assert_eq!(lines[3]["message"], "}");
        }
    }
}
