//! Items: a few readable attributes for people at the console, the rest as JSON, compressed unless it is short. Each KB
//! of an item costs money with every write, so the compression uses a dictionary of typical records.

use std::{borrow::Cow, cell::RefCell, collections::HashMap, io, sync::LazyLock};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use jiff::{SignedDuration, Timestamp};
use pipeline::ports::fifo_id;
use serde::{Serialize, de::DeserializeOwned};
use zstd::{
    bulk::{Compressor, Decompressor},
    dict::{DecoderDictionary, EncoderDictionary},
};

use super::{number, text};

pub(super) type Item = HashMap<String, AttributeValue>;

/// Up to this size JSON stays readable in the console.
const PLAIN_BYTES: usize = 192;

/// The default level: its window of 2 MB finds the repetition of the state in the signals; a higher level gains
/// nothing.
const LEVEL: i32 = 3;

/// Stored records of each provider. With it a small dispatch takes a sixth of its JSON, without it two fifths. Data
/// compressed with it can only be read with it, so **this file never changes**: a better one must be another file,
/// tried first.
const DICTIONARY: &[u8] = include_bytes!("dictionary-1.jsonl");

/// The prepared dictionary and its memory: created with the first record and reused.
static TO_PACK: LazyLock<EncoderDictionary<'_>> = LazyLock::new(|| EncoderDictionary::copy(DICTIONARY, LEVEL));
static TO_UNPACK: LazyLock<DecoderDictionary<'_>> = LazyLock::new(|| DecoderDictionary::copy(DICTIONARY));
thread_local! {
    static COMPRESSOR: RefCell<Compressor<'static>> = RefCell::default();
    static DECOMPRESSOR: RefCell<Decompressor<'static>> = RefCell::default();
}

/// Up to this size the dictionary helps. With a dictionary, zstd uses a window for small texts, and the record of
/// thousands of meters would exceed the size of an item.
const SMALL_BYTES: usize = 64 * 1_024;

/// How far back repetitions are found: 32 MiB.
const WINDOW_LOG: u32 = 25;

/// The maximum unpacked size of what gridbell packs.
const MAX_UNPACKED_BYTES: usize = 64 * 1_024 * 1_024;

/// The attribute with the format version. Indexes do not have it: items found there are read from the table.
pub(super) const VERSION: &str = "v";

/// The format version of an item; without the attribute it is 1.
pub(super) fn version(item: &Item) -> Result<u64, String> {
    if item.contains_key(VERSION) { integer(item, VERSION) } else { Ok(1) }
}

/// A value as JSON text, or compressed.
pub(super) fn packed(value: &impl Serialize) -> Result<AttributeValue, String> {
    let json = serde_json::to_string(value).map_err(|error| error.to_string())?;
    if json.len() <= PLAIN_BYTES {
        return Ok(text(json));
    }
    let packed = pack(json.as_bytes()).map_err(|error| error.to_string())?;
    Ok(bytes(packed))
}

