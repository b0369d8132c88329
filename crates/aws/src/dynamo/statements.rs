//! Writes of several items in one call, as statements of `PartiQL`: `BatchWriteItem` takes no conditions.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::{
    AttributeValue, BatchStatementErrorCodeEnum as Code, BatchStatementRequest, BatchStatementResponse,
};

use super::Store;
use crate::client::with_causes;

/// The maximum number of statements of a call.
pub(super) const MAX_BATCH: usize = 25;
/// How many items are written at the same time if they cannot share a call.
pub(super) const AT_ONCE: usize = 8;

/// A statement about one item.
pub(super) struct Statement<'a> {
    /// The item's key, as the caller knows it. DynamoDB refuses a batch that contains a key twice.
    pub(super) key: &'a str,
    pub(super) text: String,
    pub(super) parameters: Vec<AttributeValue>,
}

impl Store {
    /// Writes items with one call. The result of each is whether its condition was true, or none if its statement did
    /// not run, for instance because the role does not yet allow statements. An error with the reason if the table did
    /// not answer: then there is no time to write them one by one, and it is unknown which of them were written.
    pub(super) async fn write_together<'a, T>(
        &self,
        items: &'a [T],
        statement: impl Fn(&'a T) -> Statement<'a>,
    ) -> Result<Vec<Option<bool>>, String> {
        let mut results = Vec::new();
        if items.len() > 1 {
            let responses = self.responses(items.iter().map(statement).collect()).await?;
            results.extend(responses.iter().map(result));
        }
        results.resize(items.len(), None);
        Ok(results)
    }

    async fn responses(&self, statements: Vec<Statement<'_>>) -> Result<Vec<BatchStatementResponse>, String> {
        let keys: BTreeSet<&str> = statements.iter().map(|statement| statement.key).collect();
        if keys.len() < statements.len() {
            return Ok(Vec::new());
        }
        let requests = statements.into_iter().map(|Statement { text, parameters, .. }| {
            BatchStatementRequest::builder().statement(text).set_parameters(Some(parameters)).build()
        });
        let requests = requests.collect::<Result<_, _>>().map_err(with_causes)?;
        let request = self.client.batch_execute_statement().set_statements(Some(requests));
        match Box::pin(request.send()).await {
            Ok(answer) => Ok(answer.responses.unwrap_or_default()),
            Err(error) if error.raw_response().is_some_and(|answer| answer.status().is_client_error()) => {
                tracing::warn!(error = with_causes(error), "written one by one");
                Ok(Vec::new())
            }
            Err(error) => Err(with_causes(error)),
        }
    }
}

fn result(response: &BatchStatementResponse) -> Option<bool> {
    match response.error().map(|error| error.code()) {
        None => Some(true),
        Some(Some(Code::ConditionalCheckFailed | Code::DuplicateItem)) => Some(false),
        Some(_) => None,
    }
}
