//! A record that exceeds the size of an item, stored as several items: its body in chunks, its targets in pieces.
//!
//! All items of one write carry its name. They are put before the record's own item, which names them. So a reader that
//! finds the record's item finds all of them, and a write that stops half way leaves the record unchanged. The items of
//! an earlier write are deleted afterwards; if that fails, they expire with the record.

use std::{borrow::Cow, collections::BTreeMap};

use aws_sdk_dynamodb::types::AttributeValue;
use dispatch::{ActiveDispatch, Subject};
use futures_util::{StreamExt, future::join_all, stream};
use pipeline::{
    job::CHUNK_BYTES,
    ports::{ActiveSubject, Changed, PortError, Stamp},
};

use super::{
    MAX_ITEM_BYTES, Store,
    item::{self, Item, bytes, packed, unpacked},
    number, text,
};

/// How many target hashes one item has: 8 bytes each, hardly compressible.
const PIECE_MARKS: usize = 40_000;

/// Up to this size the targets stay in the record's own item.
const SMALL_PLAN_BYTES: usize = 64 * 1_024;

/// How often a record is read again while another write replaces its chunks.
const MAX_READS: usize = 5;

/// How many puts and gets run at the same time.
const AT_ONCE: usize = 8;

/// The stored form of a record: its own item, and the items that it names.
pub(super) struct Layout {
    pub(super) head: Item,
    others: Vec<Item>,
}

/// Divides a record's item if it is too large. `write` names the write.
pub(super) fn layout(mut head: Item, write: &str, active: Option<&ActiveDispatch>) -> Result<Layout, String> {
    if item::size(&head) <= MAX_ITEM_BYTES {
        return Ok(Layout { head, others: Vec::new() });
    }
    let subject = item::str(&head, "subject")?.to_owned();
    let expires_at = head.get("expires_at").cloned();
    let part = |kind: &str, number: usize| {
        let mut part = Item::from([("subject".to_owned(), text(key(&subject, write, kind, number)))]);
        part.extend(expires_at.clone().map(|at| ("expires_at".to_owned(), at)));
        part
    };
    let mut others = Vec::new();
    let is_large = |value: &AttributeValue| value.as_b().is_ok_and(|active| active.as_ref().len() > SMALL_PLAN_BYTES);
    if let Some(active) = active.filter(|_| head.get("summary").is_some_and(is_large)) {
        let pieces = active.pieces(PIECE_MARKS);
        for (number, piece) in pieces.iter().enumerate() {
            let mut item = part("summary", number);
            let keys = ["active", "until", "changed_in", "changed_at"].iter();
            item.extend(keys.filter_map(|name| Some(((*name).to_owned(), head.get(*name)?.clone()))));
            item.insert("summary".to_owned(), packed(piece)?);
            item.insert("summary_of".to_owned(), text(&subject));
            item.insert("summary_set".to_owned(), text(format!("{write}#{number:04}")));
            others.push(item);
        }
        head.remove("summary");
        head.insert("summary_set".to_owned(), text(format!("{write}*{}", pieces.len())));
    }
    if let Some(AttributeValue::B(body)) = head.remove("body") {
        let chunks = body.as_ref().chunks(CHUNK_BYTES);
        head.insert("chunks".to_owned(), number(chunks.len() as u64));
        head.insert("chunks_of".to_owned(), text(write));
        for (number, chunk) in chunks.enumerate() {
            let mut item = part("body", number);
            item.insert("chunk".to_owned(), bytes(chunk));
            others.push(item);
        }
    }
    Ok(Layout { head, others })
}

impl Layout {
    pub(super) fn is_divided(&self) -> bool {
        !self.others.is_empty()
    }
}

fn key(subject: &str, write: &str, kind: &str, number: usize) -> String {
    format!("{subject}#{write}#{kind}{number}")
}

impl Store {
    /// Puts the items that the record's own item will name.
    pub(super) async fn put_others(&self, layout: &Layout) -> Result<(), PortError> {
        let puts = layout.others.iter().map(|item| async {
            match self.put(item.clone(), None).await {
                Ok(()) => Ok(()),
                Err(super::PutError::Port(error)) => Err(error),
                Err(super::PutError::Refused(_)) => Err(self.broken("an unconditional write was refused".to_owned())),
            }
        });
        let answers: Vec<_> = stream::iter(puts).buffer_unordered(AT_ONCE).collect().await;
        answers.into_iter().collect()
    }

    /// Deletes the other items of a write. Items that are not deleted expire with the record.
    pub(super) async fn forget_others(&self, subject: &str, write: &str) {
        for kind in ["summary", "body"] {
            for number in 0.. {
                if !matches!(self.delete(&key(subject, write, kind, number)).await, Ok(true)) {
                    break;
                }
            }
        }
    }

