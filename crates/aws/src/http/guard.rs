//! Which addresses an output may have. A name is resolved once for each connection, and the connection goes to the
//! checked address: a name that points elsewhere a moment later gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

/// Which addresses may be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reachable {
    /// Public ones.
    Public,
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
            let admitted: Vec<SocketAddr> = all.into_iter().filter(|at| reachable.admits(at.ip())).collect();
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
        Reachable::Private => format!("{host} has the address of a metadata service, which is never connected to"),
    }
}

impl Reachable {
    /// Refuses a URL whose host is an address that may not be connected to: it is never resolved.
    pub(crate) fn check(self, url: &Url) -> Result<(), String> {
        let host = url.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match bare.parse::<IpAddr>() {
            Ok(address) if !self.admits(address) => Err(refusal(host, self)),
            _ => Ok(()),
        }
    }

    fn admits(self, address: IpAddr) -> bool {
        let address = plain(address);
        !is_metadata(address) && (self == Self::Private || is_public(address))
    }
}

/// The address in a form that leads to it: mapped, translated (NAT64) or tunnelled (6to4) ones lead to IPv4.
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let v4 = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => v4(g, h),
        [0x2002, ..] => v4(b, c),
        [0, 0, 0, 0, 0, 0] if g != 0 => v4(g, h),
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
            assert_eq!(Reachable::Public.admits(at), public, "{address}");
            assert_eq!(Reachable::Private.admits(at), private, "{address}");
        };
        for address in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
        {
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
            "::1",
            "fc00::1",
            "fdab::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::1",
            "2001:db8::1",
            "::7f00:1",
            "ff02::1",
            "2001:0:1::1",
        ] {
            check(address, false, true);
        }
        for address in ["169.254.169.254", "169.254.170.2", "fe80::1", "fd00:ec2::254", "::ffff:169.254.169.254"] {
            check(address, false, false);
        }
    }

    #[test]
    fn an_address_in_a_url_is_checked_without_resolving() {
        let check = |url: &str, reachable: Reachable, good: bool| {
            assert_eq!(reachable.check(&Url::parse(url).unwrap()).is_ok(), good, "{url} {reachable:?}");
        };
        check("https://ems.example.com/", Reachable::Public, true);
        check("https://10.0.0.1/", Reachable::Public, false);
        check("https://[::1]/", Reachable::Public, false);
        check("https://2130706433/", Reachable::Public, false);
        check("http://127.0.0.1:8080/", Reachable::Private, true);
        check("http://169.254.169.254/latest", Reachable::Private, false);
    }
}
