//! Checks the sequence and the envelope of the published signals.

use std::collections::BTreeMap;

use pipeline::ports::fifo_id;
use serde_json::Value;

use crate::Sent;

/// The signals of one subject, in order. The parts of one version are joined into one event.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stream {
    /// The middle of each type, between `gridbell.` and `.v1`, such as `dispatch.scheduled`.
    pub types: Vec<String>,
    /// The complete events.
    pub events: Vec<Value>,
    /// Epoch, sequence, part and parts of the last message.
    last: (u64, u64, u64, u64),
}

/// Sorts the messages in the queue by subject.
///
/// # Errors
///
/// Describes what is wrong: a sequence that goes back, repeats or leaves a gap; an envelope that contradicts itself,
/// its group or its attributes.
pub fn streams(sent: &[Sent]) -> Result<BTreeMap<String, Stream>, String> {
    let mut streams: BTreeMap<String, Stream> = BTreeMap::new();
    for message in sent {
        let event: Value = serde_json::from_str(&message.body).map_err(|error| format!("no JSON: {error}"))?;
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let (subject, kind) = (text("subject"), text("type"));
        let stream = streams.entry(subject.clone()).or_default();
        let dispatch = &event["data"]["dispatch"];
        let parts = dispatch["parts"].as_u64().unwrap_or(1);
        let (epoch, sequence, part) = stream.next(text("epoch").parse().unwrap_or(0));
        let suffix = if parts > 1 { format!(".{part}") } else { String::new() };
        let expected = format!("{subject}#{epoch}.{sequence}{suffix}");
        let attribute = |name: &str| message.attributes.get(name).map(String::as_str);
        let numbers = (parts > 1).then(|| (part.to_string(), parts.to_string()));
        let checks = [
            ("id", text("id") == expected),
            ("sequence", text("sequence") == sequence.to_string()),
            ("part", dispatch["part"].as_u64().unwrap_or(1) == part),
            ("group", message.group == fifo_id(&subject)),
            ("deduplication id", message.deduplication == fifo_id(&expected)),
            ("type", attribute("type") == Some(&kind)),
            ("source", attribute("source") == Some(&text("source"))),
            ("attribute part", attribute("part") == numbers.as_ref().map(|(part, _)| part.as_str())),
            ("attribute parts", attribute("parts") == numbers.as_ref().map(|(_, parts)| parts.as_str())),
            ("specversion", text("specversion") == "1.0"),
        ];
        if let Some((what, _)) = checks.iter().find(|(_, ok)| !ok) {
            return Err(format!("the {what} of {} is not what {expected} asks for", text("id")));
        }
        stream.last = (epoch, sequence, part, parts);
        let kind = kind.strip_prefix("gridbell.").and_then(|kind| kind.strip_suffix(".v1"));
        let kind = kind.ok_or_else(|| format!("the type of {expected} is not gridbell's"))?.to_owned();
        match stream.events.last_mut() {
            Some(whole) if part > 1 => join(whole, dispatch),
            _ => {
                stream.types.push(kind);
                stream.events.push(event);
            }
        }
    }
    Ok(streams)
}

impl Stream {
    /// Epoch, sequence and part of the next message, if it has that epoch.
    fn next(&self, epoch: u64) -> (u64, u64, u64) {
        match self.last {
            (last, ..) if epoch > last => (epoch, 1, 1),
            (last, sequence, part, parts) if part < parts => (last, sequence, part + 1),
            (last, sequence, ..) => (last, sequence + 1, 1),
        }
    }
}

/// Adds the targets of another part.
fn join(whole: &mut Value, part: &Value) {
    let targets = whole["data"]["dispatch"]["targets"].as_array_mut();
    if let (Some(targets), Some(more)) = (targets, part["targets"].as_array()) {
        targets.extend(more.iter().cloned());
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    fn sent(sequence: u64) -> Sent {
        sent_in(7, sequence)
    }

    fn sent_in(epoch: u64, sequence: u64) -> Sent {
        let id = format!("s/a#{epoch}.{sequence}");
        let kind = "gridbell.dispatch.scheduled.v1";
        let event = json!({
            "specversion": "1.0", "id": id, "source": "/gridbell/s", "type": kind, "subject": "s/a",
            "epoch": epoch.to_string(), "sequence": sequence.to_string(),
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
    fn an_epoch_begins_at_one_and_never_goes_back() {
        let check = |sent: &[(u64, u64)], holds: bool| {
            let all: Vec<Sent> = sent.iter().map(|(epoch, sequence)| sent_in(*epoch, *sequence)).collect();
            assert_eq!(streams(&all).is_ok(), holds, "{sent:?}");
        };
        check(&[(7, 1), (7, 2), (8, 1), (8, 2)], true);
        check(&[(7, 1), (8, 2)], false);
        check(&[(8, 1), (7, 2)], false);
    }

    #[test]
    fn an_envelope_that_contradicts_its_message_is_found() {
        let spoil = |change: fn(&mut Sent)| {
            let mut sent = sent(1);
            change(&mut sent);
            assert!(streams(&[sent]).is_err());
        };
        spoil(|sent| sent.group = "s/b".to_owned());
        spoil(|sent| sent.deduplication = "s/a#7.2".to_owned());
        spoil(|sent| sent.attributes.clear());
        spoil(|sent| sent.body = "{}".to_owned());
    }
}
