//! What the functions measure for the person on call.

use jiff::SignedDuration;

use crate::job::FailureKind;

/// One measured value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measurement<'a> {
    /// A webhook was accepted.
    Accepted,
    /// A webhook led to a signal.
    WebhookToSignal {
        /// From its arrival until the queue took the signal, in milliseconds.
        took_ms: i64,
    },
    /// A dispatch was acknowledged.
    DeadlineMargin {
        /// How long before its deadline, in seconds; negative: after it.
        left_s: i64,
    },
    /// A failed job is tried again.
    Retry {
        /// Why it failed.
        reason: FailureKind,
    },
    /// A provider was asked.
    Provider {
        /// The source.
        source: &'a str,
        /// Until its answer, in milliseconds.
        took_ms: i64,
        /// It refused, failed, or did not answer.
        has_failed: bool,
    },
    /// A mail, or a message of another channel, was sent.
    Notification,
    /// A heartbeat was checked.
    HeartbeatAge {
        /// Since the hydrator answered the latest one, in seconds.
        age_s: i64,
    },
}

/// Where measurements go. Nothing that is acted on depends on them.
pub trait Metrics {
    /// Takes a measurement.
    fn measure(&self, measurement: Measurement<'_>);
}

/// Whole milliseconds.
pub(crate) fn ms(took: SignedDuration) -> i64 {
    i64::try_from(took.as_millis()).unwrap_or(i64::MAX)
}
