//! Which addresses an output or a channel may have. A name is resolved once for each connection, and the connection goes to the
//! checked address: a name that points elsewhere a moment later gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

/// Which addresses may be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reachable {
    /// Public ones.
    Public,
    /// Public ones, and this machine by a name or address of its own.
    PublicOrHere,
    /// Private ones too, but not those of metadata services.
    Private,
}

/// Resolves names to addresses that may be connected to.
#[derive(Debug, Clone)]
pub(crate) struct Guard(pub(crate) Reachable);

/// The host has no address that may be connected to.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let reachable = self.0;
        Box::pin(async move {
            let name = name.as_str().to_owned();
            // The port is set by the client.
            let all: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let admitted: Vec<SocketAddr> = all.into_iter().filter(|at| reachable.admits(&name, at.ip())).collect();
            if admitted.is_empty() {
                return Err(Refused(refusal(&name, reachable)).into());
            }
            let addresses: Addrs = Box::new(admitted.into_iter());
            Ok(addresses)
        })
    }
}

fn refusal(host: &str, reachable: Reachable) -> String {
    match reachable {
        Reachable::Public => format!("{host} has a private address; allow_private = true would admit it"),
        Reachable::PublicOrHere => {
            format!("{host} is an address inside a private network, where gridbell posts nothing")
        }
        Reachable::Private => format!("{host} has the address of a metadata service, which is never connected to"),
    }
}

impl Reachable {
    /// The URL, if it is https, or http to this machine, and its host is no address that may not be connected to: an
    /// address is never resolved.
    pub fn url(self, text: &str) -> Result<Url, String> {
        let url = Url::parse(text).map_err(|error| format!("the address is none: {error}"))?;
        let host = url.host_str().ok_or("the address names no host")?;
        let literal = literal(host);
        let is_here = host == HERE || literal.is_some_and(|address| address.is_loopback());
        if !(url.scheme() == "https" || url.scheme() == "http" && is_here) {
            return Err("the address is neither https nor on this machine".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the address holds a user or a password".to_owned());
        }
        match literal {
            Some(address) if !self.admits(host, address) => Err(refusal(host, self)),
            _ => Ok(url),
        }
    }

    fn admits(self, host: &str, address: IpAddr) -> bool {
        let address = plain(address);
        let is_here = || address.is_loopback() && (host == HERE || literal(host).is_some());
        match self {
            Self::Public => is_public(address),
            Self::PublicOrHere => is_public(address) || is_here(),
            Self::Private => !is_metadata(address),
        }
    }
}

/// The name of this machine.
const HERE: &str = "localhost";

fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// The address in a form that leads to it: mapped, translated (NAT64) or tunnelled (6to4) ones lead to IPv4.
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let v4 = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            v4(high, low)
        }
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => v4(high, low),
        _ => address,
    }
}

/// Addresses at which clouds serve credentials to their own machines.
fn is_metadata(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local() || address.segments()[..2] == [0xfd00, 0x0ec2],
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = match a {
        0 | 10 | 127 | 224..=255 => true,
        100 => (64..128).contains(&b),
        169 => b == 254,
        172 => (16..32).contains(&b),
        192 => b == 168 || b == 0 && matches!(c, 0 | 2) || b == 88 && c == 99,
        198 => matches!(b, 18 | 19) || b == 51 && c == 100,
        203 => b == 0 && c == 113,
        _ => false,
    };
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    // Everything that is routed lies in 2000::/3, except for what is set aside in it.
    a & 0xe000 == 0x2000 && !(a == 0x2001 && (b == 0xdb8 || b < 0x200)) && !(a == 0x3fff && b < 0x1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        let check = |address: &str, public: bool, private: bool| {
            let at: IpAddr = address.parse().unwrap();
            assert_eq!(Reachable::Public.admits("a.example.com", at), public, "{address}");
            assert_eq!(Reachable::PublicOrHere.admits("a.example.com", at), public, "{address}");
            assert_eq!(Reachable::Private.admits("a.example.com", at), private, "{address}");
        };
        for address in [
            "1.1.1.1",
            "172.32.0.1",
            "203.1.2.3",
            "100.128.0.1",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
        ] {
            check(address, true, true);
        }
        for address in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "0.0.0.0",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "203.0.113.1",
            "198.51.100.1",
            "::",
            "::1",
            "fc00::1",
            "fdab::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::1",
            "2002:7f00:1::1",
            "2001:db8::1",
            "::7f00:1",
            "ff02::1",
            "2001:0:1::1",
        ] {
            check(address, false, true);
        }
        for address in [
            "169.254.169.254",
            "169.254.170.2",
            "fe80::1",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
        ] {
            check(address, false, false);
        }
    }

    #[test]
    fn what_is_not_https_or_private_is_not_allowed() {
        use Reachable::{Private, Public, PublicOrHere};
        let check = |url: &str, allowed: &[Reachable]| {
            for reachable in [Public, PublicOrHere, Private] {
                let found = reachable.url(url);
                assert_eq!(found.is_ok(), allowed.contains(&reachable), "{url} {reachable:?}: {found:?}");
            }
        };
        check("https://ems.example.com/x?y=1", &[Public, PublicOrHere, Private]);
        check("http://localhost/", &[Public, PublicOrHere, Private]);
        for here in ["http://127.0.0.1:9/x", "https://[::1]/"] {
            check(here, &[PublicOrHere, Private]);
        }
        for private in ["https://10.0.0.1", "https://2130706433/", "https://[::ffff:10.0.0.1]/"] {
            check(private, if private.contains("2130706433") { &[PublicOrHere, Private] } else { &[Private] });
        }
        for bad in [
            "http://a.example.com",
            "https://169.254.169.254/latest",
            "https://[fd00:ec2::254]/",
            "ftp://127.0.0.1",
            "https://user@a.example.com",
            "http://localhost.example.com",
            "a.example.com",
            "",
            "https://2130706433.1.1.1.1.1/",
        ] {
            check(bad, &[]);
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_refused() {
        let resolved = async |name: &str, reachable| Guard(reachable).resolve(name.parse().unwrap()).await.is_ok();
        assert!(!resolved("localhost.localdomain", Reachable::PublicOrHere).await, "it is unknown, or loopback");
        assert!(resolved("localhost", Reachable::PublicOrHere).await);
        assert!(!resolved("localhost", Reachable::Public).await);
    }
}
