//! Texts broken into lines, as they are seen: escape sequences take no room.

use unicode_width::UnicodeWidthStr;

/// The columns that a line takes.
pub(super) fn width(text: &str) -> usize {
    let (_, plain, _) = unpainted(text);
    plain.width()
}

/// The text in lines of at most so many columns, broken between words where that can be. A painted one stays so on each line.
pub(super) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let (before, plain, after) = unpainted(text);
    let mut lines: Vec<String> = plain.split('\n').flat_map(|line| broken(line, columns)).collect();
    if !before.is_empty() {
        lines = lines.into_iter().map(|line| format!("{before}{line}{after}")).collect();
    }
    lines
}

/// What is painted as a whole, between its escape sequences; anything else as it is.
fn unpainted(text: &str) -> (&str, &str, &str) {
    let painted = text.strip_prefix("\u{1b}[").and_then(|rest| {
        let code = rest.find('m')?;
        let plain = rest[code + 1..].strip_suffix("\u{1b}[0m")?;
        Some((&text[..code + 3], plain, "\u{1b}[0m"))
    });
    painted.unwrap_or(("", text, ""))
}

fn broken(line: &str, columns: usize) -> Vec<String> {
    if line.width() <= columns {
        return vec![line.to_owned()];
    }
    let (mut lines, mut last) = (Vec::new(), String::new());
    for word in line.split(' ') {
        if !last.is_empty() && last.width() + 1 + word.width() <= columns {
            last = last + " " + word;
            continue;
        }
        if !last.is_empty() {
            lines.push(std::mem::take(&mut last));
        }
        // A word that is longer than a line is broken where the line ends.
        for character in word.chars() {
            if !last.is_empty() && format!("{last}{character}").width() > columns {
                lines.push(std::mem::take(&mut last));
            }
            last.push(character);
        }
    }
    lines.push(last);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_words_and_within_those_that_are_too_long() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a 0123456789", 4), ["a", "0123", "4567", "89"]);
        assert_eq!(wrapped("\u{1b}[31mone two\u{1b}[0m", 3), ["\u{1b}[31mone\u{1b}[0m", "\u{1b}[31mtwo\u{1b}[0m"]);
        assert_eq!(wrapped("first\nsecond", 80), ["first", "second"]);
        assert_eq!((width("\u{1b}[1m✓ é\u{1b}[0m"), width("")), (3, 0));
    }
}
