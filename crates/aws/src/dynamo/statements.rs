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
    /// Runs statements with one call. The result of each is whether its condition was true, or none if it did not run,
    /// for instance because the role does not yet allow statements.
    pub(super) async fn run_together(&self, statements: Vec<Statement<'_>>) -> Vec<Option<bool>> {
        let count = statements.len();
        let mut results = self.responses(statements).await.iter().map(result).collect::<Vec<_>>();
        results.resize(count, None);
        results
    }

    async fn responses(&self, statements: Vec<Statement<'_>>) -> Vec<BatchStatementResponse> {
        let keys: BTreeSet<&str> = statements.iter().map(|statement| statement.key).collect();
        if statements.len() < 2 || keys.len() < statements.len() {
            return Vec::new();
        }
        let requests = statements.into_iter().map(|Statement { text, parameters, .. }| {
            BatchStatementRequest::builder().statement(text).set_parameters(Some(parameters)).build()
        });
        let request = match requests.collect() {
            Ok(requests) => self.client.batch_execute_statement().set_statements(Some(requests)),
            Err(error) => {
                tracing::warn!(error = with_causes(error), "written one by one");
                return Vec::new();
            }
        };
        match Box::pin(request.send()).await {
            Ok(answer) => answer.responses.unwrap_or_default(),
            Err(error) => {
                tracing::warn!(error = with_causes(error), "written one by one");
                Vec::new()
            }
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
