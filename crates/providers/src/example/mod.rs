//! A provider that does not exist: the shortest one with dispatches. It is a template for new providers and tests that
//! a provider needs only one folder. gridbell does not ship it.
//!
//! Its thin webhook names a call, which is then fetched. A call limits the power of sites. If calls overlap, the one
//! that starts first governs.

mod wire;

#[cfg(test)]
mod tests;

use dispatch::{DispatchFact, Fact, FactBody, Origin, Rank, Subject};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    ApiPath, ApiRequest, ApiResponse, Delivery, FetchRequest, Id, KeyHeader, Method, Parsed, Precedence, Provider,
    Unreadable, UnreadableResponse,
    diagnostics::Findings,
    field_errors::FieldErrors,
    fields::{Fields, Reason},
    lenient::json,
};

/// The provider.
pub struct Example;

impl Provider for Example {
    fn name(&self) -> &'static str {
        "example"
    }

    fn api_url(&self, sandbox: bool) -> Option<&'static str> {
        Some(if sandbox { "https://sandbox.provider.example/v1" } else { "https://api.provider.example/v1" })
    }

    fn key_header(&self) -> Option<KeyHeader> {
        Some(KeyHeader { name: "x-example-key", prefix: "" })
    }

    fn governs(&self) -> Option<Precedence> {
        Some(Precedence::by(|claim| claim.start.as_nanosecond()))
    }

    fn parse(&self, delivery: &Delivery<'_>, body: &str) -> Result<Parsed, Unreadable> {
        let body = json(body)?;
        let id = Fields::of(&body)?.id("call")?;
        let id =
            Id::parse(id).ok_or_else(|| Unreadable("`call` is no id of letters, digits, `-` and `_`".to_owned()))?;
        let subject = Subject::dispatch(&delivery.origin.source, id.as_str());
        let fetch = FetchRequest { key: subject.to_string(), context: json!({ "call": id.as_str() }), subject };
        Ok(Parsed { fetches: vec![fetch], ..Parsed::default() })
    }

    fn listings(&self, origin: &Origin, _now: Timestamp) -> Vec<FetchRequest> {
        let (subject, key) = (Subject::account(&origin.source), format!("{}/list", origin.source));
        vec![FetchRequest { subject, key, context: Value::Null }]
    }

    fn request(&self, fetch: &FetchRequest, _page_token: Option<&str>) -> Result<ApiRequest, UnreadableResponse> {
        let calls = ApiPath::fixed("/calls");
        let path = asked(fetch)?.map_or(calls.clone(), |id| calls.join(&id));
        Ok(ApiRequest { method: Method::Get, path, query: Vec::new(), body: None, idempotent: true })
    }

    fn decode(&self, answer: &ApiResponse<'_>) -> Result<Parsed, UnreadableResponse> {
        let pages = answer.pages.iter().map(|page| json(page)).collect::<Result<Vec<_>, Reason>>()?;
        if let Some(asked) = asked(answer.fetch)? {
            let fact = pages.first().map_or_else(|| Err(Reason::new("there is no page")), |page| fact(answer, page))?;
            return match &fact.body {
                FactBody::Dispatch(said) if said.id == asked.as_str() => {
                    Ok(Parsed { facts: vec![fact], ..Parsed::default() })
                }
                _ => Err(UnreadableResponse::Missing(asked.as_str().to_owned())),
            };
        }
        let (mut facts, mut diagnostics) = (Vec::new(), Findings::default());
        for page in &pages {
            for (index, call) in Fields::of(page)?.list("calls")?.iter().enumerate() {
                match fact(answer, call) {
                    Ok(fact) => facts.push(fact),
                    Err(reason) => diagnostics.unreadable(format!("calls[{index}]"), reason),
                }
            }
        }
        Ok(Parsed { facts, diagnostics: diagnostics.into_list(), ..Parsed::default() })
    }
}

/// The call to fetch; none: all calls.
fn asked(fetch: &FetchRequest) -> Result<Option<Id>, UnreadableResponse> {
    let Some(id) = fetch.context.get("call") else { return Ok(None) };
    let id = id.as_str().and_then(Id::parse);
    id.map(Some).ok_or_else(|| UnreadableResponse::Foreign("no id of a call".to_owned()))
}

fn fact(answer: &ApiResponse<'_>, call: &Value) -> Result<Fact, Reason> {
    let mut field_errors = FieldErrors::default();
    let (id, terms) = wire::call(call, answer.origin, &mut field_errors)?;
    let subject = Subject::dispatch(&answer.origin.source, id.as_str());
    let rank = Rank::Fetched(answer.began_at);
    let said = FactBody::Dispatch(DispatchFact { id: id.as_str().to_owned(), rank, terms });
    let fact = Fact::new(answer.origin.clone(), subject, said);
    Ok(Fact { field_errors: field_errors.into_list(), ..fact })
}
