//! Colours and line breaks inside a text, told apart from everything that others wrote.
//!
//! An escape sequence in a provider's text must not reach a terminal, and ours must. So ours are written as a mark that begins with
//! random digits of this process: nobody outside can forge it, and the way out turns it into the sequence that it stands for.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::LazyLock,
};

use dispatch::text;

/// What every mark begins with.
static MARK: LazyLock<String> = LazyLock::new(|| format!("\u{1b}{:016x}", RandomState::new().build_hasher().finish()));

/// The mark's end where it stands for a line break in a cell.
const BREAK: char = 'n';

/// What a text is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// Text, whoever wrote it.
    Text(&'t str),
    /// A colour begins or ends: the parameters of the sequence.
    Colour(&'t str),
    /// A line of a cell ends.
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

/// The text in that colour, on one line and clean.
pub(super) fn coloured(code: &str, text: &str) -> String {
    format!("{0}{code}m{1}{0}0m", *MARK, cleaned(text, usize::MAX))
}

/// The lines of a cell.
pub(crate) fn stacked<'t>(lines: impl IntoIterator<Item = &'t str>) -> String {
    let lines: Vec<String> = lines.into_iter().map(|line| cleaned(line, usize::MAX)).collect();
    lines.join(&format!("{}{BREAK}", *MARK))
}

/// A text on one line but for its marks, each piece clean and no longer than so many characters.
pub(super) fn cleaned(text: &str, most: usize) -> String {
    pieces(text)
        .map(|piece| match piece {
            Piece::Text(text) => text::brief(text, most),
            Piece::Colour(code) => format!("{}{code}m", *MARK),
            Piece::Break => format!("{}{BREAK}", *MARK),
        })
        .collect()
}

/// The text on one line and clean, without colours.
pub(super) fn plain(text: &str) -> String {
    pieces(text)
        .map(|piece| match piece {
            Piece::Text(text) => text::one_line(text).into_owned(),
            Piece::Colour(_) => String::new(),
            Piece::Break => " ".to_owned(),
        })
        .collect()
}

/// As it goes out: clean, its line breaks kept, its marks turned into what they stand for.
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
