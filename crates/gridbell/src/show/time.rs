//! Instants for people: in the local zone or in UTC, absolute or relative to now.

use jiff::{Timestamp, tz::TimeZone};
use pipeline::ports::Clock;

/// The zone for times, and the current instant.
#[derive(Debug, Clone)]
pub(crate) struct Clockface {
    zone: TimeZone,
    /// Now.
    pub(crate) now: Timestamp,
}

impl Clockface {
    /// The machine's zone, or UTC.
    pub(crate) fn now(utc: bool) -> Self {
        Self::at(aws::host::Host.now(), utc)
    }

    /// The machine's zone, or UTC, at a given instant.
    pub(crate) fn at(now: Timestamp, utc: bool) -> Self {
        let zone = if utc { TimeZone::UTC } else { TimeZone::system() };
        Self { zone, now }
    }

    /// UTC at a given instant.
    #[cfg(test)]
    pub(crate) fn fixed(now: Timestamp) -> Self {
        Self { zone: TimeZone::UTC, now }
    }

    /// The zone's current abbreviation: `UTC`, `CET`.
    pub(crate) fn zone(&self) -> String {
        self.now.to_zoned(self.zone.clone()).strftime("%Z").to_string()
    }

    /// The same clock in another zone; none if the zone is unknown or has the same time now.
    pub(crate) fn elsewhere(&self, zone: &str) -> Option<Self> {
        let zone = TimeZone::get(zone).ok()?;
        let differs = zone.to_offset(self.now) != self.zone.to_offset(self.now);
        differs.then_some(Self { zone, now: self.now })
    }

    /// To the minute, with the zone's abbreviation at that instant.
    pub(crate) fn minute_and_zone(&self, at: Timestamp) -> String {
        format!("{} {}", self.minute(at), at.to_zoned(self.zone.clone()).strftime("%Z"))
    }

    /// To the minute; with the day if it is not today, with the year if it is not this year.
    pub(crate) fn minute(&self, at: Timestamp) -> String {
        self.written(at, "%H:%M")
    }

    /// The same to the second.
    pub(crate) fn second(&self, at: Timestamp) -> String {
        self.written(at, "%H:%M:%S")
    }

    /// With day and zone, to stand alone.
    pub(crate) fn full(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
    }

    /// `in 12 min`, `3 h ago`.
    pub(crate) fn off(&self, at: Timestamp) -> String {
        let seconds = at.duration_since(self.now).as_secs();
        match seconds {
            -1..=1 => "now".to_owned(),
            2.. => format!("in {}", countdown(seconds)),
            _ => format!("{} ago", countdown(-seconds)),
        }
    }

    fn written(&self, at: Timestamp, time: &str) -> String {
        let (at, now) = (at.to_zoned(self.zone.clone()), self.now.to_zoned(self.zone.clone()));
        let day = if at.date() == now.date() {
            String::new()
        } else if at.year() == now.year() {
            at.strftime("%m-%d ").to_string()
        } else {
            at.strftime("%Y-%m-%d ").to_string()
        };
        format!("{day}{}", at.strftime(time))
    }
}

/// A number of seconds in its two largest units: `45 s`, `12 min`, `3 h 20 min`, `2 d 4 h`.
pub(crate) fn countdown(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let with = |large: i64, large_unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{large} {large_unit}"),
        _ => format!("{large} {large_unit} {small} {small_unit}"),
    };
    match seconds {
        ..90 => format!("{seconds} s"),
        90..3_600 => format!("{minutes} min"),
        3_600..86_400 => with(hours, "h", minutes % 60, "min"),
        86_400..604_800 => with(days, "d", hours % 24, "h"),
        _ => format!("{days} d"),
    }
}

/// Reads `2026-03-01T14:00:00Z`, from the year 2000 to 9998: an instant outside was never set, or means "never".
pub(crate) fn instant(text: &str) -> Result<Timestamp, String> {
    let years = Timestamp::constant(946_684_800, 0)..Timestamp::constant(253_370_764_800, 0);
    let at = text.parse::<Timestamp>().ok().filter(|at| years.contains(at));
    at.ok_or_else(|| format!("{text:?} is no instant of the years 2000 to 9998, such as 2026-03-01T14:00:00Z"))
}

