//! `output replay`.

use std::{collections::BTreeSet, fmt, time::Duration};

use anyhow::{Result, bail};
use dispatch::Subject;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use pipeline::{
    outputs::{
        lane::{Lane, LaneKey},
        replay::ask_to_replay,
    },
    ports::{Outputs, PortError},
};
use serde::Serialize;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{CourierSide, known};
use crate::{
    argument::Key,
    console::{Console, Which},
    show::{self, Clockface, Output, Paint},
};

pub(super) const EXAMPLES: &str = "\
The courier keeps what an output did not take for 24 hours, and what no attempt can deliver. A replay lets it wait again, in
order before newer signals of its subject. A version of a dispatch that is older than what the output has taken is dropped.

Examples:
  gridbell output replay site-gateway --dry-run                        what is kept, and what would come of it
  gridbell output replay site-gateway --subject voltus-prod/dkmq       of one dispatch; shows, and asks
  gridbell output replay site-gateway --yes --stack gridbell           after a repair, without asking";

/// Limit for the courier to take the request.
const WITHIN: Duration = Duration::from_mins(1);

/// How often the lanes are read meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How many lanes are read in parallel.
const AT_ONCE: usize = 16;

/// Arguments of `output replay`.
#[derive(Debug, clap::Args)]
pub(crate) struct Replay {
    /// Output, as `output list` shows it
    #[arg(value_name = "NAME", value_parser = Key::shown_by("gridbell output list"))]
    name: String,
    /// Replay only signals of this subject; may be repeated
    #[arg(long = "subject", value_name = "KEY", value_parser = Key::shown_by("gridbell output replay NAME --dry-run"))]
    subjects: Vec<String>,
    /// Show what the replay would do, without doing it; without a terminal, only this and --yes succeed
    #[arg(long)]
    dry_run: bool,
    /// Replay without asking
    #[arg(long, visible_alias = "no-dry-run", conflicts_with = "dry_run")]
    yes: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    which: Which,
}

/// What a replay would do with one signal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignalPreview {
    /// The signal's id.
    pub id: String,
    /// Its subject.
    pub subject: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it is a test.
    pub test: bool,
    /// When it came to the courier.
    pub since: Timestamp,
    /// Whether it would be delivered.
    pub possible: bool,
    /// What the replay would do.
    pub outcome: String,
}

/// A signal that waits for delivery again, or was dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReplayedSignal {
    /// The signal's id.
    pub id: String,
    /// Whether it waits, or has been delivered by now.
    pub delivered_again: bool,
}

impl fmt::Display for ReplayedSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, delivered_again } = self;
        let what = if *delivered_again { "went back into delivery" } else { "is dropped: a newer version was taken" };
        write!(f, "{id} {what}")
    }
}

impl Replay {
    pub(super) async fn run(self) -> Result<()> {
        let clock = Clockface::now(self.output.utc);
        let console = self.which.open().await?;
        known(&console.config().await?, &self.name)?;
        let lanes = kept(&console, &self.name, &self.subjects).await?;
        let previews = previews(&lanes);
        let possible = previews.iter().filter(|preview| preview.possible).count();
        if !self.output.json && !previews.is_empty() {
            show::screen(&text(&previews, &clock, Paint::stdout()))?;
        }
        let goes = possible > 0 && !self.dry_run && (self.yes || (!self.output.json && show::can_ask()));
        if goes {
            show::consent(self.yes, &format!("{possible} signals would be delivered to {} after all", self.name))?;
        }
        let replayed = if goes { replay(&console, &self.name, &self.subjects, &lanes).await? } else { Vec::new() };
        self.tell(&previews, &replayed, goes)?;
        if replayed.is_empty() && !self.dry_run {
            bail!(if possible == 0 { "nothing was replayed" } else { "nothing was replayed; --yes does it" });
        }
        Ok(())
    }

