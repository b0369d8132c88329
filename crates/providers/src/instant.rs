//! Instants as providers write them.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};

/// The longest text that can be a time: a fraction of any sensible length included.
const MAX_BYTES: usize = 64;

/// An RFC 3339 date-time, with an offset. Fractions beyond nanoseconds are cut off.
pub(crate) fn instant(text: &str) -> Option<Timestamp> {
    // Years beyond four digits cannot be written back in RFC 3339.
    let four_digit_year = text.len() <= MAX_BYTES && text.bytes().take(4).all(|byte| byte.is_ascii_digit());
    let at: Timestamp = four_digit_year.then(|| nanoseconds(text))?.parse().ok()?;
    (at >= FIRST).then_some(at)
}

/// The first instant of the year 1.
const FIRST: Timestamp = Timestamp::constant(-62_135_596_800, 0);

/// The instant that much later or earlier, or the last or first one that can be written.
pub(crate) fn shift(at: Timestamp, by: SignedDuration) -> Timestamp {
    let bound = if by.is_negative() { FIRST } else { Timestamp::MAX };
    at.checked_add(by).unwrap_or(bound).max(FIRST)
}

/// The same text with no more than nine digits of a second.
fn nanoseconds(text: &str) -> Cow<'_, str> {
    let Some((whole, rest)) = text.split_once('.') else { return Cow::Borrowed(text) };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (fraction, offset) = rest.split_at(digits);
    match fraction.get(..9) {
        Some(nanoseconds) => Cow::Owned(format!("{whole}.{nanoseconds}{offset}")),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_3339_in_all_its_spellings() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(instant(text).map(|at| at.to_string()).as_deref(), expected, "{text}");
        };
        check("2023-12-01T16:50:00Z", Some("2023-12-01T16:50:00Z"));
        check("2023-12-01t16:50:00z", Some("2023-12-01T16:50:00Z"));
        check("2023-07-06T19:30:00-07:00", Some("2023-07-07T02:30:00Z"));
        check("2023-12-01T16:50:00.123456789Z", Some("2023-12-01T16:50:00.123456789Z"));
        check("2023-12-01T16:50:00.1234567899999+01:00", Some("2023-12-01T15:50:00.123456789Z"));
        check("2024-02-29T00:00:00.000Z", Some("2024-02-29T00:00:00Z"));
        check("2023-02-29T00:00:00Z", None);
        // Without an offset it is no instant: nobody says whose midnight.
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
    fn a_shift_stays_within_what_can_be_written() {
        let day = SignedDuration::from_hours(24);
        assert_eq!(shift(Timestamp::UNIX_EPOCH, day).to_string(), "1970-01-02T00:00:00Z");
        assert_eq!(shift(Timestamp::MAX, day), Timestamp::MAX);
        assert_eq!(shift(FIRST, -day), FIRST);
    }
}
