//! Reads answers of providers within safe limits.

use std::borrow::Cow;

use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};
use pipeline::{
    ingest::plain,
    ports::{Clock, FetchError, MAX_LIST_BYTES},
};
use providers::Elements;
use reqwest::{
    Response, StatusCode,
    header::{CONTENT_ENCODING, RETRY_AFTER},
};
use serde::de::IgnoredAny;

use super::Limits;
use crate::host::Host;

/// How many bytes are enough to recognise JSON.
const BEGINNING_BYTES: usize = 512;

/// HTTP dates are RFC 2822 dates in GMT.
static HTTP_DATE: DateTimeParser = DateTimeParser::new();

/// The answer's body: JSON text of any 2xx answer, or why there is none.
pub(super) async fn read(answer: Result<Response, reqwest::Error>, limits: Limits) -> Result<String, FetchError> {
    body(good(answer, limits)?, limits).await
}

/// Reads a list and splits it as it arrives.
pub(super) async fn read_list(
    answer: Result<Response, reqwest::Error>,
    limits: Limits,
    mut list: Elements,
) -> Result<Elements, FetchError> {
    let mut response = good(answer, limits)?;
    let coding = response.headers().get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut begins = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unanswered(&error, limits))? {
        if begins.len() < BEGINNING_BYTES {
            begins.extend_from_slice(&chunk[..chunk.len().min(BEGINNING_BYTES)]);
        }
        if list.bytes() + chunk.len() > MAX_LIST_BYTES {
            return Err(FetchError::Unreadable(format!("the list is larger than {MAX_LIST_BYTES} bytes")));
        }
        list.feed(&chunk);
    }
    json(&begins, coding.as_deref()).map(|_| list)
}

/// Accepts any 2xx answer.
fn good(answer: Result<Response, reqwest::Error>, limits: Limits) -> Result<Response, FetchError> {
    let response = answer.map_err(|error| unanswered(&error, limits))?;
    match response.status() {
        // These statuses have no body. A later answer may have one.
        status @ (StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT) => Err(refused(status, &response)),
        status if status.is_success() => Ok(response),
        StatusCode::NOT_FOUND => Err(FetchError::Missing),
        status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            Err(FetchError::Refused { status: status.as_u16() })
        }
        status if status.is_redirection() => {
            Err(FetchError::Answer(format!("the provider redirects ({}); that is not followed", status.as_u16())))
        }
        status => Err(refused(status, &response)),
    }
}

fn refused(status: StatusCode, response: &Response) -> FetchError {
    let number = |name: &str| response.headers().get(name)?.to_str().ok()?.trim().parse::<u32>().ok();
    let is_too_many = status == StatusCode::TOO_MANY_REQUESTS;
    // In seconds within a minute, as Voltus sends them; a larger value is an instant, not a number of seconds.
    let reset_s = || number("x-ratelimit-reset").filter(|seconds| is_too_many && *seconds <= 3_600);
    FetchError::Status {
        status: status.as_u16(),
        retry_after_s: retry_after(response).or_else(reset_s),
        a_minute: number("x-ratelimit-limit").filter(|_| is_too_many),
    }
}

