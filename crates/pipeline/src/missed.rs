//! What polling found and no webhook has told of, once its grace is over: a person is told.

use dispatch::Subject;
use jiff::SignedDuration;

use crate::{
    incident::{Kind, Notice},
    poll::GRACE_S,
    ports::{Chance, Clock, Dispatches, Outlet, PortError, SignalStream},
    record::{Entry, Missed, Record},
    watch::{Watch, hop_s},
    work::Check,
    written::{MAX_TRIES, always_overtaken},
};

impl<T: Dispatches, S: SignalStream, O: Outlet, C: Clock + Chance> Watch<'_, T, S, O, C> {
    /// The grace is over in which a webhook could have told of what polling found.
    pub(crate) async fn missed(&self, subject: &Subject) -> Result<(), PortError> {
        for _ in 0..MAX_TRIES {
            let Some(record) = self.table.read(subject).await? else { return Ok(()) };
            let Some(missed) = record.missed.clone().filter(|missed| !missed.told) else { return Ok(()) };
            let now = self.world.now();
            let until = missed.found_at + SignedDuration::from_secs(i64::from(GRACE_S));
            if now < until {
                return self.again(Check::missed(subject.clone()), hop_s(until, now)).await;
            }
            let (found_at, what) = (missed.found_at, &missed.what);
            let detail = format!("polling found at {found_at:.0} what no webhook has told of since: {what}");
            let notice = Notice::happens(Kind::MissedDelivery, &record.origin.source, subject.to_string(), now, detail)
                .gathered_by(subject.to_string())
                .about_dispatch(Some(subject.clone()))
                .mailed_as(what);
            self.outlet.notice(&notice, 0).await?;
            let entry = Entry { at: now, delivery: String::new(), what: "told that no webhook brought it".to_owned() };
            let missed = Some(Missed { told: true, ..missed });
            if self.write(Record { missed, ..record.noting(entry, self.world.unique()) }).await? {
                return Ok(());
            }
        }
        Err(always_overtaken("dispatches", subject))
    }
}
