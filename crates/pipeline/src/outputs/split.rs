//! Splits a version of a dispatch into parts that its target takes: messages of one sequence, each a complete event
//! with its share of the targets.

use dispatch::sendable;
use serde_json::{Map, Value, json};

/// Details are short values; a longer one, in bytes, is a document and can be left out.
const LONG_DETAIL_BYTES: usize = 1_024;

/// The fields of a target that a controller does not need to act.
const LABELS: [&str; 3] = ["name", "external_id", "effective"];

/// The events of one version as events of at most so many bytes each; none if that cannot be done.
pub(super) fn split(texts: &[String], limit_bytes: usize) -> Option<Vec<String>> {
    let mut targets = Vec::new();
    let mut head = None;
    for text in texts {
        let mut event: Value = serde_json::from_str(text).ok()?;
        match event.pointer_mut("/data/dispatch/targets")?.take() {
            Value::Array(of) => targets.extend(of),
            _ => return None,
        }
        head.get_or_insert(event);
    }
    let mut head = Head::new(head?)?;
    if head.bytes() > limit_bytes / 2 {
        head.leave_out_long_details();
    }
    let room_bytes = limit_bytes.checked_sub(head.bytes())?;
    let mut small = Vec::new();
    for target in targets {
        fit(target, room_bytes, &mut small)?;
    }
    let parts = grouped(small, room_bytes);
    let of = parts.len();
    Some(parts.into_iter().enumerate().map(|(place, targets)| head.part(place + 1, of, targets)).collect())
}

/// An event without its targets.
struct Head {
    event: Value,
    id: String,
}

impl Head {
    fn new(event: Value) -> Option<Self> {
        let text = |name: &str| event.get(name).and_then(Value::as_str);
        let id = format!("{}#{}.{}", text("subject")?, text("epoch")?, text("sequence")?);
        event.pointer("/data/dispatch")?.as_object()?;
        Some(Self { event, id })
    }

    /// The size with the longest possible numbers.
    fn bytes(&self) -> usize {
        self.part(u32::MAX as usize, u32::MAX as usize, Vec::new()).len()
    }

    fn leave_out_long_details(&mut self) {
        if let Some(Value::Object(details)) = self.event.pointer_mut("/data/dispatch/details") {
            details.retain(|_, detail| detail.to_string().len() <= LONG_DETAIL_BYTES);
        }
    }

    fn part(&self, number: usize, of: usize, targets: Vec<Value>) -> String {
        let mut event = self.event.clone();
        if let Some(Value::Object(dispatch)) = event.pointer_mut("/data/dispatch") {
            dispatch.insert("targets".to_owned(), Value::Array(targets));
            if of > 1 {
                dispatch.insert("part".to_owned(), json!(number));
                dispatch.insert("parts".to_owned(), json!(of));
            } else {
                dispatch.remove("part");
                dispatch.remove("parts");
            }
        }
        event["id"] = if of > 1 { json!(format!("{}.{number}", self.id)) } else { json!(self.id) };
        sendable(&event.to_string()).into_owned()
    }
}

/// The size of a value in a JSON list.
fn bytes(value: &Value) -> usize {
    sendable(&value.to_string()).len() + 1
}

/// Adds a target that fits into the room, without its labels if need be, or a group of targets in smaller groups.
fn fit(mut target: Value, room_bytes: usize, fitting: &mut Vec<Value>) -> Option<()> {
    if bytes(&target) <= room_bytes {
        fitting.push(target);
        return Some(());
    }
    let fields = target.as_object_mut()?;
    let Some(Value::Array(ids)) = fields.remove("ids") else {
        for label in LABELS {
            if fields.get(label).is_some_and(|label| !label.is_null()) {
                if label == "effective" {
                    fields.remove(label)
                } else {
                    fields.insert(label.to_owned(), Value::Null)
                };
            }
        }
        return (bytes(&target) <= room_bytes).then(|| fitting.push(target));
    };
    let group = |ids: Vec<Value>, fields: &Map<String, Value>| {
        let mut fields = fields.clone();
        fields.insert("ids".to_owned(), Value::Array(ids));
        Value::Object(fields)
    };
    let ids_bytes = room_bytes.checked_sub(bytes(&group(Vec::new(), fields)))?;
    for ids in grouped(ids, ids_bytes) {
        let group = group(ids, fields);
        if bytes(&group) > room_bytes {
            return None;
        }
        fitting.push(group);
    }
    Some(())
}