    fn tell(&self, previews: &[SignalPreview], replayed: &[ReplayedSignal], went: bool) -> Result<()> {
        if self.output.json {
            return show::json(
                &json!({"output": self.name, "dry_run": !went, "plans": previews, "replayed": replayed}),
            );
        }
        if previews.is_empty() {
            return show::line(&format!("nothing is kept of {}", self.name));
        }
        if !went {
            return if self.dry_run { show::line("a dry run: nothing was replayed; --yes does it") } else { Ok(()) };
        }
        for one in replayed {
            show::line(&format!("{} {one}", Paint::stdout().good("✓")))?;
        }
        Ok(())
    }
}

/// The lanes of an output in which something is kept: of these subjects, or of all.
///
/// # Errors
/// In one line: the stack has no courier, or AWS refused.
pub(crate) async fn kept(console: &Console, name: &str, subjects: &[String]) -> Result<Vec<Lane>> {
    let CourierSide { table, .. } = CourierSide::of(console)?;
    let refused = |error: PortError| console.refusal(error);
    let keys: Vec<LaneKey> = if subjects.is_empty() {
        let lanes = table.lanes(name, Timestamp::MAX, usize::MAX).await.map_err(refused)?;
        lanes.into_iter().filter(|lane| lane.kept > 0).map(|lane| lane.key).collect()
    } else {
        let subjects: BTreeSet<&String> = subjects.iter().collect();
        let key =
            |subject: &String| LaneKey { output: name.to_owned(), subject: Subject::from_stored(subject.clone()) };
        subjects.into_iter().map(key).collect()
    };
    let lanes = read(&table, keys).await.map_err(refused)?;
    Ok(lanes.into_iter().filter(|lane| !lane.kept.is_empty()).collect())
}

async fn read(table: &impl Outputs, keys: Vec<LaneKey>) -> Result<Vec<Lane>, PortError> {
    let reads = stream::iter(keys).map(|key| async move { table.lane(&key).await });
    let lanes: Vec<Option<Lane>> = reads.buffered(AT_ONCE).try_collect().await?;
    Ok(lanes.into_iter().flatten().collect())
}

/// What a replay of these lanes would do, signal by signal.
pub(crate) fn previews(lanes: &[Lane]) -> Vec<SignalPreview> {
    lanes.iter().flat_map(of_lane).collect()
}

fn of_lane(lane: &Lane) -> Vec<SignalPreview> {
    // The courier decides the same way with what is stored then.
    let dropped = lane.clone().replay(Timestamp::UNIX_EPOCH);
    let newer = lane.waiting.len();
    let kept = lane.kept.iter().map(|kept| {
        let possible = !dropped.iter().any(|dropped| dropped.head.version == kept.head.version);
        let outcome = match (possible, newer) {
            (false, _) => "dropped: the output has taken a newer version".to_owned(),
            (true, 0) => "delivered".to_owned(),
            (true, newer) => format!("delivered, before {newer} that wait already"),
        };
        SignalPreview {
            id: kept.head.id.clone(),
            subject: lane.key.subject.to_string(),
            kind: kept.head.kind.clone(),
            test: kept.head.test,
            since: kept.stored_at,
            possible,
            outcome,
        }
    });
    kept.collect()
}

/// Asks the courier to replay what is kept, of these subjects or of all, and waits until `lanes` are replayed. Returns
/// what it took.
///
/// # Errors
/// In one line: the courier has not taken the request in time, or AWS refused.
pub(crate) async fn replay(
    console: &Console,
    name: &str,
    subjects: &[String],
    lanes: &[Lane],
) -> Result<Vec<ReplayedSignal>> {
    let CourierSide { table, queue } = CourierSide::of(console)?;
    if subjects.is_empty() {
        ask_to_replay(&queue, name, None).await.map_err(|error| console.refusal(error))?;
    } else {
        for lane in lanes {
            let asked = ask_to_replay(&queue, name, Some(&lane.key.subject)).await;
            asked.map_err(|error| console.refusal(error))?;
        }
    }
    let began = Instant::now();
    let mut left: Vec<&Lane> = lanes.iter().collect();
    while !left.is_empty() && began.elapsed() < WITHIN {
        sleep(LOOK_EVERY).await;
        let keys = left.iter().map(|lane| lane.key.clone()).collect();
        let now = read(&table, keys).await.map_err(|error| console.refusal(error))?;
        left.retain(|lane| now.iter().any(|now| now.key == lane.key && is_still_kept(now, lane)));
    }
    if left.len() == lanes.len() {
        bail!(
            "the courier has not taken the request within {} s; it stays in its queue: `gridbell doctor` shows whether the courier runs",
            WITHIN.as_secs()
        );
    }
    let done = lanes.iter().filter(|lane| !left.iter().any(|left| left.key == lane.key)).flat_map(of_lane);
    Ok(done.map(|preview| ReplayedSignal { id: preview.id, delivered_again: preview.possible }).collect())
}

