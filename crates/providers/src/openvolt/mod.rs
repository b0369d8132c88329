//! Openvolt: a webhook tells that a meter has new data for a period, which is then fetched in parts; other events concern the
//! account and are passed on as they are.
//!
//! Nothing is listed: readings are fetched for the meter and the period that a webhook names, and no call says what is new.

mod part;
mod readings;
mod wire;

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, fmt::Write as _};

use dispatch::{AccountEvent, Fact, Says, Subject};
use serde_json::Value;
use sha2::{Digest, Sha256};

use self::{
    part::Part,
    wire::{Envelope, Event, Period},
};
use crate::{
    Answer, ApiPath, Ask, Delivery, Finding, KeyHeader, Look, Method, Provider, Reading, Unreadable, UnreadableAnswer,
    fields::json, findings::Findings,
};

/// The most looks that one webhook may ask for: every meter of a large account for a day, or a backfill of a thousand.
const MAX_LOOKS: usize = 20_000;

/// The provider.
pub(crate) struct Openvolt;

impl Provider for Openvolt {
    fn name(&self) -> &'static str {
        "openvolt"
    }

    fn api_url(&self, _sandbox: bool) -> Option<&'static str> {
        Some("https://api.openvolt.com")
    }

    fn key_header(&self) -> Option<KeyHeader> {
        Some(KeyHeader { name: "x-api-key", prefix: "" })
    }

    /// Readings of the past.
    fn presses(&self) -> bool {
        false
    }

    fn parse(&self, delivery: &Delivery<'_>, body: &str) -> Result<Reading, Unreadable> {
        let body = json(body)?;
        let envelope = Envelope::read(&body)?;
        match envelope.event {
            Event::MeterData => meter_data(delivery, &envelope),
            Event::Account(event) => {
                let rotated = (event == wire::API_KEYS_ROTATED).then_some(Finding::KeysRotated);
                Ok(account(delivery, &envelope, event, rotated))
            }
            // What it means is not guessed: it is passed on under its own name, and a person is told.
            Event::Unknown(event) => {
                Ok(account(delivery, &envelope, event, Some(Finding::UnknownEvent { name: event.to_owned() })))
            }
        }
    }

    fn ask(&self, look: &Look, _page_token: Option<&str>) -> Result<Ask, UnreadableAnswer> {
        let part = Part::of(look)?;
        let (start, end) = part.asked();
        let query = vec![
            ("meter_id", part.meter_id),
            ("granularity", "hh".to_owned()),
            ("start_date", start.to_string()),
            ("end_date", end.to_string()),
        ];
        Ok(Ask { method: Method::Get, path: ApiPath::fixed("/v1/interval-data"), query, body: None, idempotent: true })
    }

    fn decode(&self, answer: &Answer<'_>) -> Result<Reading, UnreadableAnswer> {
        let part = Part::of(answer.look)?;
        let mut findings = Findings::default();
        let data = readings::read(&part, answer.pages, &mut findings)?;
        let subject = Subject::meter(&answer.origin.source, &part.meter_id);
        let fact = Fact { origin: answer.origin.clone(), subject, says: Says::Meter(data) };
        Ok(Reading { facts: vec![fact], findings: findings.into_list(), ..Reading::default() })
    }
}

/// The looks of `meter_data.received`: a list of periods, or a single one.
fn meter_data(delivery: &Delivery<'_>, envelope: &Envelope<'_>) -> Result<Reading, Unreadable> {
    let elements = match envelope.payload {
        Value::Array(elements) if elements.is_empty() => return Err(Unreadable("`payload` names no meter".to_owned())),
        Value::Array(elements) => elements.as_slice(),
        Value::Object(_) => std::slice::from_ref(envelope.payload),
        _ => return Err(Unreadable("`payload` is neither a list of periods nor one".to_owned())),
    };
    let mut findings = Findings::default();
    let mut looks = Vec::new();
    let mut seen = BTreeSet::new();
    for (index, element) in elements.iter().enumerate() {
        let place = format!("payload[{index}]");
        let period = match Period::read(element) {
            Ok(period) => period,
            Err(reason) => {
                findings.unreadable(place, reason);
                continue;
            }
        };
        if looks.len() + part::count(&period) as usize > MAX_LOOKS {
            findings.unreadable(place, "more periods than one webhook may ask for");
            continue;
        }
        let parts = part::looks(delivery, envelope.delivery_id, &period);
        looks.extend(parts.filter(|look| seen.insert(look.key.clone())));
    }
    Ok(Reading { looks, findings: findings.into_list(), ..Reading::default() })
}

/// An event of the account, passed on verbatim.
fn account(delivery: &Delivery<'_>, envelope: &Envelope<'_>, event: &str, finding: Option<Finding>) -> Reading {
    let identity = envelope.delivery_id.map_or_else(
        || {
            let timestamp = envelope.timestamp.unwrap_or(&Value::Null);
            digest(&[event, &timestamp.to_string(), &envelope.payload.to_string()])
        },
        str::to_owned,
    );
    let said = AccountEvent {
        identity,
        event: event.to_owned(),
        delivery: envelope.delivery_id.unwrap_or(delivery.id).to_owned(),
        payload: envelope.payload.clone(),
    };
    let subject = Subject::account(&delivery.origin.source);
    let fact = Fact { origin: delivery.origin.clone(), subject, says: Says::Account(said) };
    Reading { facts: vec![fact], findings: finding.into_iter().collect(), ..Reading::default() }
}

/// SHA-256 in hex over texts, each closed by a byte that UTF-8 never holds, so that no two lists run into one.
fn digest(texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text.as_bytes());
        hash.update([0xff]);
    }
    hash.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
