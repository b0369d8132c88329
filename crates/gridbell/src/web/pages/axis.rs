//! A time axis: the curtailments of a site, drawn to scale. The page also shows them as text.

use std::collections::BTreeMap;

use dispatch::{Subject, Window};
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use crate::{
    show::{Clockface, power, request},
    verbs::{dispatch::DispatchView, site::brief},
    web::parts::name,
};

/// How many dispatches of one site get a lane of their own.
const MAX_LANES: usize = 8;

/// Height of a lane and of its bar, in pixels.
const LANE: usize = 22;
const BAR: usize = 18;

/// The part of time that is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    now: Timestamp,
    from: Timestamp,
    until: Timestamp,
}

/// Further facts about a dispatch on the axis.
#[derive(Debug, Clone, Default)]
pub(super) struct Marks {
    pub(super) at_risk: bool,
    pub(super) priority: Option<u32>,
}

impl Marks {
    /// The facts of dispatches, by their keys.
    pub(super) fn of(views: &[DispatchView]) -> BTreeMap<String, Self> {
        let marks = |view: &DispatchView| Self { at_risk: view.at_risk.is_some(), priority: view.priority };
        views.iter().map(|view| (view.key.clone(), marks(view))).collect()
    }
}

/// A dispatch of a site: from its first segment to its last.
struct Lane<'w> {
    key: &'w Subject,
    test: bool,
    from: Timestamp,
    until: Option<Timestamp>,
    /// When it governs, and what it requests then.
    governs: Vec<(Timestamp, Option<Timestamp>, String)>,
}

impl Axis {
    /// An axis of `hours` from now on, and a tenth of that before. It moves once a minute, so the page rarely changes.
    pub(super) fn of(now: Timestamp, hours: i64) -> Self {
        let now = Timestamp::from_second(now.as_second() / 60 * 60).unwrap_or(now);
        let span = SignedDuration::from_hours(hours);
        Self { now, from: now - span / 10, until: now + span }
    }

    /// The position of an instant, in percent.
    fn x(&self, at: Timestamp) -> f64 {
        let share = at.duration_since(self.from).as_secs_f64() / self.until.duration_since(self.from).as_secs_f64();
        (share * 1e4).round().clamp(0.0, 1e4) / 100.0
    }

    fn ticks(&self) -> Vec<Timestamp> {
        let hours = self.until.duration_since(self.from).as_hours();
        let step = [1, 2, 3, 6, 12, 24].into_iter().find(|step| hours / step <= 8).unwrap_or(48) * 3_600;
        let first = self.from.as_second().div_euclid(step) + 1;
        (first..)
            .map_while(|number| Timestamp::from_second(number * step).ok())
            .take_while(|at| *at < self.until)
            .collect()
    }

    /// The hour marks above the sites.
    pub(super) fn hours(&self, clock: &Clockface) -> Markup {
        html! {
            svg.axis width="100%" height="20" aria-hidden="true" {
                @for at in self.ticks() {
                    text x={ (self.x(at)) "%" } y="14" text-anchor="middle" { (clock.minute(at)) }
                }
            }
        }
    }

    /// The windows of a site. `says` describes them in words.
    pub(super) fn track(&self, windows: [&[Window]; 2], marks: &BTreeMap<String, Marks>, says: &str) -> Markup {
        let [real, tests] = windows;
        let mut lanes = self::lanes(real, false);
        lanes.extend(self::lanes(tests, true));
        lanes.retain(|lane| lane.from < self.until && lane.until.is_none_or(|until| until > self.from));
        let more = lanes.len().saturating_sub(MAX_LANES);
        lanes.truncate(MAX_LANES);
        let height = lanes.len().max(1) * LANE;
        html! {
            svg.track width="100%" height=(height) role="img" aria-label=(says) {
                @for at in self.ticks() {
                    line.tick x1={ (self.x(at)) "%" } x2={ (self.x(at)) "%" } y1="0" y2=(height) {}
                }
                @for (number, lane) in lanes.iter().enumerate() { (self.lane(lane, number * LANE, marks)) }
                line.now x1={ (self.x(self.now)) "%" } x2={ (self.x(self.now)) "%" } y1="0" y2=(height) {}
            }
            @if more > 0 { p.more { (more) " more overlap here" } }
        }
    }