    /// A record's item, with the body joined from its chunks.
    pub(super) async fn whole(&self, mut head: Item) -> Result<Option<Item>, PortError> {
        for _ in 0..MAX_READS {
            let Ok(chunks) = item::integer(&head, "chunks") else { return Ok(Some(head)) };
            let subject =
                item::full_key(&head, "subject").map_err(|reason| self.unreadable(&head, &reason))?.to_owned();
            let write = item::str(&head, "chunks_of").map_err(|reason| self.unreadable(&head, &reason))?.to_owned();
            let gets = (0..usize::try_from(chunks).unwrap_or(usize::MAX)).map(|number| {
                let key = key(&subject, &write, "body", number);
                async move { self.get(&key).await }
            });
            let found = join_all(gets).await.into_iter().collect::<Result<Vec<Option<Item>>, PortError>>()?;
            let body: Option<Vec<u8>> = found.iter().try_fold(Vec::new(), |mut body, item| {
                body.extend_from_slice(item.as_ref()?.get("chunk")?.as_b().ok()?.as_ref());
                Some(body)
            });
            if let Some(body) = body {
                head.insert("body".to_owned(), bytes(body));
                return Ok(Some(head));
            }
            // Another write has replaced them since the item was read.
            let Some(newer) = self.get(&subject).await? else { return Ok(None) };
            head = newer;
        }
        Err(PortError::Unavailable {
            port: self.port,
            reason: "a record is written faster than it can be read".to_owned(),
        })
    }
}

/// The active subjects in the index `active`. A subject with a missing piece is omitted.
pub(super) fn active(items: &[Item]) -> Result<Vec<ActiveSubject>, (&Item, String)> {
    let pieces = pieces(items);
    let mut all = Vec::new();
    for item in heads(items) {
        let subject = subject(item).map_err(|reason| (item, reason))?;
        let active = one_active(item, &pieces).map_err(|reason| (item, reason))?;
        all.extend(active.map(|active| ActiveSubject { subject, active }));
    }
    Ok(all)
}

/// The changed subjects in the index `changes` that the caller does not know. A subject with a missing piece is
/// omitted.
pub(super) fn changed(
    items: &[Item],
    is_known: impl Fn(&Subject, Stamp) -> bool,
) -> Result<Vec<Changed>, (&Item, String)> {
    let pieces = pieces(items);
    let mut changed = Vec::new();
    for item in heads(items) {
        let (subject, stamp) = stamped(item).map_err(|reason| (item, reason))?;
        if is_known(&subject, stamp) {
            continue;
        }
        let is_on = item.contains_key("active");
        let active = if is_on { one_active(item, &pieces).map_err(|reason| (item, reason))? } else { None };
        if active.is_some() == is_on {
            changed.push(Changed { subject, stamp, active });
        }
    }
    Ok(changed)
}

/// The pieces by the record's key and the write, in their order.
type Pieces<'a> = BTreeMap<(Cow<'a, str>, &'a str), BTreeMap<&'a str, &'a Item>>;

fn pieces(items: &[Item]) -> Pieces<'_> {
    let mut pieces = Pieces::new();
    for item in items {
        let (Ok(of), Ok(set)) = (item::str(item, "summary_of"), item::str(item, "summary_set")) else { continue };
        let Some((write, number)) = set.rsplit_once('#') else { continue };
        pieces.entry((item::key(of), write)).or_default().insert(number, item);
    }
    pieces
}

/// The records' own entries.
fn heads(items: &[Item]) -> impl Iterator<Item = &Item> {
    items.iter().filter(|item| !item.contains_key("summary_of"))
}

fn subject(item: &Item) -> Result<Subject, String> {
    item::full_key(item, "subject").map(Subject::from_stored)
}

fn stamped(item: &Item) -> Result<(Subject, Stamp), String> {
    let stamp = Stamp { changed_at: item::timestamp(item, "changed_at")?, version: item::integer(item, "version")? };
    Ok((subject(item)?, stamp))
}

/// The active dispatch of a record's entry; none if pieces are missing. Pieces of a replaced write are ignored.
fn one_active(item: &Item, pieces: &Pieces<'_>) -> Result<Option<ActiveDispatch>, String> {
    let Ok(set) = item::str(item, "summary_set") else { return unpacked(item, "summary").map(Some) };
    let (write, count) = set.rsplit_once('*').ok_or("summary_set does not say how many pieces there are")?;
    let key = item::str(item, "subject")?;
    let Some(found) = pieces.get(&(Cow::Borrowed(key), write)) else { return Ok(None) };
    if found.len().to_string() != count {
        return Ok(None);
    }
    let actives = found.values().map(|piece| unpacked(piece, "summary"));
    Ok(ActiveDispatch::joined(actives.collect::<Result<Vec<ActiveDispatch>, String>>()?))
}
