//! Requests to a provider's API. They are typed, so that no webhook can redirect a request.

use std::fmt;

use jiff::civil::Date;
use serde_json::Value;

use crate::fields::MAX_ID_BYTES;

/// A request to the configured API, without host and key.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiRequest {
    /// GET or POST.
    pub method: Method,
    /// The documented path, relative to the source's `api_url`.
    pub path: ApiPath,
    /// Query parameters, not yet encoded.
    pub query: Vec<(&'static str, String)>,
    /// The JSON body.
    pub body: Option<Value>,
    /// Whether a repetition has no effect, whatever the method: a search only reads. Such a request may be repeated if
    /// the connection breaks before a response arrives.
    pub idempotent: bool,
}

/// The methods of read requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// POST, for a search.
    Post,
}

/// How the API key is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyHeader {
    /// The header's name, in lower case.
    pub name: &'static str,
    /// The prefix of the key, such as `Bearer `.
    pub prefix: &'static str,
}

/// An identifier that is allowed in a path: 1 to 512 ASCII letters, digits, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Id(String);

impl Id {
    /// The identifier, if the text is valid.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (!text.is_empty() && text.len() <= MAX_ID_BYTES && text.bytes().all(allowed)).then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A path relative to the configured base URL: only constant segments, an API version that is a date, and identifiers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiPath(String);

impl ApiPath {
    /// A constant path.
    pub fn fixed(path: &'static str) -> Self {
        Self(path.to_owned())
    }

    /// A path that begins with an API version that is a date, such as `/2022-04-15/dispatches`.
    pub fn versioned(version: Date, path: &'static str) -> Self {
        Self(format!("/{version}{path}"))
    }

    /// Adds a segment.
    #[must_use]
    pub fn join(mut self, id: &Id) -> Self {
        self.0.push('/');
        self.0.push_str(id.as_str());
        self
    }

    /// The path, with a leading slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ApiPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn an_id_cannot_leave_its_segment() {
        let check = |text: &str, taken: bool| assert_eq!(Id::parse(text).is_some(), taken, "{text:?}");
        check("dkmq", true);
        check("A-z_09", true);
        check(&"a".repeat(512), true);
        check(&"a".repeat(513), false);
        check("", false);
        check("..", false);
        check("a/b", false);
        check("a%2Fb", false);
        check("a?b", false);
        check("ä", false);
        check("a\n", false);
    }

    #[test]
    fn a_path_is_spelt_from_constants_dates_and_ids() {
        let id = Id::parse("dkmq").unwrap();
        let path = ApiPath::versioned(date(2022, 4, 15), "/dispatches").join(&id);
        assert_eq!(path.as_str(), "/2022-04-15/dispatches/dkmq");
        assert_eq!(ApiPath::fixed("/v1/interval-data").to_string(), "/v1/interval-data");
    }
}