    fn lane(&self, lane: &Lane<'_>, y: usize, marks: &BTreeMap<String, Marks>) -> Markup {
        let marks = marks.get(lane.key.as_str()).cloned().unwrap_or_default();
        let kind = match (marks.at_risk, lane.test) {
            (true, _) => "risk",
            (false, true) => "test",
            (false, false) => "real",
        };
        let (x, width) = self.extent(lane.from, lane.until);
        let priority = marks.priority.map(|priority| format!("P{priority} ")).unwrap_or_default();
        let risk = if marks.at_risk { "! " } else { "" };
        html! {
            g class=(kind) {
                rect.with x={ (x) "%" } y=(y + 2) width={ (width) "%" } height=(BAR) rx="3" {}
                @for (from, until, _) in &lane.governs {
                    @let (x, width) = self.extent(*from, *until);
                    rect.governs x={ (x) "%" } y=(y + 2) width={ (width) "%" } height=(BAR) rx="3" {}
                }
                svg x={ (x) "%" } y=(y + 2) width={ (width) "%" } height=(BAR) {
                    text x="5" y="13" {
                        (risk) (priority) (lane.governs.first().map(|(_, _, asks)| format!("{asks} · ")).unwrap_or_default())
                        (name(brief(lane.key)))
                    }
                }
            }
        }
    }

    fn extent(&self, from: Timestamp, until: Option<Timestamp>) -> (f64, f64) {
        let x = self.x(from);
        (x, ((self.x(until.unwrap_or(self.until)) - x).max(0.4) * 100.0).round() / 100.0)
    }
}

fn lanes(windows: &[Window], test: bool) -> Vec<Lane<'_>> {
    let mut lanes: Vec<Lane<'_>> = Vec::new();
    let mut numbers: BTreeMap<&Subject, usize> = BTreeMap::new();
    for segment in windows.iter().flat_map(|window| &window.segments) {
        for key in [&segment.governed_by].into_iter().chain(&segment.with) {
            let number = *numbers.entry(key).or_insert_with(|| {
                lanes.push(Lane { key, test, from: segment.from, until: segment.until, governs: Vec::new() });
                lanes.len() - 1
            });
            lanes[number].until = segment.until;
        }
        let governing = &mut lanes[numbers[&segment.governed_by]].governs;
        let asks = segment.request.as_ref().map_or_else(String::new, short);
        match governing.last_mut().filter(|last| last.1 == Some(segment.from) && last.2 == asks) {
            Some(last) => last.1 = segment.until,
            None => governing.push((segment.from, segment.until, asks)),
        }
    }
    lanes
}

/// What the dispatch requests, short enough for a bar.
fn short(asked: &dispatch::Request) -> String {
    match asked {
        dispatch::Request::Reduce { watts } => format!("−{}", power(*watts)),
        dispatch::Request::Limit { watts } => format!("≤{}", power(*watts)),
        other => request(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_lie_where_they_belong() {
        let now: Timestamp = "2026-03-01T12:00:30Z".parse().expect("an instant");
        let axis = Axis::of(now, 10);
        let instant = |text: &str| format!("2026-03-01T{text}:00Z").parse().expect("an instant");
        let check = |text: &str, expected: &str| assert_eq!(axis.x(instant(text)).to_string(), expected, "{text}");
        check("11:00", "0");
        check("16:30", "50");
        check("22:00", "100");
        check("00:00", "0");
        check("23:00", "100");
        assert_eq!(axis.ticks().len(), 5);
        let (x, width) = axis.extent(instant("16:30"), None);
        assert_eq!((x.to_string(), width.to_string()), ("50".to_owned(), "50".to_owned()));
    }
}
