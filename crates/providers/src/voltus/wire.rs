//! Voltus' formats: the thin webhook and the dispatch that it names.

use jiff::{Timestamp, civil::Date};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    Id,
    fields::{Fields, Reason, bare, has, id_of, unwrapped},
};

/// What Voltus posts while a registration is pending: `{"event":{"name":""},"resource":""}`.
#[derive(Deserialize)]
struct Handshake {
    event: HandshakeEvent,
    resource: String,
}

#[derive(Deserialize)]
struct HandshakeEvent {
    name: String,
}

/// Whether the body is the registration handshake.
pub(super) fn is_handshake(body: &str) -> bool {
    serde_json::from_str::<Handshake>(body).is_ok_and(|ping| ping.event.name.is_empty() && ping.resource.is_empty())
}

/// `{"event":{"name":"dispatch.update"},"resource":"/2022-04-15/dispatches/dkmq"}`
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Webhook<'a> {
    /// `event.name`; none if it is not a text.
    pub event: Option<&'a str>,
    /// `resource`.
    pub resource: Resource,
}

impl<'a> Webhook<'a> {
    pub(super) fn read(body: &'a Value) -> Result<Self, Reason> {
        let body = unwrapped(body, |body| has(body, &["resource"]));
        let fields = Fields::of(body).map_err(|reason| Reason::new(format!("the body is {reason}")))?;
        let resource = fields.get("resource").ok_or_else(|| Reason::new("`resource` is missing"))?;
        let resource = resource.as_str().ok_or_else(|| Reason::new("`resource` is not a text"))?;
        let event = fields.get("event").and_then(|event| event.get("name")).and_then(Value::as_str);
        Ok(Self { event, resource: Resource::parse(resource)? })
    }
}

/// The webhook's target: only `/YYYY-MM-DD/dispatches/<id>`, since the request contains the API key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Resource {
    /// The API version.
    pub version: Date,
    /// The dispatch's id.
    pub id: Id,
}

impl Resource {
    fn parse(resource: &str) -> Result<Self, Reason> {
        if resource.starts_with("//") || resource.contains("://") || !resource.starts_with('/') {
            return Err(Reason::new("`resource` is no path below the API's own host"));
        }
        let segments: Vec<&str> = resource.splitn(5, '/').collect();
        let ["", version, "dispatches", id] = segments.as_slice() else {
            return Err(Reason::new("`resource` is not /YYYY-MM-DD/dispatches/<id>"));
        };
        let version = parse_version(version).ok_or_else(|| Reason::new("`resource` names no version YYYY-MM-DD"))?;
        let id = Id::parse(id).ok_or_else(|| Reason::new("`resource` names no id of letters, digits, `-` and `_`"))?;
        Ok(Self { version, id })
    }
}

/// Parses Voltus' API version: exactly `YYYY-MM-DD`.
pub(super) fn parse_version(text: &str) -> Option<Date> {
    let written_so = |date: &Date| text.len() == 10 && date.to_string() == text;
    text.parse().ok().filter(written_so)
}

/// The dispatches of a single-dispatch response. Both `{"dispatches":[…],"page":0,"perPage":0}` and the bare object
/// occur, and either may be wrapped once more.
pub(super) fn dispatches(answer: &Value) -> Result<&[Value], Reason> {
    let is_one = |value: &Value| has(value, &["id", "start_time"]);
    // An outer object with `test` or `authorized` is not treated as a wrapper.
    let is_whole = has(answer, &["test"]) || has(answer, &["authorized"]);
    let is_meant = |value: &Value| is_whole || value.get("dispatches").is_some() || is_one(value);
    let answer = unwrapped(answer, is_meant);
    if let Some(one) = answer.get("dispatches").filter(|one| is_one(one)) {
        return Ok(std::slice::from_ref(one));
    }
    if bare(answer).is_some() || answer.get("dispatches").is_some() {
        return list(answer);
    }
    Fields::of(answer).map(|_| std::slice::from_ref(answer))
}

/// The dispatches of a list, bare or wrapped; null is an empty list. An object without `dispatches` is an error
/// response, and an empty bare list may be anything.
pub(super) fn list(answer: &Value) -> Result<&[Value], Reason> {
    if let Some(items) = bare(answer) {
        return Ok(items);
    }
    let answer = unwrapped(answer, |value| value.get("dispatches").is_some());
    let fields = Fields::of(answer)?;
    answer.get("dispatches").ok_or_else(|| Reason::new("`dispatches` is missing"))?;
    fields.list("dispatches")
}

/// `id` of a dispatch.
pub(super) fn id(dispatch: &Value) -> Option<&str> {
    dispatch.get("id").and_then(id_of)
}

/// The required fields of a dispatch in `GET /2022-04-15/dispatches/{id}`; all others may be unreadable.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dispatch<'a> {
    /// All fields.
    pub fields: Fields<'a>,
    /// `start_time`.
    pub start: Timestamp,
}

impl<'a> Dispatch<'a> {
    pub(super) fn read(dispatch: &'a Value) -> Result<Self, Reason> {
        let fields = Fields::of(dispatch)?;
        Ok(Self { fields, start: fields.start("start_time")? })
    }
}
