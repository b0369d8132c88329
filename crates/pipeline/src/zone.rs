//! The time zone of a program's people, from any name that a provider uses. Only for showing times: it never decides an
//! instant.
//!
//! Providers write `PST`, `US/Pacific`, `Pacific Prevailing Time` or `GMT+1` where an IANA name belongs. An
//! abbreviation names the zone, not its offset: `PST` in July means local time in California. If several zones share a
//! name, the market decides; if that does not help either, the zone is unknown, and times are shown in UTC only.

mod names;

use jiff::{
    Timestamp,
    tz::{Offset, TimeZone},
};

use names::{ABBREVIATIONS, Abbreviation, MARKETS};

/// The longest name of a zone, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// The largest offset from UTC, in seconds.
const MAX_OFFSET_S: i32 = 14 * 3_600;

/// A known zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// Its IANA name, or its offset: `America/Los_Angeles`, `UTC-08:00`.
    pub name: String,
    zone: TimeZone,
}

impl Zone {
    /// The zone for a provider's name of it and the market of its program; none if unknown.
    pub fn of(timezone: &str, market: Option<&str>) -> Option<Self> {
        let words = timezone.split_whitespace().collect::<Vec<_>>().join(" ");
        let plain = |c: char| c.is_ascii_alphanumeric() || " _-+/:.,()".contains(c);
        if words.is_empty() || words.len() > MAX_NAME_BYTES || !words.chars().all(plain) {
            return None;
        }
        if let Some(known) = abbreviation(&words) {
            let name = known.in_market(market.and_then(self::market))?;
            return Self::named(name);
        }
        offset(&words).map_or_else(|| Self::named(&words.replace(' ', "_")), Self::fixed)
    }

    /// Whether it is UTC, which is shown anyway.
    pub fn is_utc(&self) -> bool {
        ["UTC", "Etc/UTC", "Etc/UCT", "Etc/Universal", "Etc/Zulu", "UCT", "Universal", "Zulu"]
            .contains(&self.name.as_str())
    }

    /// The local day of an instant.
    pub fn day(&self, at: Timestamp) -> jiff::civil::Date {
        at.to_zoned(self.zone.clone()).date()
    }

    /// UTC.
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), zone: TimeZone::UTC }
    }

    /// The zone of an IANA name, in any case.
    fn named(name: &str) -> Option<Self> {
        let zone = TimeZone::get(name).ok().filter(|zone| !zone.is_unknown())?;
        Some(Self { name: zone.iana_name()?.to_owned(), zone })
    }

    /// The zone of a bare offset.
    fn fixed(offset_s: i32) -> Option<Self> {
        let offset = Offset::from_seconds(offset_s).ok()?;
        if offset_s == 0 {
            return Some(Self::utc());
        }
        let (sign, minutes) = (if offset_s < 0 { '-' } else { '+' }, offset_s.unsigned_abs() / 60);
        let name = format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60);
        Some(Self { name, zone: TimeZone::fixed(offset) })
    }

    /// An instant in local time, in a `strftime` format, with the usual name of the zone then: `… PST`, `… UTC-08:00`.
    pub fn show(&self, at: Timestamp, format: &str) -> String {
        let there = at.to_zoned(self.zone.clone());
        let abbreviation = there.strftime("%Z").to_string();
        // Some zones have digits in place of an abbreviation, and an offset has none.
        let called = if abbreviation.starts_with(char::is_alphabetic) {
            abbreviation
        } else {
            format!("UTC{}", there.strftime("%:z"))
        };
        format!("{} {called}", there.strftime(format))
    }
}

/// Finds a name without its additions: `US/Pacific`, `Pacific Standard Time (PST)`, `pacific time` and `PPT`.
fn abbreviation(words: &str) -> Option<&'static Abbreviation> {
    let upper = words.to_ascii_uppercase();
    let bare = upper.split(" (").next().unwrap_or_default();
    let find = |name: &str| ABBREVIATIONS.iter().find(|known| known.spellings.contains(&name));
    let without_time = bare.strip_suffix(" TIME").unwrap_or(bare);
    let without_season = [" STANDARD", " DAYLIGHT", " PREVAILING", " SUMMER"]
        .iter()
        .find_map(|season| without_time.strip_suffix(season));
    find(bare).or_else(|| find(without_time)).or_else(|| find(without_season?))
}

/// The zone of a market.
fn market(market: &str) -> Option<&'static str> {
    let plain: String = market.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
    MARKETS.iter().find(|(names, _)| names.contains(&plain.as_str())).map(|(_, zone)| *zone)
}

impl Abbreviation {
    /// The zone that the abbreviation means in a market of that zone.
    fn in_market(&self, market: Option<&str>) -> Option<&'static str> {
        let of_market = self.homes.iter().find(|home| Some(**home) == market).copied();
        of_market.or(if self.only_by_market { None } else { self.homes.first().copied() })
    }
}

