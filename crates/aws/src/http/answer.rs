//! What comes back, taken only as far as it is safe to.

use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};
use pipeline::ports::{Clock, FetchError};
use reqwest::{
    RequestBuilder, Response, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER},
};

use super::Limits;
use crate::world::World;

/// HTTP dates are RFC 2822 dates in GMT.
static HTTP_DATE: DateTimeParser = DateTimeParser::new();

/// Sends the request and reads the answer's body: JSON text of status 200, or why there is none.
pub(super) async fn read(request: RequestBuilder, limits: Limits) -> Result<String, FetchError> {
    let response = request.send().await.map_err(|error| unanswered(&error, limits))?;
    match response.status() {
        StatusCode::OK => body(response, limits).await,
        StatusCode::NOT_FOUND => Err(FetchError::Missing),
        status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            Err(FetchError::Refused { status: status.as_u16() })
        }
        status if status.is_redirection() => {
            Err(FetchError::Answer(format!("the provider redirects ({}); that is not followed", status.as_u16())))
        }
        status => Err(FetchError::Status { status: status.as_u16(), retry_after_s: retry_after(&response) }),
    }
}

async fn body(mut response: Response, limits: Limits) -> Result<String, FetchError> {
    let refuse = |reason: String| Err(FetchError::Answer(reason));
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_ascii_lowercase);
    // Nothing here decompresses, so that a small answer cannot become a large one.
    if header(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return refuse("the answer is compressed, which was not asked for".to_owned());
    }
    let says_json = header(CONTENT_TYPE).is_some_and(|kind| kind.contains("json"));
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
    let Ok(text) = String::from_utf8(bytes) else { return refuse("the answer is not UTF-8".to_owned()) };
    if !says_json && !text.trim_start().starts_with(['{', '[']) {
        return refuse("the answer is not JSON".to_owned());
    }
    Ok(text)
}

/// Without the address, whose query may say more than a log should.
fn unanswered(error: &reqwest::Error, limits: Limits) -> FetchError {
    FetchError::Answer(if error.is_connect() && error.is_timeout() {
        format!("no connection within {} ms", limits.connect.as_millis())
    } else if error.is_timeout() {
        format!("no whole answer within {} ms", limits.total.as_millis())
    } else {
        let cause = std::iter::successors(std::error::Error::source(error), |error| error.source()).last();
        let what = if error.is_connect() { "no connection" } else { "the answer broke off" };
        cause.map_or_else(|| what.to_owned(), |cause| format!("{what}: {cause}"))
    })
}

fn retry_after(response: &Response) -> Option<u32> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    seconds(value, World.now())
}

/// Seconds, or a date; a date in the past is no time at all.
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
