//! Parses a provider's text into a JSON tree, so that one odd value does not affect the others: half a surrogate pair,
//! a control character, unlimited nesting, a number such as `NaN`, a byte order mark.
//!
//! One pass without recursion first repairs the text where JSON parsers would reject it. Then it is parsed as usual.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::fields::Reason;

/// Deepest value in a body. Signals add a few levels around a provider's fields, and common parsers (also ours) accept
/// 128 levels.
const MAX_DEPTH: usize = 100;

/// Starts the single string of a list that replaces a value that JSON cannot represent. In a body, this noncharacter is
/// replaced by U+FFFD. A list is not a string, number, flag or object, so every field rejects it.
const MARK: char = '\u{fdd0}';

/// Replaces a value that was nested too deep.
const TOO_DEEP: &str = "nested too deep";

/// The key that the parser turns into a number, whatever its value.
const PARSERS_OWN: &str = "$serde_json::private::Number";

/// Parses a body as JSON.
pub(crate) fn json(body: &str) -> Result<Value, Reason> {
    let body = body.strip_prefix('\u{feff}').unwrap_or(body);
    // The parser's message contains line and column and never the text.
    serde_json::from_str(&mended(body)).map_err(|error| Reason::new(format!("not JSON: {error}")))
}

/// Why a copy differs from the value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Losses {
    deep: bool,
    numbers: bool,
    characters: bool,
}

impl Losses {
    /// Each reason in words.
    pub(crate) fn reasons(self) -> impl Iterator<Item = &'static str> {
        let all = [
            (self.deep, "it is nested more than 100 levels deep; what lies below is null"),
            (self.numbers, "it holds a number that JSON parsers refuse; that is null"),
            (self.characters, LOST_CHARACTERS),
        ];
        all.into_iter().filter_map(|(is_so, reason)| is_so.then_some(reason))
    }
}

/// Why a text is not used unchanged.
pub(crate) const LOST_CHARACTERS: &str = "it holds characters that cannot be read; they are U+FFFD";

/// Whether the text lost characters, here or earlier.
pub(crate) fn has_lost_characters(text: &str) -> bool {
    text.contains(char::REPLACEMENT_CHARACTER)
}

/// A copy of a value, with null for values nested too deep and for numbers that common parsers reject: one such number
/// would make them reject the whole signal.
pub(crate) fn verbatim(value: &Value) -> (Value, Losses) {
    let mut losses = Losses::default();
    let copy = copied(value, &mut losses);
    (copy, losses)
}

fn copied(value: &Value, losses: &mut Losses) -> Value {
    match value {
        Value::Array(items) => {
            if let [Value::String(text)] = items.as_slice()
                && let Some(word) = text.strip_prefix(MARK)
            {
                *(if word == TOO_DEEP { &mut losses.deep } else { &mut losses.numbers }) = true;
                return Value::Null;
            }
            Value::Array(items.iter().map(|item| copied(item, losses)).collect())
        }
        Value::Object(fields) => {
            let mut copy = Map::new();
            for (name, value) in fields {
                losses.characters |= has_lost_characters(name);
                copy.insert(name.clone(), copied(value, losses));
            }
            Value::Object(copy)
        }
        Value::Number(number) if number.as_f64().is_none_or(f64::is_infinite) => {
            losses.numbers = true;
            Value::Null
        }
        Value::String(text) => {
            losses.characters |= has_lost_characters(text);
            value.clone()
        }
        other => other.clone(),
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
                mend.replace(at, end, &format!("[\"{MARK}{TOO_DEEP}\"]"));
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

/// A text that is copied only if part of it is replaced.
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

    /// Repairs the string that begins there; returns its end.
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
                Some(0xef) if self.text[at..].starts_with(MARK) => {
                    self.replace(at, at + MARK.len_utf8(), "\u{fffd}");
                    at += MARK.len_utf8();
                }
                Some(_) => at += 1,
            }
        }
        if &self.text[begin + 1..at] == PARSERS_OWN {
            self.replace(begin + 1, begin + 2, "\u{fffd}");
        }
        at + 1
    }

    /// Repairs `\uXXXX`, or a pair of them.
    fn escape(&mut self, at: usize) -> usize {
        let unit = |at: usize| {
            let hex = self.text.as_bytes().get(at..at + 6)?.strip_prefix(b"\\u")?;
            u16::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()
        };
        match (unit(at), unit(at + 6)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => at + 12,
            (Some(0xd800..0xe000 | 0xfdd0), _) => {
                self.replace(at, at + 6, "\\ufffd");
                at + 6
            }
            _ => at + 2,
        }
    }

    /// Replaces what other languages write for "not a number" with a value that no field accepts.
    fn no_number(&mut self, at: usize) -> usize {
        let rest = &self.text[at..];
        let Some(word) = ["NaN", "Infinity", "-Infinity"].into_iter().find(|word| rest.starts_with(word)) else {
            return at + 1;
        };
        self.replace(at, at + word.len(), &format!("[\"{MARK}{word}\"]"));
        at + word.len()
    }
}

