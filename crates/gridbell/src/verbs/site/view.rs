//! A site as people and scripts see it: its curtailment windows, evaluated at one instant.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use dispatch::{Claim, Request, Segment, Subject, Target, TargetHash, Window, feed_id, windows};
use jiff::Timestamp;
use pipeline::{config::Config, record::SubjectRecord};
use serde::Serialize;

/// One site, meter or power feed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Site {
    /// `<source>/<id>`.
    #[serde(rename = "site")]
    pub(crate) key: String,
    pub(crate) source: String,
    /// The provider's id of it; for a power feed its tag, or `-`.
    pub(crate) id: String,
    /// The operator's name for it, else the provider's.
    pub(crate) name: Option<String>,
    /// The IANA name of its zone, if the operator has written it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timezone: Option<String>,
    /// The operator's own id.
    pub(crate) external_id: Option<String>,
    /// Whether a real dispatch curtails it now.
    pub(crate) curtailed: bool,
    /// When real dispatches curtail it, from now on.
    pub(crate) windows: Vec<Window>,
    /// When test dispatches would.
    pub(crate) tests: Vec<Window>,
}

impl Site {
    /// The most important window, and whether it is a test.
    pub(crate) fn next(&self) -> Option<(&Window, bool)> {
        let tests = self.tests.iter().map(|window| (window, true));
        self.windows.iter().map(|window| (window, false)).chain(tests).next()
    }
}

/// The window's segment at this instant, or its first.
pub(crate) fn segment(window: &Window, now: Timestamp) -> Option<&Segment> {
    window.at(now)
}

/// The sites of those records that are curtailed now or later: curtailed ones first, then by start.
///
/// # Errors
/// The provider of a record's source does not define which of its dispatches governs.
pub(crate) fn sites(config: &Config, records: &[SubjectRecord], now: Timestamp) -> Result<Vec<Site>> {
    let mut claims: BTreeMap<(String, String), (Named, Vec<Claim>)> = BTreeMap::new();
    for record in records {
        let Some(active) = record.active() else { continue };
        let asked = active.asked();
        for target in targets(record) {
            let Some(request) = asked.get(&TargetHash::of(&target.id)) else { continue };
            let claim = active.claim_of(&record.subject, *request);
            let of = (record.origin.source.clone(), target.id);
            let (named, claims) = claims.entry(of).or_default();
            named.name = named.name.take().or(target.name);
            named.external_id = named.external_id.take().or(target.external_id);
            claims.push(claim);
        }
    }
    let mut sites: Vec<Site> = claims
        .into_iter()
        .map(|((source, id), (named, claims))| {
            let precedence = config.precedence(&source);
            let precedence = precedence.with_context(|| format!("nothing says which dispatch of {source} governs"))?;
            let ahead = |test: bool| -> Vec<Window> {
                let windows = windows(precedence, test, &claims).into_iter();
                windows.filter(|window| window.until.is_none_or(|until| until > now)).collect()
            };
            let (windows, tests) = (ahead(false), ahead(true));
            let curtailed = windows.first().is_some_and(|window| window.from <= now);
            let Named { name, external_id } = named;
            let described = config.site(&source, &id);
            let name = described.and_then(|site| site.name.clone()).or(name);
            let timezone = described.and_then(|site| site.timezone.clone());
            let key = format!("{source}/{id}");
            Ok(Site { key, source, id, name, timezone, external_id, curtailed, windows, tests })
        })
        .filter(|site| site.as_ref().map_or(true, |site| site.next().is_some()))
        .collect::<Result<_>>()?;
    sites.sort_by_cached_key(|site| {
        let (window, test) = site.next().map_or((None, true), |(window, test)| (Some(window.from), test));
        (test, window.map(|from| from.max(now)), site.key.clone())
    });
    Ok(sites)
}

#[derive(Default)]
struct Named {
    name: Option<String>,
    external_id: Option<String>,
}

fn targets(record: &SubjectRecord) -> Vec<Target> {
    if let Some((_, terms)) = record.state.published() {
        return terms.targets.to_vec();
    }
    let feed = record.state.ramps().map(|ramps| feed_id(ramps.feed.as_deref()).to_owned());
    feed.into_iter().map(|id| Target { id, name: None, external_id: None, request: None }).collect()
}

/// A dispatch's key without the source, which the site's key already contains.
pub(crate) fn brief(key: &Subject) -> &str {
    key.as_str().split_once('/').map_or(key.as_str(), |(_, rest)| rest)
}

