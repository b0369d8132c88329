//! A dispatch's window as a calendar entry: the part of RFC 5545 that one event needs, in 60 lines. The version is the
//! `SEQUENCE`, so that a later mail moves the entry of an earlier one.

use dispatch::{DispatchTerms, Status};
use jiff::Timestamp;

use super::{
    amount::asked,
    words::{name_of, tame},
};
use crate::{dispatches::record::SubjectRecord, job::clip};

/// Octets of a line before it is folded (RFC 5545, 3.1).
const MAX_LINE: usize = 75;

const NAMED_SITES: usize = 3;

pub(super) fn window(record: &SubjectRecord, status: Status, terms: &DispatchTerms, now: Timestamp) -> String {
    let test = if terms.test_reason.is_some() || record.origin.sandbox { "[TEST] " } else { "" };
    let what = clip(&format!("{test}{}: {}", capital(&asked(terms.request)), sites(terms)), 200);
    let key = tame(record.subject.as_str());
    let open = if terms.end.is_none() { " The end is not known yet." } else { "" };
    let status = if status == Status::Cancelled { "CANCELLED" } else { "CONFIRMED" };
    let mut lines = vec![
        "BEGIN:VCALENDAR".to_owned(),
        "VERSION:2.0".to_owned(),
        "PRODID:-//gridbell//dispatch//EN".to_owned(),
        "METHOD:PUBLISH".to_owned(),
        "BEGIN:VEVENT".to_owned(),
        format!("UID:{}", escape(&key)),
        format!("SEQUENCE:{}", record.state.version),
        format!("DTSTAMP:{}", instant(now)),
        format!("DTSTART:{}", instant(terms.start)),
    ];
    // Without an end the event has no duration; the description states that.
    lines.extend(terms.end.filter(|end| *end > terms.start).map(|end| format!("DTEND:{}", instant(end))));
    lines.extend([
        format!("STATUS:{status}"),
        format!("SUMMARY:{}", escape(&what)),
        format!("DESCRIPTION:{}", escape(&format!("{key}, version {}.{open}", record.state.version))),
        "TRANSP:TRANSPARENT".to_owned(),
        "END:VEVENT".to_owned(),
        "END:VCALENDAR".to_owned(),
    ]);
    lines.iter().map(|line| folded(line)).collect()
}

fn sites(terms: &DispatchTerms) -> String {
    let names: Vec<String> = terms.targets.iter().take(NAMED_SITES).map(name_of).collect();
    let more = terms.targets.len().saturating_sub(NAMED_SITES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    if names.is_empty() { "no site named".to_owned() } else { format!("{}{more}", names.join(", ")) }
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

/// RFC 5545, 3.3.5, in UTC, without fractions of a second.
fn instant(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// RFC 5545, 3.3.11. The text has no line breaks.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace(';', "\\;").replace(',', "\\,")
}

/// Lines of at most 75 octets, cut between characters; a continuation line begins with a space.
fn folded(line: &str) -> String {
    let mut out = String::with_capacity(line.len() + 8);
    let mut octets = 0;
    for character in line.chars() {
        if octets + character.len_utf8() > MAX_LINE {
            out.push_str("\r\n ");
            octets = 1;
        }
        out.push(character);
        octets += character.len_utf8();
    }
    out.push_str("\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_folded_between_characters() {
        for text in ["", "short", &"x".repeat(75), &"x".repeat(76), &"ü".repeat(200), &"é😀".repeat(100)] {
            let folded = folded(text);
            assert!(folded.ends_with("\r\n"));
            assert!(folded.lines().all(|line| line.len() <= MAX_LINE), "{folded}");
            assert_eq!(folded.replace("\r\n ", "").trim_end_matches("\r\n"), text);
        }
        let lines = |octets: usize| folded(&"x".repeat(octets)).lines().count();
        assert_eq!((lines(MAX_LINE), lines(MAX_LINE + 1)), (1, 2));
    }
}
