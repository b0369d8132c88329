//! Words that mails, lists and the page behind a link share.

use dispatch::{Target, text::one_line};

use crate::job::clip;

/// The longest name that is shown, in characters.
pub(super) const MAX_NAME: usize = 200;

/// Text from others, made safe on one line: no line break can forge a row or a header, and no invisible character can
/// reorder the text beside it.
pub(crate) fn tame(text: &str) -> String {
    one_line(text).into_owned()
}

/// A site's display name.
pub(super) fn name_of(target: &Target) -> String {
    clip(&tame(target.name.as_deref().unwrap_or(&target.id)), MAX_NAME)
}

/// A gridbell command with the stack that it needs.
pub(super) fn command(words: &[&str], argument: &str, stack: Option<&str>) -> String {
    let mut line = vec!["gridbell".to_owned()];
    line.extend(words.iter().map(|word| (*word).to_owned()));
    if !argument.is_empty() {
        line.push(quoted(argument));
    }
    if let Some(stack) = stack {
        line.extend(["--stack".to_owned(), quoted(stack)]);
    }
    line.join(" ")
}

/// The text quoted as one shell word, whatever it contains.
fn quoted(text: &str) -> String {
    let text = tame(text);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./%:@,+~".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// A sentence that begins with a capital letter and ends with a full stop.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.trim().chars();
    let Some(first) = letters.next() else { return String::new() };
    let rest = letters.as_str();
    let stop = if rest.ends_with(['.', '!', '?', '…']) { "" } else { "." };
    format!("{}{rest}{stop}", first.to_uppercase())
}
