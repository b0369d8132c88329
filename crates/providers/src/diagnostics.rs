//! The diagnostics of one body, up to a limit.

use std::fmt::Display;

use dispatch::Subject;

use crate::Diagnostic;

/// Most diagnostics of one body: ten thousand bad slots are one problem, not ten thousand.
const MAX_FINDINGS: usize = 32;

/// Diagnostics in order of appearance; those beyond the limit are counted.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Diagnostic>,
    more: usize,
}

impl Findings {
    /// Adds an unreadable part; the rest was parsed.
    pub(crate) fn unreadable(&mut self, part: impl Into<String>, reason: impl Display) {
        self.push(Diagnostic::Unreadable { part: part.into(), reason: reason.to_string(), about: None });
    }

    /// Adds a dispatch that cannot be published but has a known id.
    pub(crate) fn lost(&mut self, about: Subject, part: impl Into<String>, reason: impl Display) {
        self.push(Diagnostic::Unreadable { part: part.into(), reason: reason.to_string(), about: Some(about) });
    }

    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        if self.list.len() < MAX_FINDINGS {
            self.list.push(diagnostic);
        } else {
            self.more += 1;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn into_list(mut self) -> Vec<Diagnostic> {
        if self.more > 0 {
            let reason = format!("{} further findings of the same body are left out", self.more);
            self.list.push(Diagnostic::Unreadable { part: "…".to_owned(), reason, about: None });
        }
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_bounded_and_the_rest_is_counted() {
        let mut diagnostics = Findings::default();
        for slot in 0..1_000 {
            diagnostics.unreadable(format!("slots[{slot}]"), "broken");
        }
        let list = diagnostics.into_list();
        assert_eq!(list.len(), MAX_FINDINGS + 1);
        let reason = "968 further findings of the same body are left out".to_owned();
        assert_eq!(list.last(), Some(&Diagnostic::Unreadable { part: "…".to_owned(), reason, about: None }));
    }
}