pub(super) fn bytes(bytes: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

/// The inverse of [`packed`].
pub(super) fn unpacked<T: DeserializeOwned>(item: &Item, name: &str) -> Result<T, String> {
    let json = match item.get(name) {
        Some(AttributeValue::S(json)) => Cow::from(json),
        Some(AttributeValue::B(packed)) => unpack(packed.as_ref()).map_err(|error| format!("{name}: {error}"))?.into(),
        _ => return Err(format!("{name} is missing")),
    };
    serde_json::from_str(&json).map_err(|error| format!("{name}: {error}"))
}

fn pack(json: &[u8]) -> io::Result<Vec<u8>> {
    if json.len() > SMALL_BYTES {
        let mut compressor = Compressor::new(LEVEL)?;
        // With tens of thousands of meters, the signals repeat the state from megabytes earlier.
        compressor.long_distance_matching(true)?;
        compressor.window_log(WINDOW_LOG)?;
        return compressor.compress(json);
    }
    COMPRESSOR.with_borrow_mut(|compressor| {
        compressor.set_prepared_dictionary(&TO_PACK)?;
        compressor.compress(json)
    })
}

/// Also reads data that was packed without the dictionary.
fn unpack(packed: &[u8]) -> io::Result<String> {
    let json = DECOMPRESSOR.with_borrow_mut(|decompressor| {
        decompressor.set_prepared_dictionary(&TO_UNPACK)?;
        decompressor.decompress(packed, MAX_UNPACKED_BYTES)
    });
    String::from_utf8(json?).map_err(io::Error::other)
}

/// The maximum length of a readable key, in bytes: DynamoDB allows 2,048, and two identifiers of 512 bytes may be
/// percent-encoded.
const MAX_KEY_BYTES: usize = 1_024;

/// The attribute with the full text if the key is only its hash.
const FULL_KEY: &str = "full_key";

/// The key of a text in a table: the text itself, or its SHA-256 in hex if it is too long.
pub(super) fn key(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_KEY_BYTES { Cow::Borrowed(text) } else { Cow::Owned(fifo_id(text)) }
}

/// Adds the key to an item, and the full text if it is too long for a key.
pub(super) fn keyed(mut item: Item, name: &str) -> Item {
    let long = str(&item, name).ok().filter(|text| text.len() > MAX_KEY_BYTES).map(str::to_owned);
    if let Some(long) = long {
        item.insert(name.to_owned(), text(key(&long)));
        item.insert(FULL_KEY.to_owned(), text(long));
    }
    item
}

/// The full text of the item's key.
pub(super) fn full_key<'a>(item: &'a Item, name: &str) -> Result<&'a str, String> {
    str(item, FULL_KEY).or_else(|_| str(item, name))
}

/// An instant that sorts as text: RFC 3339 in UTC, always with nine digits of a second.
pub(super) fn instant(at: Timestamp) -> AttributeValue {
    text(format!("{at:.9}"))
}

/// The instant after which DynamoDB may delete the item, in seconds since 1970.
pub(super) fn days_after(at: Timestamp, days: i64) -> AttributeValue {
    let end = at.saturating_add(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MAX);
    number(u64::try_from(end.as_second()).unwrap_or_default())
}

pub(super) fn str<'a>(item: &'a Item, name: &str) -> Result<&'a str, String> {
    match item.get(name) {
        Some(AttributeValue::S(value)) => Ok(value),
        _ => Err(format!("{name} is missing")),
    }
}

pub(super) fn timestamp(item: &Item, name: &str) -> Result<Timestamp, String> {
    str(item, name)?.parse().map_err(|error| format!("{name}: {error}"))
}

pub(super) fn integer(item: &Item, name: &str) -> Result<u64, String> {
    match item.get(name) {
        Some(AttributeValue::N(value)) => value.parse().map_err(|error| format!("{name}: {error}")),
        _ => Err(format!("{name} is missing")),
    }
}

/// A unit variant's name as it is serialised, for people at the console.
#[expect(clippy::expect_used, reason = "a default would store an empty word")]
pub(crate) fn word(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).ok();
    value.and_then(|value| value.as_str().map(str::to_owned)).expect("only unit variants are passed")
}

/// The size as DynamoDB counts it: names and values; a number is half its digits plus one byte (rounded up here).
pub(super) fn size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

