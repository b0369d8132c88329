//! Jobs, and their failures so far.

mod body;
mod listed;

use base64::{Engine, prelude::BASE64_STANDARD};
pub(crate) use dispatch::text::clip;
use dispatch::{Subject, TraceParent, sendable, trace};
use jiff::Timestamp;
use providers::FetchRequest;
use serde::{Deserialize, Serialize};

use crate::{
    alerts::condition::Condition,
    messages::{ToHydrate, to_json},
};

pub use body::{BodyPart, CHUNK_BYTES, StoredBody, UnpackError, pack, unpack};
pub use listed::{ByList, ListedFacts, Waits};

/// The size limit of a webhook's body, in bytes (2 MiB).
pub const MAX_BODY_BYTES: usize = 2 * 1_024 * 1_024;

/// The size limit of a message, in bytes: SQS carries 1 MiB; the difference is room for the failures of later attempts.
pub const MAX_MESSAGE_BYTES: usize = 1_048_576 - 64 * 1_024;

/// The source of messages that gridbell did not send.
pub const FOREIGN: &str = "unknown";

/// How many failures a job carries: the first, and the latest.
const REMEMBERED_FAILURES: usize = 8;

/// One job: a webhook to read, or a resource to fetch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// gridbell's id of the delivery that it began with.
    pub delivery: String,
    /// The source that it came through.
    pub source: String,
    /// When that delivery was received.
    pub received_at: Timestamp,
    /// How often it has failed.
    #[serde(default)]
    pub attempt: u32,
    /// Its failures, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
    /// An earlier invocation settled every subject of the body up to this one, in order, and ran short of time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Subject>,
    /// It waits for the source's list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<Waits>,
    /// The span that sent it, in the trace of the delivery or poll.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "trace::lenient")]
    pub traceparent: Option<TraceParent>,
    /// What to do.
    pub kind: JobKind,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Read this body.
    Body(String),
    /// The same, as gzip in base64: for a body that does not fit into a message as it is.
    Packed(String),
    /// Store this part of a body that no single message can carry; the invocation that stores the last part reads the
    /// body.
    Part(BodyPart),
    /// Read the body whose parts are stored.
    Stored(StoredBody),
    /// Some time after a part arrived: check whether the others did.
    Awaited(StoredBody),
    /// Fetch this from the provider.
    Fetch(FetchRequest),
    /// Fetch the provider's lists.
    Poll,
    /// Settle these facts of a list.
    Listed(ListedFacts),
}

/// A message of an inner queue, as a function receives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The queue's id of it.
    pub id: String,
    /// JSON, if gridbell sent it.
    pub body: String,
    /// How often it was received, including now: more than once if an earlier receiver died over it or could not pass
    /// it on.
    pub receives: u32,
}

/// A handled failure on its way to the retrier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FailedJob {
    /// The failure.
    pub failure: Failure,
    /// The job to do.
    pub job: Job,
}

/// One failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// When.
    pub at: Timestamp,
    /// Its kind.
    pub kind: FailureKind,
    /// In words, without secrets and without text of a body.
    pub detail: String,
    /// The provider's `Retry-After`, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u32>,
    /// The dispatches that are lost with unreadable content; none among them stands for an unknown id. Empty: only the
    /// source is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub about: Vec<Option<Subject>>,
}

/// The kind of a failure, as far as the next step depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The body, or part of it, is unreadable: another attempt is useless.
    Unreadable,
    /// gridbell does not know this type of event: another attempt is useless.
    UnknownEvent,
    /// The provider did not answer, or answered with an error.
    Provider,
    /// The provider refused the API key, or the key could not be read.
    Credentials,
    /// The provider answered with something other than requested.
    Answer,
    /// The provider's answer is unreadable.
    UnreadableResponse,
    /// The provider does not know what its own webhook announced; it may not be readable yet.
    Missing,
    /// A table or a queue did not accept it.
    Storage,
    /// Some parts of a body in parts did not arrive.
    Incomplete,
    /// A table or a queue can never accept it, or contains something unreadable.
    Broken,
    /// The function died or ran out of time.
    Crash,
    /// The configuration no longer has the source.
    Config,
}

impl FailureKind {
    /// Whether another attempt can help.
    pub fn is_passing(self) -> bool {
        !matches!(self, Self::Unreadable | Self::UnknownEvent)
    }

    /// Whether further attempts are useless after a few such failures. The first few may be wrong: a proxy on the way
    /// may have answered, and another version of gridbell may have stored what this one cannot read.
    pub fn is_lasting(self) -> bool {
        matches!(self, Self::UnreadableResponse | Self::Broken)
    }
}

