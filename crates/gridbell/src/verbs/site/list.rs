//! `site list`.

use anyhow::Result;

use super::view::{Site, asks, segment, sites};
use crate::{
    console::Which,
    show::{self, Clockface, Output, Paint},
    verbs::listing::Listing,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  gridbell site list                                  who is curtailed, and who will be, on the local stack
  gridbell site list --stack gridbell --source leap-prod
  gridbell site list --json | jq -r '.sites[] | select(.curtailed) | .site'";

/// Arguments of `site list`.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Show only this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Show only sites that are curtailed now
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    which: Which,
}

impl List {
    pub(super) async fn run(self) -> Result<()> {
        let clock = Clockface::now(self.output.utc);
        let listing = Listing::open(self.output, &self.which, clock).await?;
        let Listing { console, clock, .. } = &listing;
        let records = super::active(console, self.source.as_deref(), |_| false, clock.now).await?;
        let mut sites = sites(&console.config().await?, &records, clock.now)?;
        sites.retain(|site| site.curtailed || !self.now);
        listing.show(("sites", &sites), &[], self.source.as_deref(), text).await
    }
}

pub(in super::super) fn text(sites: &[Site], clock: &Clockface, paint: Paint) -> String {
    if sites.is_empty() {
        return "no site is curtailed, and none will be as far as is known".to_owned();
    }
    let from = format!("from, {}", clock.zone());
    let header = ["site", "name", "now", from.as_str(), "until", "", "governed by", "asks", "with", "then"];
    let rows = sites.iter().filter_map(|site| row(site, clock, paint));
    show::table(&header, &["name"], rows)
}

fn row(site: &Site, clock: &Clockface, paint: Paint) -> Option<Vec<String>> {
    let (window, test) = site.next()?;
    let segment = segment(window, clock.now)?;
    let now = match (test, site.curtailed) {
        (true, _) => paint.dim("test"),
        (false, true) => paint.bold("curtailed"),
        (false, false) => "free".to_owned(),
    };
    let next = match window.until {
        _ if window.from > clock.now => clock.off(window.from),
        Some(until) => format!("ends {}", clock.off(until)),
        None => format!("since {}", show::countdown(clock.now.duration_since(window.from).as_secs())),
    };
    let later = site.windows.len() + site.tests.len() - 1;
    Some(vec![
        site.key.clone(),
        site.name.as_deref().map(show::name).unwrap_or_default(),
        now,
        clock.minute(window.from),
        window.until.map_or_else(|| "open".to_owned(), |until| clock.minute(until)),
        next,
        segment.governed_by.to_string(),
        asks(segment.request),
        show::stacked(segment.with.iter().map(dispatch::Subject::as_str)),
        if later == 0 { String::new() } else { format!("{later} more") },
    ])
}

#[cfg(test)]
mod tests {
    use super::{
        super::view::{
            sites,
            tests::{at, config, record},
        },
        *,
    };

    #[test]
    fn one_row_for_each_site() {
        let records = [
            record("aa", "s1", "10:00", Some("11:00"), false),
            record("b", "s1", "10:30", None, false),
            record("c", "s2", "12:00", Some("13:00"), false),
            record("e", "s2", "10:00", Some("11:00"), true),
        ];
        let clock = Clockface::fixed(at("10:45"));
        let sites = sites(&config(), &records, clock.now).expect("sites");
        insta::assert_snapshot!(text(&sites, &clock, Paint::none()), @"
        site            name     now        from, UTC  until                 governed by     asks          with           then
        voltus-prod/s1  Site s1  curtailed  10:00      open   since 45 min   voltus-prod/aa  reduce 10 kW  voltus-prod/b
        voltus-prod/s2  Site s2  free       12:00      13:00  in 1 h 15 min  voltus-prod/c   reduce 5 kW                  1 more
        ");
        assert!(text(&[], &clock, Paint::none()).starts_with("no site is curtailed"));
    }
}
