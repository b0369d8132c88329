//! Power in the units that people write.

use dispatch::Request;

/// Watts in the unit that fits, without rounding.
pub(crate) fn power(watts: u64) -> String {
    let (unit, size) = match watts {
        1_000_000.. => ("MW", 1_000_000),
        1_000.. => ("kW", 1_000),
        _ => ("W", 1),
    };
    let (whole, rest) = (watts / size, watts % size);
    let digits = size.ilog10() as usize;
    let fraction = format!("{rest:0digits$}");
    match fraction.trim_end_matches('0') {
        "" => format!("{whole} {unit}"),
        fraction => format!("{whole}.{fraction} {unit}"),
    }
}

/// What the dispatch requests, in a few words.
pub(crate) fn request(request: &Request) -> String {
    match request {
        Request::Reduce { watts } => format!("reduce {}", power(*watts)),
        Request::Limit { watts } => format!("limit {}", power(*watts)),
        Request::ReduceMax => "reduce max".to_owned(),
        Request::Unspecified => "unspecified".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watts_find_their_unit() {
        let check = |watts, expected: &str| assert_eq!(power(watts), expected);
        check(999, "999 W");
        check(55_000, "55 kW");
        check(6_500_000, "6.5 MW");
        check(1_000_001, "1.000001 MW");
    }
}
