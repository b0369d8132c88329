//! `site get`.

use std::fmt::Write as _;

use anyhow::{Result, bail};
use dispatch::{Window, text::one_line};

use super::view::{Site, asks, sites};
use crate::{
    argument::Key,
    console::Which,
    show::{self, Clockface, Output, Paint},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  gridbell site get voltus-prod/d4z9              its windows, and what they are made of
  gridbell site get nvgrid-prod/main_power_feed   the limits of a power feed
  gridbell site get voltus-prod/d4z9 --json | jq '.windows[0].until'";

/// Arguments of `site get`.
#[derive(Debug, clap::Args)]
pub(crate) struct Get {
    /// Site: its source, a slash, and the provider's id of it
    #[arg(value_name = "SOURCE/SITE", value_parser = Key::shown_by("gridbell site list"))]
    site: String,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    which: Which,
}

impl Get {
    pub(super) async fn run(self) -> Result<()> {
        let Some((source, _)) = self.site.split_once('/') else {
            return Err(crate::usage::error(format!("{:?} names no site: write SOURCE/SITE", show::name(&self.site))));
        };
        let clock = Clockface::now(self.output.utc);
        let console = self.which.open().await?;
        let (config, records) =
            (console.config().await?, super::active(&console, Some(source), |_| false, clock.now).await?);
        let Some(site) = named(sites(&config, &records, clock.now)?, &self.site) else {
            bail!(
                "no active dispatch names a site {}: `gridbell site list --source {}` shows those that one does",
                show::name(&self.site),
                show::name(source)
            );
        };
        if self.output.json {
            return show::json(&site);
        }
        show::screen(&text(&site, &clock, Paint::stdout()))
    }
}

/// The site with that key; else the only one whose key is displayed that way, so that a key copied from a list works.
fn named(sites: Vec<Site>, key: &str) -> Option<Site> {
    if let Some(site) = sites.iter().find(|site| site.key == key) {
        return Some(site.clone());
    }
    let mut shown = sites.into_iter().filter(|site| one_line(&site.key) == one_line(key));
    shown.next().filter(|_| shown.next().is_none())
}

fn text(site: &Site, clock: &Clockface, paint: Paint) -> String {
    let mut text = paint.bold(&site.key);
    let names = [&site.name, &site.external_id].into_iter().flatten().map(|name| show::name(name)).collect::<Vec<_>>();
    if !names.is_empty() {
        // Writing to memory does not fail.
        let _ = write!(text, " ({})", names.join(", "));
    }
    let state = match (site.curtailed, site.windows.first()) {
        (true, Some(Window { until: Some(until), .. })) => {
            format!("curtailed until {} ({})", clock.full(*until), clock.off(*until))
        }
        (true, _) => "curtailed until told otherwise".to_owned(),
        (false, Some(window)) => format!("free until {} ({})", clock.full(window.from), clock.off(window.from)),
        (false, None) => "free; only tests name it".to_owned(),
    };
    let _ = write!(text, "\n{state}\n");
    for (windows, kind) in [(&site.windows, "window"), (&site.tests, "test")] {
        for window in windows {
            let _ = write!(text, "\n{}", table(window, kind, clock));
        }
    }
    text
}

fn table(window: &Window, kind: &str, clock: &Clockface) -> String {
    let until = |until: Option<jiff::Timestamp>| until.map_or_else(|| "open".to_owned(), |until| clock.minute(until));
    let title = format!("{kind} {} to {}, {}", clock.minute(window.from), until(window.until), clock.zone());
    let rows = window.segments.iter().map(|segment| {
        vec![
            clock.minute(segment.from),
            until(segment.until),
            segment.governed_by.to_string(),
            asks(segment.request),
            show::stacked(segment.with.iter().map(dispatch::Subject::as_str)),
        ]
    });
    format!("{title}\n{}\n", show::table(&["from", "until", "governed by", "asks", "with"], &[], rows))
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
    fn the_windows_of_a_site() {
        let records = [
            record("aa", "s1", "10:00", Some("11:00"), false),
            record("b", "s1", "10:30", Some("11:30"), false),
            record("c", "s1", "11:30", Some("12:00"), false),
            record("d", "s1", "14:00", None, false),
        ];
        let clock = Clockface::fixed(at("10:45"));
        let site = sites(&config(), &records, clock.now).expect("sites").remove(0);
        insta::assert_snapshot!(text(&site, &clock, Paint::none()), @"
        voltus-prod/s1 (Site s1)
        curtailed until 2026-03-01 12:00:00 UTC (in 1 h 15 min)

        window 10:00 to 12:00, UTC
        from   until  governed by     asks          with
        10:00  10:30  voltus-prod/aa  reduce 10 kW
        10:30  11:00  voltus-prod/aa  reduce 10 kW  voltus-prod/b
        11:00  11:30  voltus-prod/b   reduce 5 kW
        11:30  12:00  voltus-prod/c   reduce 5 kW

        window 14:00 to open, UTC
        from   until  governed by    asks         with
        14:00  open   voltus-prod/d  reduce 5 kW
        ");
    }
}
