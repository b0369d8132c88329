//! Jobs that wait for their next attempt, and keys that providers refuse: items of the table `deliveries`.

use dispatch::TraceParent;
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use pipeline::{
    conditions::Condition,
    job::{Job, JobKind},
    ports::{PendingRetry, PortError, Refusal},
    retry::state::RetryState,
};

use super::{
    DeliveriesTable, PutError, events,
    item::{self, Item, days_after, instant, packed, unpacked},
    named, number, text,
};

/// How long an unsettled retry is stored after its attempt, and a refused key: as long as the queue stores a message.
const BOOKED_DAYS: i64 = 14;
/// The maximum size of a job that is stored with its retry; the queue has the message itself.
const BOOKED_TASK_BYTES: usize = 64 * 1_024;

/// The attribute with the trace of a retry.
const TRACEPARENT: &str = "traceparent";

/// How many overdue jobs of a source are sent again in a minute at most: each is read with its body.
const MOST_OVERDUE: usize = 500;

/// How many reads run at the same time.
const AT_ONCE: usize = 16;

impl DeliveriesTable {
    pub(super) async fn put_booking(&self, pending: &PendingRetry, now: Timestamp) -> Result<bool, PortError> {
        let item = booking(pending).map_err(|error| self.0.broken(error))?;
        let condition = super::Condition {
            // With the same instant it is the same write, sent again because its answer was lost.
            expression: "attribute_not_exists(delivery) OR next_at <= :now \
                OR (chain = :me AND (attempt < :attempt OR next_at = :next))"
                .to_owned(),
            values: named([
                (":me", text(&pending.job.delivery)),
                (":now", instant(now)),
                (":next", instant(pending.state.next_at)),
                (":attempt", number(pending.state.attempt.into())),
            ]),
        };
        match self.0.put(item, Some(condition)).await {
            Ok(()) => Ok(true),
            Err(PutError::Refused(_)) => Ok(false),
            Err(PutError::Port(error)) => Err(error),
        }
    }

    pub(super) async fn booked(&self, key: &str) -> Result<Option<RetryState>, PortError> {
        let Some(item) = self.0.get(&booking_key(key)).await? else { return Ok(None) };
        state(&item).map(Some).map_err(|reason| self.0.unreadable(&item, &reason))
    }

    /// Reads the retries that the index shows as overdue from the table itself.
    pub(super) async fn overdue_bookings(
        &self,
        source: &str,
        before: Timestamp,
    ) -> Result<Vec<PendingRetry>, PortError> {
        let query = self
            .0
            .query("watched")
            .key_condition_expression("watched = :of")
            .filter_expression("next_at < :before")
            .expression_attribute_values(":of", text(of_source(source)))
            .expression_attribute_values(":before", instant(before));
        let found = self.0.listed(query).await?;
        let pending = stream::iter(&found).map(|found| self.overdue_booking(found, before)).buffered(AT_ONCE);
        // Jobs that cannot be read or have a body that is too large do not count towards the limit.
        let usable = pending.filter_map(async |pending| pending).take(MOST_OVERDUE);
        Ok(Box::pin(usable).collect().await)
    }

    /// None if it is no longer booked, or if it cannot be sent again.
    async fn overdue_booking(&self, found: &Item, before: Timestamp) -> Option<PendingRetry> {
        let read = async || -> Result<Option<PendingRetry>, PortError> {
            let key = item::str(found, "delivery").map_err(|reason| self.0.broken(reason))?;
            let Some(item) = self.0.get(key).await? else { return Ok(None) };
            pending(&item).map_err(|reason| self.0.unreadable(&item, &reason))
        };
        match read().await {
            Ok(pending) => pending.filter(|pending| pending.state.next_at < before),
            // A job that cannot be read now, or by this release, must not hide the others.
            Err(error) => {
                tracing::warn!(%error, "left out of the sweep");
                None
            }
        }
    }

    pub(super) async fn notify_earlier(&self, key: &str, notify_at: Timestamp) -> Result<(), PortError> {
        let update = self
            .0
            .update(&booking_key(key))
            .update_expression("SET notify_at = :at, watched_at = :at")
            .condition_expression("notify_at > :at")
            .expression_attribute_values(":at", instant(notify_at));
        // If refused, a person will be notified before that anyway, or the retry is gone.
        self.0.updated(update).await.map(drop)
    }

    pub(super) async fn forget_booking(&self, job: &Job, as_of: Timestamp) -> Result<(), PortError> {
        // A retry with other values was stored later, by another delivery.
        let deletion = self
            .0
            .deletion(&booking_key(job.key()))
            .condition_expression("chain = :me OR failed_at < :as_of")
            .expression_attribute_values(":me", text(&job.delivery))
            .expression_attribute_values(":as_of", instant(as_of));
        self.0.delete_if(deletion).await
    }

