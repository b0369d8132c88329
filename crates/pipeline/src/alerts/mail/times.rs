//! Instants and durations in words: the site's local time first, then UTC.

use dispatch::{Program, Target};
use jiff::{SignedDuration, Timestamp};

use crate::{config::Config, zone::Zone};

/// The most zones in which an instant is shown, besides UTC.
const MAX_ZONES: usize = 3;

/// The zone of the people at a dispatch's sites, which the subject shows; and further zones, if the sites are far
/// apart.
pub(super) fn zones(config: &Config, source: &str, targets: &[Target], programs: &[Program]) -> (Zone, Vec<Zone>) {
    let of_sites = targets.iter().filter_map(|target| {
        let site = config.site(source, &target.id)?;
        Zone::of(site.timezone.as_deref()?, None)
    });
    let mut zones: Vec<Zone> = Vec::new();
    let of_programs =
        programs.iter().filter_map(|program| Zone::of(program.timezone.as_deref()?, program.market.as_deref()));
    for zone in of_sites.chain(of_programs) {
        if zones.len() < MAX_ZONES && !zone.is_utc() && zones.iter().all(|known| known.name != zone.name) {
            zones.push(zone);
        }
    }
    if zones.is_empty() { (Zone::utc(), zones) } else { (zones.remove(0), zones) }
}

/// `12:18 PST`, with the day unless it is today.
pub(super) fn brief(at: Timestamp, zone: &Zone, now: Timestamp) -> String {
    zone.show(at, format(at, zone, now))
}

/// `08:50–09:00 PST`; with an open end `08:50 PST, no end yet`.
pub(super) fn window(start: Timestamp, end: Option<Timestamp>, zone: &Zone, now: Timestamp) -> String {
    let Some(end) = end else { return format!("{}, no end yet", brief(start, zone, now)) };
    if zone.day(start) == zone.day(end) {
        let from = zone.show(start, format(start, zone, now));
        let from = from.rsplit_once(' ').map_or(from.as_str(), |(time, _)| time);
        format!("{from}–{}", zone.show(end, "%H:%M"))
    } else {
        format!("{} – {}", brief(start, zone, now), brief(end, zone, now))
    }
}

fn format(at: Timestamp, zone: &Zone, now: Timestamp) -> &'static str {
    let days = zone.day(now).duration_until(zone.day(at)).as_hours() / 24;
    match days {
        0 => "%H:%M",
        -6..=6 => "%a %H:%M",
        _ => "%Y-%m-%d %H:%M",
    }
}

/// To the second, with the day: in UTC if that is the only zone, else local with UTC in brackets.
pub(super) fn full(at: Timestamp, zone: &Zone) -> String {
    if zone.is_utc() {
        return second(at);
    }
    format!("{} ({})", zone.show(at, "%a %Y-%m-%d %H:%M:%S"), second(at))
}

/// In UTC, to the second.
pub(crate) fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `in 9 min`, `9 min ago`, `now`.
pub(super) fn countdown(at: Timestamp, now: Timestamp) -> String {
    let ahead = now.duration_until(at);
    if ahead.unsigned_abs().as_secs() < 1 {
        return "now".to_owned();
    }
    if ahead.is_negative() { format!("{} ago", span(-ahead)) } else { format!("in {}", span(ahead)) }
}

/// `45 s`, `9 min`, `3 h 5 min`, `3 d`. Rounded down: the text never states more time than there is.
pub(super) fn span(span: SignedDuration) -> String {
    let seconds = span.as_secs().max(0);
    let (minutes, hours) = (seconds / 60, seconds / 3_600);
    match seconds {
        0..90 => format!("{seconds} s"),
        90..5_400 => format!("{minutes} min"),
        5_400..129_600 if minutes % 60 == 0 => format!("{hours} h"),
        5_400..129_600 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{} d", hours / 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    #[test]
    fn a_time_of_today_needs_no_day() {
        let (zone, now) = (Zone::of("PST", None).expect("a zone"), at("2023-12-01T16:40:00Z"));
        assert_eq!(brief(at("2023-12-01T16:50:00Z"), &zone, now), "08:50 PST");
        assert_eq!(brief(at("2023-12-02T08:00:00Z"), &zone, now), "Sat 00:00 PST");
        assert_eq!(brief(at("2023-12-20T08:00:00Z"), &zone, now), "2023-12-20 00:00 PST");
        assert_eq!(brief(at("2023-12-01T16:50:00Z"), &Zone::utc(), now), "16:50 UTC");
        let window = |end: Option<&str>| window(at("2023-12-01T16:50:00Z"), end.map(at), &zone, now);
        assert_eq!(window(Some("2023-12-01T17:00:00Z")), "08:50–09:00 PST");
        assert_eq!(window(Some("2023-12-02T17:00:00Z")), "08:50 PST – Sat 09:00 PST");
        assert_eq!(window(None), "08:50 PST, no end yet");
    }

    #[test]
    fn spans_are_rounded_down() {
        let now = at("2023-12-01T16:40:00Z");
        let said = |seconds| countdown(now + SignedDuration::from_secs(seconds), now);
        for (seconds, words) in [
            (0, "now"),
            (45, "in 45 s"),
            (599, "in 9 min"),
            (-599, "9 min ago"),
            (7_200, "in 2 h"),
            (11_100, "in 3 h 5 min"),
            (300_000, "in 3 d"),
        ] {
            assert_eq!(said(seconds), words);
        }
    }
}
