//! A ramp whose end was not told of in time: a person is told, once. What was replaced meanwhile is not overdue.

use dispatch::Subject;
use jiff::Timestamp;

use crate::{
    ports::{Chance, Clock, Dispatches, Outlet, PortError, SignalStream},
    record::{Due, Entry, Record},
    watch::Watch,
    work::Check,
};

impl<T: Dispatches, S: SignalStream, O: Outlet, C: Clock + Chance> Watch<'_, T, S, O, C> {
    /// The deadline of a load target fired. False where another write came first.
    pub(crate) async fn ramp(&self, record: Record, due: Due) -> Result<bool, PortError> {
        let now = self.world.now();
        if now < due.at {
            return self.early(Check::dispatch(record.subject.clone()), due.at, now).await.map(|()| true);
        }
        let mut next = record.clone().noting(None, self.world.unique());
        let entry = |what: String| Entry { at: now, delivery: String::new(), what };
        let notice = if let Some((by, at)) = self.replaced(&record).await {
            next.replace(&by, at, entry)
        } else if let Some(awaited) = record.awaited() {
            next.ramping.overdue = Some(awaited.ramp.start);
            next.history.push(entry(format!("told that {} did not report its end", awaited.kind.as_str())));
            Some(awaited.notice(&record, now))
        } else {
            next.history.push(entry("no end of a ramp is awaited any more".to_owned()));
            None
        };
        if let Some(notice) = notice {
            self.outlet.notice(&notice, 0).await?;
        }
        next.due = next.ramp_due();
        self.write(next).await
    }

    /// Which target took its place, where the index did not show that yet when either was heard of.
    async fn replaced(&self, record: &Record) -> Option<(Subject, Timestamp)> {
        let own = record.state.ramps()?.onset()?;
        let active = match self.table.active(&record.origin.source, own.start).await {
            Ok(active) => active,
            Err(error) => {
                // Rather told of what was replaced than of nothing.
                tracing::warn!(dispatch.subject = %record.subject, %error, "not known whether it was replaced");
                return None;
            }
        };
        let on_this_feed = active.into_iter().filter(|other| other.subject.feed() == record.subject.feed());
        let others = on_this_feed.filter(|other| other.subject != record.subject);
        let replacing = others.filter_map(|other| Some((other.plan.ramp?, other.subject)));
        let replacing = replacing.filter(|(ramp, _)| ramp.replaces(&own));
        replacing.map(|(ramp, subject)| (subject, ramp.start)).max_by_key(|(_, start)| *start)
    }
}
