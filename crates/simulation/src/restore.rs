//! A restore of the table `dispatches` from a backup, and the epoch that begins after it.

use dispatch::{Epoch, Publication};
use pipeline::record::SubjectRecord;

use crate::{Simulation, Table};

impl Simulation {
    /// A backup of the table `dispatches`.
    pub fn backup(&self) -> Table<SubjectRecord> {
        self.with(|state| state.dispatches.clone())
    }

    /// Restores the table `dispatches` from a backup.
    pub fn restore(&self, backup: Table<SubjectRecord>) {
        self.with(|state| {
            state.dispatches = backup;
            state.lagging.forget();
            state.idle_hydrators.clear();
        });
    }

    /// The epoch of the table `dispatches`; 0 before the first publication.
    pub fn epoch(&self) -> Epoch {
        self.with(|state| state.epoch.unwrap_or_default())
    }

    /// Starts a new epoch, as an operator does after a restore while no function runs, and moves every record into it.
    /// Returns it.
    pub fn begin_epoch(&self) -> Epoch {
        self.with(|state| {
            let epoch = state.epoch.unwrap_or_default().after(state.now);
            state.epoch = Some(epoch);
            let publication =
                Publication { epoch, now: state.now, limit_bytes: state.signal_limit_bytes, traceparent: None };
            for record in state.dispatches.all() {
                let publication = Publication { traceparent: record.traceparent, ..publication };
                let published = record.state.published();
                let programs = published.as_ref().map_or(&[][..], |(_, terms)| &terms.programs);
                let deadlines = self.config.deadlines_for(&record.origin.source, programs);
                if let Some(next) = record.in_epoch(publication, deadlines) {
                    let write = state.name("epoch");
                    // Nothing else runs, so the write cannot fail.
                    let _ = state.dispatches.write(&next.noting(None, write), Some(record.revision));
                }
            }
            epoch
        })
    }
}