/// The end of the list or object that begins there.
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
            let (metadata, losses) = verbatim(&tree["metadata"]);
            assert!(losses.deep && !metadata.to_string().contains("too deep"), "{levels}");
        }
        let shallow = format!(r#"{{"m":{}{}}}"#, "[".repeat(99), "]".repeat(99));
        assert_eq!(verbatim(&read(&shallow)), (serde_json::from_str(&shallow).unwrap(), Losses::default()));
    }

    #[test]
    fn a_body_that_writes_the_mark_itself_neither_forges_nor_keeps_it() {
        assert_eq!(
            read("{\"is_volun\u{fdd0}tary\":\"a\\ufdd0b\\uFDD0\"}"),
            json!({"is_volun\u{fffd}tary": "a\u{fffd}b\u{fffd}"})
        );
        let (copy, losses) = verbatim(&read("[\"\u{fdd0}nested too deep\"]"));
        assert_eq!((copy, losses.deep, losses.characters), (json!(["\u{fffd}nested too deep"]), false, true));
    }

    #[test]
    fn control_characters_and_numbers_that_are_none_cost_themselves() {
        assert_eq!(read("{\"a\":\"x\ny\tz\u{1}\"}"), json!({"a": "x\ny\tz\u{1}"}));
        let none = ["NaN", "Infinity", "-Infinity"].map(|word| json!([format!("{MARK}{word}")]));
        assert_eq!(read(r#"[NaN,Infinity,-Infinity,-1,"NaN"]"#), json!([none[0], none[1], none[2], -1, "NaN"]));
        assert_eq!(read("[1e400,-1E-400]")[0].to_string(), "1e+400");
        assert_eq!(read("\u{feff}{\"a\":1,\"a\":2}"), json!({"a": 2}));
        assert_eq!(read(r#"{"id":1,"m":{"$serde_json::private::Number":{}}}"#)["id"], json!(1));
    }

    #[test]
    fn what_goes_on_verbatim_holds_nothing_that_parsers_refuse() {
        let check = |text: &str, expected: Value, reasons: usize| {
            let (copy, losses) = verbatim(&read(text));
            assert_eq!((copy, losses.reasons().count()), (expected, reasons), "{text}");
        };
        check(r#"{"a":NaN,"b":[-Infinity],"c":1}"#, json!({"a": null, "b": [null], "c": 1}), 1);
        check("[1e400,-1e999,2]", json!([null, null, 2]), 1);
        check("NaN", Value::Null, 1);
        check(r#"{"\ud83d":"\ude00"}"#, json!({"\u{fffd}": "\u{fffd}"}), 1);
        check(r#"["NaN",["NaN"],"\u0000"]"#, json!(["NaN", ["NaN"], "\0"]), 0);
        assert_eq!(verbatim(&read("1e300")).0.to_string(), "1e+300");
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
