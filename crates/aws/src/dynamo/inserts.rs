//! New items. Those that are put at the same time share a call.

use std::sync::Arc;

use futures_util::{StreamExt, stream};

use super::{
    PutError, Store,
    item::{self, Item},
    statements::{AT_ONCE, MAX_BATCH, Statement},
};
use crate::{
    client::unavailable,
    gather::{Gather, Limits},
};

/// The bytes of the items of one call. A larger item is put alone.
const MAX_BYTES: usize = 128 * 1_024;

/// The new items that wait for the next call.
#[derive(Debug, Clone)]
pub(super) struct Inserts(Arc<Gather<Item, Result<(), PutError>>>);

impl Default for Inserts {
    fn default() -> Self {
        Self(Arc::new(Gather::new(Limits { items: MAX_BATCH, bytes: MAX_BYTES })))
    }
}

impl Inserts {
    /// Puts an item with a key that does not exist. If it exists, returns the stored item.
    pub(super) async fn put(&self, store: &Store, item: Item) -> Result<(), PutError> {
        let (item, bytes) = store.stored(item)?;
        let put = self.0.send(item, bytes, async |items| store.insert(items).await).await;
        put.unwrap_or_else(|| Err(PutError::Port(unavailable(store.port, "the call was given up"))))
    }
}

impl Store {
    /// The result of each item, in their order.
    async fn insert(&self, items: Vec<Item>) -> Vec<Result<(), PutError>> {
        let results = match self.write_together(&items, |item| self.insertion(item)).await {
            Ok(results) => results,
            Err(reason) => {
                let failed = || Err(PutError::Port(unavailable(self.port, reason.clone())));
                return items.iter().map(|_| failed()).collect();
            }
        };
        let each = items.into_iter().zip(results).map(async |(item, result)| match result {
            Some(true) => Ok(()),
            Some(false) => Err(match self.get(item::str(&item, self.key).unwrap_or_default()).await {
                Ok(known) => PutError::Refused(known),
                Err(error) => PutError::Port(error),
            }),
            None => self.put_after(item, None).await,
        });
        stream::iter(each).buffered(AT_ONCE).collect().await
    }

    fn insertion<'a>(&self, item: &'a Item) -> Statement<'a> {
        let (names, parameters): (Vec<String>, Vec<_>) =
            item.iter().map(|(name, value)| (format!("'{name}': ?"), value.clone())).unzip();
        let text = format!(r#"INSERT INTO "{}" VALUE {{{}}}"#, self.table, names.join(", "));
        Statement { key: item::str(item, self.key).unwrap_or_default(), text, parameters }
    }
}
