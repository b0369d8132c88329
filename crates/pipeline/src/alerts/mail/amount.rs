//! Power in words: rounded for a quick decision, exact for the action.

use dispatch::Request;

/// Significant digits of a rounded amount.
const SIGNIFICANT: u32 = 3;

/// In kW, from 1 MW on in MW, with three digits.
pub(super) fn rounded(watts: u64) -> String {
    let digits = watts.checked_ilog10().map_or(1, |log| log + 1);
    let step = 10_u64.pow(digits.saturating_sub(SIGNIFICANT));
    exact(watts.saturating_add(step / 2) / step * step)
}

/// The same with all digits.
pub(super) fn exact(watts: u64) -> String {
    let (unit, word, width) = if watts >= 1_000_000 { (1_000_000, "MW", 6) } else { (1_000, "kW", 3) };
    let fraction = format!("{:0width$}", watts % unit);
    match fraction.trim_end_matches('0') {
        "" => format!("{} {word}", watts / unit),
        fraction => format!("{}.{fraction} {word}", watts / unit),
    }
}

/// The request, as the sentence continues after "please".
pub(super) fn asked(request: Request) -> String {
    match request {
        Request::Reduce { watts } => format!("reduce by {}", exact(watts)),
        Request::Limit { watts } => format!("draw at most {}", rounded(watts)),
        Request::ReduceMax => "reduce as much as you can".to_owned(),
        Request::Unspecified => "no amount stated".to_owned(),
    }
}

/// The request after `CURTAIL` in a subject; none if no amount is stated.
pub(super) fn brief(request: Request) -> Option<String> {
    match request {
        Request::Reduce { watts } => Some(rounded(watts)),
        Request::Limit { watts } => Some(format!("TO {}", rounded(watts))),
        Request::ReduceMax => Some("all you can".to_owned()),
        Request::Unspecified => None,
    }
}

/// The request within a sentence: `5 kW`, `limit 6.5 MW`; none if no amount is stated.
pub(super) fn noun(request: Request) -> Option<String> {
    match request {
        Request::Limit { watts } => Some(format!("limit {}", rounded(watts))),
        request => brief(request),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_are_enough_for_a_glance() {
        for (watts, round, whole) in [
            (0, "0 kW", "0 kW"),
            (3, "0.003 kW", "0.003 kW"),
            (500, "0.5 kW", "0.5 kW"),
            (5_000, "5 kW", "5 kW"),
            (1_234, "1.23 kW", "1.234 kW"),
            (55_550, "55.6 kW", "55.55 kW"),
            (999_950, "1 MW", "999.95 kW"),
            (999_499, "999 kW", "999.499 kW"),
            (6_500_000, "6.5 MW", "6.5 MW"),
            (1_234_567, "1.23 MW", "1.234567 MW"),
            (100_000_000, "100 MW", "100 MW"),
        ] {
            assert_eq!((rounded(watts).as_str(), exact(watts).as_str()), (round, whole), "{watts}");
        }
        assert!(rounded(u64::MAX).ends_with(" MW"));
    }
}
