//! NVIDIA DPS NvGrid: four events around a load target, each whole in its webhook. Nothing is ever fetched, nor polled: its
//! status and its schedule are gRPC calls whose field numbers are not public.

mod wire;

#[cfg(test)]
mod tests;

use dispatch::{Fact, PowerEventKind, Says, Subject};
use serde_json::Value;

use crate::{
    Answer, Ask, Delivery, Finding, KeyHeader, Look, Provider, Reading, Unreadable, UnreadableAnswer,
    diagnostics::Diagnostics,
    fields::{Fields, Reason, brief, has, unwrapped},
    lenient::json,
};

/// The provider.
pub(crate) struct NvGrid;

impl Provider for NvGrid {
    fn name(&self) -> &'static str {
        "nvgrid"
    }

    fn api_url(&self, _sandbox: bool) -> Option<&'static str> {
        None
    }

    fn key_header(&self) -> Option<KeyHeader> {
        None
    }

    fn parse(&self, delivery: &Delivery<'_>, body: &str) -> Result<Reading, Unreadable> {
        let body = json(body)?;
        let body = unwrapped(&body, |body| has(body, &["event", "correlation_id"]));
        let fields = Fields::of(body).map_err(|reason| Reason::new(format!("the body is {reason}")))?;
        let name = fields.get("event").and_then(Value::as_str).ok_or_else(|| Reason::new("`event` is no text"))?;
        let Some(event) = wire::event(name) else {
            let findings = vec![Finding::UnknownEvent { name: brief(name) }];
            return Ok(Reading { findings, ..Reading::default() });
        };
        let mut diagnostics = Diagnostics::default();
        let correlation_id = fields.id("correlation_id")?;
        let feed = wire::feed(fields, &mut diagnostics);
        let subject = Subject::power(&delivery.origin.source, feed, correlation_id);
        let said = match wire::power_event(event, (feed, correlation_id), fields, &mut diagnostics) {
            Ok(said) => said,
            // People look for what is lost by its name.
            Err(reason) => {
                let findings =
                    vec![Finding::Unreadable { part: brief(name), reason: reason.to_string(), about: Some(subject) }];
                return Ok(Reading { findings, ..Reading::default() });
            }
        };
        let mut findings = Vec::new();
        // While a ramp lasts, not to comply is normal.
        if event == PowerEventKind::EndRampDown && said.compliant == Some(false) {
            findings.push(Finding::NotCompliant { subject: subject.clone(), what: said.loads() });
        }
        let fact = Fact::new(delivery.origin.clone(), subject, Says::Power(said));
        let facts = vec![Fact { diagnostics: diagnostics.into_list(), ..fact }];
        Ok(Reading { facts, findings, ..Reading::default() })
    }

    fn ask(&self, _look: &Look, _page_token: Option<&str>) -> Result<Ask, UnreadableAnswer> {
        Err(nothing_to_ask())
    }

    fn decode(&self, _answer: &Answer<'_>) -> Result<Reading, UnreadableAnswer> {
        Err(nothing_to_ask())
    }
}

fn nothing_to_ask() -> UnreadableAnswer {
    UnreadableAnswer::Look("nothing is fetched from NvGrid".to_owned())
}
