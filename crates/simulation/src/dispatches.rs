//! The table of dispatches and its indexes.

use dispatch::{Epoch, Subject};
use jiff::Timestamp;
use pipeline::{
    ports::{ActiveSubject, Changed, Dispatches, DueSubject, PortError, SignalStream, Stamp, WriteError},
    record::SubjectRecord,
};

use crate::{Invocation, query::Entry, swarm::Saboteur};

impl Dispatches for Invocation<'_> {
    /// A process reads it only once, so the simulation does not count it as a call.
    async fn epoch(&self, now: Timestamp) -> Result<Epoch, PortError> {
        Ok(self.sim.with(|state| *state.epoch.get_or_insert_with(|| Epoch::at(now))))
    }

    async fn read(&self, subject: &Subject) -> Result<Option<SubjectRecord>, PortError> {
        const PORT: &str = "dispatches.read";
        let record = self.call(PORT, |state| state.shown(state.dispatches.get(subject.as_str()))).await?;
        self.can_read(PORT, subject).map(|()| record)
    }

    async fn write(&self, record: &SubjectRecord, expected: Option<u64>) -> Result<(), WriteError<SubjectRecord>> {
        const PORT: &str = "dispatches.write";
        if self.sabotaged(Saboteur::SendThenWrite) {
            self.publish(&record.outbox).await?;
        }
        // `follows` is passed to the store and not stored, as in the real table.
        let record = SubjectRecord { follows: None, ..record.clone() };
        let written = self.write(PORT, |state| {
            if state.sabotaged(Saboteur::NoVersionCheck) {
                state.dispatches.put(&record);
                return Ok(());
            }
            state.lag(record.subject.as_str());
            let written = state.dispatches.write(&record, expected);
            if written.is_ok() {
                state.noted_release(self.function, &record.subject);
            }
            written.map_err(|stored| state.shown(stored.map(|stored| *stored)).map(Box::new))
        });
        let written = written.await;
        if matches!(written, Err(WriteError::Lost(Some(_)))) {
            self.can_read(PORT, &record.subject)?;
        }
        written
    }

    async fn sent(&self, subject: &Subject, revision: u64) -> Result<bool, PortError> {
        self.call("dispatches.sent", |state| {
            let Some(record) = state.dispatches.get(subject.as_str()) else { return false };
            let next = SubjectRecord { revision: revision + 1, outbox: Vec::new(), sent: None, ..record };
            state.lag(subject.as_str());
            state.dispatches.write(&next, Some(revision)).is_ok()
        })
        .await
    }

    async fn unsent(&self, before: Timestamp) -> Result<Vec<Subject>, PortError> {
        self.query("dispatches.unsent", |state| {
            let is_unsent = |record: &&SubjectRecord| !record.outbox.is_empty() && record.changed_at < before;
            let entry = |record: &SubjectRecord| Entry {
                key: (record.changed_at, record.subject.to_string()),
                brings: record.subject.clone(),
            };
            state.indexed().filter(is_unsent).map(entry).collect()
        })
        .await
    }

    async fn due(&self, before: Timestamp) -> Result<Vec<DueSubject>, PortError> {
        self.query("dispatches.due", |state| {
            let rows = state.indexed();
            let due =
                rows.filter_map(|record| Some(DueSubject { at: record.look_at()?, subject: record.subject.clone() }));
            let due = due.filter(|due| due.at < before);
            due.map(|due| Entry { key: (due.at, due.subject.to_string()), brings: due }).collect()
        })
        .await
    }

    async fn active(&self, source: &str, at: Timestamp) -> Result<Vec<ActiveSubject>, PortError> {
        self.call("dispatches.active", |state| {
            let of_source = state.indexed().filter(|record| record.origin.source == source);
            let mut active: Vec<ActiveSubject> = of_source
                .filter_map(|record| Some(ActiveSubject { active: record.active()?, subject: record.subject.clone() }))
                .filter(|active| active.active.until().is_none_or(|until| until > at))
                .collect();
            if let Some(storm) = &mut state.storm {
                storm.read_index(active.iter().map(|active| 120 + 24 * active.active.groups.len()).sum());
            }
            active.sort_by_key(|active| std::cmp::Reverse(active.active.until().unwrap_or(Timestamp::MAX)));
            active
        })
        .await
    }

    async fn changed(
        &self,
        source: &str,
        since: Timestamp,
        is_known: impl Fn(&Subject, Stamp) -> bool,
    ) -> Result<Vec<Changed>, PortError> {
        self.call("dispatches.changed", |state| {
            let of_source = state.indexed().filter(|record| record.origin.source == source);
            let changed = of_source.filter(|record| record.changed_at >= since);
            let news = changed.filter(|record| !is_known(&record.subject, record.stamp()));
            let news = news.map(|record| Changed {
                subject: record.subject.clone(),
                stamp: record.stamp(),
                active: record.active(),
            });
            let news: Vec<Changed> = news.collect();
            if let Some(storm) = &mut state.storm {
                let targets = |changed: &Changed| changed.active.as_ref().map_or(0, |active| active.groups.len());
                storm.read_index(news.iter().map(|changed| 160 + 24 * targets(changed)).sum());
            }
            news
        })
        .await
    }
}
