//! The requested amount.

use serde::{Deserialize, Deserializer, Serialize, de};

/// The request to one target, or to all targets of a dispatch together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Request {
    /// Reduce by this amount below the baseline (Voltus `commitment`, Leap `energy_kw`).
    Reduce {
        /// Watts below the baseline.
        watts: u64,
    },
    /// Draw at most this power (NvGrid `target_load`).
    Limit {
        /// Watts, absolute.
        watts: u64,
    },
    /// Reduce as much as possible (Leap's null `energy_kw`).
    ReduceMax,
    /// The provider states no amount (Voltus' null `commitment`) or an impossible one.
    Unspecified,
}

/// The JSON form of a request. Fields are read by name, because serde's tagged enums buffer their content, and a
/// buffered number is no longer a number if the feature `arbitrary_precision` of `serde_json` is on.
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