    pub(super) async fn put_refusal(&self, refusal: &Refusal) -> Result<(), PortError> {
        let Refusal { source, since, at, detail } = refusal;
        let condition = Condition::KeyRefused { source: source.clone() };
        let item = named([
            ("delivery", text(refusal_key(source))),
            ("kind", text("refusal")),
            ("source", text(source)),
            ("since", instant(*since)),
            ("at", instant(*at)),
            ("detail", text(detail)),
            // The sweep finds it like an event.
            ("condition", packed(&condition).map_err(|error| self.0.broken(error))?),
            ("watched", text(events::of_source(source))),
            ("watched_at", instant(*at)),
            ("expires_at", days_after(*at, BOOKED_DAYS)),
        ]);
        self.put(item).await
    }

    pub(super) async fn forget_refusal(&self, source: &str, as_of: Timestamp) -> Result<(), PortError> {
        let deletion = self
            .0
            .deletion(&refusal_key(source))
            .condition_expression("#at < :as_of")
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":as_of", instant(as_of));
        self.0.delete_if(deletion).await
    }

    pub(super) async fn stored_refusal(&self, source: &str) -> Result<Option<Refusal>, PortError> {
        let Some(item) = self.0.get(&refusal_key(source)).await? else { return Ok(None) };
        let read = || -> Result<Refusal, String> {
            Ok(Refusal {
                source: item::str(&item, "source")?.to_owned(),
                since: item::timestamp(&item, "since")?,
                at: item::timestamp(&item, "at")?,
                detail: item::str(&item, "detail")?.to_owned(),
            })
        };
        read().map(Some).map_err(|reason| self.0.unreadable(&item, &reason))
    }
}

/// The item of a retry, for people and the alerter; the queue has the message with the body.
fn booking(pending: &PendingRetry) -> Result<Item, String> {
    let PendingRetry { job, state } = pending;
    let mut item = named([
        ("delivery", text(booking_key(job.key()))),
        ("kind", text("retry")),
        ("chain", text(&job.delivery)),
        ("received_at", instant(job.received_at)),
        ("failures", packed(&job.failures)?),
        ("source", text(&state.source)),
        ("about", text(&state.about)),
        ("attempt", number(state.attempt.into())),
        ("failed_at", instant(state.failed_at)),
        ("next_at", instant(state.next_at)),
        ("notify_at", instant(state.notify_at)),
        ("detail", text(&state.detail)),
        ("condition", packed(&job.condition())?),
        ("watched", text(of_source(&state.source))),
        ("watched_at", instant(state.notify_at)),
        ("expires_at", days_after(state.next_at, BOOKED_DAYS)),
    ]);
    let kind = match &job.kind {
        JobKind::Body(body) | JobKind::Packed(body) if body.len() > BOOKED_TASK_BYTES => None,
        JobKind::Part(_) => None,
        kind => Some(packed(kind)?),
    };
    item.extend(kind.map(|kind| ("job".to_owned(), kind)));
    item.extend(job.traceparent.map(|traceparent| (TRACEPARENT.to_owned(), text(traceparent.to_string()))));
    Ok(item)
}

fn state(item: &Item) -> Result<RetryState, String> {
    Ok(RetryState {
        source: item::str(item, "source")?.to_owned(),
        about: item::str(item, "about")?.to_owned(),
        delivery: item::str(item, "chain")?.to_owned(),
        attempt: u32::try_from(item::integer(item, "attempt")?).map_err(|error| format!("attempt: {error}"))?,
        failed_at: item::timestamp(item, "failed_at")?,
        next_at: item::timestamp(item, "next_at")?,
        notify_at: item::timestamp(item, "notify_at")?,
        detail: item::str(item, "detail")?.to_owned(),
    })
}

/// The job of a retry; none if only the queue has its body.
fn pending(item: &Item) -> Result<Option<PendingRetry>, String> {
    if !item.contains_key("job") {
        return Ok(None);
    }
    let state = state(item)?;
    let job = Job {
        attempt: state.attempt,
        failures: unpacked(item, "failures")?,
        traceparent: traceparent(item),
        ..Job::fresh(
            item::str(item, "chain")?,
            &state.source,
            item::timestamp(item, "received_at")?,
            unpacked(item, "job")?,
        )
    };
    Ok(Some(PendingRetry { job, state }))
}

/// The trace of a retry.
pub(super) fn traceparent(item: &Item) -> Option<TraceParent> {
    TraceParent::parse(item::str(item, TRACEPARENT).ok()?).ok()
}

fn booking_key(key: &str) -> String {
    item::key(&format!("retry#{key}")).into_owned()
}

fn refusal_key(source: &str) -> String {
    format!("key#{source}")
}

/// The key of a source's waiting jobs in the index `watched`, which sorts them by when a person must be notified.
pub(super) fn of_source(source: &str) -> String {
    format!("retry/{source}")
}