fn value_size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len() / 2 + 2,
        AttributeValue::B(blob) => blob.as_ref().len(),
        // gridbell writes no other type.
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_STANDARD};

    use super::*;

    const WITH_DICTIONARY: &str = "KLUv/SBBbQAAMHRydWV9fQEAGIAEgQ==";
    const WITHOUT: &str =
        "KLUv/QBY7QEAVAN7Im9yaWdpbiI6eyJzb3VyY2UiOiJ2b2x0dXMiLCJwcm92aWRlcnNhbmRib3giOnRydWV9fQEAPm4+AQ==";

    #[test]
    fn instants_sort_as_text() {
        let at = |text: &str| instant(text.parse().unwrap()).as_s().unwrap().clone();
        assert_eq!(at("2026-01-02T03:04:05Z"), "2026-01-02T03:04:05.000000000Z");
        assert!(at("2026-01-02T03:04:05Z") < at("2026-01-02T03:04:05.000000001Z"));
        assert!(at("2026-01-02T03:04:05.9Z") < at("2026-01-02T03:04:06Z"));
    }

    #[test]
    fn long_values_are_compressed_and_read_back() {
        let check = |length: usize, plain: bool| {
            let value = "x".repeat(length);
            let item = Item::from([("body".to_owned(), packed(&value).unwrap())]);
            assert_eq!(matches!(item["body"], AttributeValue::S(_)), plain);
            assert_eq!(unpacked::<String>(&item, "body").unwrap(), value);
        };
        check(0, true);
        check(PLAIN_BYTES - 2, true);
        check(PLAIN_BYTES - 1, false);
        check(1_000_000, false);
    }

    #[test]
    fn what_was_stored_once_is_read_for_ever() {
        let read = |base64: &str| {
            let item = Item::from([(
                "body".to_owned(),
                AttributeValue::B(Blob::new(BASE64_STANDARD.decode(base64).unwrap())),
            )]);
            unpacked::<serde_json::Value>(&item, "body").unwrap()
        };
        let expected = serde_json::json!({"origin": {"source": "voltus", "provider": "voltus", "sandbox": true}});
        assert_eq!(read(WITH_DICTIONARY), expected, "the dictionary has changed: stored items can no longer be read");
        assert_eq!(read(WITHOUT), expected);
    }

    #[test]
    fn a_record_that_cannot_be_read_leaves_nothing_behind_for_the_next() {
        let json = format!(r#"{{"origin":{{"source":"voltus"}},"note":"{}"}}"#, "n".repeat(PLAIN_BYTES));
        let packed = pack(json.as_bytes()).unwrap();
        for damaged in [&packed[..packed.len() - 3], &packed[1..], b"no frame"] {
            assert!(unpack(damaged).is_err());
            assert_eq!(unpack(&packed).unwrap(), json);
        }
        assert_eq!(pack(json.as_bytes()).unwrap(), packed);
        // The format from before contexts were reused.
        assert_eq!(Compressor::with_dictionary(LEVEL, DICTIONARY).unwrap().compress(json.as_bytes()).unwrap(), packed);
        let before = zstd::stream::read::Decoder::with_dictionary(&*packed, DICTIONARY).unwrap();
        assert_eq!(io::read_to_string(before).unwrap(), json);
    }

    #[test]
    fn a_long_key_is_stored_as_its_hash_with_the_text() {
        let item = |bytes: usize| keyed(Item::from([("subject".to_owned(), text("s".repeat(bytes)))]), "subject");
        for (bytes, hashed) in [(1_024, false), (1_025, true), (3_200, true)] {
            let (item, subject) = (item(bytes), "s".repeat(bytes));
            assert_eq!(str(&item, "subject").unwrap(), key(&subject));
            assert_eq!(full_key(&item, "subject").unwrap(), subject);
            assert_eq!((key(&subject).len() == 64, item.len()), (hashed, 1 + usize::from(hashed)));
            assert_eq!(key(&key(&subject)), key(&subject), "the hash in an index is a key too");
        }
    }

    #[test]
    fn what_is_missing_or_of_another_type_is_named() {
        let item = Item::from([("revision".to_owned(), text("1"))]);
        assert_eq!(integer(&item, "revision"), Err("revision is missing".to_owned()));
        assert_eq!(str(&item, "subject"), Err("subject is missing".to_owned()));
        assert!(unpacked::<u8>(&item, "body").unwrap_err().contains("body"));
    }
}
