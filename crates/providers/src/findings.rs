//! What a person has to be told about one body, gathered within bounds.

use std::fmt::Display;

use dispatch::Subject;

use crate::Finding;

/// The most findings of one body: ten thousand bad slots are one trouble, not ten thousand.
const MAX_FINDINGS: usize = 32;

/// Findings in the order in which they turned up; what is beyond the bound is counted.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Finding>,
    more: usize,
}

impl Findings {
    /// A part that could not be read; the rest was taken.
    pub(crate) fn unreadable(&mut self, part: impl Into<String>, reason: impl Display) {
        self.push(Finding::Unreadable { part: part.into(), reason: reason.to_string() });
    }

    /// Numbers that no target of the dispatch can be asked for.
    pub(crate) fn impossible(&mut self, subject: &Subject, numbers: Impossible) {
        if let Some(what) = numbers.what() {
            self.push(Finding::Impossible { subject: subject.clone(), what });
        }
    }

    pub(crate) fn push(&mut self, finding: Finding) {
        if self.list.len() < MAX_FINDINGS {
            self.list.push(finding);
        } else {
            self.more += 1;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn into_list(mut self) -> Vec<Finding> {
        if self.more > 0 {
            let reason = format!("{} further findings of the same body are left out", self.more);
            self.list.push(Finding::Unreadable { part: "…".to_owned(), reason });
        }
        self.list
    }
}

/// The impossible numbers of one dispatch: the first in words, the others counted.
#[derive(Debug, Default)]
pub(crate) struct Impossible {
    first: Option<String>,
    more: usize,
}

impl Impossible {
    pub(crate) fn add(&mut self, what: impl FnOnce() -> String) {
        match self.first {
            None => self.first = Some(what()),
            Some(_) => self.more += 1,
        }
    }

    fn what(self) -> Option<String> {
        let first = self.first?;
        Some(if self.more == 0 { first } else { format!("{first}, and {} more", self.more) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_bounded_and_the_rest_is_counted() {
        let mut findings = Findings::default();
        for slot in 0..1_000 {
            findings.unreadable(format!("slots[{slot}]"), "broken");
        }
        let list = findings.into_list();
        assert_eq!(list.len(), MAX_FINDINGS + 1);
        let reason = "968 further findings of the same body are left out".to_owned();
        assert_eq!(list.last(), Some(&Finding::Unreadable { part: "…".to_owned(), reason }));
    }

    #[test]
    fn the_impossible_numbers_of_a_dispatch_are_one_finding() {
        let mut numbers = Impossible::default();
        assert_eq!(Impossible::default().what(), None);
        numbers.add(|| "d4z9: -5 kW".to_owned());
        numbers.add(|| "9jeq: 1e400 kW".to_owned());
        assert_eq!(numbers.what().as_deref(), Some("d4z9: -5 kW, and 1 more"));
    }
}
