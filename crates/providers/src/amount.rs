//! Amounts of power, in kilowatts, in provider data.

use dispatch::{Request, decimal, watts_from_kw};
use serde_json::Value;

use crate::fields::{brief, written};

/// A provider's number of kilowatts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kilowatts {
    /// Null or missing. Each provider decides what that means.
    Absent,
    /// The reduction to request.
    Reduce(Request),
    /// A value that cannot be a reduction, as the provider wrote it.
    Impossible(String),
}

impl Kilowatts {
    /// Reads a JSON number or a numeric string.
    pub(crate) fn read(value: Option<&Value>) -> Self {
        let Some(value) = value else { return Self::Absent };
        match written(value) {
            None => Self::Impossible("no number".to_owned()),
            Some(text) => match decimal(text).and_then(watts_from_kw) {
                Some(watts) => Self::Reduce(Request::Reduce { watts }),
                None => Self::Impossible(format!("{:?} kW", brief(text))),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_numeric_texts_are_read_and_the_impossible_is_quoted() {
        let reduce = |watts| Kilowatts::Reduce(Request::Reduce { watts });
        let impossible = |what: &str| Kilowatts::Impossible(what.to_owned());
        let check = |text: &str, expected: Kilowatts| {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(Kilowatts::read(Some(&value)), expected, "{text}");
        };
        check("5", reduce(5_000));
        check("10.000", reduce(10_000));
        check("\"27.5\"", reduce(27_500));
        check("1e2", reduce(100_000));
        check("0", reduce(0));
        check("-5", impossible("\"-5\" kW"));
        check("100000.1", impossible("\"100000.1\" kW"));
        check("1e400", impossible("\"1e+400\" kW"));
        check("\"NaN\"", impossible("\"NaN\" kW"));
        check("\"\"", impossible("\"\" kW"));
        check("[5]", impossible("no number"));
        assert_eq!(Kilowatts::read(None), Kilowatts::Absent);
    }
}