impl Job {
    /// A job that was never tried.
    pub fn fresh(delivery: &str, source: &str, received_at: Timestamp, kind: JobKind) -> Self {
        Self {
            delivery: delivery.to_owned(),
            source: source.to_owned(),
            received_at,
            attempt: 0,
            failures: Vec::new(),
            after: None,
            waits: None,
            traceparent: None,
            kind,
        }
    }

    /// The job, sent by that span.
    #[must_use]
    pub fn traced(self, traceparent: TraceParent) -> Self {
        Self { traceparent: Some(traceparent), ..self }
    }

    /// A new job for a webhook's body, as messages: one, unless the body does not fit even compressed.
    pub fn messages(
        delivery: &str,
        source: &str,
        received_at: Timestamp,
        body: &str,
        traceparent: Option<TraceParent>,
    ) -> Vec<String> {
        let message = |kind| to_message(Self { traceparent, ..Self::fresh(delivery, source, received_at, kind) });
        // Escaping can double a body. A body that fits is not compressed, which would make it unreadable in the
        // console.
        let plain = message(JobKind::Body(body.to_owned()));
        if plain.len() <= MAX_MESSAGE_BYTES {
            return vec![plain];
        }
        let gz = pack(body);
        let packed = message(JobKind::Packed(BASE64_STANDARD.encode(&gz)));
        if packed.len() <= MAX_MESSAGE_BYTES {
            return vec![packed];
        }
        BodyPart::all(&gz).map(|part| message(JobKind::Part(part))).collect()
    }

    /// A message that is not gridbell's, as a job that can only be quarantined.
    pub fn foreign(message: &Message, now: Timestamp) -> Self {
        Self::fresh(&message.id, FOREIGN, now, JobKind::Body(message.body.clone()))
    }

    /// What it is about, as far as known before it succeeds: the dispatch or meter to fetch, else the delivery.
    pub fn about(&self) -> String {
        match &self.kind {
            JobKind::Fetch(fetch) => fetch.subject.to_string(),
            JobKind::Poll => self.source.clone(),
            _ => format!("{}, delivery {}", self.source, self.delivery),
        }
    }

    /// The dispatch or meter that it is about, if known.
    pub fn subject(&self) -> Option<&Subject> {
        match &self.kind {
            JobKind::Fetch(fetch) => Some(&fetch.subject),
            _ => None,
        }
    }

    /// The condition of its failures.
    pub fn condition(&self) -> Condition {
        Condition::Failing { source: self.source.clone(), key: self.key().to_owned() }
    }

    /// The key under which it is quarantined: a delivery may turn into several fetch requests.
    pub fn quarantined_as(&self) -> String {
        match &self.kind {
            JobKind::Fetch(fetch) => format!("{}/{}", self.delivery, fetch.key),
            _ => self.delivery.clone(),
        }
    }

    /// The body to read, unpacked; none if the job does not carry it.
    pub fn body(&self) -> Option<Result<String, UnpackError>> {
        match &self.kind {
            JobKind::Body(body) => Some(Ok(body.clone())),
            JobKind::Packed(packed) => {
                Some(BASE64_STANDARD.decode(packed).map_err(UnpackError::from).and_then(|gz| unpack(&gz)))
            }
            _ => None,
        }
    }

    /// The key by which failing jobs join: fetch requests for the same resource do, bodies never do.
    pub fn key(&self) -> &str {
        match &self.kind {
            JobKind::Fetch(fetch) => &fetch.key,
            _ => &self.delivery,
        }
    }

    /// The same job after one more failure.
    #[must_use]
    pub fn after(mut self, failure: Failure) -> Self {
        self.attempt = self.attempt.saturating_add(1);
        // Other deliveries may join this one meanwhile; only a later request answers them.
        self.waits = None;
        if self.failures.len() >= REMEMBERED_FAILURES {
            self.failures.remove(1);
        }
        self.failures.push(failure);
        self
    }
}

impl Failure {
    /// A failure of that kind.
    pub fn new(kind: FailureKind, at: Timestamp, detail: impl Into<String>) -> Self {
        Self { at, kind, detail: clip(&detail.into(), 600), retry_after_s: None, about: Vec::new() }
    }

    /// It concerns that subject.
    #[must_use]
    pub fn about(self, subject: &Subject) -> Self {
        Self { about: vec![Some(subject.clone())], ..self }
    }

    /// The hydrator received the message before, and reported nothing.
    pub fn crash(at: Timestamp) -> Self {
        Self::new(FailureKind::Crash, at, "the hydrator died, ran out of time or was throttled over this message")
    }
}

