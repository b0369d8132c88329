//! Optional colours.

/// Paints text if colours are on. A painted text is cleaned and on one line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint(bool);

impl Paint {
    /// Colours on if standard output is a terminal, unless the user turned them off.
    pub(crate) fn stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self(super::is_seen() && !refused)
    }

    /// Colours off, as in a pipe.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self(false)
    }

    /// Colours on, as at a terminal.
    #[cfg(test)]
    pub(crate) fn all() -> Self {
        Self(true)
    }

    pub(crate) fn with(self, code: &str, text: &str) -> String {
        if self.0 { super::marks::coloured(code, text) } else { super::marks::cleaned(text, usize::MAX) }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    pub(crate) fn warn(self, text: &str) -> String {
        self.with("33", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.with("31", text)
    }
}
