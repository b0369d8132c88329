//! The subject of a mail or page, judged at one instant: what must happen, where, and when.

use dispatch::{DispatchTerms, Request, Status, Target, feed_id};
use jiff::Timestamp;

use super::{
    amount,
    times::{self, countdown, span},
    words::{MAX_NAME, name_of, tame},
};
use crate::{
    alerts::{condition::Condition, incident::Incident},
    config::{Config, Site},
    dispatches::record::SubjectRecord,
    job::clip,
    zone::Zone,
};

/// Sites listed by name; the others are counted.
pub(super) const LISTED_SITES: usize = 20;

/// An incident and everything known of what it is about.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The sites, and which sources are real.
    pub config: &'a Config,
    /// What people are notified of.
    pub incident: &'a Incident,
    /// The dispatch or load target, if it is about a known one.
    pub record: Option<&'a SubjectRecord>,
    /// Now.
    pub now: Timestamp,
}

/// The phase of a dispatch at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Ahead,
    Running,
    Over,
    Withdrawn,
}

/// What a provider requests of sites.
pub(super) struct Need<'a> {
    pub(super) phase: Phase,
    pub(super) request: Request,
    pub(super) start: Timestamp,
    pub(super) end: Option<Timestamp>,
    pub(super) sites: Vec<Place<'a>>,
    pub(super) total: usize,
    /// The time zone of the people at the sites.
    pub(super) zone: Zone,
    /// Further zones, if its sites are far apart.
    pub(super) other_zones: Vec<Zone>,
    /// A load target's latest measurement, in watts.
    pub(super) measured_w: Option<u64>,
    /// The provider's zone name, if it is not understood.
    pub(super) strange_zone: Option<String>,
    now: Timestamp,
}

pub(super) struct Place<'a> {
    /// Its display name.
    pub(super) name: String,
    /// The operator's own id of it.
    pub(super) external_id: Option<String>,
    /// Its own part of the request.
    pub(super) request: Option<Request>,
    /// The operator's configuration of it.
    pub(super) site: Option<&'a Site>,
}

/// A dispatch or load target for programs.
pub(crate) struct Facts {
    pub(crate) request: Request,
    pub(crate) start: Timestamp,
    pub(crate) end: Option<Timestamp>,
    /// The names of the first sites.
    pub(crate) sites: Vec<String>,
    pub(crate) sites_total: usize,
}

impl<'a> Case<'a> {
    /// What the dispatch or load target requests; none if unknown.
    pub(super) fn need(&self) -> Option<Need<'a>> {
        let record = self.record?;
        match record.state.published() {
            Some((status, terms)) => Some(self.of_dispatch(record, status, &terms)),
            None => self.of_load_target(record),
        }
    }

    fn of_dispatch(&self, record: &SubjectRecord, status: Status, terms: &DispatchTerms) -> Need<'a> {
        let source = &record.origin.source;
        let ended = status == Status::Ended || terms.end.is_some_and(|end| end <= self.now);
        let phase = match status {
            Status::Cancelled => Phase::Withdrawn,
            _ if ended => Phase::Over,
            _ if terms.start > self.now => Phase::Ahead,
            _ => Phase::Running,
        };
        let strange_zone = terms.programs.iter().find_map(|program| {
            let said = program.timezone.as_deref().filter(|said| !said.trim().is_empty())?;
            Zone::of(said, program.market.as_deref()).is_none().then(|| crate::job::clip(&tame(said), 40))
        });
        let (zone, other_zones) = times::zones(self.config, source, &terms.targets, &terms.programs);
        Need {
            phase,
            request: terms.request,
            start: terms.start,
            end: terms.end,
            sites: terms.targets.iter().take(LISTED_SITES).map(|target| self.place(source, target)).collect(),
            total: terms.targets.len(),
            strange_zone,
            zone,
            other_zones,
            measured_w: None,
            now: self.now,
        }
    }

    fn of_load_target(&self, record: &SubjectRecord) -> Option<Need<'a>> {
        let ramps = record.state.ramps()?;
        let source = &record.origin.source;
        let (start, end, request) = ramps.limit().or_else(|| {
            let up = ramps.up.as_ref()?;
            let said = up.started.iter().chain(&up.ended).max()?;
            Some((up.start, said.end, said.target))
        })?;
        let id = feed_id(ramps.feed.as_deref()).to_owned();
        let target = Target { id, name: None, external_id: None, request: None };
        let said =
            [&ramps.down, &ramps.up].into_iter().flatten().flat_map(|ramp| ramp.started.iter().chain(&ramp.ended));
        let phase = match end {
            Some(end) if end <= self.now => Phase::Over,
            _ if start > self.now => Phase::Ahead,
            _ => Phase::Running,
        };
        let (zone, other_zones) = times::zones(self.config, source, std::slice::from_ref(&target), &[]);
        Some(Need {
            phase,
            request,
            start,
            end,
            zone,
            other_zones,
            sites: vec![self.place(source, &target)],
            total: 1,
            measured_w: said.max_by_key(|said| said.heard_at).and_then(|said| said.watts),
            strange_zone: None,
            now: self.now,
        })
    }

    /// What a program needs to know of it; none if nothing is known. At most so many sites are named.
    pub(crate) fn facts(&self, most_sites: usize) -> Option<Facts> {
        let need = self.need()?;
        let sites = need.sites.iter().take(most_sites).map(|place| place.name.clone()).collect();
        Some(Facts { request: need.request, start: need.start, end: need.end, sites, sites_total: need.total })
    }

    fn place(&self, source: &str, target: &Target) -> Place<'a> {
        let site = self.config.site(source, &target.id);
        let ours = site.and_then(|site| site.name.as_deref());
        let external_id = target.external_id.as_ref().filter(|id| !id.is_empty());
        Place {
            name: ours.map_or_else(|| name_of(target), |name| clip(&tame(name), MAX_NAME)),
            external_id: external_id.map(|id| clip(&tame(id), MAX_NAME)),
            request: target.request,
            site,
        }
    }

    /// Whether action on it is still possible.
    pub(crate) fn is_active(&self) -> bool {
        self.need().is_some_and(|need| need.is_active())
    }

    pub(crate) fn is_test(&self) -> bool {
        let dispatch = self.record.and_then(|record| record.state.published());
        super::is_test(self.config, self.incident.source(), dispatch.as_ref())
    }

    /// Whether its source announces dispatches, not meter data.
    pub(super) fn announces_dispatches(&self) -> bool {
        let source = self.config.named(self.incident.source());
        source.is_none_or(|source| source.provider.is_time_critical())
    }

    /// The provider's display name; for an unknown source, the source's name.
    pub(super) fn provider(&self) -> String {
        let source = self.config.named(self.incident.source());
        match source {
            Some(source) => source.provider.title().to_owned(),
            None => format!("the provider of {}", tame(self.incident.source())),
        }
    }

    /// Whether a controller acknowledges; otherwise reading the signals queue counts.
    pub(super) fn has_acknowledgements(&self) -> bool {
        let programs = self.record.and_then(|record| record.state.published()).map(|(_, terms)| terms.programs);
        self.config.deadlines_for(self.incident.source(), &programs.unwrap_or_default()).acknowledge
    }

    /// Whether curtailment at sites is at risk, not only gridbell's knowledge of the dispatch.
    pub(super) fn must_curtail(&self) -> bool {
        matches!(
            self.incident.condition,
            Condition::NotAcknowledged { .. }
                | Condition::ControllerFailed { .. }
                | Condition::PartsUnsent { .. }
                | Condition::NotCompliant { .. }
        )
    }
}