/// Whether anything that was kept then is kept still.
fn is_still_kept(now: &Lane, then: &Lane) -> bool {
    now.kept.iter().any(|now| then.kept.iter().any(|then| then.head.version == now.head.version))
}

fn text(previews: &[SignalPreview], clock: &Clockface, paint: Paint) -> String {
    let since = format!("since, {}", clock.zone());
    let rows = previews.iter().map(|preview| {
        let outcome = if preview.possible { preview.outcome.clone() } else { paint.bad(&preview.outcome) };
        let test = if preview.test { ", a test" } else { "" };
        vec![preview.id.clone(), format!("{}{test}", preview.kind), clock.minute(preview.since), outcome]
    });
    let header = ["signal", "type", since.as_str(), "what would come of it"];
    show::table(&header, &["what would come of it"], rows)
}

#[cfg(test)]
mod tests {
    use pipeline::outputs::{
        event::{EventHead, EventVersion},
        lane::{Delivered, EventBody, WaitingEvent},
    };

    use super::{super::view::tests::at, *};

    fn version(sequence: u64) -> EventVersion {
        EventVersion { epoch: 7, sequence, part: 0 }
    }

    fn event(kind: &str, sequence: u64) -> WaitingEvent {
        let subject = Subject::from_stored("voltus-prod/dkmq".to_owned());
        let head = EventHead {
            id: format!("{subject}#7.{sequence}"),
            subject,
            version: version(sequence),
            parts: None,
            kind: format!("gridbell.dispatch.{kind}.v1"),
            source: "/gridbell/voltus-prod".to_owned(),
            test: sequence == 1,
            time: at("11:00:00"),
            traceparent: None,
        };
        WaitingEvent { head, stored_at: at("11:00:01"), body: EventBody::Inline("{}".to_owned()), split: false }
    }

    fn lane(kept: Vec<WaitingEvent>) -> Lane {
        let key = LaneKey { output: "gateway".to_owned(), subject: kept[0].head.subject.clone() };
        Lane { kept, waiting: vec![event("updated", 9)], ..Lane::new(key, at("11:00:00")) }
    }

    #[test]
    fn a_version_older_than_what_was_taken_is_dropped() {
        let mut lane = lane(vec![event("cancelled", 1), event("updated", 4)]);
        lane.delivered = Some(Delivered { version: version(2), is_complete: true, at: at("11:30:00") });
        let clock = Clockface::fixed(at("12:00:00"));
        insta::assert_snapshot!(text(&previews(&[lane]), &clock, Paint::none()), @"
        signal                type                                    since, UTC  what would come of it
        voltus-prod/dkmq#7.1  gridbell.dispatch.cancelled.v1, a test  11:00       dropped: the output has taken a newer version
        voltus-prod/dkmq#7.4  gridbell.dispatch.updated.v1            11:00       delivered, before 1 that wait already
        ");
    }

    #[test]
    fn a_lane_is_replayed_when_nothing_of_it_is_kept_any_more() {
        let before = lane(vec![event("ended", 4)]);
        assert!(is_still_kept(&before, &before));
        let gone = Lane { kept: Vec::new(), ..before.clone() };
        assert!(!is_still_kept(&gone, &before));
        let newer = Lane { kept: vec![event("ended", 5)], ..before.clone() };
        assert!(!is_still_kept(&newer, &before), "it was kept since");
    }
}
