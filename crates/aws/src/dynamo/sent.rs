//! Marks of what was sent. Marks that are set at the same time share a call, as the signals before them did.

use std::{collections::BTreeSet, sync::Arc};

use aws_sdk_dynamodb::types::{BatchStatementErrorCodeEnum, BatchStatementRequest};
use futures_util::{StreamExt, stream};
use pipeline::ports::PortError;

use super::{Store, item, number, text};
use crate::{
    client::{unavailable, with_causes},
    gather::{Gather, Limits},
};

/// The maximum number of statements of a call.
const MAX_BATCH: usize = 25;
/// How many marks are set at the same time if they cannot share a call.
const AT_ONCE: usize = 8;

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
        let together = self.mark_together(&marks).await;
        let each = marks.iter().enumerate().map(async |(index, mark)| match together.get(index) {
            Some(Some(is_set)) => Ok(*is_set),
            _ => self.mark_alone(mark).await,
        });
        stream::iter(each).buffered(AT_ONCE).collect().await
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

    /// Sets marks with one call; none for those that must be set alone, for instance because the role does not yet allow
    /// statements.
    async fn mark_together(&self, marks: &[Mark]) -> Vec<Option<bool>> {
        let subjects: BTreeSet<&str> = marks.iter().map(|mark| mark.subject.as_str()).collect();
        if marks.len() < 2 || subjects.len() < marks.len() {
            return Vec::new();
        }
        let statement = format!(
            r#"UPDATE "{}" SET "revision" = ? REMOVE "unsent" WHERE "{}" = ? AND "revision" = ?"#,
            self.table, self.key
        );
        let statements = marks.iter().map(|mark| {
            let parameters = vec![number(mark.revision + 1), text(item::key(&mark.subject)), number(mark.revision)];
            BatchStatementRequest::builder().statement(&statement).set_parameters(Some(parameters)).build()
        });
        let request = match statements.collect() {
            Ok(statements) => self.client.batch_execute_statement().set_statements(Some(statements)),
            Err(error) => {
                tracing::warn!(error = with_causes(error), "marked one by one");
                return Vec::new();
            }
        };
        match Box::pin(request.send()).await {
            Ok(answer) => answer
                .responses
                .unwrap_or_default()
                .iter()
                .map(|response| match response.error().map(|error| error.code()) {
                    None => Some(true),
                    Some(Some(BatchStatementErrorCodeEnum::ConditionalCheckFailed)) => Some(false),
                    Some(_) => None,
                })
                .collect(),
            Err(error) => {
                tracing::warn!(error = with_causes(error), "marked one by one");
                Vec::new()
            }
        }
    }
}
