//! A provider's text as a JSON tree, so that one odd value costs itself and not the rest: half a surrogate pair, a control
//! character, nesting without end, a number that is none in JSON, a byte order mark.
//!
//! What JSON parsers refuse is mended in the text first, in one pass that follows no nesting; then it is parsed as ever.

use std::borrow::Cow;

use serde_json::Value;

use crate::fields::Reason;

/// How deep a value may stand in a body. Whatever holds a provider's own fields adds a few levels around them, and common
/// parsers (ours among them) follow 128.
const MAX_DEPTH: usize = 100;

/// Stands in the tree for what was nested deeper: no provider writes this noncharacter.
const TOO_DEEP: &str = "\u{fdd0}nested too deep\u{fdd0}";

/// What the parser makes a number of, whatever it holds.
const PARSERS_OWN: &str = "$serde_json::private::Number";

/// A body as JSON.
pub(crate) fn json(body: &str) -> Result<Value, Reason> {
    let body = body.strip_prefix('\u{feff}').unwrap_or(body);
    // The parser's own message tells line and column and quotes nothing.
    serde_json::from_str(&mended(body)).map_err(|error| Reason::new(format!("not JSON: {error}")))
}

/// A value as it stands in the tree, with null for what was nested too deep, and whether there was any of that.
pub(crate) fn verbatim(value: &Value) -> (Value, bool) {
    match value {
        Value::String(text) if text == TOO_DEEP => (Value::Null, true),
        Value::Array(items) => {
            let (items, deep): (Vec<Value>, Vec<bool>) = items.iter().map(verbatim).unzip();
            (Value::Array(items), deep.contains(&true))
        }
        Value::Object(fields) => {
            let mut any = false;
            let fields = fields.iter().map(|(name, value)| {
                let (value, deep) = verbatim(value);
                any |= deep;
                (name.clone(), value)
            });
            (Value::Object(fields.collect()), any)
        }
        other => (other.clone(), false),
    }
}

fn mended(text: &str) -> Cow<'_, str> {
    let mut mend = Mend { text, mended: String::new(), copied: 0 };
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = mend.string(at),
            b'[' | b'{' if depth == MAX_DEPTH => {
                let end = skipped(bytes, at);
                mend.replace(at, end, &format!("\"{TOO_DEEP}\""));
                at = end;
            }
            b'[' | b'{' => (at, depth) = (at + 1, depth + 1),
            b']' | b'}' => (at, depth) = (at + 1, depth.saturating_sub(1)),
            b'N' | b'I' | b'-' => at = mend.no_number(at),
            _ => at += 1,
        }
    }
    if mend.copied == 0 {
        return Cow::Borrowed(text);
    }
    mend.mended.push_str(&text[mend.copied..]);
    Cow::Owned(mend.mended)
}

/// A text that is copied where something of it is replaced.
struct Mend<'a> {
    text: &'a str,
    mended: String,
    copied: usize,
}

impl Mend<'_> {
    fn replace(&mut self, from: usize, to: usize, by: &str) {
        self.mended.push_str(&self.text[self.copied..from]);
        self.mended.push_str(by);
        self.copied = to;
    }

    /// Mends the string that begins there; returns where it ends.
    fn string(&mut self, begin: usize) -> usize {
        let bytes = self.text.as_bytes();
        let mut at = begin + 1;
        loop {
            match bytes.get(at) {
                None => return at,
                Some(b'"') => break,
                Some(b'\\') if bytes.get(at + 1) == Some(&b'u') => at = self.escape(at),
                Some(b'\\') => at += 2,
                Some(control @ ..0x20) => {
                    self.replace(at, at + 1, &format!("\\u{control:04x}"));
                    at += 1;
                }
                Some(_) => at += 1,
            }
        }
        if &self.text[begin + 1..at] == PARSERS_OWN {
            self.replace(begin + 1, begin + 2, "\u{fffd}");
        }
        at + 1
    }

    /// Mends `\uXXXX`, or a pair of them.
    fn escape(&mut self, at: usize) -> usize {
        let unit = |at: usize| {
            let hex = self.text.as_bytes().get(at..at + 6)?.strip_prefix(b"\\u")?;
            u16::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()
        };
        match (unit(at), unit(at + 6)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => at + 12,
            (Some(0xd800..0xe000), _) => {
                self.replace(at, at + 6, "\\ufffd");
                at + 6
            }
            _ => at + 2,
        }
    }

    /// What other languages write for a number that is none becomes a text, which no amount is read from.
    fn no_number(&mut self, at: usize) -> usize {
        let rest = &self.text[at..];
        let Some(word) = ["NaN", "Infinity", "-Infinity"].into_iter().find(|word| rest.starts_with(word)) else {
            return at + 1;
        };
        self.replace(at, at + word.len(), &format!("\"{word}\""));
        at + word.len()
    }
}

