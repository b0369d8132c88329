//! How much is asked.

use serde::{Deserialize, Deserializer, Serialize, de};

/// What is asked of a target, or of all targets of a dispatch together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Request {
    /// Use this much less than the baseline (Voltus `commitment`, Leap `energy_kw`).
    Reduce {
        /// Watts below the baseline.
        watts: u64,
    },
    /// Draw at most this much (NvGrid `target_load`).
    Limit {
        /// Watts, absolute.
        watts: u64,
    },
    /// As much as you can (Leap's null `energy_kw`).
    ReduceMax,
    /// The provider names no amount (Voltus' null `commitment`), or one that cannot be.
    Unspecified,
}

/// A request as it is written. Read by name: serde's tagged enums buffer their content, and with the feature
/// `arbitrary_precision` of `serde_json` a buffered number is no number any more.
#[derive(Deserialize)]
struct RequestText {
    kind: String,
    watts: Option<u64>,
}

impl<'de> Deserialize<'de> for Request {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let RequestText { kind, watts } = RequestText::deserialize(deserializer)?;
        match (kind.as_str(), watts) {
            ("reduce", Some(watts)) => Ok(Self::Reduce { watts }),
            ("limit", Some(watts)) => Ok(Self::Limit { watts }),
            ("reduce_max", None) => Ok(Self::ReduceMax),
            ("unspecified", None) => Ok(Self::Unspecified),
            _ => Err(de::Error::custom(format_args!("no request of kind {kind:?} with watts {watts:?}"))),
        }
    }
}
