//! Access control: only requests to this machine's own address, from a browser that opened the address with the token.

use axum::http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{self, HeaderName},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::fields::Fields;

/// Allows scripts, styles and connections of the console only; no frames, no plugins, no forms to other sites.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The form field that contains [`Guard::csrf`].
pub(super) const CSRF: &str = "csrf";

/// The secrets of one run of the console.
pub(super) struct Guard {
    port: u16,
    /// The token in the printed address.
    pub(super) token: String,
    /// The cookie's value.
    session: String,
    /// The value of the hidden field in each form.
    pub(super) csrf: String,
}

impl Guard {
    /// New secrets for a console on that port.
    ///
    /// # Errors
    /// The system provides no randomness.
    pub(super) fn new(port: u16) -> Result<Self, getrandom::Error> {
        Ok(Self { port, token: secret()?, session: secret()?, csrf: secret()? })
    }

    /// Whether the request names this machine as its host. A foreign site whose name resolves to this machine (DNS
    /// rebinding) sends its own name.
    pub(super) fn is_own_host(&self, headers: &HeaderMap) -> bool {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        host.is_some_and(|host| self.hosts().iter().any(|own| own == host))
    }

    fn hosts(&self) -> [String; 2] {
        ["127.0.0.1", "localhost"].map(|name| format!("{name}:{}", self.port))
    }

    /// Whether the address contains the token.
    pub(super) fn has_token(&self, fields: &Fields) -> bool {
        fields.get("token").is_some_and(|token| is_same(token, &self.token))
    }

    /// Whether the cookie is valid: the browser has presented the token before.
    pub(super) fn has_session(&self, headers: &HeaderMap) -> bool {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
        let mut cookies =
            cookies.flat_map(|cookies| cookies.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
        let name = self.cookie_name();
        cookies.any(|(known, value)| known == name && is_same(value, &self.session))
    }

    /// Whether a page of this console sent the form.
    pub(super) fn is_own_form(&self, headers: &HeaderMap, form: &Fields) -> bool {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let origin = text(header::ORIGIN);
        let own_origin = origin.is_none_or(|origin| self.hosts().iter().any(|own| origin == format!("http://{own}")));
        let site = text(HeaderName::from_static("sec-fetch-site"));
        let own_site = site.is_none_or(|site| matches!(site, "same-origin" | "none"));
        own_origin && own_site && is_same(form.text(CSRF), &self.csrf)
    }

    /// The cookie. Ports share cookies, so its name contains the port.
    pub(super) fn cookie(&self) -> String {
        format!("{}={}; Path=/; HttpOnly; SameSite=Strict", self.cookie_name(), self.session)
    }

    fn cookie_name(&self) -> String {
        format!("gridbell-console-{}", self.port)
    }
}

/// Adds the headers of every answer.
pub(super) fn headers(answer: &mut HeaderMap) {
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // `no-referrer` would let a browser send forms without their origin.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        answer.insert(name, HeaderValue::from_static(value));
    }
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The request names another host.
    Host,
    /// The token is missing.
    Token,
    /// The form comes from another page, or from an earlier run of the console.
    Form,
}

impl Refusal {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Token => StatusCode::UNAUTHORIZED,
            Self::Form => StatusCode::FORBIDDEN,
        }
    }

    /// What the person has to do.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Host => "Open the console by the address that it printed, with 127.0.0.1 or localhost.",
            Self::Token => "Open the console by the whole address that it printed, with its token.",
            Self::Form => {
                "Nothing was done: this form is not from this console. Go back, reload the page, and try again."
            }
        }
    }
}

/// Compares digests, so that the time reveals nothing about the secret.
fn is_same(given: &str, secret: &str) -> bool {
    Sha256::digest(given) == Sha256::digest(secret)
}

fn secret() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).expect("a header"))])
    }

    #[test]
    fn only_this_machine_is_the_host() {
        let guard = Guard::new(8_000).expect("randomness");
        let check =
            |host: &str, expected: bool| assert_eq!(guard.is_own_host(&of(header::HOST, host)), expected, "{host}");
        check("127.0.0.1:8000", true);
        check("localhost:8000", true);
        for other in ["127.0.0.1", "127.0.0.1:8001", "evil.example:8000", "localhost.evil.example:8000", ""] {
            check(other, false);
        }
        assert!(!guard.is_own_host(&HeaderMap::new()));
    }

    #[test]
    fn the_cookie_and_the_token_are_not_the_same_secret() {
        let guard = Guard::new(8_000).expect("randomness");
        let (name, value) = guard
            .cookie()
            .split(';')
            .next()
            .and_then(|it| it.split_once('='))
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .expect("a cookie");
        assert!(guard.has_session(&of(header::COOKIE, &format!("a=b; {name}={value}"))));
        assert!(!guard.has_session(&of(header::COOKIE, &format!("{name}={}", guard.token))));
        assert!(!guard.has_session(&of(header::COOKIE, &format!("gridbell-console-8001={value}"))));
        assert!(guard.has_token(&Fields::parse(format!("token={}", guard.token).as_bytes())));
        assert!(
            !guard.has_token(&Fields::parse(format!("token={value}").as_bytes()))
                && !guard.has_token(&Fields::default())
        );
    }

    #[test]
    fn a_form_of_another_page_is_refused() {
        let guard = Guard::new(8_000).expect("randomness");
        let own = Fields::parse(format!("csrf={}", guard.csrf).as_bytes());
        assert!(guard.is_own_form(&HeaderMap::new(), &own));
        assert!(guard.is_own_form(&of(header::ORIGIN, "http://127.0.0.1:8000"), &own));
        assert!(!guard.is_own_form(&of(header::ORIGIN, "http://evil.example"), &own));
        assert!(!guard.is_own_form(&of(header::ORIGIN, "null"), &own));
        assert!(!guard.is_own_form(&of(HeaderName::from_static("sec-fetch-site"), "same-site"), &own));
        assert!(!guard.is_own_form(&HeaderMap::new(), &Fields::parse(b"csrf=x")));
        assert!(!guard.is_own_form(&HeaderMap::new(), &Fields::default()));
    }
}
