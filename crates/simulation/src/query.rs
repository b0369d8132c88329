//! Queries of an index, page by page. Each page is a call of its own; the data may change between pages.

use pipeline::ports::PortError;

use crate::{Invocation, sim::State, swarm::Saboteur};

/// The maximum size of a page, in bytes: DynamoDB stops reading there.
const PAGE_BYTES: usize = 1_048_576;

/// The size of an index entry without its keys, in bytes.
const ENTRY_BYTES: usize = 100;

/// The default number of entries in a page.
pub(crate) const PAGE: usize = 100;

/// An index entry: its sort key, made unique by a text, and its content.
#[derive(Debug)]
pub(crate) struct Entry<K, T> {
    pub(crate) key: (K, String),
    pub(crate) brings: T,
}

impl Invocation<'_> {
    /// All results of a query, in index order.
    pub(crate) async fn query<K: Ord + Clone, T>(
        &self,
        port: &'static str,
        found: impl Fn(&State) -> Vec<Entry<K, T>>,
    ) -> Result<Vec<T>, PortError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let (page, next) =
                self.call(port, |state| page(found(state), after.as_ref(), state.rules.page_items)).await?;
            all.extend(page);
            after = next;
            if after.is_none() || self.sabotaged(Saboteur::OnePageOnly) {
                return Ok(all);
            }
        }
    }
}

/// One page, and where the next one starts.
fn page<K: Ord + Clone, T>(
    mut entries: Vec<Entry<K, T>>,
    after: Option<&(K, String)>,
    most: usize,
) -> (Vec<T>, Option<(K, String)>) {
    entries.retain(|entry| after.is_none_or(|after| entry.key > *after));
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    let mut bytes = 0;
    let fitting = entries.iter().take(most).take_while(|entry| {
        bytes += ENTRY_BYTES + entry.key.1.len();
        bytes <= PAGE_BYTES
    });
    let fitting = fitting.count();
    let next = (fitting < entries.len()).then(|| entries[fitting - 1].key.clone());
    (entries.into_iter().take(fitting).map(|entry| entry.brings).collect(), next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_by_count_or_by_bytes() {
        let entries = |name: usize, count: usize| -> Vec<Entry<usize, usize>> {
            (0..count).rev().map(|n| Entry { key: (n, "x".repeat(name)), brings: n }).collect()
        };
        let (first, next) = page(entries(10, 5), None, 2);
        assert_eq!((first, next.as_ref().map(|next| next.0)), (vec![0, 1], Some(1)));
        assert_eq!(page(entries(10, 5), next.as_ref(), 4), (vec![2, 3, 4], None));
        assert_eq!(page(entries(100_000, 20), None, 100).0.len(), 10);
    }
}