/// Reads an instant, or `90m`, `24h`, `7d` as that long before `now`.
pub(crate) fn instant_or_age(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    // Only a `T` after a digit marks a time: "yesterday" has a `t` too.
    let has_time =
        text.split_once(['T', 't']).is_some_and(|(day, _)| day.ends_with(|last: char| last.is_ascii_digit()));
    let is_instant = has_time || text.contains(':') || text.matches('-').count() > 1;
    if is_instant {
        let at = instant(text)?;
        return if at <= now {
            Ok(at)
        } else {
            Err(format!("{text:?} lies ahead, and nothing can be listed since then"))
        };
    }
    let wrong =
        || format!("{:?} is neither an instant (2026-03-01T14:00:00Z) nor an age (90m, 24h, 7d)", super::name(text));
    let at = text.char_indices().last().map_or(0, |(at, _)| at);
    let (number, unit) = text.split_at(at);
    let seconds: i64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let seconds = i64::from(number.parse::<u32>().map_err(|_| wrong())?).saturating_mul(seconds);
    now.checked_sub(jiff::SignedDuration::from_secs(seconds)).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    #[test]
    fn how_far_off() {
        let clock = Clockface::fixed(at("2026-03-01T12:00:00Z"));
        let check = |instant: &str, expected: &str| assert_eq!(clock.off(at(instant)), expected);
        check("2026-03-01T12:00:01Z", "now");
        check("2026-03-01T12:01:00Z", "in 60 s");
        check("2026-03-01T12:12:30Z", "in 12 min");
        check("2026-03-01T15:20:00Z", "in 3 h 20 min");
        check("2026-02-27T08:00:00Z", "2 d 4 h ago");
        check("2025-03-01T11:00:00Z", "365 d ago");
    }

    #[test]
    fn the_day_shows_where_it_is_another_one() {
        let clock = Clockface::fixed(at("2026-03-01T12:00:00Z"));
        assert_eq!(clock.minute(at("2026-03-01T14:05:09Z")), "14:05");
        assert_eq!(clock.second(at("2026-03-02T14:05:09Z")), "03-02 14:05:09");
        assert_eq!(clock.minute(at("2025-03-01T14:05:09Z")), "2025-03-01 14:05");
        assert_eq!(clock.full(at("2025-03-01T14:05:09Z")), "2025-03-01 14:05:09 UTC");
    }

    #[test]
    fn another_zone_has_its_own_day_and_its_own_summer() {
        let clock = Clockface::fixed(at("2026-03-01T02:00:00Z"));
        let there = clock.elsewhere("America/Los_Angeles").expect("another time");
        assert_eq!(there.minute_and_zone(at("2026-03-01T02:05:00Z")), "18:05 PST");
        assert_eq!(there.minute_and_zone(at("2026-03-01T09:05:00Z")), "03-01 01:05 PST");
        assert_eq!(there.minute_and_zone(at("2026-07-01T09:05:00Z")), "07-01 02:05 PDT");
        assert!(clock.elsewhere("Mars/Olympus").is_none() && clock.elsewhere("UTC").is_none());
    }

    #[test]
    fn instants_and_ages() {
        let now = at("2026-03-01T12:00:00Z");
        assert_eq!(instant_or_age("2026-01-01T00:00:00Z", now), Ok(at("2026-01-01T00:00:00Z")));
        assert_eq!(instant_or_age("20260101T000000Z", now), Ok(at("2026-01-01T00:00:00Z")));
        assert_eq!(instant_or_age("90m", now), Ok(at("2026-03-01T10:30:00Z")));
        assert_eq!(instant_or_age("7d", now), Ok(at("2026-02-22T12:00:00Z")));
        for wrong in ["", "d", "7", "-1h", "7 days", "é", "99999999999d", "yesterday", "today", "Tuesday"] {
            assert!(instant_or_age(wrong, now).is_err_and(|why| why.contains("nor an age")), "{wrong}");
        }
        let beyond = [
            "9999-12-31T23:59:59Z",
            "0001-01-01T00:00:00Z",
            "0000-00-00T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "20261301T000000Z",
            "tomorrow: 9",
        ];
        for wrong in beyond {
            assert!(instant_or_age(wrong, now).is_err_and(|why| why.contains("2000 to 9998")), "{wrong}");
        }
        assert!(instant_or_age("2026-03-01T12:00:01Z", now).is_err_and(|why| why.contains("lies ahead")));
        assert_eq!(instant_or_age("2026-03-01T12:00:00Z", now), Ok(now));
    }
}