/// What the dispatch requests of the site, in a few words.
pub(crate) fn asks(request: Option<Request>) -> String {
    request.as_ref().map_or_else(|| "its part of the whole".to_owned(), crate::show::request)
}

#[cfg(test)]
pub(crate) mod tests {
    use dispatch::{Contradiction, DispatchFact, DispatchTerms, Fact, FactBody, Origin, Rank, absorb};
    use pipeline::{config::Deadlines, record::Step};

    use super::*;

    pub(crate) fn at(time: &str) -> Timestamp {
        format!("2026-03-01T{time}:00Z").parse().expect("a time of the day")
    }

    /// The source of [`record`].
    pub(crate) fn config() -> Config {
        Config::parse(r#"{"sources":{"voltus-prod":{"provider":"voltus","tokens":[]}}}"#).expect("good")
    }

    /// A stored dispatch of one site; 5 kW for each letter of its id.
    pub(crate) fn record(id: &str, site: &str, from: &str, until: Option<&str>, test: bool) -> SubjectRecord {
        let origin = Origin { source: "voltus-prod".to_owned(), provider: "voltus".to_owned(), sandbox: test };
        let request = Request::Reduce { watts: 5_000 * u64::try_from(id.len()).expect("short") };
        let terms = DispatchTerms {
            authorized: true,
            start: at(from),
            end: until.map(at),
            request,
            targets: vec![Target {
                id: site.to_owned(),
                name: Some(format!("Site {site}")),
                external_id: None,
                request: Some(request),
            }]
            .into(),
            test_reason: test.then_some(dispatch::TestReason::Sandbox),
            voluntary: false,
            priority: None,
            programs: Vec::new(),
            details: serde_json::Map::new(),
        };
        let said = DispatchFact { id: id.to_owned(), rank: Rank::Numbered(0, at("00:00")), terms };
        let subject = Subject::dispatch("voltus-prod", id);
        let fact = Fact::new(origin.clone(), subject.clone(), FactBody::Dispatch(said));
        let now = at("00:00");
        let epoch = dispatch::Epoch::at(now);
        let publication = dispatch::Publication { epoch, now, limit_bytes: usize::MAX, traceparent: None };
        let absorbed = absorb(None, &subject, vec![fact], Contradiction::Fetch, publication).expect("a state");
        let step = Step {
            subject: &subject,
            delivery: "d-1",
            received_at: now,
            deadlines: Deadlines::default(),
            write: "w".to_owned(),
            now,
            traceparent: None,
        };
        SubjectRecord::following(None, &origin, absorbed, step)
    }

    #[test]
    fn overlapping_dispatches_of_one_site_are_one_window_and_what_is_over_is_left_out() {
        let records = [
            record("aa", "s1", "10:00", Some("11:00"), false),
            record("b", "s1", "10:30", None, false),
            record("c", "s2", "12:00", Some("13:00"), false),
            record("d", "s3", "08:00", Some("09:00"), false),
            record("e", "s2", "10:00", Some("11:00"), true),
        ];
        let sites = sites(&config(), &records, at("10:45")).expect("sites");
        assert_eq!(
            sites.iter().map(|site| site.key.as_str()).collect::<Vec<_>>(),
            ["voltus-prod/s1", "voltus-prod/s2"]
        );
        assert!(sites[0].curtailed && !sites[1].curtailed, "a test curtails nobody");
        assert_eq!((sites[0].windows.len(), sites[0].windows[0].until), (1, None));
        let now = segment(&sites[0].windows[0], at("10:45")).expect("a segment");
        assert_eq!((now.governed_by.as_str(), now.with.len()), ("voltus-prod/aa", 1));
        assert_eq!((sites[1].windows.len(), sites[1].tests.len()), (1, 1));
        assert_eq!(sites[0].name.as_deref(), Some("Site s1"));
    }

    #[test]
    fn the_operators_name_of_a_site_comes_first() {
        let records = [record("aa", "s1", "10:00", None, false), record("b", "s2", "10:00", None, false)];
        let mut config = config();
        let mill = r#"{"name":"Mill","timezone":"America/Los_Angeles"}"#;
        config.sites.insert("voltus-prod/s1".to_owned(), serde_json::from_str(mill).expect("a site"));
        let sites = sites(&config, &records, at("10:45")).expect("sites");
        let shown: Vec<_> = sites.iter().map(|site| (site.name.as_deref(), site.timezone.as_deref())).collect();
        assert_eq!(shown, [(Some("Mill"), Some("America/Los_Angeles")), (Some("Site s2"), None)]);
    }
}
