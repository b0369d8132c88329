//! Wraps text into lines by its visible width: escape sequences take no room.

use unicode_width::UnicodeWidthStr;

use super::marks::{Piece, coloured, pieces};

/// The width of a cell: that of its widest line.
pub(super) fn width(text: &str) -> usize {
    lines(text).iter().map(|(_, line)| line.width()).max().unwrap_or(0)
}

/// The cell in lines of at most `columns`, broken between words if possible. Each line of a painted cell is painted.
pub(super) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let painted = |(colour, line): (Option<&str>, String)| {
        let lines = broken(&line, columns).into_iter();
        lines.map(|line| colour.map_or_else(|| line.clone(), |code| coloured(code, &line))).collect::<Vec<_>>()
    };
    lines(text).into_iter().flat_map(painted).collect()
}

/// The lines of a cell, each with its colour: a cell is painted as a whole or not at all.
fn lines(text: &str) -> Vec<(Option<&str>, String)> {
    let mut lines = vec![(None, String::new())];
    for piece in pieces(text) {
        match (piece, lines.last_mut()) {
            (Piece::Text(text), Some((_, line))) => line.push_str(text),
            (Piece::Colour("0"), _) | (_, None) => {}
            (Piece::Colour(code), Some((colour, _))) => *colour = Some(code),
            (Piece::Break, Some((colour, _))) => {
                let colour = *colour;
                lines.push((colour, String::new()));
            }
        }
    }
    lines
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
        // A word longer than a line is broken at the line's end.
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
    use super::{super::marks::stacked, *};

    #[test]
    fn between_words_and_within_those_that_are_too_long() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a 0123456789", 4), ["a", "0123", "4567", "89"]);
        let painted = coloured("31", &stacked(["one two", "3"]));
        assert_eq!(wrapped(&painted, 3), ["one", "two", "3"].map(|line| coloured("31", line)));
        assert_eq!(wrapped(&stacked(["first", "second"]), 80), ["first", "second"]);
        assert_eq!((width(&coloured("1", "✓ é")), width(""), width(&stacked(["a", "bcd"]))), (3, 0, 3));
    }
}
