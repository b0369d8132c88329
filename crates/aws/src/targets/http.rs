//! Outputs of the kind `http`: a signed POST of the event, limited in time and size, without redirects.

use std::time::Duration;

use jiff::Timestamp;
use pipeline::{
    config::Reference,
    outputs::answer::acknowledgement,
    ports::{Clock, ResponseAck, SendError, SendFailure, Sending, fifo_id},
    standard_webhooks::{ID_HEADER, SIGNATURE_HEADER, SigningSecrets, TIMESTAMP_HEADER},
};
use reqwest::{
    Request, Response, StatusCode, Url,
    header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT},
};

use crate::{
    host::Host,
    http::{Connections, Guard, HttpApiError, Limits, Reachable, retry_after, unanswered},
    secrets::{KeySource, Secret, Vault},
};

/// The size limit of an answer that can be an acknowledgement, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1_024;

/// The media type of one event in structured mode.
const TYPE: &str = "application/cloudevents+json";

/// Where an output is.
#[derive(Debug, Clone, Copy)]
pub(super) struct HttpTarget<'a> {
    pub(super) url: &'a str,
    pub(super) secrets: &'a [Reference],
    pub(super) allow_private: bool,
}

/// The connections to all HTTP outputs.
#[derive(Debug)]
pub(super) struct HttpTargets<K> {
    public: Connections,
    private: Connections,
    vault: Vault<K>,
}

impl HttpTarget<'_> {
    fn reachable(self) -> Reachable {
        if self.allow_private { Reachable::Private } else { Reachable::Public }
    }

    /// The URL, if it may be connected to.
    pub(super) fn check(self) -> Result<Url, String> {
        self.reachable().url(self.url)
    }
}

impl<K: KeySource> HttpTargets<K> {
    pub(super) fn new(extra_roots: Option<&[u8]>, keys: K) -> Result<Self, HttpApiError> {
        let limits = Limits::default();
        Ok(Self {
            public: Connections::guarded(extra_roots, limits, Guard(Reachable::Public))?,
            private: Connections::guarded(extra_roots, limits, Guard(Reachable::Private))?,
            vault: Vault::new(keys),
        })
    }

    pub(super) async fn send(
        &self,
        target: HttpTarget<'_>,
        sending: Sending<'_>,
        within: Duration,
    ) -> Result<Option<ResponseAck>, SendError> {
        let url = target.check().map_err(|reason| whole(reason, None))?;
        let limits = Limits { total: within, ..Limits::default() };
        let late = || whole(format!("no whole answer within {} ms", within.as_millis()), None);
        let began = tokio::time::Instant::now();
        let secrets = tokio::time::timeout(within, self.secrets(target.secrets)).await.map_err(|_| late())??;
        let left = within.saturating_sub(began.elapsed());
        let mut request = request(url, sending, &secrets, Host.now()).map_err(|reason| whole(reason, None))?;
        *request.timeout_mut() = Some(left);
        let connections = if target.allow_private { &self.private } else { &self.public };
        // The id stays the same, so a receiver notices a repetition.
        match connections.send(request, true, left).await {
            Ok(response) => answered(response).await,
            Err(error) => Err(whole(unanswered(&error, limits), None)),
        }
    }

    async fn secrets(&self, references: &[Reference]) -> Result<SigningSecrets, SendError> {
        let mut texts = Vec::new();
        for reference in references {
            let secret: Secret = self
                .vault
                .key(reference)
                .await
                .map_err(|reason| whole(format!("the signing secret cannot be read: {reason}"), None))?;
            texts.push(secret.expose().to_owned());
        }
        SigningSecrets::parse(&texts.join(" ")).map_err(|error| whole(error.to_string(), None))
    }
}

fn request(url: Url, sending: Sending<'_>, secrets: &SigningSecrets, now: Timestamp) -> Result<Request, String> {
    let Sending { name, head, body, .. } = sending;
    let id = webhook_id(&head.id, name);
    let timestamp_s = now.as_second();
    let signature = secrets.sign(&id, timestamp_s, body.as_bytes());
    let mut request = Request::new(reqwest::Method::POST, url);
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(TYPE));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("gridbell/", env!("CARGO_PKG_VERSION"))));
    for (name, value) in [(ID_HEADER, id), (TIMESTAMP_HEADER, timestamp_s.to_string()), (SIGNATURE_HEADER, signature)] {
        let value =
            HeaderValue::try_from(value).map_err(|_| format!("{name} holds characters that no header carries"))?;
        headers.insert(HeaderName::from_static(name), value);
    }
    *request.body_mut() = Some(body.to_owned().into());
    Ok(request)
}

/// The event's id and the output: the same for every attempt.
fn webhook_id(event: &str, output: &str) -> String {
    let id = format!("{event}@{output}");
    if id.bytes().all(|byte| byte.is_ascii_graphic()) { id } else { fifo_id(&id) }
}

/// Any 2xx is delivered; its body may acknowledge.
async fn answered(mut response: Response) -> Result<Option<ResponseAck>, SendError> {
    let status = response.status();
    if status.is_success() {
        let mut body = Vec::new();
        // The output has taken the event, even if the rest of its answer is lost.
        while let Ok(Some(chunk)) = response.chunk().await {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                tracing::warn!("an answer is too long for an acknowledgement; it counts as delivered");
                return Ok(None);
            }
            body.extend_from_slice(&chunk);
        }
        return Ok(acknowledgement(&body));
    }
    let code = status.as_u16();
    let error = |kind, detail| SendError { kind, retry_after_s: retry_after(&response), detail };
    Err(match status {
        StatusCode::PAYLOAD_TOO_LARGE => error(SendFailure::TooLarge, "it answered 413 (too large)".to_owned()),
        status if status.is_redirection() => {
            error(SendFailure::Output, format!("it redirects ({code}); that is not followed"))
        }
        StatusCode::BAD_REQUEST | StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => {
            error(SendFailure::Event, format!("it answered {code}"))
        }
        _ => error(SendFailure::Output, format!("it answered {code}")),
    })
}

fn whole(detail: String, retry_after_s: Option<u32>) -> SendError {
    SendError { kind: SendFailure::Output, retry_after_s, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_names_event_and_output() {
        assert_eq!(webhook_id("v/dkmq#7.2", "gateway"), "v/dkmq#7.2@gateway");
        assert_eq!(webhook_id("v/ü#7.2", "gateway").len(), 64);
    }

    #[test]
    fn only_https_leaves_the_machine_and_private_hosts_are_named() {
        let check = |url: &str, allow_private: bool, good: bool| {
            assert_eq!(HttpTarget { url, secrets: &[], allow_private }.check().is_ok(), good, "{url}");
        };
        check("https://ems.example.com/gridbell", false, true);
        check("http://ems.example.com/gridbell", true, false);
        check("http://127.0.0.1:9000/", false, false);
        check("http://127.0.0.1:9000/", true, true);
        check("https://10.1.2.3/", false, false);
        check("https://10.1.2.3/", true, true);
        check("https://169.254.169.254/", true, false);
    }
}
