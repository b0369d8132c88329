//! Converts a dispatch of Voltus into a fact. Only id and start are required.

use std::collections::BTreeMap;

use dispatch::{
    DispatchFact, DispatchTerms, Fact, FactBody, Origin, Program, Rank, Request, Subject, Target, Targets, TestReason,
};
use serde_json::{Map, Value};

use super::wire::Dispatch;
use crate::{
    ApiResponse, Id,
    field_errors::{FieldErrors, element},
    fields::{Fields, Lenient},
};

/// Fields that are not details because gridbell reads them.
const TOLD: &[&str] = &["id", "authorized", "test", "start_time", "end_time", "program", "sites"];

pub(super) fn fact(answer: &ApiResponse<'_>, id: &Id, Dispatch { fields, start }: Dispatch<'_>) -> Fact {
    let mut field_errors = FieldErrors::default();
    let mut lenient = Lenient::new(fields, "", &mut field_errors);
    let origin = answer.origin;
    let rank = match lenient.whole("modification_number") {
        Some(number) => Rank::Numbered(number, answer.began_at),
        None => Rank::Fetched(answer.began_at),
    };
    let mut terms = DispatchTerms {
        // A cancel is an explicit false. A response without the field must not release a site that was called.
        authorized: lenient.flag("authorized").unwrap_or(true),
        start,
        end: lenient.end("end_time", start),
        test_reason: test_reason(origin, lenient.flag("test").unwrap_or(false)),
        voluntary: false,
        priority: None,
        programs: lenient.object("program").map(program).into_iter().collect(),
        request: Request::Unspecified,
        targets: Targets::default(),
        details: Map::new(),
    };
    let sites = lenient.list("sites");
    let (targets, request) = targets(sites, &mut field_errors);
    (terms.targets, terms.request) = (targets.into(), request);
    // Last, since details do not change the curtailment: people see only the first few field errors.
    terms.details = Lenient::new(fields, "", &mut field_errors).others(TOLD);
    if let Some(id) = fields.get("program").and_then(|program| program.get("id")).filter(|id| !id.is_null()) {
        let details = &mut terms.details;
        details.entry("program_id").or_insert_with(|| field_errors.verbatim("program.id", id));
    }
    let said = DispatchFact { id: id.as_str().to_owned(), rank, terms };
    let subject = Subject::dispatch(&origin.source, id.as_str());
    Fact { field_errors: field_errors.into_list(), ..Fact::new(origin.clone(), subject, FactBody::Dispatch(said)) }
}

/// Sandbox dispatches contain `test: false`, so the source has priority over the body.
fn test_reason(origin: &Origin, test: bool) -> Option<TestReason> {
    if origin.sandbox { Some(TestReason::Sandbox) } else { test.then_some(TestReason::SelfTest) }
}

fn program(mut program: Lenient<'_, '_>) -> Program {
    Program {
        name: program.label("name"),
        market: program.label("market"),
        kind: program.label("program_type"),
        timezone: program.label("timezone"),
    }
}

/// The sites with an id, and the total request. A site without an id has a share that belongs to no target, so the sum
/// is then unknown.
fn targets(sites: &[Value], field_errors: &mut FieldErrors) -> (Vec<Target>, Request) {
    let mut targets: Vec<Target> = Vec::with_capacity(sites.len());
    let mut place_of: BTreeMap<String, usize> = BTreeMap::new();
    let mut whole = true;
    for (index, site) in sites.iter().enumerate() {
        let read = Fields::of(site).and_then(|fields| Ok((fields, fields.id("id")?)));
        let (fields, id) = match read {
            Ok(read) => read,
            Err(reason) => {
                field_errors.add(format!("sites[{index}]"), site, reason);
                whole = false;
                continue;
            }
        };
        field_errors.characters(&format!("sites[{index}].id"), id);
        let target = target(id, Lenient::new(fields, &format!("{}.", element("sites", id)), field_errors));
        let place = *place_of.entry(target.id.clone()).or_insert(targets.len());
        match targets.get(place) {
            None => targets.push(target),
            Some(known) if *known == target => {}
            // Two different shares for one site: the total is unknown.
            Some(_) => {
                let reason = "the site stands here twice and differs; the first was taken";
                field_errors.add(element("sites", id), site, reason);
                whole = false;
            }
        }
    }
    let request = if whole {
        dispatch::together(targets.iter().filter_map(|target| target.request))
    } else {
        Request::Unspecified
    };
    (targets, request)
}

/// `drop_by` is deprecated and adds nothing to `commitment`.
fn target(id: &str, mut site: Lenient<'_, '_>) -> Target {
    Target {
        id: id.to_owned(),
        name: site.label("name"),
        external_id: site.reference("customer_location_id"),
        request: Some(site.kilowatts("commitment").unwrap_or(Request::Unspecified)),
    }
}
