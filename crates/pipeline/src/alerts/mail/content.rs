//! The content of a mail, before it becomes text or HTML.

use std::fmt::Write as _;

/// A heading and the content below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) body: Body,
}

/// The content below a heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    Lines(Vec<String>),
    /// A list of items.
    Items(Vec<String>),
    Rows(Vec<Row>),
    /// Steps to take, in order.
    Steps(Vec<Step>),
}

/// A name and its values, a line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) label: &'static str,
    pub(crate) lines: Vec<String>,
    /// The values are commands to copy.
    pub(crate) verbatim: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) text: String,
    /// Notes about the step, a line each.
    pub(crate) notes: Vec<String>,
    /// A command to copy.
    pub(crate) command: Option<String>,
    /// The page on which to do it.
    pub(crate) link: Option<Link>,
}

/// An address and its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) label: &'static str,
    pub(crate) address: String,
    /// The main action of the mail.
    pub(crate) is_button: bool,
}

impl Section {
    pub(crate) fn lines(title: &'static str, lines: Vec<String>) -> Self {
        Self { title, body: Body::Lines(lines) }
    }

    pub(crate) fn rows(title: &'static str, rows: Vec<Row>) -> Self {
        Self { title, body: Body::Rows(rows) }
    }
}

pub(crate) fn row(label: &'static str, lines: impl IntoIterator<Item = String>) -> Row {
    Row { label, lines: lines.into_iter().collect(), verbatim: false }
}

pub(crate) fn verbatim(label: &'static str, command: String) -> Row {
    Row { label, lines: vec![command], verbatim: true }
}

impl Step {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    #[must_use]
    pub(crate) fn noting(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        self.notes.extend(notes);
        self
    }

    #[must_use]
    pub(crate) fn by(mut self, command: String) -> Self {
        self.command = Some(command);
        self
    }
}

pub(super) fn text(sections: &[Section]) -> String {
    let mut text = String::new();
    for section in sections {
        let gap = if text.is_empty() { "" } else { "\n" };
        let _ = writeln!(text, "{gap}{}", section.title.to_uppercase());
        match &section.body {
            Body::Lines(lines) => lines.iter().for_each(|line| push(&mut text, "", line)),
            Body::Items(items) => items.iter().for_each(|item| push(&mut text, "- ", item)),
            Body::Rows(rows) => rows.iter().for_each(|row| labelled(&mut text, row, width(rows))),
            Body::Steps(steps) => steps.iter().enumerate().for_each(|(n, step)| numbered(&mut text, n + 1, step)),
        }
    }
    text
}

fn push(text: &mut String, before: &str, line: &str) {
    let _ = writeln!(text, "{before}{line}");
}

fn width(rows: &[Row]) -> usize {
    rows.iter().map(|row| row.label.len()).max().unwrap_or_default() + 2
}

fn labelled(text: &mut String, row: &Row, width: usize) {
    for (index, line) in row.lines.iter().enumerate() {
        let label = if index == 0 { format!("{}:", row.label) } else { String::new() };
        let _ = writeln!(text, "{label:width$}{line}");
    }
}

fn numbered(text: &mut String, number: usize, step: &Step) {
    push(text, &format!("{number}. "), &step.text);
    step.notes.iter().for_each(|note| push(text, "   ", note));
    step.command.iter().for_each(|command| push(text, "   ", command));
    step.link.iter().for_each(|link| push(text, "   ", &link.address));
}
