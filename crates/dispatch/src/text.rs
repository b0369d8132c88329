//! Makes untrusted text safe for people: the only place that removes terminal sequences, direction marks and invisible
//! characters. Every output, mail, page and log line of gridbell uses it.
//!
//! Removed content must be visible: a control character or an escape sequence leaves one `U+FFFD` behind. Characters
//! that only affect how text is drawn (direction, joining, width, variants, tags) are dropped without a trace, so that
//! a name reads in its logical order. This also removes the joiners from emoji and from Persian or Indic names, which
//! stay readable; invisible characters would allow forged names.

use std::{borrow::Cow, fmt::Write as _};

/// Replaces removed content.
const LOST: char = '\u{fffd}';

/// The maximum number of combining marks on one letter: Vietnamese needs two, Biblical Hebrew four.
const MAX_MARKS: usize = 4;

/// The maximum length of an operating system command, device control string or similar that is removed as a whole. If
/// it does not end within this length, only its introducer is removed, so that it cannot remove the rest of a text.
const MAX_STRING: usize = 4_096;

/// The text on one line.
pub fn one_line(text: &str) -> Cow<'_, str> {
    cleaned(text, false)
}

/// The text with its line breaks (`\n`, `\r\n`) preserved.
pub fn lines(text: &str) -> Cow<'_, str> {
    cleaned(text, true)
}

/// The text on one line, cut to at most `most` characters and an ellipsis.
pub fn brief(text: &str, most: usize) -> String {
    clip(&one_line(text), most)
}

/// The first `most` characters, and an ellipsis if there are more.
pub fn clip(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// JSON in which each character that affects a terminal or a reader becomes `\uXXXX`. The strings keep their value.
///
/// Outside of strings JSON is plain ASCII, so nothing else changes. The line breaks of indented JSON stay.
pub fn json(text: &str) -> Cow<'_, str> {
    if text.bytes().all(is_plain_ascii) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if character == '\n' || !is_hidden(character) {
            escaped.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to memory does not fail.
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    }
    Cow::Owned(escaped)
}

/// True for a character that is not visible: controls, line separators, direction marks and other invisible characters.
/// [`one_line`] removes all of them.
pub fn is_hidden(character: char) -> bool {
    character.is_control() || is_separator(character) || is_unseen(character) || is_noncharacter(character)
}

/// Most text passes this quick check.
fn is_plain_ascii(byte: u8) -> bool {
    matches!(byte, b'\n' | b' '..=b'~')
}

fn is_separator(character: char) -> bool {
    matches!(character, '\u{2028}' | '\u{2029}')
}

/// Unicode's `Default_Ignorable_Code_Point`s, direction marks, invisible operators, annotations and blank letters.
fn is_unseen(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}

fn is_noncharacter(character: char) -> bool {
    matches!(character, '\u{fdd0}'..='\u{fdef}') || u32::from(character) & 0xfffe == 0xfffe
}

/// Combining marks on the letter before them. Marks of other single scripts are few and belong to their letters.
fn is_mark(character: char) -> bool {
    matches!(
        character,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}'
            | '\u{e31}' | '\u{e34}'..='\u{e3a}' | '\u{e47}'..='\u{e4e}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
            | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}'
    )
}

fn cleaned(text: &str, keeps_lines: bool) -> Cow<'_, str> {
    if text.bytes().all(|byte| is_plain_ascii(byte) && (keeps_lines || byte != b'\n')) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut hashes = 0;
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let (taken, shown) = match character {
            '\r' if rest.starts_with("\r\n") => (1, None),
            '\n' if keeps_lines => (1, Some('\n')),
            '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                (character.len_utf8(), Some(' '))
            }
            '\u{1b}' | '\u{80}'..='\u{9f}' => (sequence(rest), Some(LOST)),
            _ if character.is_control() || is_noncharacter(character) => (character.len_utf8(), Some(LOST)),
            _ if is_unseen(character) => (character.len_utf8(), None),
            _ => (character.len_utf8(), Some(character)),
        };
        rest = &rest[taken..];
        hashes = if is_mark(character) { hashes + 1 } else { 0 };
        // Several removals in a row leave one mark.
        let again = shown == Some(LOST) && clean.ends_with(LOST);
        clean.extend(shown.filter(|_| !again && hashes <= MAX_MARKS));
    }
    Cow::Owned(clean)
}

/// The length in bytes of the sequence at the start of a text, as a terminal reads it (ECMA-48); only the introducer if
/// it does not end.
fn sequence(text: &str) -> usize {
    let first = text.chars().next().map_or(0, char::len_utf8);
    let (kind, body) = match text.strip_prefix('\u{1b}') {
        // The seven-bit form: ESC and the character for the eight-bit control.
        Some(rest) => match rest.chars().next() {
            Some(byte @ ('[' | ']' | 'P' | 'X' | '^' | '_')) => (byte, first + 1),
            _ => return first + escape(rest),
        },
        None => match text.chars().next() {
            Some('\u{9b}') => ('[', first),
            Some('\u{9d}') => (']', first),
            Some('\u{90}') => ('P', first),
            Some('\u{98}' | '\u{9e}' | '\u{9f}') => ('X', first),
            _ => return first,
        },
    };
    let rest = &text[body..];
    if kind == '[' {
        let parameters = rest.bytes().take_while(|byte| matches!(byte, b' '..=b'?')).count();
        let ends = rest.as_bytes().get(parameters).is_some_and(|byte| matches!(byte, b'@'..=b'~'));
        return if ends { body + parameters + 1 } else { body };
    }
    let ends = |(at, character): (usize, char)| match character {
        '\u{9c}' => Some(at + character.len_utf8()),
        '\u{7}' => Some(at + 1),
        '\u{1b}' if rest[at..].starts_with("\u{1b}\\") => Some(at + 2),
        _ => None,
    };
    rest.char_indices().take(MAX_STRING).find_map(ends).map_or(body, |length| body + length)
}

