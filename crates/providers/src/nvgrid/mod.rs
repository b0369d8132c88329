//! NVIDIA DPS NvGrid: four events around a load target, each whole in its webhook. Nothing is ever fetched, nor polled: its
//! status and its schedule are gRPC calls whose field numbers are not public.

mod wire;

#[cfg(test)]
mod tests;

use dispatch::{Fact, PowerEvent, PowerEventKind, Request, Says, Subject};
use serde_json::Value;

use self::wire::Payload;
use crate::{
    Answer, Ask, Delivery, Finding, KeyHeader, Look, Provider, Reading, Unreadable, UnreadableAnswer,
    fields::{Fields, Reason, brief, json},
    findings::Findings,
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
        let fields = Fields::of(&body).map_err(|reason| Reason::new(format!("the body is {reason}")))?;
        let name = fields.get("event").and_then(Value::as_str).ok_or_else(|| Reason::new("`event` is no text"))?;
        let Some(event) = wire::event(name) else {
            let findings = vec![Finding::UnknownEvent { name: brief(name) }];
            return Ok(Reading { findings, ..Reading::default() });
        };
        let payload = Payload::read(fields)?;
        let mut findings = Findings::default();
        let subject = Subject::power(&delivery.origin.source, payload.feed.as_deref(), &payload.correlation_id);
        let said = power_event(event, payload, &mut findings);
        // While a ramp lasts, not to comply is normal.
        if event == PowerEventKind::EndRampDown && said.compliant == Some(false) {
            findings.push(Finding::NotCompliant { subject: subject.clone(), what: said.loads() });
        }
        let fact = Fact { origin: delivery.origin.clone(), subject, says: Says::Power(said) };
        Ok(Reading { facts: vec![fact], findings: findings.into_list(), ..Reading::default() })
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

fn power_event(event: PowerEventKind, payload: Payload, findings: &mut Findings) -> PowerEvent {
    let mut or_finding = |part: &str, read: Result<Option<u64>, Reason>| {
        read.unwrap_or_else(|reason| {
            findings.unreadable(part, reason);
            None
        })
    };
    let previous = or_finding("prev_target_load", payload.previous_w).map(|watts| Request::Limit { watts });
    let measured_w = or_finding("calculated_load", payload.measured_w);
    let compliant = payload.compliant.unwrap_or_else(|reason| {
        findings.unreadable("compliant", reason);
        None
    });
    PowerEvent {
        feed: payload.feed,
        correlation_id: payload.correlation_id,
        event,
        start: payload.start,
        end: payload.end,
        strategy: payload.strategy,
        target: Request::Limit { watts: payload.target_w },
        previous,
        measured_w,
        compliant,
    }
}