#[expect(clippy::expect_used, reason = "an empty message would lose the webhook")]
fn to_message(job: Job) -> String {
    let json = to_json(&ToHydrate::Job(job)).expect("strings, numbers and instants serialise");
    // Escaping takes room: escape before splitting by size.
    sendable(&json).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(body: &str) -> Vec<String> {
        Job::messages("d-1", "leap-prod", Timestamp::UNIX_EPOCH, body, Some(TraceParent::begin([1; 3])))
    }

    fn read(message: &str) -> Job {
        let ToHydrate::Job(job) = crate::messages::read(message).unwrap() else { panic!("{message}") };
        job
    }

    fn message(body: &str) -> String {
        let mut messages = messages(body);
        assert_eq!(messages.len(), 1);
        messages.remove(0)
    }

    #[test]
    fn a_body_travels_as_it_is_while_it_fits_and_compressed_beyond() {
        let check = |body: String, packed: bool| {
            let text = message(&body);
            assert!(text.len() <= MAX_MESSAGE_BYTES);
            let job = read(&text);
            assert_eq!(matches!(job.kind, JobKind::Packed(_)), packed);
            assert_eq!(job.body().unwrap().unwrap(), body);
        };
        check("{}".to_owned(), false);
        check(format!("[{}]", " ".repeat(MAX_BODY_BYTES - 2)), true);
        check(format!("\"{}\"", "\\\"".repeat(400_000)), true); // escaping alone carries it over the limit
    }

    #[test]
    fn noncharacters_count_as_what_is_sent() {
        // Unescaped they fit into a message; SQS requires escapes, with which they do not.
        for noise in ["\u{ffff}", "\u{fffe}"] {
            let body = format!("\"{}\"", noise.repeat(300_000));
            let text = message(&body);
            assert!(sendable(&text).len() <= MAX_MESSAGE_BYTES);
            let job = read(&text);
            assert_eq!(job.body().unwrap().unwrap(), body);
        }
    }

    #[test]
    fn a_body_that_does_not_compress_travels_in_parts() {
        let mut state = 1_u64;
        let noise: String = (0..MAX_BODY_BYTES - 2)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                char::from(b'#' + u8::try_from((state >> 40) % 57).unwrap())
            })
            .collect();
        let body = format!("\"{noise}\"");
        let parts = messages(&body);
        assert!((2..=3).contains(&parts.len()), "{} messages", parts.len());
        let mut chunks = Vec::new();
        for text in &parts {
            assert!(text.len() <= MAX_MESSAGE_BYTES);
            let job = read(text);
            let JobKind::Part(part) = job.kind else { panic!("{:?}", job.kind) };
            chunks.extend(part.chunks().unwrap());
            assert!(part.of > 2);
        }
        let numbers: Vec<u32> = chunks.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, (0..u32::try_from(chunks.len()).unwrap()).collect::<Vec<_>>());
        assert!(chunks.iter().all(|(_, chunk)| chunk.len() <= CHUNK_BYTES));
        let gz: Vec<u8> = chunks.into_iter().flat_map(|(_, chunk)| chunk).collect();
        assert!(unpack(&gz).unwrap() == body);
    }

    #[test]
    fn the_largest_message_carries_the_longest_later_failures() {
        let filled = |bytes: usize| message(&"x".repeat(bytes));
        let largest = filled(MAX_MESSAGE_BYTES - filled(0).len());
        assert_eq!(largest.len(), MAX_MESSAGE_BYTES);
        let failure = || Failure::new(FailureKind::Provider, Timestamp::MAX, "\u{1}".repeat(1_000));
        let job = (0..20).fold(read(&largest), |job, _| job.after(failure()));
        let again = to_json(&crate::messages::ToRetry::Failed(FailedJob { failure: failure(), job })).unwrap();
        assert!(again.len() <= 1_048_576, "SQS carries 1 MiB, not {}", again.len());
    }

    #[test]
    fn the_first_failure_and_the_latest_are_stored() {
        let mut job = read(&message("{}"));
        for n in 0..20 {
            job = job.after(Failure::new(FailureKind::Provider, Timestamp::UNIX_EPOCH, format!("failure {n}")));
        }
        let details: Vec<&str> = job.failures.iter().map(|failure| failure.detail.as_str()).collect();
        assert_eq!((job.attempt, details.len()), (20, REMEMBERED_FAILURES));
        assert_eq!((details[0], details[1], details[7]), ("failure 0", "failure 13", "failure 19"));
    }
}
