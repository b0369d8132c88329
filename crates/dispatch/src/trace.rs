//! W3C Trace Context: the field `traceparent`, by which log lines, spans and signals lead back to a delivery.
//! <https://www.w3.org/TR/trace-context/>

use std::{
    fmt,
    num::{NonZeroU64, NonZeroU128},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The length of version 00; a later version may only append to it.
const LENGTH: usize = 55;

/// The one flag that version 00 defines: the caller may have recorded the trace.
const SAMPLED: u8 = 1;

/// A place in a trace: the trace, and the span in it that whatever comes next follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceParent {
    trace_id: NonZeroU128,
    parent_id: NonZeroU64,
    is_sampled: bool,
}

/// The text is no `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no traceparent, which is such as 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]
pub struct InvalidTraceParent;

impl TraceParent {
    /// A new trace. The bits must be random.
    pub fn begin(random_bits: [u64; 3]) -> Self {
        let [high, low, parent] = random_bits;
        let trace_id = (u128::from(high) << 64) | u128::from(low);
        Self {
            trace_id: NonZeroU128::new(trace_id).unwrap_or(NonZeroU128::MIN),
            parent_id: id(parent),
            is_sampled: true,
        }
    }

    /// The next span of the same trace. The bits must be random.
    #[must_use]
    pub fn child(self, random_bits: u64) -> Self {
        Self { parent_id: id(random_bits), ..self }
    }

    /// Reads a header or a stored field. The fields that a later version appends are ignored, as the specification asks.
    pub fn parse(text: &str) -> Result<Self, InvalidTraceParent> {
        let version = hex(text.get(..2)).ok_or(InvalidTraceParent)?;
        let is_long_enough = match version {
            0xff => false,
            0 => text.len() == LENGTH,
            _ => text.len() == LENGTH || text.as_bytes().get(LENGTH) == Some(&b'-'),
        };
        let are_divided = [2, 35, 52].iter().all(|place| text.as_bytes().get(*place) == Some(&b'-'));
        if !is_long_enough || !are_divided {
            return Err(InvalidTraceParent);
        }
        let read = || {
            Some(Self {
                trace_id: NonZeroU128::new(hex(text.get(3..35))?)?,
                parent_id: NonZeroU64::new(u64::try_from(hex(text.get(36..52))?).ok()?)?,
                is_sampled: hex(text.get(53..LENGTH))? & u128::from(SAMPLED) != 0,
            })
        };
        read().ok_or(InvalidTraceParent)
    }

    /// The id of the whole trace.
    pub fn trace_id(self) -> u128 {
        self.trace_id.get()
    }

    /// The id of the span.
    pub fn span_id(self) -> u64 {
        self.parent_id.get()
    }
}

/// All zeros is no id. Chance brings them once in 2^64.
fn id(random_bits: u64) -> NonZeroU64 {
    NonZeroU64::new(random_bits).unwrap_or(NonZeroU64::MIN)
}

/// A number in lower-case hex; upper case is invalid.
fn hex(digits: Option<&str>) -> Option<u128> {
    let digits = digits?;
    let is_lower = digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    is_lower.then(|| u128::from_str_radix(digits, 16).ok()).flatten()
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.parent_id, u8::from(self.is_sampled))
    }
}

impl Serialize for TraceParent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads a field of a message or a row. An unreadable one is left out: a job must not be lost for it.
pub fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TraceParent>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(value.as_str().and_then(|text| TraceParent::parse(text).ok()))
}

impl<'de> Deserialize<'de> for TraceParent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_good_one_is_read_and_written_as_it_was() {
        let read = TraceParent::parse(GOOD).unwrap();
        assert_eq!(read.to_string(), GOOD);
        assert_eq!(
            (read.trace_id(), read.span_id()),
            (0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c, 0xb7ad_6b71_6920_3331)
        );
        let unsampled = GOOD.replace("-01", "-00");
        assert_eq!(TraceParent::parse(&unsampled).unwrap().to_string(), unsampled);
    }

    #[test]
    fn the_rules_of_the_specification() {
        let check = |text: &str, expected: Option<&str>| {
            let read = TraceParent::parse(text).ok().map(|read| read.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        };
        // A later version is read as far as version 00 goes.
        check(&GOOD.replacen("00", "01", 1), Some(GOOD));
        check(&format!("{}-more", GOOD.replacen("00", "cc", 1)), Some(GOOD));
        check(&format!("{}more", GOOD.replacen("00", "cc", 1)), None);
        check(&format!("{GOOD}-more"), None);
        check(&GOOD.replacen("00", "ff", 1), None);
        // Unknown flags are not passed on.
        check(&GOOD.replace("-01", "-ff"), Some(GOOD));
        check(&GOOD.to_uppercase(), None);
        check(&GOOD.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)), None);
        check(&GOOD.replace("b7ad6b7169203331", &"0".repeat(16)), None);
        check(&GOOD.replace('-', "_"), None);
        check(&GOOD.replace("b7", "+7"), None);
        check(&GOOD.replace("b7", "ü"), None);
        for text in [
            "",
            "00",
            "00-",
            "ü",
            &GOOD[..54],
            &"0".repeat(55),
            " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn a_child_stays_in_its_trace_and_no_id_is_zero() {
        let first = TraceParent::begin([1, 2, 3]);
        assert_eq!(first.to_string(), "00-00000000000000010000000000000002-0000000000000003-01");
        assert_eq!(first.child(4).to_string(), "00-00000000000000010000000000000002-0000000000000004-01");
        let unlucky = TraceParent::begin([0; 3]);
        assert_eq!(TraceParent::parse(&unlucky.child(0).to_string()), Ok(unlucky));
    }

    #[test]
    fn an_unreadable_field_is_left_out() {
        #[derive(Deserialize)]
        struct Row {
            #[serde(default, deserialize_with = "lenient")]
            traceparent: Option<TraceParent>,
        }
        let read = |json: &str| serde_json::from_str::<Row>(json).unwrap().traceparent.map(|read| read.to_string());
        assert_eq!(read(&format!(r#"{{"traceparent":"{GOOD}"}}"#)).as_deref(), Some(GOOD));
        for json in ["{}", r#"{"traceparent":null}"#, r#"{"traceparent":7}"#, r#"{"traceparent":"x"}"#] {
            assert_eq!(read(json), None, "{json}");
        }
    }
}
