//! The proxies that a person's machine calls through, by the variables that every tool reads. The functions use none.

use std::fmt;

use aws_smithy_http_client::proxy::ProxyConfig;
use reqwest::{NoProxy, Proxy, Url};

/// What is on this machine is never asked through a proxy.
const THIS_MACHINE: &str = "localhost,127.0.0.0/8,::1";

/// `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in upper case or in lower.
#[derive(Clone, Default)]
pub struct Proxies {
    https: Option<Url>,
    http: Option<Url>,
    past: String,
}

/// A variable holds no proxy's address. The value may hold a password, so it is not shown.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} names no proxy that can be used: write http://HOST:PORT, or unset it")]
pub struct ProxiesError(pub String);

impl Proxies {
    /// As the variables say.
    ///
    /// # Errors
    /// One of them holds something else than the address of an HTTP proxy.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ProxiesError> {
        let set = |name: &str| {
            let names = [name.to_owned(), name.to_lowercase()];
            names.into_iter().find_map(|name| Some((variable(&name).filter(|value| !value.is_empty())?, name)))
        };
        let address = |name: &str| set(name).map(|(value, name)| parse(&value).ok_or(ProxiesError(name))).transpose();
        let all = address("ALL_PROXY")?;
        let past = set("NO_PROXY").map_or_else(String::new, |(value, _)| format!("{value},"));
        Ok(Self {
            https: address("HTTPS_PROXY")?.or_else(|| all.clone()),
            http: address("HTTP_PROXY")?.or(all),
            past: format!("{past}{THIS_MACHINE}"),
        })
    }

    /// The same for a client of reqwest's.
    ///
    /// # Errors
    /// It does not take one of them.
    pub fn of_client(&self) -> Result<Vec<Proxy>, reqwest::Error> {
        let https = self.https.clone().map(Proxy::https);
        let http = self.http.clone().map(Proxy::http);
        let past = || NoProxy::from_string(&self.past);
        [https, http].into_iter().flatten().map(|proxy| Ok(proxy?.no_proxy(past()))).collect()
    }

    /// The same for AWS's SDK, which is asked over TLS alone, but for emulators.
    pub(crate) fn of_sdk(&self) -> Option<ProxyConfig> {
        let config = ProxyConfig::https(self.https.as_ref()?.as_str()).ok()?;
        Some(config.no_proxy(&self.past))
    }
}

/// The addresses may hold passwords.
impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = [&self.https, &self.http].map(|url| url.as_ref().and_then(Url::host_str));
        f.debug_struct("Proxies").field("hosts", &hosts).field("past", &self.past).finish()
    }
}

/// Without a scheme it is HTTP, as for curl.
fn parse(value: &str) -> Option<Url> {
    let value = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    let url = Url::parse(&value).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Proxies, ProxiesError> {
        Proxies::read(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_usual_variables_in_either_case() {
        let shown = |url: Option<Url>| url.map(String::from).unwrap_or_default();
        let check = |variables: &[(&str, &str)], https: &str, http: &str, past: &str| {
            let proxies = read(variables).expect("read");
            assert_eq!(
                (shown(proxies.https), shown(proxies.http), proxies.past.as_str()),
                (https.into(), http.into(), past)
            );
        };
        check(&[], "", "", THIS_MACHINE);
        check(&[("https_proxy", "p:3128"), ("HTTP_PROXY", "")], "http://p:3128/", "", THIS_MACHINE);
        let past = format!(".corp.example,{THIS_MACHINE}");
        check(
            &[("ALL_PROXY", "http://a:1"), ("HTTPS_PROXY", "http://b:2"), ("NO_PROXY", ".corp.example")],
            "http://b:2/",
            "http://a:1/",
            &past,
        );
    }

    #[test]
    fn what_is_no_address_is_refused_by_its_variables_name_and_never_shown() {
        for wrong in ["http://", "socks5://h:1", "ftp://u:s3cr3t@h", "http://h:port"] {
            assert_eq!(read(&[("https_proxy", wrong)]).expect_err("refused"), ProxiesError("https_proxy".to_owned()));
        }
        let proxies = read(&[("HTTPS_PROXY", "http://u:s3cr3t@h:1")]).expect("read");
        assert!(!format!("{proxies:?}").contains("s3cr3t") && proxies.of_sdk().is_some());
        assert_eq!(proxies.of_client().expect("taken").len(), 1);
    }
}
