//! The fields of a query or a form.

use url::form_urlencoded;

/// The fields in their original order. A name may occur several times; an empty field counts as missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads `a=1&b=2`.
    pub(super) fn parse(encoded: &[u8]) -> Self {
        let fields = form_urlencoded::parse(encoded).filter(|(_, value)| !value.trim().is_empty());
        Self(fields.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// The first field of that name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The first field of that name, or an empty text.
    pub(super) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// All fields of that name.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone()).collect()
    }

    /// The first field of that name as a number; 0 if it is none.
    pub(super) fn number(&self, name: &str) -> usize {
        self.get(name).and_then(|value| value.parse().ok()).unwrap_or_default()
    }

    /// The fields without those of that name.
    #[must_use]
    pub(super) fn without(&self, name: &str) -> Self {
        Self(self.0.iter().filter(|(known, _)| known != name).cloned().collect())
    }

    /// The fields with a single field of that name and this value.
    #[must_use]
    pub(super) fn with(&self, name: &str, value: &str) -> Self {
        let Self(mut fields) = self.without(name);
        fields.push((name.to_owned(), value.to_owned()));
        Self(fields)
    }

    /// An address with these fields.
    pub(super) fn address(&self, path: &str) -> String {
        address(path, &self.0)
    }
}

/// `path?name=value&…`.
pub(super) fn address<N: AsRef<str>, V: AsRef<str>>(path: &str, fields: &[(N, V)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_several_times_and_empty_ones_are_none() {
        let fields = Fields::parse(b"id=a%23b&q=&id=c+d&page=7&risk=+");
        assert_eq!(
            (fields.all("id"), fields.get("q"), fields.get("risk")),
            (vec!["a#b".to_owned(), "c d".to_owned()], None, None)
        );
        assert_eq!((fields.number("page"), fields.number("id"), fields.text("none")), (7, 0, ""));
        assert_eq!(fields.without("id").with("page", "8").address("/now"), "/now?page=8");
        assert_eq!(address("/dispatch", &[("key", "a/b%2F&c")]), "/dispatch?key=a%2Fb%252F%26c");
        assert_eq!(address::<&str, &str>("/now", &[]), "/now");
    }
}
