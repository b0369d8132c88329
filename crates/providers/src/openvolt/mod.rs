//! Openvolt: a webhook announces new data of a meter for a period, which gridbell fetches in parts. Other events
//! concern the account and are passed on unchanged.
//!
//! Openvolt has no list: readings are fetched for the meter and the period that a webhook names, and no call returns
//! what is new.

mod part;
mod readings;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use dispatch::{AccountEvent, Fact, FactBody, Origin, Subject};
use jiff::Timestamp;
use serde_json::{Value, json};

use self::{
    part::{Announced, Part},
    wire::{Envelope, Event, Period},
};
use crate::{
    ApiPath, ApiRequest, ApiResponse, Delivery, Diagnostic, FetchRequest, KeyHeader, Method, Parsed, Precedence,
    Provider, Unreadable, UnreadableResponse, diagnostics::Findings, field_errors::FieldErrors, fields::digest,
    lenient::json,
};

/// Most requests of one webhook: every meter of a large account for a day, or a backfill of a thousand meters.
const MAX_LOOKS: usize = 20_000;

/// The provider.
pub(crate) struct Openvolt;

impl Provider for Openvolt {
    fn name(&self) -> &'static str {
        "openvolt"
    }

    fn title(&self) -> &'static str {
        "Openvolt"
    }

    fn api_url(&self, _sandbox: bool) -> Option<&'static str> {
        Some("https://api.openvolt.com")
    }

    fn key_header(&self) -> Option<KeyHeader> {
        Some(KeyHeader { name: "x-api-key", prefix: "" })
    }

    /// Readings are past data.
    fn is_time_critical(&self) -> bool {
        false
    }

    fn governs(&self) -> Option<Precedence> {
        None
    }

    /// Requests data of a meter that does not exist, as if a webhook had announced it.
    fn harmless_fetch(&self, origin: &Origin, now: Timestamp) -> Option<FetchRequest> {
        let period = json!({ "meter_id": "0".repeat(24), "start_interval": now, "end_interval": now });
        let body = json!({ "event_id": "meter_data.received", "delivery_id": "harmless", "payload": [period] });
        let delivery = Delivery { id: "harmless", received_at: now, origin };
        self.parse(&delivery, &body.to_string()).ok()?.fetches.into_iter().next()
    }

    fn parse(&self, delivery: &Delivery<'_>, body: &str) -> Result<Parsed, Unreadable> {
        let body = json(body)?;
        let envelope = Envelope::read(&body)?;
        match envelope.event {
            Event::MeterData => meter_data(delivery, &envelope),
            Event::Account(event) => {
                let rotated = |event: &str| Diagnostic::KeysRotated { event: event.to_owned() };
                Ok(account(delivery, envelope, event, |identity| {
                    (event == wire::API_KEYS_ROTATED).then(|| rotated(identity))
                }))
            }
            // The meaning is unknown: the event is passed on under its own name, and a diagnostic reports it.
            Event::Unknown(event) => {
                Ok(account(delivery, envelope, event, |_| Some(Diagnostic::UnknownEvent { name: event.to_owned() })))
            }
        }
    }

    fn request(&self, fetch: &FetchRequest, _page_token: Option<&str>) -> Result<ApiRequest, UnreadableResponse> {
        let part = Part::of(fetch)?;
        let (start, end) = part.asked();
        let query = vec![
            ("meter_id", part.meter_id),
            ("granularity", "hh".to_owned()),
            ("start_date", start.to_string()),
            ("end_date", end.to_string()),
        ];
        Ok(ApiRequest {
            method: Method::Get,
            path: ApiPath::fixed("/v1/interval-data"),
            query,
            body: None,
            idempotent: true,
        })
    }

    fn decode(&self, answer: &ApiResponse<'_>) -> Result<Parsed, UnreadableResponse> {
        let part = Part::of(answer.fetch)?;
        let mut field_errors = FieldErrors::default();
        let data = readings::read(&part, answer.pages, &mut field_errors)?;
        let subject = Subject::meter(&answer.origin.source, &part.meter_id);
        let fact = Fact::new(answer.origin.clone(), subject, FactBody::Meter(data));
        let facts = vec![Fact { field_errors: field_errors.into_list(), ..fact }];
        Ok(Parsed { facts, ..Parsed::default() })
    }
}

/// The requests for `meter_data.received`: a list of periods, or a single one.
fn meter_data(delivery: &Delivery<'_>, envelope: &Envelope<'_>) -> Result<Parsed, Unreadable> {
    let elements = match envelope.payload {
        Value::Array(elements) if elements.is_empty() => return Err(Unreadable("`payload` names no meter".to_owned())),
        Value::Array(elements) => elements.as_slice(),
        Value::Object(_) => std::slice::from_ref(envelope.payload),
        _ => return Err(Unreadable("`payload` is neither a list of periods nor one".to_owned())),
    };
    let mut diagnostics = Findings::default();
    for field_error in envelope.field_errors.clone().into_list() {
        diagnostics.unreadable(field_error.field, field_error.reason);
    }
    let announced = envelope.delivery_id.map(|id| Announced { id, payload: digest(&[&envelope.payload.to_string()]) });
    let mut fetches = Vec::new();
    let mut seen = BTreeSet::new();
    for (index, element) in elements.iter().enumerate() {
        let place = format!("payload[{index}]");
        let doubt = &mut |doubt| diagnostics.unreadable(place.clone(), doubt);
        let period = match Period::read(element, delivery.received_at, doubt) {
            Ok(period) => period,
            Err(reason) => {
                diagnostics.unreadable(place, reason);
                continue;
            }
        };
        if fetches.len() + part::count(&period) as usize > MAX_LOOKS {
            diagnostics.unreadable(place, "more periods than one webhook may ask for");
            continue;
        }
        let parts = part::fetches(delivery, announced.as_ref(), &period);
        fetches.extend(parts.filter(|fetch| seen.insert(fetch.key.clone())));
    }
    Ok(Parsed { fetches, diagnostics: diagnostics.into_list(), ..Parsed::default() })
}

/// An account event, passed on verbatim. Its identity includes type and payload: another type or payload under a known
/// delivery id is another event.
fn account(
    delivery: &Delivery<'_>,
    envelope: Envelope<'_>,
    event: &str,
    diagnostic: impl FnOnce(&str) -> Option<Diagnostic>,
) -> Parsed {
    let Envelope { delivery_id, timestamp, payload, mut field_errors, .. } = envelope;
    let written = payload.to_string();
    let identity = match delivery_id {
        Some(id) => digest(&["delivery", id, event, &written]),
        None => digest(&[event, &timestamp.unwrap_or(&Value::Null).to_string(), &written]),
    };
    let payload = field_errors.verbatim("payload", payload);
    let diagnostics = diagnostic(&identity).into_iter().collect();
    let said = AccountEvent {
        identity,
        event: event.to_owned(),
        delivery: delivery_id.unwrap_or(delivery.id).to_owned(),
        payload,
    };
    let fact = Fact::new(delivery.origin.clone(), Subject::account(&delivery.origin.source), FactBody::Account(said));
    let facts = vec![Fact { field_errors: field_errors.into_list(), ..fact }];
    Parsed { facts, diagnostics, ..Parsed::default() }
}
