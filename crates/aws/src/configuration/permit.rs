//! The permit of `gridbell verify`: an item of the table `config`. The functions read it with the permission that they
//! have for the configuration, and only for the built-in source.

use aws_sdk_dynamodb::operation::{delete_item::DeleteItemError, put_item::PutItemError};
use jiff::Timestamp;
use pipeline::config::Permit;

use super::{
    KEY, PERMIT,
    table::{ConfigTable, TableError, count, text},
};
use crate::client::with_causes;

/// The attribute with the permit's JSON.
pub(super) const BODY: &str = "permit";

impl ConfigTable {
    /// Stores a permit. False if another one is valid: two runs at once would disturb each other.
    ///
    /// # Errors The table does not answer, or refuses the call.
    pub async fn permit(&self, permit: &Permit, now: Timestamp) -> Result<bool, TableError> {
        let json = serde_json::to_string(permit).map_err(|error| TableError::Unavailable(error.to_string()))?;
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .item(KEY, text(PERMIT))
            .item(BODY, text(json))
            .item("token", text(permit.token.to_hex()))
            .item("expires_at", count(seconds(permit.expires_at)))
            .condition_expression("attribute_not_exists(#key) OR expires_at <= :now")
            .expression_attribute_names("#key", KEY)
            .expression_attribute_values(":now", count(seconds(now)));
        let Err(error) = Box::pin(request.send()).await else { return Ok(true) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(false),
            _ => Err(TableError::Unavailable(with_causes(error))),
        }
    }

    /// Whether a permit is stored, valid or not.
    ///
    /// # Errors The table does not answer, or refuses the call.
    pub async fn has_permit(&self) -> Result<bool, TableError> {
        self.item(PERMIT).await.map(|item| item.is_some())
    }

    /// Deletes this permit, and no other.
    ///
    /// # Errors The table does not answer, or refuses the call.
    pub async fn withdraw_permit(&self, permit: &Permit) -> Result<(), TableError> {
        let request = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key(KEY, text(PERMIT))
            .condition_expression("#token = :own")
            .expression_attribute_names("#token", "token")
            .expression_attribute_values(":own", text(permit.token.to_hex()));
        let Err(error) = Box::pin(request.send()).await else { return Ok(()) };
        match error.as_service_error() {
            // It is gone, or another run has replaced it after it expired.
            Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(()),
            _ => Err(TableError::Unavailable(with_causes(error))),
        }
    }
}

fn seconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_second()).unwrap_or(0)
}
