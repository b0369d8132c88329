//! Parses the times in provider data.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};

/// The longest text of a time, including a fraction of reasonable length.
const MAX_BYTES: usize = 64;

/// The first instant of the year 2000. An earlier time means that the sender never set it.
const SENSIBLE_FROM: Timestamp = Timestamp::constant(946_684_800, 0);

/// The first instant of the year 9999, which stands for "never".
const NEVER: Timestamp = Timestamp::constant(253_370_764_800, 0);

/// Parses a start: an RFC 3339 date-time with an offset, from 2000 on and before 9999. The error says what is wrong.
pub(crate) fn start(text: &str) -> Result<Timestamp, &'static str> {
    match end(text)? {
        Some(at) => Ok(at),
        None => Err("is in the year 9999 or later"),
    }
}

/// Parses an end; none in the year 9999 or later.
pub(crate) fn end(text: &str) -> Result<Option<Timestamp>, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is empty");
    }
    if is_beyond_9998(text) {
        return Ok(None);
    }
    match instant(text) {
        None => Err("is not an RFC 3339 time"),
        Some(at) if at < SENSIBLE_FROM => Err("is before the year 2000"),
        Some(at) => Ok(Some(at).filter(|at| *at < NEVER)),
    }
}

/// The library's last instant is in the year 9999, and an offset can exceed it, so the text is checked first.
fn is_beyond_9998(text: &str) -> bool {
    let year = text.strip_prefix('+').unwrap_or(text).split('-').next().unwrap_or_default();
    year.len() >= 4 && year.len() < text.len() && year.len() < 20 && year.parse::<u64>().is_ok_and(|year| year >= 9_999)
}

/// Parses an RFC 3339 date-time with an offset. Fractions beyond microseconds are cut off.
fn instant(text: &str) -> Option<Timestamp> {
    // RFC 3339 cannot represent years of more than four digits.
    let four_digit_year = text.len() <= MAX_BYTES && text.bytes().take(4).all(|byte| byte.is_ascii_digit());
    four_digit_year.then(|| microseconds(text))?.parse().ok().map(in_microseconds)
}

/// Cuts off fractions of a microsecond, as in all published times.
pub(crate) fn in_microseconds(at: Timestamp) -> Timestamp {
    let nanoseconds = at.as_nanosecond();
    Timestamp::from_nanosecond(nanoseconds - nanoseconds.rem_euclid(1_000)).unwrap_or(at)
}

/// The first instant of the year 1.
const FIRST: Timestamp = Timestamp::constant(-62_135_596_800, 0);

/// The instant that much later or earlier, limited to the first and last that can be written.
pub(crate) fn shift(at: Timestamp, by: SignedDuration) -> Timestamp {
    let bound = if by.is_negative() { FIRST } else { Timestamp::MAX };
    at.checked_add(by).unwrap_or(bound).max(FIRST)
}

/// The same text with at most six fractional digits.
fn microseconds(text: &str) -> Cow<'_, str> {
    // ISO 8601 also allows a comma.
    let Some((whole, rest)) = text.split_once(['.', ',']) else { return Cow::Borrowed(text) };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (fraction, offset) = rest.split_at(digits);
    match fraction.get(..6) {
        Some(microseconds) => Cow::Owned(format!("{whole}.{microseconds}{offset}")),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_3339_in_all_its_spellings() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(start(text).ok().map(|at| at.to_string()).as_deref(), expected, "{text}");
        };
        check("2023-12-01T16:50:00Z", Some("2023-12-01T16:50:00Z"));
        check("2023-12-01t16:50:00z", Some("2023-12-01T16:50:00Z"));
        check("2023-07-06T19:30:00-07:00", Some("2023-07-07T02:30:00Z"));
        check("2023-12-01T16:50:00.123456789Z", Some("2023-12-01T16:50:00.123456Z"));
        check("2023-12-01T16:50:00.9999999999999+01:00", Some("2023-12-01T15:50:00.999999Z"));
        check("2023-12-01T16:50:00,123456789Z", Some("2023-12-01T16:50:00.123456Z"));
        check(" 2023-12-01T16:50:00.12345Z\n", Some("2023-12-01T16:50:00.12345Z"));
        check("2024-02-29T00:00:00.000Z", Some("2024-02-29T00:00:00Z"));
        check("2023-02-29T00:00:00Z", None);
        // Without an offset it is not an instant: the time zone is unknown.
        check("2023-12-01T16:50:00", None);
        check("2023-12-01", None);
        check("+012023-12-01T16:50:00Z", None);
        check("0000-01-01T00:00:00Z", None);
        check("", None);
        check("1701449400", None);
        check("2023-12-01T16:50:00.ßZ", None);
        check(&format!("2023-12-01T16:50:00.{}Z", "9".repeat(10_000)), None);
    }

    #[test]
    fn an_end_may_be_never_and_never_is_not_before_2000() {
        let check = |text: &str, expected: Result<Option<&str>, &str>| {
            let read = end(text).map(|at| at.map(|at| at.to_string()));
            assert_eq!(read, expected.map(|at| at.map(str::to_owned)), "{text}");
        };
        check("2023-12-01T17:50:00Z", Ok(Some("2023-12-01T17:50:00Z")));
        check("", Err("is empty"));
        check(" ", Err("is empty"));
        for never in [
            "9999-12-31T23:59:59Z",
            "9999-01-01T00:00:00+23:59",
            "9998-12-31T23:59:59-01:00",
            "9999-99-99T00:00:00Z",
            "10000-01-01T00:00:00Z",
            "+12345-01-01T00:00:00Z",
            "9999-12-31",
        ] {
            check(never, Ok(None));
        }
        for early in ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1999-12-31T23:59:59.999999999Z"] {
            check(early, Err("is before the year 2000"));
        }
        for none in ["0000-00-00T00:00:00Z", "soon", "1701449400", "99991231", "-9999-01-01T00:00:00Z", "2023-12-01"] {
            check(none, Err("is not an RFC 3339 time"));
        }
        check("2000-01-01T00:00:00Z", Ok(Some("2000-01-01T00:00:00Z")));
        assert!(start("").is_err() && start("9999-12-31T23:59:59Z").is_err() && start("0001-01-01T00:00:00Z").is_err());
    }

    #[test]
    fn a_shift_stays_within_what_can_be_written() {
        let day = SignedDuration::from_hours(24);
        assert_eq!(shift(Timestamp::UNIX_EPOCH, day).to_string(), "1970-01-02T00:00:00Z");
        assert_eq!(shift(Timestamp::MAX, day), Timestamp::MAX);
        assert_eq!(shift(FIRST, -day), FIRST);
    }
}