/// The bytes after an ESC that introduces no string: intermediates and a final byte.
fn escape(rest: &str) -> usize {
    let between = rest.bytes().take_while(|byte| matches!(byte, b' '..=b'/')).count();
    let ends = rest.as_bytes().get(between).is_some_and(|byte| matches!(byte, b'0'..=b'~'));
    if ends { between + 1 } else { 0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_terminal_acts_on_leaves_one_mark_behind() {
        let check = |text: &str, expected: &str| assert_eq!(one_line(text), expected, "{text:?}");
        check("Mill \u{1b}[2J\u{1b}]0;pwn\u{7}\u{1b}[31mGONE", "Mill \u{fffd}GONE");
        check("b\u{1b}[2J", "b\u{fffd}");
        check("a\u{9b}8mb", "a\u{fffd}b");
        check("a\u{1b}]8;;http://evil.example\u{1b}\\link\u{1b}]8;;\u{1b}\\b", "a\u{fffd}link\u{fffd}b");
        check("a\u{1b}P1$r0m\u{9c}b\u{90}q\u{1b}\\c", "a\u{fffd}b\u{fffd}c");
        check("a\u{1b}cb\u{1b}(0c\u{1b}", "a\u{fffd}b\u{fffd}c\u{fffd}");
        check("\u{0}\u{8}\u{7f}x\u{84}", "\u{fffd}x\u{fffd}");
        // An unterminated sequence does not remove the text after it.
        check("a\u{1b}]0;the whole rest", "a\u{fffd}0;the whole rest");
        check("a\u{1b}[38;5", "a\u{fffd}38;5");
        check("\u{fdd0}\u{ffff}", "\u{fffd}");
    }

    #[test]
    fn what_is_not_seen_is_dropped_and_a_line_stays_one() {
        let check = |text: &str, expected: &str| assert_eq!(one_line(text), expected, "{text:?}");
        check("ab\u{202e}cd\u{2066}e\u{200f}\u{61c}", "abcde");
        check("mi\u{200b}ll\u{feff}\u{ad}\u{2060}", "mill");
        check("x\u{e0041}\u{e007f}\u{fe0f}\u{fff9}y\u{3164}", "xy");
        check("a\r\nb\nc\td\u{2028}e\u{85}f", "a b c d e f");
        check("e\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}\u{307}n", "e\u{301}\u{302}\u{303}\u{304}n");
        check("Ünïted 電力 Łódź 👷", "Ünïted 電力 Łódź 👷");
        assert_eq!(lines("a\r\nb\u{1b}[2J\n\tc"), "a\nb\u{fffd}\n c");
    }

    #[test]
    fn long_texts_end_in_an_ellipsis() {
        assert_eq!(brief(&"ü".repeat(20_000), 64).chars().count(), 65);
        assert_eq!((brief("abc", 3).as_str(), brief("abcd", 3).as_str()), ("abc", "abc…"));
    }

    #[test]
    fn json_says_the_same_without_the_characters_themselves() {
        let input = "Mill \u{1b}[2J \u{9b}31m \u{202e}x\u{2069} \u{7f} \u{200d} \u{e0041} ü";
        let text = serde_json::to_string_pretty(&serde_json::json!({ "name": input })).expect("JSON");
        let escaped = json(&text);
        assert!(!escaped.chars().any(|c| c != '\n' && is_hidden(c)) && escaped.contains('ü'), "{escaped}");
        assert!(escaped.contains("\\u009b31m \\u202ex\\u2069 \\u007f \\u200d \\udb40\\udc41"), "{escaped}");
        let read: serde_json::Value = serde_json::from_str(&escaped).expect("still JSON");
        assert_eq!(read["name"], input);
    }

    proptest! {
        #[test]
        fn nothing_hidden_comes_out_of_any_text(text in any::<String>(), more in "[\u{1b}\u{9b}\\[\\]P;0-9mJ\u{7}\\\\\u{202e}\r\n\u{9c}a]{0,40}") {
            let text = format!("{text}{more}");
            prop_assert!(!one_line(&text).chars().any(is_hidden));
            prop_assert!(!lines(&text).chars().any(|c| c != '\n' && is_hidden(c)));
            let once = one_line(&text).into_owned();
            prop_assert_eq!(one_line(&once), once.as_str());
            let value = serde_json::Value::from(text);
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&json(&value.to_string())).unwrap(), value);
        }
    }
}
