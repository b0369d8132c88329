//! What must hold of the signals, whatever happened.

use std::collections::BTreeMap;

use dispatch::fifo_id;
use serde_json::Value;

use crate::Sent;

/// The signals of one subject, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stream {
    /// What comes after `gridbell.` and before `.v1` in each type, such as `dispatch.scheduled`.
    pub types: Vec<String>,
    /// The events, whole.
    pub events: Vec<Value>,
}

/// Sorts what the queue took by subject.
///
/// # Errors
///
/// Says in words what is wrong: a sequence that goes back, repeats or leaves a hole, an envelope that contradicts itself, its
/// group or its attributes.
pub fn streams(sent: &[Sent]) -> Result<BTreeMap<String, Stream>, String> {
    let mut streams: BTreeMap<String, Stream> = BTreeMap::new();
    for message in sent {
        let event: Value = serde_json::from_str(&message.body).map_err(|error| format!("no JSON: {error}"))?;
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let (subject, kind) = (text("subject"), text("type"));
        let stream = streams.entry(subject.clone()).or_default();
        let expected = format!("{subject}#{}", stream.events.len() + 1);
        let held = [
            ("id", text("id") == expected),
            ("sequence", expected.ends_with(&format!("#{}", text("sequence")))),
            ("group", message.group == fifo_id(&subject)),
            ("deduplication id", message.deduplication == fifo_id(&expected)),
            ("type", message.attributes.get("type") == Some(&kind)),
            ("source", message.attributes.get("source") == Some(&text("source"))),
            ("specversion", text("specversion") == "1.0"),
        ];
        if let Some((what, _)) = held.iter().find(|(_, holds)| !holds) {
            return Err(format!("the {what} of {} is not what {expected} asks for", text("id")));
        }
        let kind = kind.strip_prefix("gridbell.").and_then(|kind| kind.strip_suffix(".v1"));
        stream.types.push(kind.ok_or_else(|| format!("the type of {expected} is none of ours"))?.to_owned());
        stream.events.push(event);
    }
    Ok(streams)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    fn sent(sequence: u64) -> Sent {
        let id = format!("s/a#{sequence}");
        let kind = "gridbell.dispatch.scheduled.v1";
        let event = json!({
            "specversion": "1.0", "id": id, "source": "/gridbell/s", "type": kind, "subject": "s/a",
            "sequence": sequence.to_string(),
        });
        Sent {
            at: Timestamp::UNIX_EPOCH,
            group: "s/a".to_owned(),
            deduplication: id,
            attributes: BTreeMap::from([("type", kind.to_owned()), ("source", "/gridbell/s".to_owned())]),
            body: event.to_string(),
        }
    }

    #[test]
    fn a_hole_a_repetition_and_a_step_back_are_found() {
        let check = |sequences: &[u64], holds: bool| {
            let sent: Vec<Sent> = sequences.iter().copied().map(sent).collect();
            assert_eq!(streams(&sent).is_ok(), holds, "{sequences:?}");
        };
        check(&[], true);
        check(&[1, 2, 3], true);
        check(&[2], false);
        check(&[1, 3], false);
        check(&[1, 1], false);
        check(&[1, 2, 1], false);
    }

    #[test]
    fn an_envelope_that_contradicts_its_message_is_found() {
        let spoil = |change: fn(&mut Sent)| {
            let mut sent = sent(1);
            change(&mut sent);
            assert!(streams(&[sent]).is_err());
        };
        spoil(|sent| sent.group = "s/b".to_owned());
        spoil(|sent| sent.deduplication = "s/a#2".to_owned());
        spoil(|sent| sent.attributes.clear());
        spoil(|sent| sent.body = "{}".to_owned());
    }
}
