//! Builds the URL of a request: only the configured base and the documented path.

use std::net::IpAddr;

use pipeline::config::{Environment, Source};
use providers::ApiRequest;
use reqwest::Url;

/// The whole URL.
pub(super) fn build(source: &Source, request: &ApiRequest) -> Result<Url, String> {
    let sandbox = source.environment == Environment::Sandbox;
    let own = source.provider.api_url(sandbox);
    let text = source.api_url.as_deref().or(own).ok_or("the source has no api_url")?;
    let mut url = base(text)?;
    let path = format!("{}{}", url.path().trim_end_matches('/'), request.path);
    url.set_path(&path);
    // If `Url` changed the path (dot segments, for example), refuse it rather than send another path.
    if url.path() != path {
        return Err("the path is none of the documented ones".to_owned());
    }
    if !request.query.is_empty() {
        url.query_pairs_mut().extend_pairs(&request.query);
    }
    Ok(url)
}

/// The configured base of a source.
pub(super) fn base(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("api_url: {error}"))?;
    let host = url.host_str().ok_or("api_url names no host")?;
    if !(url.scheme() == "https" || url.scheme() == "http" && is_loopback(host)) {
        return Err("api_url is neither https nor on this machine".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err("api_url holds more than a host and a path".to_owned());
    }
    Ok(url)
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use pipeline::config::Config;
    use providers::{ApiPath, Id, Method};

    use super::*;

    fn source(api_url: &str) -> Source {
        let source = serde_json::json!({ "provider": "voltus", "api_url": api_url, "tokens": [] });
        let mut config = Config::parse(&serde_json::json!({ "sources": { "s": source } }).to_string()).unwrap();
        config.sources.remove("s").unwrap()
    }

    fn request(query: Vec<(&'static str, String)>) -> ApiRequest {
        let path = ApiPath::fixed("/2022-04-15/dispatches").join(&Id::parse("dkmq").unwrap());
        ApiRequest { method: Method::Get, path, query, body: None, idempotent: true }
    }

    #[test]
    fn the_address_is_base_path_and_encoded_query() {
        let check = |base: &str, expected: &str| {
            assert_eq!(build(&source(base), &request(Vec::new())).map(String::from), Ok(expected.to_owned()));
        };
        check("https://api.voltus.co", "https://api.voltus.co/2022-04-15/dispatches/dkmq");
        check("https://api.leap.energy/v2/", "https://api.leap.energy/v2/2022-04-15/dispatches/dkmq");
        check("http://127.0.0.1:9000/x", "http://127.0.0.1:9000/x/2022-04-15/dispatches/dkmq");
        check("http://[::1]:9000", "http://[::1]:9000/2022-04-15/dispatches/dkmq");
        let url = build(&source("https://api.voltus.co"), &request(vec![("a", "x&b=y#/../?".to_owned())])).unwrap();
        assert_eq!(url.query(), Some("a=x%26b%3Dy%23%2F..%2F%3F"));
        assert_eq!(url.host_str(), Some("api.voltus.co"));
    }

    #[test]
    fn nothing_but_https_leaves_the_machine() {
        for text in [
            "http://api.voltus.co",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "ftp://127.0.0.1",
            "https://user@api.voltus.co",
            "https://api.voltus.co?x=1",
            "https://api.voltus.co#x",
            "api.voltus.co",
            "",
        ] {
            assert!(base(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_that_means_another_is_not_sent() {
        let path = ApiPath::fixed("/a/../../secret");
        let request = ApiRequest { method: Method::Get, path, query: Vec::new(), body: None, idempotent: true };
        assert!(build(&source("https://api.voltus.co/v2"), &request).is_err());
    }
}
