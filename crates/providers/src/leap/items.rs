//! The fields of an item that apply to all its time slots: its meter or group, and the meters.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    terms::Meter,
    wire::{Item, Level, TOLD},
};
use crate::{
    field_errors::{FieldErrors, element},
    fields::{Fields, Lenient, MAX_ID_BYTES, id_of, reference_of},
};

/// Fields of one item, the same for each of its slots.
pub(super) struct Shared<'a> {
    /// `meter_id` or `market_group_id`.
    pub(super) holder: Option<&'a str>,
    pub(super) meters: Arc<Vec<Meter>>,
    /// For a group: its id, and references that belong to no meter.
    details: Map<String, Value>,
    /// The prefix of the names of its fields and of its slots' fields.
    pub(super) within: String,
    pub(super) field_errors: FieldErrors,
    /// Size of its meters, in bytes.
    pub(super) meters_bytes: usize,
    /// Size of its details, in bytes.
    pub(super) details_bytes: usize,
}

/// Bytes of a meter without its id.
const METER_BYTES: usize = 128;

impl<'a> Shared<'a> {
    pub(super) fn read(item: &Item<'a>, level: Level) -> Self {
        let mut field_errors = FieldErrors::default();
        let holder = item.holder(level, &mut field_errors);
        let list = if level == Level::Group { "groups" } else { "meters" };
        let within = format!("{}.", element(list, holder.unwrap_or("?")));
        let mut fields = Lenient::new(item.fields, &within, &mut field_errors);
        let mut details = Map::new();
        let meters: Vec<Meter> = match level {
            Level::Meter => {
                let reference = fields.reference("partner_reference");
                holder.map(|id| (id.to_owned(), reference)).into_iter().collect()
            }
            Level::Group => {
                details.insert("market_group_id".to_owned(), holder.map_or(Value::Null, Value::from));
                let ids = fields.list("meter_ids");
                let references = item.fields.get("partner_references");
                let paired = references.and_then(Value::as_array).filter(|references| references.len() == ids.len());
                if let Some(references) = references.filter(|_| paired.is_none()) {
                    let field = format!("{within}partner_references");
                    details.insert("partner_references".to_owned(), field_errors.verbatim(&field, references));
                }
                group(&within, ids, paired.map_or(&[], Vec::as_slice), &mut field_errors)
            }
        };
        let bytes_of = |(id, reference): &Meter| id.len() + reference.as_ref().map_or(0, String::len) + METER_BYTES;
        let meters_bytes = meters.iter().map(bytes_of).sum();
        let details_bytes = details.values().map(|detail| detail.to_string().len()).sum();
        Self { holder, meters: Arc::new(meters), details, within, field_errors, meters_bytes, details_bytes }
    }

    /// The other fields of a slot and of its item.
    pub(super) fn details(&self, slot: &Value, field_errors: &mut FieldErrors) -> Map<String, Value> {
        let fields = Fields::of(slot).map(|fields| Lenient::new(fields, &self.within, field_errors).others(TOLD));
        let mut details = fields.unwrap_or_default();
        details.extend(self.details.clone());
        details
    }
}

/// The meters of a group. The partner's references belong to the meters if there is one for each.
fn group(within: &str, ids: &[Value], references: &[Value], field_errors: &mut FieldErrors) -> Vec<Meter> {
    let mut meters = Vec::with_capacity(ids.len());
    for (index, id) in ids.iter().enumerate() {
        let Some(meter) = id_of(id) else {
            let reason = format!("no identifier of 1 to {MAX_ID_BYTES} bytes");
            field_errors.add(format!("{within}meter_ids[{index}]"), id, reason);
            continue;
        };
        field_errors.characters(&format!("{within}meter_ids[{index}]"), meter);
        let given = references.get(index);
        let field = format!("{within}partner_references[{index}]");
        let reference = field_errors.unless(&field, given, given.map_or(Ok(None), reference_of));
        if let Some(reference) = &reference {
            field_errors.characters(&field, reference);
        }
        meters.push((meter.to_owned(), reference));
    }
    meters
}