impl Need<'_> {
    /// `55 kW`, `TO 6.5 MW`; empty if no amount is stated.
    pub(super) fn amount(&self) -> String {
        amount::brief(self.request).map(|amount| format!(" {amount}")).unwrap_or_default()
    }

    /// `5 kW at My Site +1`, `limit 6.5 MW at main_power_feed`.
    pub(super) fn asks(&self, most: usize) -> String {
        let amount = amount::noun(self.request).map(|amount| format!("{amount} at ")).unwrap_or_default();
        format!("{amount}{}", self.place(most))
    }

    /// `My Site and Another Site`, `My Site and 12 more`.
    pub(super) fn names(&self) -> String {
        match (&self.sites[..], self.total) {
            ([], _) => "the sites".to_owned(),
            ([only], 1) => only.name.clone(),
            ([first, second], 2) => format!("{} and {}", first.name, second.name),
            ([first, ..], total) => format!("{} and {} more", first.name, total.saturating_sub(1)),
        }
    }

    /// `My Site +1`, at most so many characters, then an ellipsis.
    pub(super) fn place(&self, most: usize) -> String {
        let Some(first) = self.sites.first() else { return "no named site".to_owned() };
        let more = if self.total > 1 { format!(" +{}", self.total - 1) } else { String::new() };
        let most = most.saturating_sub(more.len()).max(8);
        let name = if first.name.chars().count() > most { clip(&first.name, most - 1) } else { first.name.clone() };
        format!("{name}{more}")
    }

    /// `by 12:18 PST (in 9 min)`, `NOW until 12:28 PST (10 min left)`.
    pub(super) fn when(&self) -> String {
        let brief = |at| times::brief(at, &self.zone, self.now);
        match (self.phase, self.end) {
            (Phase::Ahead, _) => format!("by {} ({})", brief(self.start), countdown(self.start, self.now)),
            (Phase::Running, Some(end)) => {
                format!("NOW until {} ({} left)", brief(end), span(self.now.duration_until(end)))
            }
            (Phase::Running, None) => format!("NOW, no end yet (since {})", span(self.start.duration_until(self.now))),
            (Phase::Over | Phase::Withdrawn, _) => self.window(),
        }
    }

    /// `08:50–09:00 PST`.
    pub(super) fn window(&self) -> String {
        times::window(self.start, self.end, &self.zone, self.now)
    }

    /// Whether action on it is still possible.
    pub(super) fn is_active(&self) -> bool {
        matches!(self.phase, Phase::Ahead | Phase::Running)
    }
}
