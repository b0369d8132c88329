//! The trace's id on each line.

use std::fmt;

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id},
};
use tracing_subscriber::{
    Layer,
    field::RecordFields,
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    layer::Context,
    registry::LookupSpan,
};

/// Remembers the trace's id of each span that has one.
pub(super) struct TraceIds;

#[derive(Clone, Copy)]
struct TraceId(u128);

#[derive(Default)]
struct Found(Option<TraceId>);

impl Visit for Found {
    fn record_u128(&mut self, field: &Field, value: u128) {
        if field.name() == "trace_id" {
            self.0 = Some(TraceId(value));
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for TraceIds {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut found = Found::default();
        attributes.record(&mut found);
        if let (Found(Some(trace_id)), Some(span)) = (found, context.span(id)) {
            span.extensions_mut().insert(trace_id);
        }
    }
}

/// An event's line in JSON with the id of the innermost trace around it.
pub(super) struct Traced<F>(pub(super) F);

impl<S, N, F> FormatEvent<S, N> for Traced<F>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let around = context.event_scope().into_iter().flatten();
        let trace_id = around.into_iter().find_map(|span| span.extensions().get::<TraceId>().copied());
        let Some(TraceId(trace_id)) = trace_id else { return self.0.format_event(context, writer, event) };
        let mut line = String::with_capacity(512);
        self.0.format_event(context, Writer::new(&mut line), event)?;
        match line.strip_suffix("}\n") {
            Some(object) => writeln!(writer, r#"{object},"trace_id":"{trace_id:032x}"}}"#),
            None => writer.write_str(&line),
        }
    }
}

/// Spans are not written, so their fields need no text.
pub(super) struct NoFields;

impl<'w> FormatFields<'w> for NoFields {
    fn format_fields<R: RecordFields>(&self, _: Writer<'w>, _: R) -> fmt::Result {
        Ok(())
    }
}
