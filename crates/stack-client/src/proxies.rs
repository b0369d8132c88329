//! The user's proxies, from the usual environment variables. The functions use none.
//!
//! A bad variable affects only requests that would use it: such a request fails and names the variable. To do that, the
//! client gets an impossible host as the proxy, and a resolver that knows the error of that host.

use std::fmt;

use reqwest::{
    ClientBuilder, NoProxy, Proxy, Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

/// Never use a proxy for these: this machine, and the metadata addresses of cloud machines.
const NEVER: &str = "localhost,127.0.0.0/8,::1,169.254.169.254,169.254.170.2,169.254.170.23,fd00:ec2::254,fd00:ec2::23";

/// The suffix of a host name that stands for a bad variable (RFC 6761: it never resolves).
const NOWHERE: &str = ".unusable-proxy.invalid";

/// `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in upper case or in lower.
#[derive(Clone, Default)]
pub(crate) struct Proxies {
    https: Option<Way>,
    http: Option<Way>,
    past: String,
}

/// The value of a proxy variable.
#[derive(Clone, PartialEq, Eq)]
enum Way {
    Through(Url),
    Unusable(ProxyError),
}

/// A variable does not contain a proxy's address. The value may contain a password, so it is not shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} names no proxy that can be used: write http://HOST:PORT or socks5h://HOST:PORT, or unset it")]
pub(crate) struct ProxyError(String);

impl ProxyError {
    /// A part of every such error's text, by which it is found among the causes of another error.
    pub(crate) const SAYS: &str = " names no proxy that can be used: ";
}

impl Proxies {
    /// Reads the variables.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| {
            let names = [name.to_owned(), name.to_lowercase()];
            names.into_iter().find_map(|name| Some((variable(&name).filter(|value| !value.trim().is_empty())?, name)))
        };
        let way = |name: &str| {
            set(name).map(|(value, name)| parse(value.trim()).map_or(Way::Unusable(ProxyError(name)), Way::Through))
        };
        let all = way("ALL_PROXY");
        let past = set("NO_PROXY").map_or_else(String::new, |(value, _)| format!("{value},"));
        Self {
            https: way("HTTPS_PROXY").or_else(|| all.clone()),
            http: way("HTTP_PROXY").or(all),
            past: format!("{past}{NEVER}"),
        }
    }

    /// The proxies in this process's environment.
    pub(crate) fn of_process() -> Self {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Whether any are set.
    pub(crate) fn are_set(&self) -> bool {
        self.https.is_some() || self.http.is_some()
    }

    /// Configures a client to use the proxies.
    ///
    /// # Errors
    /// The client rejects one of them.
    pub(crate) fn of_client(&self, builder: ClientBuilder) -> Result<ClientBuilder, reqwest::Error> {
        let mut builder = builder.no_proxy();
        let past = || NoProxy::from_string(&self.past);
        let mut unusable = Vec::new();
        for (way, proxy) in [(&self.https, Proxy::https::<Url> as fn(Url) -> _), (&self.http, Proxy::http::<Url>)] {
            let url = match way {
                None => continue,
                Some(Way::Through(url)) => url.clone(),
                Some(Way::Unusable(error)) => {
                    let host = format!("p{}{NOWHERE}", unusable.len());
                    let Ok(url) = Url::parse(&format!("http://{host}")) else { continue };
                    unusable.push((host, error.clone()));
                    url
                }
            };
            builder = builder.proxy(proxy(url)?.no_proxy(past()));
        }
        Ok(if unusable.is_empty() { builder } else { builder.dns_resolver(Knowing(unusable)) })
    }
}

/// The addresses may contain passwords, so only hosts are shown.
impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = [&self.https, &self.http].map(|way| match way {
            Some(Way::Through(url)) => url.host_str().unwrap_or_default().to_owned(),
            Some(Way::Unusable(error)) => error.to_string(),
            None => String::new(),
        });
        f.debug_struct("Proxies").field("ways", &shown).field("past", &self.past).finish()
    }
}

/// Resolves addresses as the system does, but returns the error for the host of a bad variable.
struct Knowing(Vec<(String, ProxyError)>);

impl Resolve for Knowing {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let unusable = self.0.iter().find(|(known, _)| *known == host).map(|(_, error)| error.clone());
        Box::pin(async move {
            if let Some(error) = unusable {
                return Err(error.into());
            }
            let found: Vec<_> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Without a scheme the proxy is HTTP, as in curl.
fn parse(value: &str) -> Option<Url> {
    let value = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    let url = Url::parse(&value).ok()?;
    let known = matches!(url.scheme(), "http" | "https" | "socks4" | "socks4a" | "socks5" | "socks5h");
    let plain = matches!(url.path(), "" | "/") && url.query().is_none();
    (known && plain && url.host_str().is_some_and(|host| !host.is_empty())).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Proxies {
        Proxies::read(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    fn shown(way: Option<Way>) -> String {
        match way {
            None => String::new(),
            Some(Way::Through(url)) => url.to_string(),
            Some(Way::Unusable(ProxyError(name))) => format!("not {name}"),
        }
    }

    #[test]
    fn the_usual_variables_in_either_case() {
        let check = |variables: &[(&str, &str)], https: &str, http: &str, past: &str| {
            let proxies = read(variables);
            assert_eq!(
                (shown(proxies.https), shown(proxies.http), proxies.past.as_str()),
                (https.into(), http.into(), past)
            );
        };
        check(&[], "", "", NEVER);
        check(&[("https_proxy", "p:3128"), ("HTTP_PROXY", "")], "http://p:3128/", "", NEVER);
        let past = format!(".corp.example,{NEVER}");
        check(
            &[("ALL_PROXY", "http://a:1"), ("HTTPS_PROXY", "http://b:2"), ("NO_PROXY", ".corp.example")],
            "http://b:2/",
            "http://a:1/",
            &past,
        );
        check(&[("all_proxy", "socks5h://u:p@h:1080")], "socks5h://u:p@h:1080", "socks5h://u:p@h:1080", NEVER);
        check(&[("HTTPS_PROXY", "socks5://h")], "socks5://h", "", NEVER);
        check(&[("HTTPS_PROXY", "ftp://h"), ("HTTP_PROXY", "p:1")], "not HTTPS_PROXY", "http://p:1/", NEVER);
    }

    #[test]
    fn a_bad_proxy_is_named_by_its_variable_and_never_shown() {
        for wrong in
            ["http://", "socks5://", "ftp://u:s3cr3t@h", "http://h:port", "socks6://h:1", "http://h/path", "://"]
        {
            assert_eq!(shown(read(&[("https_proxy", wrong)]).https), "not https_proxy", "{wrong}");
        }
        let proxies = read(&[("HTTPS_PROXY", "http://u:s3cr3t@h:1"), ("HTTP_PROXY", "ftp://u:s3cr3t@h")]);
        assert!(!format!("{proxies:?}").contains("s3cr3t") && proxies.are_set());
        assert!(ProxyError("X".to_owned()).to_string().contains(ProxyError::SAYS));
    }
}
