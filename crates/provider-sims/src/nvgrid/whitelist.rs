//! The URLs to which a site's operator allows webhooks.

/// The allowed URLs. Loopback is always allowed: a local rehearsal has no operator.
#[derive(Debug, Default)]
pub(super) struct Whitelist {
    entries: Vec<String>,
}

impl Whitelist {
    pub(super) fn add(&mut self, entry: &str) {
        self.entries.push(entry.to_owned());
    }

    pub(super) fn admits(&self, url: &str) -> bool {
        let Some(wanted) = Parts::of(url) else { return false };
        wanted.is_loopback() || self.entries.iter().filter_map(|entry| Parts::of(entry)).any(|one| one.covers(&wanted))
    }
}

/// Scheme, host, port and path.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'u> {
    scheme: &'u str,
    host: String,
    port: &'u str,
    path: &'u str,
}

impl<'u> Parts<'u> {
    fn of(url: &'u str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let usual = match scheme {
            "https" => "443",
            "http" => "80",
            _ => return None,
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let has_port = |(_, port): &(&str, &str)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let (host, port) = authority.rsplit_once(':').filter(has_port).unwrap_or((authority, usual));
        (!host.is_empty()).then(|| Self { scheme, host: host.to_ascii_lowercase(), port, path })
    }

    fn is_loopback(&self) -> bool {
        matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "[::1]")
    }

    /// Scheme, host and port must be equal. An empty path, or one that ends in a slash, covers everything below it.
    fn covers(&self, wanted: &Parts<'_>) -> bool {
        let same = (self.scheme, &self.host, self.port) == (wanted.scheme, &wanted.host, wanted.port);
        let below = self.path.is_empty() || self.path.ends_with('/') && wanted.path.starts_with(self.path);
        same && (below || self.path == wanted.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_host_and_port_match_and_the_path_is_exact_or_a_prefix() {
        let mut whitelist = Whitelist::default();
        for entry in ["https://a.example/hook", "https://b.example/api/", "http://c.example:8181"] {
            whitelist.add(entry);
        }
        for (url, expected) in [
            ("https://a.example/hook", true),
            ("https://A.example:443/hook", true),
            ("https://a.example/hook/more", false),
            ("http://a.example/hook", false),
            ("https://a.example:8443/hook", false),
            ("https://b.example/api/v1/hook", true),
            ("https://b.example/apix", false),
            ("http://c.example:8181/any", true),
            ("http://c.example/any", false),
            ("http://127.0.0.1:9/hooks/s/t", true),
            ("http://[::1]:9/", true),
            ("ftp://a.example/hook", false),
            ("a.example/hook", false),
        ] {
            assert_eq!(whitelist.admits(url), expected, "{url}");
        }
    }
}
