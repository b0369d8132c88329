//! Marks of what was sent. Marks that are set at the same time share a call, as the signals before them did.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use pipeline::ports::PortError;

use super::{
    Store, item, number,
    statements::{AT_ONCE, MAX_BATCH, Statement},
    text,
};
use crate::{
    client::unavailable,
    gather::{Gather, Limits},
};

/// A record whose signals were sent, at the revision that was read.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) subject: String,
    pub(super) revision: u64,
}

/// The marks that wait for the next call.
#[derive(Debug, Clone)]
pub(super) struct Marks(Arc<Gather<Mark, Result<bool, PortError>>>);

impl Default for Marks {
    fn default() -> Self {
        Self(Arc::new(Gather::new(Limits { items: MAX_BATCH, bytes: usize::MAX })))
    }
}

impl Marks {
    /// Takes a record out of the index `unsent`. False if it was changed since it was read.
    pub(super) async fn set(&self, store: &Store, mark: Mark) -> Result<bool, PortError> {
        let set = self.0.send(mark, 1, async |marks| store.mark(marks).await).await;
        set.unwrap_or_else(|| Err(unavailable(store.port, "the call was given up")))
    }
}

impl Store {
    /// The result of each mark, in their order.
    async fn mark(&self, marks: Vec<Mark>) -> Vec<Result<bool, PortError>> {
        let results = match self.write_together(&marks, |mark| self.marking(mark)).await {
            Ok(results) => results,
            Err(reason) => return marks.iter().map(|_| Err(unavailable(self.port, reason.clone()))).collect(),
        };
        let each = marks.iter().zip(results).map(async |(mark, result)| match result {
            Some(is_set) => Ok(is_set),
            None => self.mark_alone(mark).await,
        });
        stream::iter(each).buffered(AT_ONCE).collect().await
    }

    fn marking<'a>(&self, mark: &'a Mark) -> Statement<'a> {
        let update = format!(
            r#"UPDATE "{}" SET "revision" = ? REMOVE "unsent" WHERE "{}" = ? AND "revision" = ?"#,
            self.table, self.key
        );
        let parameters = vec![number(mark.revision + 1), text(item::key(&mark.subject)), number(mark.revision)];
        Statement { key: &mark.subject, text: update, parameters }
    }

    async fn mark_alone(&self, mark: &Mark) -> Result<bool, PortError> {
        let update = self
            .update(&mark.subject)
            .update_expression("SET revision = :next REMOVE unsent")
            .condition_expression("revision = :expected")
            .expression_attribute_values(":expected", number(mark.revision))
            .expression_attribute_values(":next", number(mark.revision + 1));
        self.updated(update).await
    }
}
