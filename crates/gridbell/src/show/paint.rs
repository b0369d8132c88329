//! Colours, or none.

/// Colours for what is shown, or none of them. What is painted is one line, and clean.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint(bool);

impl Paint {
    /// Colours are for people at a terminal who did not ask for none.
    pub(crate) fn stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self(super::is_seen() && !refused)
    }

    /// None, as in a pipe.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self(false)
    }

    /// All of them, as at a terminal.
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
