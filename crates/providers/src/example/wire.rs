//! Parses a call from the API. Only id and start are required.

use std::collections::BTreeSet;

use dispatch::{DispatchTerms, Origin, Request, Target, TestReason, together};
use serde_json::Value;

use crate::{
    Id,
    field_errors::{FieldErrors, element},
    fields::{Fields, Lenient, Reason},
};

/// Fields that are not details because the terms contain them.
const KNOWN: &[&str] = &["call", "from", "to", "withdrawn", "sites"];

pub(super) fn call(
    call: &Value,
    origin: &Origin,
    field_errors: &mut FieldErrors,
) -> Result<(Id, DispatchTerms), Reason> {
    let fields = Fields::of(call)?;
    let id = Id::parse(fields.id("call")?);
    let id = id.ok_or_else(|| Reason::new("`call` is no id of letters, digits, `-` and `_`"))?;
    let start = fields.start("from")?;
    let mut lenient = Lenient::new(fields, "", field_errors);
    let authorized = !lenient.flag("withdrawn").unwrap_or(false);
    let end = lenient.end("to", start);
    let sites = lenient.list("sites");
    let details = lenient.others(KNOWN);
    let targets = targets(sites, field_errors);
    // The share of an unreadable site is unknown.
    let request = if targets.len() == sites.len() {
        together(targets.iter().filter_map(|target| target.request))
    } else {
        Request::Unspecified
    };
    let terms = DispatchTerms {
        authorized,
        start,
        end,
        request,
        targets: targets.into(),
        test_reason: origin.sandbox.then_some(TestReason::Sandbox),
        voluntary: false,
        priority: None,
        programs: Vec::new(),
        details,
    };
    Ok((id, terms))
}

fn targets(sites: &[Value], field_errors: &mut FieldErrors) -> Vec<Target> {
    let (mut targets, mut seen) = (Vec::with_capacity(sites.len()), BTreeSet::new());
    for (index, site) in sites.iter().enumerate() {
        match Fields::of(site).and_then(|fields| Ok((fields, fields.id("id")?))) {
            Ok((fields, id)) if seen.insert(id) => {
                let within = format!("{}.", element("sites", id));
                targets.push(target(id, Lenient::new(fields, &within, field_errors)));
            }
            Ok((_, id)) => {
                field_errors.add(element("sites", id), site, "the site stands here twice; the first was taken");
            }
            Err(reason) => field_errors.add(format!("sites[{index}]"), site, reason),
        }
    }
    targets
}

/// The field is a limit in kilowatts.
fn target(id: &str, mut site: Lenient<'_, '_>) -> Target {
    let request = match site.kilowatts("limit_kw") {
        Some(Request::Reduce { watts }) => Request::Limit { watts },
        _ => Request::Unspecified,
    };
    Target { id: id.to_owned(), name: site.label("name"), external_id: None, request: Some(request) }
}