async fn body(mut response: Response, limits: Limits) -> Result<String, FetchError> {
    let refuse = |reason: String| Err(FetchError::Unreadable(reason));
    let coding = response.headers().get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let too_large = || format!("the answer is larger than {} bytes", limits.bytes);
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
    if announced > limits.bytes {
        return refuse(too_large());
    }
    let mut bytes = Vec::with_capacity(announced);
    while let Some(chunk) = response.chunk().await.map_err(|error| unanswered(&error, limits))? {
        if bytes.len() + chunk.len() > limits.bytes {
            return refuse(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    json(&bytes, coding.as_deref()).map(Cow::into_owned)
}

/// The JSON text in an answer's body, or what the body contains instead. `content-type` and `content-encoding` are
/// ignored, since both are often wrong. Nothing is decompressed, so a small answer cannot become a large one.
fn json<'a>(bytes: &'a [u8], coding: Option<&str>) -> Result<Cow<'a, str>, FetchError> {
    let text = plain::text(bytes);
    let begins = text.trim_start();
    // The parsers report errors within an object or a list, and read the rest of it.
    if begins.starts_with(['{', '[']) || serde_json::from_str::<IgnoredAny>(begins).is_ok() {
        return Ok(text);
    }
    Err(if let Some(coding) = plain::compression(bytes, coding) {
        FetchError::Unreadable(format!("the answer is compressed ({coding}), which was not asked for"))
    } else if begins.is_empty() {
        FetchError::Answer("the answer is empty".to_owned())
    } else if begins.starts_with('<') {
        // Most likely from a proxy, while the server behind it is down.
        FetchError::Answer("the answer is not JSON but a page of HTML or XML".to_owned())
    } else {
        FetchError::Unreadable("the answer is not JSON".to_owned())
    })
}

/// Without the URL, whose query may not be logged.
fn unanswered(error: &reqwest::Error, limits: Limits) -> FetchError {
    FetchError::Answer(unanswered_text(error, limits))
}

/// Why there is no answer, in words.
pub(crate) fn unanswered_text(error: &reqwest::Error, limits: Limits) -> String {
    if error.is_connect() && error.is_timeout() {
        format!("no connection within {} ms", limits.connect.as_millis())
    } else if error.is_timeout() {
        format!("no whole answer within {} ms", limits.total.as_millis())
    } else {
        let cause = std::iter::successors(std::error::Error::source(error), |error| error.source()).last();
        let what = if error.is_connect() { "no connection" } else { "the answer broke off" };
        cause.map_or_else(|| what.to_owned(), |cause| format!("{what}: {cause}"))
    }
}

/// `Retry-After`, in seconds.
pub(crate) fn retry_after(response: &Response) -> Option<u32> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    seconds(value, Host.now())
}

/// Seconds, or a date; a date in the past returns none.
fn seconds(value: &str, now: Timestamp) -> Option<u32> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(value.parse().unwrap_or(u32::MAX));
    }
    let at = HTTP_DATE.parse_timestamp(value).ok()?;
    Some(u32::try_from(at.duration_since(now).as_secs().max(0)).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_an_answer_decide_and_not_its_headers() {
        let check = |bytes: &[u8], coding: Option<&str>, expected: Result<&str, &str>| {
            let read = json(bytes, coding);
            match (&read, expected) {
                (Ok(read), Ok(expected)) => assert_eq!(read, expected, "{coding:?}"),
                (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
                _ => panic!("{bytes:?} {coding:?}: {read:?}, not {expected:?}"),
            }
        };
        for coding in [None, Some("identity"), Some("UTF-8"), Some(""), Some("none"), Some("gzip"), Some("a, b")] {
            check(b" {\"a\":1}", coding, Ok(" {\"a\":1}"));
            check(b"\xef\xbb\xbf[]", coding, Ok("[]"));
            check(b"null", coding, Ok("null"));
        }
        check(b"{\"name\":\"caf\xe9\"}", None, Ok("{\"name\":\"caf\u{fffd}\"}"));
        check(b"\x1f\x8b\x08\0", None, Err("compressed (gzip)"));
        check(b"\x28\xb5\x2f\xfd\0", Some("UTF-8"), Err("compressed (zstd)"));
        check(b"\x0b\x01\x80{}\x03", Some("br"), Err("compressed (br)"));
        check(b"\x0b\x01\x80{}\x03", None, Err("not JSON"));
        check(b"<!doctype html><title>502</title>", None, Err("a page of HTML"));
        check(b"not found", None, Err("not JSON"));
        check(b"\xff\xfe{\0}\0", None, Err("not JSON"));
        check(b"\xef\xbb\xbf \n", None, Err("empty"));
        check(b"", Some("gzip"), Err("empty"));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = "1994-11-06T08:49:30Z".parse().unwrap();
        let check = |value: &str, expected: Option<u32>| assert_eq!(seconds(value, now), expected, "{value}");
        check("120", Some(120));
        check(" 0 ", Some(0));
        check("99999999999999999999", Some(u32::MAX));
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(7));
        check("Sun, 06 Nov 1994 08:49:00 GMT", Some(0));
        check("-1", None);
        check("soon", None);
        check("", None);
    }
}
