//! Posts to addresses that the operator configures: no redirect, no proxy, limited time and size, and no address inside a
//! private network.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use reqwest::{
    Client, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};

use super::HttpApiError;
use crate::{client::with_causes, roots};

/// Timeout for connecting.
const CONNECT: Duration = Duration::from_secs(2);

/// How much of an answer is read, in bytes.
const MOST_ANSWER_BYTES: usize = 4 * 1_024;

/// Idle connections are dropped after this time.
const IDLE: Duration = Duration::from_secs(10);

/// The client for these addresses.
#[derive(Debug, Clone)]
pub struct Outgoing {
    client: Client,
}

/// A post.
#[derive(Debug, Clone)]
pub struct Post<'a> {
    /// The address: https, or http on this machine.
    pub url: &'a str,
    /// Headers besides the content type, which is JSON.
    pub headers: &'a [(&'static str, String)],
    /// The body.
    pub body: String,
    /// The timeout of the whole call.
    pub within: Duration,
}

/// An answer with any status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostAnswer {
    /// The status.
    pub status: u16,
    /// The beginning of the body, as text.
    pub body: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// Nothing was sent: the address is not allowed, or no connection was made.
    #[error("{0}")]
    NotSent(String),
    /// It was sent, or may have been, and the answer did not come.
    #[error("{0}")]
    Unanswered(String),
}

impl Outgoing {
    /// A client that trusts the public authorities and those in `extra_roots` (PEM).
    pub fn new(extra_roots: Option<&[u8]>) -> Result<Self, HttpApiError> {
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots::public(extra_roots))
            .with_no_client_auth();
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .user_agent(concat!("gridbell/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .dns_resolver(Arc::new(PublicAddresses))
            .build()?;
        Ok(Self { client })
    }

    /// Posts JSON, once.
    pub async fn post(&self, post: &Post<'_>) -> Result<PostAnswer, PostError> {
        let url = allowed(post.url).map_err(PostError::NotSent)?;
        let mut request = self
            .client
            .post(url)
            .timeout(post.within)
            .header("content-type", "application/json")
            .body(post.body.clone());
        for (name, value) in post.headers {
            request = request.header(*name, value);
        }
        let mut response = request.send().await.map_err(unanswered)?;
        let (status, mut body) = (response.status().as_u16(), Vec::new());
        // What the answer says beyond its status is only for people.
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk[..chunk.len().min(MOST_ANSWER_BYTES - body.len())]);
            if body.len() >= MOST_ANSWER_BYTES {
                break;
            }
        }
        Ok(PostAnswer { status, body: String::from_utf8_lossy(&body).into_owned() })
    }
}

fn unanswered(error: reqwest::Error) -> PostError {
    let was_sent = !error.is_connect() && !error.is_builder();
    let late = if error.is_timeout() { "no answer in time: " } else { "" };
    let reason = format!("{late}{}", with_causes(error.without_url()));
    if was_sent { PostError::Unanswered(reason) } else { PostError::NotSent(reason) }
}

/// The address, if gridbell may post there.
pub fn allowed(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("the address is none: {error}"))?;
    let host = url.host_str().ok_or("the address names no host")?;
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    let is_loopback = host == "localhost" || literal.is_some_and(|address| address.is_loopback());
    match (url.scheme(), literal) {
        ("http" | "https", _) if is_loopback => {}
        ("https", Some(address)) if !is_public(address) => return Err(private(host)),
        ("https", _) => {}
        _ => return Err("the address is neither https nor on this machine".to_owned()),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the address holds a user or a password".to_owned());
    }
    Ok(url)
}

fn private(host: &str) -> String {
    format!("{host} is an address inside a private network, where gridbell posts nothing")
}

/// Resolves names to public addresses alone, at each connection: a name cannot be pointed elsewhere after a check.
#[derive(Debug)]
struct PublicAddresses;

impl Resolve for PublicAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let is_local = host == "localhost";
            let fits =
                |address: &SocketAddr| if is_local { address.ip().is_loopback() } else { is_public(address.ip()) };
            let good: Vec<SocketAddr> = found.into_iter().filter(fits).collect();
            if good.is_empty() {
                return Err(private(&host).into());
            }
            let addresses: Addrs = Box::new(good.into_iter());
            Ok(addresses)
        })
    }
}

/// Whether an address is on the public internet: no loopback, no private or link-local network (where clouds keep their
/// metadata), nothing reserved.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_reserved = matches!(
        (a, b, c),
        (0 | 240..=255, _, _) | (100, 64..=127, _) | (192, 0, 0) | (192, 88, 99) | (198, 18..=19, _)
    );
    !(is_reserved
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match parts {
        // Addresses that contain an IPv4 address: mapped, translated (NAT64), 6to4.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            is_public_v4(v4(high, low))
        }
        // Teredo, documentation, benchmarking.
        [0x2001, 0 | 2 | 0xdb8, ..] => false,
        // Global unicast; everything else is reserved or local.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        for public in ["1.1.1.1", "203.1.2.3", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001:db8::1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::1",
            "::127.0.0.1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
    }

    #[test]
    fn what_is_not_https_or_private_is_not_allowed() {
        for good in ["https://a.example.com/x?y=1", "http://127.0.0.1:9/x", "http://localhost/", "https://[::1]/"] {
            assert!(allowed(good).is_ok(), "{good}");
        }
        for bad in [
            "http://a.example.com",
            "https://169.254.169.254/latest",
            "https://10.0.0.1",
            "https://[fd00:ec2::254]/",
            "ftp://127.0.0.1",
            "https://user@a.example.com",
            "http://localhost.example.com",
            "a.example.com",
            "",
            "https://2130706433.1.1.1.1.1/",
            "https://[::ffff:10.0.0.1]/",
        ] {
            assert!(allowed(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_refused() {
        let found = PublicAddresses.resolve("localhost.localdomain".parse().unwrap()).await;
        assert!(found.is_err(), "it is unknown, or loopback");
        assert!(PublicAddresses.resolve("localhost".parse().unwrap()).await.is_ok());
    }
}