/// `UTC-08:00`, `GMT+1`, `+05:30`, `-0800`: in seconds, east of Greenwich.
fn offset(words: &str) -> Option<i32> {
    let upper = words.to_ascii_uppercase();
    let named = ["UTC", "GMT"].iter().find_map(|name| upper.strip_prefix(name));
    let rest = named.unwrap_or(&upper).trim();
    let (sign, digits) = match rest.split_at_checked(1)? {
        ("+", digits) => (1, digits.trim()),
        ("-", digits) => (-1, digits.trim()),
        _ => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) if minutes.len() == 2 => (hours, minutes),
        Some(_) => return None,
        None if digits.len() > 2 => digits.split_at_checked(digits.len() - 2)?,
        None => (digits, "0"),
    };
    let number =
        |text: &str| text.parse::<i32>().ok().filter(|_| text.len() <= 2 && text.bytes().all(|b| b.is_ascii_digit()));
    let (hours, minutes) = (number(hours)?, number(minutes).filter(|minutes| *minutes < 60)?);
    let offset_s = hours * 3_600 + minutes * 60;
    (offset_s <= MAX_OFFSET_S).then_some(sign * offset_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The local time of an instant in July, and of one in December.
    fn shown(timezone: &str, market: Option<&str>) -> String {
        let zone = Zone::of(timezone, market);
        let Some(zone) = zone.filter(|zone| !zone.is_utc()) else { return "UTC alone".to_owned() };
        let [july, december] = ["2025-07-10T18:00:00Z", "2025-12-10T18:00:00Z"]
            .map(|at| zone.show(at.parse().expect("an instant"), "%H:%M"));
        format!("{}: {july}, {december}", zone.name)
    }

    fn check(market: &str, rows: &[(&str, &str)]) {
        for (timezone, expected) in rows {
            assert_eq!(
                shown(timezone, Some(market).filter(|market| !market.is_empty())),
                *expected,
                "{timezone:?} of {market:?}"
            );
        }
    }

    const PACIFIC: &str = "America/Los_Angeles: 11:00 PDT, 10:00 PST";

    #[test]
    fn one_zone_has_many_names() {
        for name in [
            "PST",
            "PDT",
            "PT",
            "pst",
            " PST ",
            "PPT",
            "Pacific",
            "Pacific Time",
            "Pacific  Standard Time",
            "Pacific Daylight Time",
            "Pacific Prevailing Time",
            "US/Pacific",
            "us/pacific",
            "PST8PDT",
            "America/Los_Angeles ",
            "america/los_angeles",
            "America/Los Angeles",
            "Pacific Time (PT)",
            "Pacific Standard Time (PST)",
        ] {
            let said = shown(name, None);
            assert!(said.ends_with(": 11:00 PDT, 10:00 PST"), "{name:?}: {said}");
        }
    }

    #[test]
    fn an_abbreviation_names_the_zone_that_people_live_in() {
        check(
            "",
            &[
                ("PST", PACIFIC),
                ("MST", "America/Denver: 12:00 MDT, 11:00 MST"),
                ("MDT", "America/Denver: 12:00 MDT, 11:00 MST"),
                ("CST", "America/Chicago: 13:00 CDT, 12:00 CST"),
                ("CDT", "America/Chicago: 13:00 CDT, 12:00 CST"),
                ("EST", "America/New_York: 14:00 EDT, 13:00 EST"),
                ("EDT", "America/New_York: 14:00 EDT, 13:00 EST"),
                ("ET", "America/New_York: 14:00 EDT, 13:00 EST"),
                ("EPT", "America/New_York: 14:00 EDT, 13:00 EST"),
                ("AKST", "America/Anchorage: 10:00 AKDT, 09:00 AKST"),
                ("AKDT", "America/Anchorage: 10:00 AKDT, 09:00 AKST"),
                ("HST", "Pacific/Honolulu: 08:00 HST, 08:00 HST"),
                ("AST", "America/Halifax: 15:00 ADT, 14:00 AST"),
                ("GMT", "GMT: 18:00 GMT, 18:00 GMT"),
                ("BST", "Europe/London: 19:00 BST, 18:00 GMT"),
                ("CET", "Europe/Brussels: 20:00 CEST, 19:00 CET"),
                ("CEST", "Europe/Brussels: 20:00 CEST, 19:00 CET"),
                ("EET", "Europe/Athens: 21:00 EEST, 20:00 EET"),
                ("EEST", "Europe/Athens: 21:00 EEST, 20:00 EET"),
                ("WET", "Europe/Lisbon: 19:00 WEST, 18:00 WET"),
                ("WEST", "Europe/Lisbon: 19:00 WEST, 18:00 WET"),
                ("AEST", "Australia/Sydney: 04:00 AEST, 05:00 AEDT"),
                ("AEDT", "Australia/Sydney: 04:00 AEST, 05:00 AEDT"),
                ("ACST", "Australia/Adelaide: 03:30 ACST, 04:30 ACDT"),
                ("AWST", "Australia/Perth: 02:00 AWST, 02:00 AWST"),
                ("NZST", "Pacific/Auckland: 06:00 NZST, 07:00 NZDT"),
                ("NZDT", "Pacific/Auckland: 06:00 NZST, 07:00 NZDT"),
                ("JST", "Asia/Tokyo: 03:00 JST, 03:00 JST"),
                ("Europe/Zurich", "Europe/Zurich: 20:00 CEST, 19:00 CET"),
                ("Asia/Dubai", "Asia/Dubai: 22:00 UTC+04:00, 22:00 UTC+04:00"),
            ],
        );
    }

    #[test]
    fn the_market_tells_which_of_several_homes_is_meant() {
        check("CAISO", &[("PST", PACIFIC), ("PT", PACIFIC), ("EST", "America/New_York: 14:00 EDT, 13:00 EST")]);
        check(
            "ERCOT",
            &[("CST", "America/Chicago: 13:00 CDT, 12:00 CST"), ("CPT", "America/Chicago: 13:00 CDT, 12:00 CST")],
        );
        check("PJM", &[("EST", "America/New_York: 14:00 EDT, 13:00 EST")]);
        check("ISO-NE", &[("Eastern", "America/New_York: 14:00 EDT, 13:00 EST")]);
        check("IESO", &[("EST", "America/Toronto: 14:00 EDT, 13:00 EST")]);
        // MISO's market runs on Eastern Standard Time all year; its sites live in Central Time.
        check("MISO", &[("EST", "EST: 13:00 EST, 13:00 EST"), ("CST", "America/Chicago: 13:00 CDT, 12:00 CST")]);
        check("MISO", &[("EDT", "America/New_York: 14:00 EDT, 13:00 EST")]);
        check(
            "AESO",
            &[
                ("MST", "America/Edmonton: 12:00 MDT, 11:00 MST"),
                ("mountain time", "America/Edmonton: 12:00 MDT, 11:00 MST"),
            ],
        );
        check("SPP", &[("CST", "America/Chicago: 13:00 CDT, 12:00 CST")]);
        check(
            "National Grid ESO",
            &[("GMT", "Europe/London: 19:00 BST, 18:00 GMT"), ("BST", "Europe/London: 19:00 BST, 18:00 GMT")],
        );
        check(
            "EirGrid",
            &[("IST", "Europe/Dublin: 19:00 IST, 18:00 GMT"), ("GMT", "Europe/Dublin: 19:00 IST, 18:00 GMT")],
        );
        check("POSOCO", &[("IST", "Asia/Kolkata: 23:30 IST, 23:30 IST")]);
        check("SGCC", &[("CST", "Asia/Shanghai: 02:00 CST, 02:00 CST")]);
        check("AEMO", &[("AEST", "Australia/Brisbane: 04:00 AEST, 04:00 AEST")]);
        check("RTE", &[("CET", "Europe/Paris: 20:00 CEST, 19:00 CET")]);
        check("", &[("IST", "UTC alone")]);
        check("CAISO", &[("IST", "UTC alone")]);
    }

    #[test]
    fn an_offset_is_what_it_says() {
        check(
            "",
            &[
                ("GMT+1", "UTC+01:00: 19:00 UTC+01:00, 19:00 UTC+01:00"),
                ("UTC-08:00", "UTC-08:00: 10:00 UTC-08:00, 10:00 UTC-08:00"),
                ("utc -8", "UTC-08:00: 10:00 UTC-08:00, 10:00 UTC-08:00"),
                ("+05:30", "UTC+05:30: 23:30 UTC+05:30, 23:30 UTC+05:30"),
                ("-0330", "UTC-03:30: 14:30 UTC-03:30, 14:30 UTC-03:30"),
                // As in IANA's names, with the sign reversed.
                ("Etc/GMT+8", "Etc/GMT+8: 10:00 UTC-08:00, 10:00 UTC-08:00"),
            ],
        );
    }

    #[test]
    fn what_is_utc_or_nothing_is_utc_alone() {
        let long = "A".repeat(20_000);
        for nothing in [
            "",
            "  ",
            "UTC",
            "utc",
            "Z",
            "Zulu",
            "UTC+0",
            "GMT-00:00",
            "+00:00",
            "Etc/UTC",
            "Etc/Unknown",
            "XYZ",
            "Mars/Olympus",
            "+15",
            "UTC+1:5",
            "UTC+",
            "+1e3",
            "--1",
            "../../etc/passwd",
            "P\u{1b}[2JST",
            "PST\u{202e}",
            "ＰＳＴ",
            "\u{0}",
            long.as_str(),
        ] {
            assert_eq!(shown(nothing, Some("CAISO")), "UTC alone", "{nothing:?}");
        }
        assert!(Zone::of("Z", None).is_some() && Zone::of("XYZ", None).is_none());
    }

    #[test]
    fn every_name_of_the_tables_is_a_zone() {
        let homes = ABBREVIATIONS.iter().flat_map(|known| known.homes.iter().copied());
        for name in homes.chain(MARKETS.iter().map(|(_, zone)| *zone)) {
            assert!(Zone::named(name).is_some(), "{name}");
        }
        let mut spellings: Vec<&str> = ABBREVIATIONS.iter().flat_map(|known| known.spellings.iter().copied()).collect();
        let all = spellings.len();
        spellings.sort_unstable();
        spellings.dedup();
        assert_eq!(spellings.len(), all);
    }
}
