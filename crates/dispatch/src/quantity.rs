//! Power and energy in whole watts and watt-hours, computed from decimals as written, without floats.

use rust_decimal::{Decimal, RoundingStrategy, prelude::ToPrimitive};
use signals::Request;

/// The largest possible request to one target, in watts (100 MW). A larger number is a wrong unit.
pub const MAX_TARGET_W: u64 = 100_000_000;

/// The size of a request, for comparison: "as much as possible", then reductions, then limits (a lower one is more),
/// then unknown amounts.
pub(crate) fn demand(request: Request) -> (u8, u64) {
    match request {
        Request::ReduceMax => (3, 0),
        Request::Reduce { watts } => (2, watts),
        Request::Limit { watts } => (1, u64::MAX - watts),
        Request::Unspecified => (0, 0),
    }
}

/// What is asked of all together. Reductions add up to a reduction, limits to a limit. One "as much as you can" makes the whole of
/// reductions that. One unknown makes the whole unknown, since a sum that leaves a site out would pass for the whole; so do limits
/// beside reductions, which have no sum.
pub fn together(requests: impl IntoIterator<Item = Request>) -> Request {
    requests.into_iter().reduce(sum).unwrap_or(Request::Unspecified)
}

fn sum(one: Request, other: Request) -> Request {
    match (one, other) {
        (Request::Reduce { watts }, Request::Reduce { watts: more }) => {
            Request::Reduce { watts: watts.saturating_add(more) }
        }
        (Request::Limit { watts }, Request::Limit { watts: more }) => {
            Request::Limit { watts: watts.saturating_add(more) }
        }
        (Request::ReduceMax, Request::Reduce { .. } | Request::ReduceMax)
        | (Request::Reduce { .. }, Request::ReduceMax) => Request::ReduceMax,
        (Request::Unspecified | Request::Limit { .. }, _) | (_, Request::Unspecified | Request::Limit { .. }) => {
            Request::Unspecified
        }
    }
}

/// A decimal in plain or scientific notation; `None` if it is not one, or far too large for any quantity.
pub fn decimal(text: &str) -> Option<Decimal> {
    let text = text.trim();
    if text.contains(['e', 'E']) { Decimal::from_scientific(text).ok() } else { text.parse().ok() }
}

/// Kilowatts to whole watts, rounded half to even; `None` for impossible requests (negative, over 100 MW).
pub fn watts_from_kw(kw: Decimal) -> Option<u64> {
    whole_thousandths(kw)?.to_u64().filter(|watts| *watts <= MAX_TARGET_W)
}

/// Kilowatt-hours to whole watt-hours, rounded half to even; negative for an export.
pub fn watt_hours_from_kwh(kwh: Decimal) -> Option<i64> {
    whole_thousandths(kwh)?.to_i64()
}

fn whole_thousandths(value: Decimal) -> Option<Decimal> {
    Some(value.checked_mul(Decimal::ONE_THOUSAND)?.round_dp_with_strategy(0, RoundingStrategy::MidpointNearestEven))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kilowatts_become_whole_watts_half_to_even() {
        let check =
            |kw: &str, expected: Option<u64>| assert_eq!(decimal(kw).and_then(watts_from_kw), expected, "{kw} kW");
        check("5", Some(5_000));
        check("10.000", Some(10_000));
        check("0.0275", Some(28)); // 27.5 W
        check("0.0285", Some(28)); // 28.5 W; a float would see 28.499…
        check("1.5e1", Some(15_000));
        check("0", Some(0));
        check("-0.0", Some(0));
        check("100000", Some(100_000_000));
        check("100000.001", None);
        check("-1", None);
        check("1e400", None);
        check("NaN", None);
        check("", None);
    }

    #[test]
    fn energy_may_be_an_export() {
        assert_eq!(decimal("-0.5005").and_then(watt_hours_from_kwh), Some(-500));
        assert_eq!(decimal("0.123").and_then(watt_hours_from_kwh), Some(123));
    }

    #[test]
    fn one_unknown_share_makes_the_whole_unknown() {
        let five = Request::Reduce { watts: 5 };
        assert_eq!(together([five, five]), Request::Reduce { watts: 10 });
        assert_eq!(together([five, Request::ReduceMax]), Request::ReduceMax);
        assert_eq!(together([Request::ReduceMax, Request::Unspecified]), Request::Unspecified);
        assert_eq!(together([]), Request::Unspecified);
    }

    #[test]
    fn limits_and_reductions_have_no_sum() {
        let (limit, reduce) = (Request::Limit { watts: 5 }, Request::Reduce { watts: 7 });
        assert_eq!(together([limit, limit]), Request::Limit { watts: 10 });
        assert_eq!(together([limit]), limit);
        for mixed in [[limit, reduce], [reduce, limit], [limit, Request::ReduceMax], [Request::ReduceMax, limit]] {
            assert_eq!(together(mixed), Request::Unspecified, "{mixed:?}");
            assert_eq!(together(mixed.into_iter().chain([limit])), Request::Unspecified, "{mixed:?}");
            assert_eq!(together(mixed.into_iter().chain([reduce])), Request::Unspecified, "{mixed:?}");
        }
    }
}
