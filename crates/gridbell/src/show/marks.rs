//! Colours and line breaks inside a text, kept apart from foreign text.
//!
//! An escape sequence in a provider's text must not reach a terminal, but gridbell's own must. So gridbell writes its
//! own as a mark that begins with random digits of this process, which no one else can forge. On output, marks become
//! escape sequences.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::LazyLock,
};

use dispatch::text;

/// The beginning of every mark.
static MARK: LazyLock<String> = LazyLock::new(|| format!("\u{1b}{:016x}", RandomState::new().build_hasher().finish()));

/// The end of a mark for a line break in a cell.
const BREAK: char = 'n';

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// Text, own or foreign.
    Text(&'t str),
    /// The start or end of a colour: the parameters of the escape sequence.
    Colour(&'t str),
    /// The end of a line in a cell.
    Break,
}

/// The pieces of a text.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    text.split(MARK.as_str())
        .enumerate()
        .flat_map(|(number, part)| {
            if number == 0 {
                return [None, Some(Piece::Text(part))];
            }
            let end = part.find(char::is_alphabetic).unwrap_or(part.len());
            let (code, rest) = part.split_at(end);
            let mark = if rest.starts_with(BREAK) { Piece::Break } else { Piece::Colour(code) };
            [Some(mark), Some(Piece::Text(rest.get(1..).unwrap_or_default()))]
        })
        .flatten()
        .filter(|piece| *piece != Piece::Text(""))
}

/// The text, cleaned, on one line and in that colour.
pub(super) fn coloured(code: &str, text: &str) -> String {
    format!("{0}{code}m{1}{0}0m", *MARK, cleaned(text, usize::MAX))
}

/// The lines of a cell.
pub(crate) fn stacked<'t>(lines: impl IntoIterator<Item = &'t str>) -> String {
    let lines: Vec<String> = lines.into_iter().map(|line| cleaned(line, usize::MAX)).collect();
    lines.join(&format!("{}{BREAK}", *MARK))
}

/// The text on one line with its marks; each piece is cleaned and cut to `most` characters.
pub(super) fn cleaned(text: &str, most: usize) -> String {
    pieces(text)
        .map(|piece| match piece {
            Piece::Text(text) => text::brief(text, most),
            Piece::Colour(code) => format!("{}{code}m", *MARK),
            Piece::Break => format!("{}{BREAK}", *MARK),
        })
        .collect()
}

/// The text, cleaned, on one line and without colours.
pub(super) fn plain(text: &str) -> String {
    pieces(text)
        .map(|piece| match piece {
            Piece::Text(text) => text::one_line(text).into_owned(),
            Piece::Colour(_) => String::new(),
            Piece::Break => " ".to_owned(),
        })
        .collect()
}

/// The output: cleaned, with line breaks, the marks replaced by escape sequences.
pub(super) fn rendered(text: &str) -> String {
    pieces(text)
        .map(|piece| match piece {
            Piece::Text(text) => text::lines(text).into_owned(),
            Piece::Colour(code) => format!("\u{1b}[{code}m"),
            Piece::Break => "\n".to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_colours_come_through_and_nobody_elses() {
        let text = format!("{} and \u{1b}[31mtheirs\u{1b}[0m", coloured("1", "b\u{1b}[2Jold\nline"));
        assert_eq!(rendered(&text), "\u{1b}[1mb\u{fffd}old line\u{1b}[0m and \u{fffd}theirs\u{fffd}");
        assert_eq!(rendered("a\u{1b}0123456789abcdef31mb"), "a\u{fffd}123456789abcdef31mb");
        assert_eq!(plain(&text), "b\u{fffd}old line and \u{fffd}theirs\u{fffd}");
        assert_eq!(rendered(&stacked(["a\nb", "c"])), "a b\nc");
        assert_eq!(rendered(&cleaned(&coloured("31", &"x".repeat(20_000)), 3)), "\u{1b}[31mxxx…\u{1b}[0m");
    }
}
