//! Voltus' formats: the thin webhook and the dispatch that it points to.

use jiff::{Timestamp, civil::Date};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    Id,
    amount::Kilowatts,
    fields::{Fields, Reason, id_of},
};

/// What Voltus posts while a registration waits: `{"event":{"name":""},"resource":""}`.
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
    /// `event.name`; none where there is no such text.
    pub event: Option<&'a str>,
    /// `resource`.
    pub resource: Resource,
}

impl<'a> Webhook<'a> {
    pub(super) fn read(body: &'a Value) -> Result<Self, Reason> {
        let fields = Fields::of(body).map_err(|reason| Reason::new(format!("the body is {reason}")))?;
        let resource = fields.get("resource").ok_or_else(|| Reason::new("`resource` is missing"))?;
        let resource = resource.as_str().ok_or_else(|| Reason::new("`resource` is not a text"))?;
        let event = fields.get("event").and_then(|event| event.get("name")).and_then(Value::as_str);
        Ok(Self { event, resource: Resource::parse(resource)? })
    }
}

/// Where the webhook points: `/YYYY-MM-DD/dispatches/<id>` and nothing else, since the request to it carries the API key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Resource {
    /// The version of the API.
    pub version: Date,
    /// The dispatch.
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

/// A date as Voltus writes the API's version: exactly `YYYY-MM-DD`.
pub(super) fn parse_version(text: &str) -> Option<Date> {
    let written_so = |date: &Date| text.len() == 10 && date.to_string() == text;
    text.parse().ok().filter(written_so)
}

/// The dispatches of an answer: `{"dispatches":[…],"page":0,"perPage":0}` and the bare object both occur.
pub(super) fn dispatches(answer: &Value) -> Result<&[Value], Reason> {
    let fields = Fields::of(answer)?;
    if answer.get("dispatches").is_some() { fields.list("dispatches") } else { Ok(std::slice::from_ref(answer)) }
}

/// The dispatches of a list; null is an empty one. An object without it is an error's, and no list.
pub(super) fn list(answer: &Value) -> Result<&[Value], Reason> {
    let fields = Fields::of(answer)?;
    answer.get("dispatches").ok_or_else(|| Reason::new("`dispatches` is missing"))?;
    fields.list("dispatches")
}

/// `id` of a dispatch.
pub(super) fn id(dispatch: &Value) -> Option<&str> {
    dispatch.get("id").and_then(id_of)
}

/// A dispatch as `GET /2022-04-15/dispatches/{id}` shows it.
#[derive(Debug)]
pub(super) struct Dispatch<'a> {
    /// `authorized`: false once it is cancelled.
    pub authorized: Option<bool>,
    /// `test`: no need to curtail.
    pub test: bool,
    /// `modification_number`, from 0; older answers have none.
    pub modification_number: Result<Option<u64>, Reason>,
    /// `start_time`.
    pub start: Timestamp,
    /// `end_time`: omitted or null until it is known.
    pub end: Option<Timestamp>,
    /// `program`.
    pub program: Result<Option<Fields<'a>>, Reason>,
    /// `sites`, each still to be read on its own.
    pub sites: &'a [Value],
    /// All other fields, and `program.id`.
    pub details: Map<String, Value>,
}

impl<'a> Dispatch<'a> {
    pub(super) fn read(dispatch: &'a Value) -> Result<Self, Reason> {
        const TOLD: &[&str] = &["id", "authorized", "test", "start_time", "end_time", "program", "sites"];
        let fields = Fields::of(dispatch)?;
        let program = fields.object("program");
        let mut details = fields.others(TOLD);
        if let Some(id) = program.as_ref().ok().copied().flatten().and_then(|program| program.get("id")) {
            details.entry("program_id").or_insert_with(|| id.clone());
        }
        Ok(Self {
            authorized: fields.flag("authorized")?,
            test: fields.flag("test")?.unwrap_or(false),
            modification_number: fields.whole("modification_number"),
            start: fields.needed_time("start_time")?,
            end: fields.time("end_time")?,
            program,
            sites: fields.list("sites")?,
            details,
        })
    }
}

/// One of `sites[]`. `drop_by` is deprecated and says nothing that `commitment` does not.
#[derive(Debug)]
pub(super) struct Site {
    /// `id`.
    pub id: String,
    /// `name`.
    pub name: Option<String>,
    /// `customer_location_id`; may be "".
    pub customer_location_id: Option<String>,
    /// `commitment` in kilowatts; may be null.
    pub commitment: Kilowatts,
}

impl Site {
    pub(super) fn read(site: &Value) -> Result<Self, Reason> {
        let fields = Fields::of(site)?;
        Ok(Self {
            id: fields.id("id")?.to_owned(),
            name: fields.label("name"),
            customer_location_id: fields.label("customer_location_id"),
            commitment: Kilowatts::read(fields.get("commitment")),
        })
    }
}
