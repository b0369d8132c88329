//! The trace id of AWS X-Ray, which Lambda gives every invocation. Lines outside of a delivery's trace have it, in the
//! form of W3C Trace Context, so that they are found from X-Ray's console.

use pipeline::ports::Random;
use tracing::Span;

use crate::host::Host;

/// The span of an invocation: its own trace, that of X-Ray if there is one.
pub(super) fn span(header: Option<&str>) -> Span {
    let trace_id = header.and_then(trace_id).unwrap_or_else(|| u128::from(Host.bits()) << 64 | u128::from(Host.bits()));
    tracing::error_span!("invocation", trace_id)
}

/// `Root=1-5759e988-bd862e3fe1be46a994272793;…` is `5759e988bd862e3fe1be46a994272793`.
fn trace_id(header: &str) -> Option<u128> {
    let root = header.split(';').find_map(|field| field.trim().strip_prefix("Root=1-"))?;
    let (time, rest) = root.split_once('-')?;
    let is_hex = |digits: &str, length| digits.len() == length && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let id = (is_hex(time, 8) && is_hex(rest, 24)).then(|| u128::from_str_radix(&format!("{time}{rest}"), 16).ok());
    id.flatten().filter(|id| *id != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x_rays_id_is_read_in_every_position_and_nothing_else_is() {
        let check = |header: &str, expected: Option<u128>| assert_eq!(trace_id(header), expected, "{header}");
        let id = Some(0x5759_e988_bd86_2e3f_e1be_46a9_9427_2793);
        check("Root=1-5759e988-bd862e3fe1be46a994272793", id);
        check("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=1:a87bd80c:0", id);
        check("Self=1-6-7; Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0", id);
        for header in [
            "",
            "Root=",
            "Root=1-",
            "Root=1-5759e988-+d862e3fe1be46a994272793",
            "Root=2-5759e988-bd862e3fe1be46a994272793",
            "Root=1-00000000-000000000000000000000000",
        ] {
            check(header, None);
        }
    }
}
