//! NVIDIA DPS NvGrid: four events around a load target, each complete in its webhook. Nothing is fetched or polled: its
//! status and schedule are gRPC calls whose field numbers are not public.

mod wire;

#[cfg(test)]
mod tests;

use dispatch::{Fact, FactBody, PowerEventKind, Subject};
use serde_json::Value;

use crate::{
    ApiRequest, ApiResponse, Delivery, Diagnostic, FetchRequest, KeyHeader, Parsed, Precedence, Provider, Unreadable,
    UnreadableResponse,
    field_errors::FieldErrors,
    fields::{Fields, Reason, brief, has, unwrapped},
    lenient::json,
};

/// The provider.
pub(crate) struct NvGrid;

impl Provider for NvGrid {
    fn name(&self) -> &'static str {
        "nvgrid"
    }

    fn title(&self) -> &'static str {
        "NvGrid"
    }

    fn api_url(&self, _sandbox: bool) -> Option<&'static str> {
        None
    }

    fn key_header(&self) -> Option<KeyHeader> {
        None
    }

    /// The target that was scheduled last. gridbell assumes that it is the one with the latest start.
    fn governs(&self) -> Option<Precedence> {
        Some(Precedence::LATER_START)
    }

    fn is_grpc(&self) -> bool {
        true
    }

    fn parse(&self, delivery: &Delivery<'_>, body: &str) -> Result<Parsed, Unreadable> {
        let body = json(body)?;
        let body = unwrapped(&body, |body| has(body, &["event", "correlation_id"]));
        let fields = Fields::of(body).map_err(|reason| Reason::new(format!("the body is {reason}")))?;
        let name = fields.get("event").and_then(Value::as_str).ok_or_else(|| Reason::new("`event` is no text"))?;
        let Some(event) = wire::event(name) else {
            let diagnostics = vec![Diagnostic::UnknownEvent { name: brief(name) }];
            return Ok(Parsed { diagnostics, ..Parsed::default() });
        };
        let mut field_errors = FieldErrors::default();
        let correlation_id = fields.id("correlation_id")?;
        let feed = wire::feed(fields, &mut field_errors);
        let subject = Subject::power(&delivery.origin.source, feed, correlation_id);
        let said = match wire::power_event(event, (feed, correlation_id), fields, &mut field_errors) {
            Ok(said) => said,
            // The diagnostic contains the event's name, by which people search for it.
            Err(reason) => {
                let diagnostics = vec![Diagnostic::Unreadable {
                    part: brief(name),
                    reason: reason.to_string(),
                    about: Some(subject),
                }];
                return Ok(Parsed { diagnostics, ..Parsed::default() });
            }
        };
        let mut diagnostics = Vec::new();
        // During a ramp, `compliant: false` is normal.
        if event == PowerEventKind::EndRampDown && said.compliant == Some(false) {
            diagnostics.push(Diagnostic::NotCompliant { subject: subject.clone(), what: said.loads() });
        }
        let fact = Fact::new(delivery.origin.clone(), subject, FactBody::Power(said));
        let facts = vec![Fact { field_errors: field_errors.into_list(), ..fact }];
        Ok(Parsed { facts, diagnostics, ..Parsed::default() })
    }

    fn request(&self, _fetch: &FetchRequest, _page_token: Option<&str>) -> Result<ApiRequest, UnreadableResponse> {
        Err(nothing_to_ask())
    }

    fn decode(&self, _answer: &ApiResponse<'_>) -> Result<Parsed, UnreadableResponse> {
        Err(nothing_to_ask())
    }
}

fn nothing_to_ask() -> UnreadableResponse {
    UnreadableResponse::Foreign("nothing is fetched from NvGrid".to_owned())
}
