//! Traces: each hop of a delivery, from the receiver to a mail, is a span of one trace.

use dispatch::TraceParent;
use tracing::Span;

use crate::ports::Random;

/// A unit of work in a trace: a webhook received, a message handled, a provider asked, signals sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hop {
    /// Its own span. Whatever it sends follows from it.
    pub context: TraceParent,
    /// The span that it follows from; none: it begins the trace.
    parent: Option<TraceParent>,
}

impl Hop {
    /// The next hop of a trace, or the first of a new one.
    pub fn after(parent: Option<TraceParent>, host: &impl Random) -> Self {
        let context = match parent {
            Some(parent) => parent.child(host.bits()),
            None => TraceParent::begin([host.bits(), host.bits(), host.bits()]),
        };
        Self { context, parent }
    }

    /// The hop as a span of the log: every line within it has its trace's id. `about` is what it works on: a delivery,
    /// a dispatch, an incident.
    pub fn span(self, name: &'static str, source: &str, about: &str) -> Span {
        // An error's level, so that the lines keep their trace's id whatever level is logged.
        tracing::error_span!(
            "hop",
            name,
            trace_id = self.context.trace_id(),
            span_id = self.context.span_id(),
            parent_id = self.parent.map(TraceParent::span_id),
            source,
            about,
            error = tracing::field::Empty
        )
    }
}

/// The current hop failed.
pub(crate) fn failed(detail: &str) {
    Span::current().record("error", detail);
}