/// Where the list or object that begins there ends.
fn skipped(bytes: &[u8], begin: usize) -> usize {
    let (mut at, mut open) = (begin, 0_usize);
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            b'"' => {
                while let Some(byte) = bytes.get(at).filter(|byte| **byte != b'"') {
                    at += if *byte == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            _ => {}
        }
        if open == 0 {
            break;
        }
    }
    at.min(bytes.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Value {
        json(text).unwrap_or_else(|reason| panic!("{text}: {reason}"))
    }

    #[test]
    fn half_a_surrogate_pair_is_a_replacement_character() {
        assert_eq!(read(r#"{"a":"Pump \ud83d"}"#), json!({"a": "Pump \u{fffd}"}));
        assert_eq!(read(r#"{"a":"\ude00\ud83d\ud83d\ude00x"}"#), json!({"a": "\u{fffd}\u{fffd}😀x"}));
        assert_eq!(
            read(r#"{"\ud83d":"\\ud83d \"\uD83D\" \ud83d\n"}"#),
            json!({"\u{fffd}": "\\ud83d \"\u{fffd}\" \u{fffd}\n"})
        );
        assert_eq!(read(r#"["\u00fc","\u0041"]"#), json!(["ü", "A"]));
    }

    #[test]
    fn nesting_without_end_costs_what_is_nested() {
        for levels in [200, 10_000, 500_000] {
            let (open, close) = ("{\"a\":[".repeat(levels), "]}".repeat(levels));
            let body = format!(r#"{{"id":"d","metadata":{open}"x]}}"{close},"end":1}}"#);
            let tree = read(&body);
            assert_eq!((&tree["id"], &tree["end"]), (&json!("d"), &json!(1)));
            let (metadata, deep) = verbatim(&tree["metadata"]);
            assert!(deep && !metadata.to_string().contains("too deep"), "{levels}");
        }
        let shallow = format!(r#"{{"m":{}{}}}"#, "[".repeat(99), "]".repeat(99));
        assert_eq!(verbatim(&read(&shallow)), (serde_json::from_str(&shallow).unwrap(), false));
    }

    #[test]
    fn control_characters_and_numbers_that_are_none_cost_themselves() {
        assert_eq!(read("{\"a\":\"x\ny\tz\u{1}\"}"), json!({"a": "x\ny\tz\u{1}"}));
        assert_eq!(read(r#"[NaN,Infinity,-Infinity,-1,"NaN"]"#), json!(["NaN", "Infinity", "-Infinity", -1, "NaN"]));
        assert_eq!(read("[1e400,-1E-400]")[0].to_string(), "1e+400");
        assert_eq!(read("\u{feff}{\"a\":1,\"a\":2}"), json!({"a": 2}));
        assert_eq!(read(r#"{"id":1,"m":{"$serde_json::private::Number":{}}}"#)["id"], json!(1));
    }

    #[test]
    fn what_is_no_json_is_none_and_what_is_well_is_not_copied() {
        for text in ["", "nul", "Nan", "{", "\"", "\"\\", "\"\\u", "[1,]", r#""\ud8""#, "\u{feff}\u{feff}1"] {
            assert!(json(text).is_err(), "{text}");
        }
        let deep_and_broken = format!("{}]", "[".repeat(1_000));
        assert!(json(&deep_and_broken).is_err());
        assert!(matches!(mended(r#"{"a":["\ud83d\ude00",-1.5,null]}"#), Cow::Borrowed(_)));
    }
}
