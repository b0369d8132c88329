//! gridbell's own test source, which `gridbell verify` uses. Its webhook contains one whole, numbered dispatch, so
//! nothing is fetched. It is not among [`crate::PROVIDERS`]: no configuration can name it.

#[cfg(test)]
mod tests;

use dispatch::{DispatchFact, DispatchTerms, Fact, FactBody, Rank, Request, Subject, Target, TestReason};

use crate::{
    ApiRequest, ApiResponse, Delivery, FetchRequest, Id, KeyHeader, Parsed, Precedence, Provider, Unreadable,
    UnreadableResponse,
    field_errors::FieldErrors,
    fields::{Fields, Lenient, Reason},
    lenient::json,
};

/// Fields that are not details because the terms contain them.
const KNOWN: &[&str] = &["dispatch", "number", "start", "end", "cancelled", "site", "reduce_kw"];

/// The provider.
pub(crate) struct Verify;

impl Provider for Verify {
    fn name(&self) -> &'static str {
        "gridbell"
    }

    fn title(&self) -> &'static str {
        "gridbell verify"
    }

    fn api_url(&self, _sandbox: bool) -> Option<&'static str> {
        None
    }

    fn key_header(&self) -> Option<KeyHeader> {
        None
    }

    fn governs(&self) -> Option<Precedence> {
        Some(Precedence::LARGER_REQUEST)
    }

    fn parse(&self, delivery: &Delivery<'_>, body: &str) -> Result<Parsed, Unreadable> {
        let body = json(body)?;
        let fields = Fields::of(&body)?;
        let id = Id::parse(fields.id("dispatch")?)
            .ok_or_else(|| Unreadable("`dispatch` is no id of letters, digits, `-` and `_`".to_owned()))?;
        let number = fields.whole("number")?.ok_or_else(|| Reason::new("`number` is missing"))?;
        let start = fields.start("start")?;
        let mut field_errors = FieldErrors::default();
        let mut lenient = Lenient::new(fields, "", &mut field_errors);
        let request = lenient.kilowatts("reduce_kw").unwrap_or(Request::Unspecified);
        let site = lenient.label("site").unwrap_or_else(|| "verify".to_owned());
        let target = Target { id: site.clone(), name: Some(site), external_id: None, request: Some(request) };
        let terms = DispatchTerms {
            authorized: !lenient.flag("cancelled").unwrap_or(false),
            start,
            end: lenient.end("end", start),
            request,
            targets: vec![target].into(),
            // Whatever the source's environment: no real dispatch comes from here.
            test_reason: Some(TestReason::Sandbox),
            voluntary: false,
            priority: None,
            programs: Vec::new(),
            details: lenient.others(KNOWN),
        };
        let subject = Subject::dispatch(&delivery.origin.source, id.as_str());
        let rank = Rank::Numbered(number, delivery.received_at);
        let said = FactBody::Dispatch(DispatchFact { id: id.as_str().to_owned(), rank, terms });
        let fact = Fact::new(delivery.origin.clone(), subject, said);
        let fact = Fact { field_errors: field_errors.into_list(), ..fact };
        Ok(Parsed { facts: vec![fact], ..Parsed::default() })
    }

    fn request(&self, _fetch: &FetchRequest, _page_token: Option<&str>) -> Result<ApiRequest, UnreadableResponse> {
        Err(UnreadableResponse::Foreign("nothing is fetched of gridbell's own tests".to_owned()))
    }

    fn decode(&self, _answer: &ApiResponse<'_>) -> Result<Parsed, UnreadableResponse> {
        Err(UnreadableResponse::Foreign("nothing is fetched of gridbell's own tests".to_owned()))
    }
}
