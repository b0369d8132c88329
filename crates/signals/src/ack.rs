//! The acknowledgement that a controller sends back.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Envelope;
#[cfg(feature = "ack")]
pub use client::{AckClient, AckError, AckOutcome};

/// The body of `POST /acks/{token}`.
///
/// ```
/// use signals::{AckState, Acknowledgement};
///
/// let acknowledgement = Acknowledgement {
///     dispatch: "voltus-prod/dkmq".to_owned(),
///     epoch: Some(1_764_432_000_000),
///     version: 2,
///     state: AckState::Accepted,
///     detail: None,
/// };
/// assert_eq!(
///     serde_json::to_string(&acknowledgement)?,
///     r#"{"dispatch":"voltus-prod/dkmq","epoch":"1764432000000","version":2,"state":"accepted"}"#,
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(description = "The body of `POST /acks/{token}`.")
)]
pub struct Acknowledgement {
    /// The dispatch's key, which is the signal's subject.
    pub dispatch: String,
    /// The epoch of the acknowledged signal. Without one, gridbell uses its current epoch.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "as_text",
        deserialize_with = "from_text"
    )]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub epoch: Option<u64>,
    /// The sequence of the acknowledged signal.
    pub version: u64,
    /// What the controller does about the dispatch.
    pub state: AckState,
    /// Free text of the controller. gridbell keeps the first 500 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What a controller does about a dispatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AckState {
    /// The controller has the dispatch and will curtail.
    Accepted,
    /// The controller has curtailed as requested.
    Completed,
    /// The controller cannot curtail as requested. gridbell alerts a person.
    Failed,
}

impl Acknowledgement {
    /// The acknowledgement of a signal.
    pub fn of<D>(signal: &Envelope<D>, state: AckState) -> Self {
        Self {
            dispatch: signal.subject.to_string(),
            epoch: Some(signal.epoch),
            version: signal.sequence,
            state,
            detail: None,
        }
    }
}

#[expect(clippy::ref_option, reason = "serde passes a reference")]
fn as_text<S: Serializer>(number: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) => serializer.collect_str(number),
        None => serializer.serialize_none(),
    }
}

fn from_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    text.parse().map(Some).map_err(|_| de::Error::custom(format_args!("{text:?} is no decimal number")))
}

#[cfg(feature = "ack")]
mod client {
    use std::{fmt, time::Duration};

    use serde::Deserialize;

    use super::Acknowledgement;
    use crate::Version;

    /// Timeout of one request.
    const TIMEOUT: Duration = Duration::from_secs(10);

    /// Sends acknowledgements.
    ///
    /// ```no_run
    /// # async fn example(signal: signals::Envelope) -> Result<(), Box<dyn std::error::Error>> {
    /// use signals::{AckClient, AckOutcome, AckState, Acknowledgement};
    ///
    /// let acks = AckClient::new(reqwest::Client::new(), "https://example.com/acks/TOKEN");
    /// match acks.send(&Acknowledgement::of(&signal, AckState::Accepted)).await? {
    ///     AckOutcome::Acknowledged => {}
    ///     // The newer version is on its way through the queue.
    ///     AckOutcome::Superseded { .. } => {}
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[derive(Clone)]
    pub struct AckClient {
        http: reqwest::Client,
        url: String,
    }

    /// The answer of gridbell.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum AckOutcome {
        /// gridbell recorded the acknowledgement, now or earlier.
        Acknowledged,
        /// The dispatch has a newer version. gridbell did not record the acknowledgement.
        Superseded {
            /// The current version, if the answer names it.
            current: Option<Version>,
        },
    }

    /// Why an acknowledgement was not recorded.
    #[derive(Debug, thiserror::Error)]
    pub enum AckError {
        /// No answer came. Send it again.
        #[error("gridbell does not answer")]
        Unreachable(#[source] reqwest::Error),
        /// gridbell could not record it. Send it again.
        #[error("gridbell cannot record the acknowledgement now (status {status})")]
        Unavailable {
            /// The HTTP status: 429 or 5xx.
            status: u16,
        },
        /// Do not send it again: the dispatch is unknown, the token is wrong, or gridbell cannot read the body.
        #[error("gridbell refuses the acknowledgement (status {status}): {message}")]
        Refused {
            /// The HTTP status.
            status: u16,
            /// The text of the answer.
            message: String,
        },
    }

    impl AckError {
        /// True if gridbell may accept the same acknowledgement later.
        pub fn is_temporary(&self) -> bool {
            !matches!(self, Self::Refused { .. })
        }
    }

    /// Keeps the token in the URL out of logs.
    impl fmt::Debug for AckClient {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("AckClient").finish_non_exhaustive()
        }
    }

    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Answer {
        current: Option<u64>,
        epoch: Option<String>,
        error: Option<Refusal>,
    }

    #[derive(Deserialize)]
    struct Refusal {
        #[serde(default)]
        message: String,
    }

    impl AckClient {
        /// A client for the URL of `/acks/{token}`.
        pub fn new(http: reqwest::Client, url: impl Into<String>) -> Self {
            Self { http, url: url.into() }
        }

        /// Sends one acknowledgement, once. The same one may be sent again at any time.
        #[expect(clippy::expect_used, reason = "an empty body in its place would be sent")]
        pub async fn send(&self, acknowledgement: &Acknowledgement) -> Result<AckOutcome, AckError> {
            let body = serde_json::to_vec(acknowledgement).expect("texts and numbers are JSON");
            let request = self.http.post(&self.url).timeout(TIMEOUT).header("content-type", "application/json");
            let sent = request.body(body).send().await.map_err(unreachable)?;
            let status = sent.status().as_u16();
            let answer = sent.bytes().await.map_err(unreachable)?;
            let answer: Answer = serde_json::from_slice(&answer).unwrap_or_default();
            let message = answer.error.map(|error| error.message).unwrap_or_default();
            match status {
                200..=299 => Ok(AckOutcome::Acknowledged),
                409 => {
                    let epoch = answer.epoch.and_then(|epoch| epoch.parse().ok());
                    let current = epoch.zip(answer.current).map(|(epoch, sequence)| Version { epoch, sequence });
                    Ok(AckOutcome::Superseded { current })
                }
                429 | 500.. => Err(AckError::Unavailable { status }),
                _ => Err(AckError::Refused { status, message }),
            }
        }
    }

    fn unreachable(error: reqwest::Error) -> AckError {
        // The URL contains the token.
        AckError::Unreachable(error.without_url())
    }
}