/// Divides values into as few runs as fit the room each; a value larger than the room stands alone. Without values it
/// returns one empty run.
fn grouped(values: Vec<Value>, room_bytes: usize) -> Vec<Vec<Value>> {
    let (mut runs, mut run, mut used_bytes) = (Vec::new(), Vec::new(), 0);
    for value in values {
        let bytes = bytes(&value);
        if used_bytes + bytes > room_bytes && !run.is_empty() {
            runs.push(std::mem::take(&mut run));
            used_bytes = 0;
        }
        used_bytes += bytes;
        run.push(value);
    }
    runs.push(run);
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(targets: &Value, part: Option<(u32, u32)>) -> String {
        let mut dispatch = json!({ "key": "s/a", "targets": targets, "details": { "note": "short" } });
        if let Some((part, parts)) = part {
            dispatch["part"] = json!(part);
            dispatch["parts"] = json!(parts);
        }
        json!({ "id": "s/a#7.2", "subject": "s/a", "epoch": "7", "sequence": "2", "data": { "dispatch": dispatch } })
            .to_string()
    }

    fn ids(parts: &[String]) -> Vec<String> {
        let events = parts.iter().map(|part| serde_json::from_str::<Value>(part).unwrap());
        let targets = events.flat_map(|event| event["data"]["dispatch"]["targets"].as_array().unwrap().clone());
        let ids = targets.flat_map(|target| match &target["ids"] {
            Value::Array(ids) => ids.clone(),
            _ => vec![target["id"].clone()],
        });
        ids.map(|id| id.as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_parts_hold_all_targets_in_order_and_fit() {
        let names: Vec<String> = (0..40).map(|number| format!("meter-{number:03}")).collect();
        let each: Vec<Value> = names.iter().map(|id| json!({ "id": id, "name": null, "request": null })).collect();
        for targets in [Value::Array(each), json!([{ "ids": names, "request": null }])] {
            let parts = split(&[event(&targets, None)], 600).unwrap();
            assert!(parts.len() > 1);
            assert_eq!(ids(&parts), names);
            for (place, part) in parts.iter().enumerate() {
                assert!(part.len() <= 600, "{}", part.len());
                let event: Value = serde_json::from_str(part).unwrap();
                assert_eq!(event["id"], json!(format!("s/a#7.2.{}", place + 1)));
                assert_eq!(event["data"]["dispatch"]["part"], json!(place + 1));
                assert_eq!(event["data"]["dispatch"]["parts"], json!(parts.len()));
            }
        }
    }

    #[test]
    fn parts_of_a_version_are_split_together() {
        let of =
            |from: u32| json!((from..from + 10).map(|id| json!({ "id": format!("m-{id:03}") })).collect::<Vec<_>>());
        let texts = [event(&of(0), Some((1, 2))), event(&of(10), Some((2, 2)))];
        let parts = split(&texts, 300).unwrap();
        assert_eq!(ids(&parts).len(), 20);
        let last: Value = serde_json::from_str(parts.last().unwrap()).unwrap();
        assert_eq!(last["data"]["dispatch"]["part"], last["data"]["dispatch"]["parts"]);
    }

    #[test]
    fn a_long_name_is_left_out_before_the_target_is() {
        let parts = split(&[event(&json!([{ "id": "m-1", "name": "n".repeat(500) }]), None)], 400).unwrap();
        assert_eq!(ids(&parts), ["m-1"]);
        assert!(!parts[0].contains("nnn") && parts[0].len() <= 400);
    }

    fn with_detail(bytes: usize) -> Value {
        let mut event: Value = serde_json::from_str(&event(&json!([{ "id": "m-1" }]), None)).unwrap();
        // Two quotes are part of it.
        event["data"]["dispatch"]["details"]["long"] = json!("d".repeat(bytes - 2));
        event
    }

    #[test]
    fn long_details_are_left_out_if_they_take_half_of_the_room() {
        let check = |bytes: usize, share: usize, is_left_out: bool| {
            let event = with_detail(bytes);
            let mut head = event.clone();
            head["data"]["dispatch"]["targets"].take();
            let limit_bytes = Head::new(head).unwrap().bytes() * 2 - share;
            let parts = split(&[event.to_string()], limit_bytes).unwrap();
            assert_eq!(!parts[0].contains("ddd"), is_left_out, "{bytes} {share}");
            assert!(parts[0].contains("short"));
        };
        check(LONG_DETAIL_BYTES + 1, 0, false);
        check(LONG_DETAIL_BYTES + 1, 2, true);
        check(LONG_DETAIL_BYTES, 2, false);
    }

    #[test]
    fn what_fits_after_all_is_no_part() {
        let parts = split(&[event(&json!([{ "id": "m-1" }]), Some((1, 2)))], 1_000).unwrap();
        let whole: Value = serde_json::from_str(&parts[0]).unwrap();
        assert_eq!((parts.len(), &whole["id"]), (1, &json!("s/a#7.2")));
        let dispatch = whole["data"]["dispatch"].as_object().unwrap();
        assert!(!dispatch.contains_key("part") && !dispatch.contains_key("parts"));
    }

    #[test]
    fn a_target_loses_only_what_it_has() {
        let long = json!({ "id": "m-1", "name": "n".repeat(99), "effective": { "from": "now" }, "request": null });
        let mut fitting = Vec::new();
        let room_bytes = bytes(&json!({ "id": "m-1", "name": null, "request": null }));
        fit(long.clone(), room_bytes, &mut fitting).unwrap();
        assert_eq!(fitting, [json!({ "id": "m-1", "name": null, "request": null })]);
        assert_eq!(fit(long, room_bytes - 1, &mut fitting), None);
    }

    #[test]
    fn a_group_is_divided_to_the_last_byte() {
        let group = |ids: &[&str]| json!({ "ids": ids, "request": null });
        let room_bytes = bytes(&group(&["meter-1"]));
        let mut fitting = Vec::new();
        fit(group(&["meter-1", "meter-2"]), room_bytes, &mut fitting).unwrap();
        assert_eq!(fitting, [group(&["meter-1"]), group(&["meter-2"])]);
        assert_eq!(fit(group(&["meter-1", "meter-22"]), room_bytes, &mut fitting), None);
    }

    #[test]
    fn runs_are_filled() {
        // Each takes four bytes, with its comma.
        let runs = |room_bytes: usize| {
            let runs = grouped(["a", "b", "c", "d"].map(Value::from).to_vec(), room_bytes);
            runs.iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!([runs(16), runs(15), runs(8), runs(7), runs(3)].map(|runs| runs.len()), [1, 2, 2, 4, 4]);
        assert_eq!(runs(12), [3, 1]);
    }

    #[test]
    fn what_cannot_be_split_is_not_split() {
        assert_eq!(split(&[json!({ "data": { "account": {} } }).to_string()], 100), None);
        assert_eq!(split(&[event(&json!([{ "id": "i".repeat(500) }]), None)], 400), None);
        assert_eq!(split(&["no JSON".to_owned()], 400), None);
    }
}
