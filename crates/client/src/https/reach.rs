use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use omadm_mo::{Origin, Scheme};
use omadm_session::client::{AddressRule, Cause};

use crate::policy::NetworkPolicy;

/// How far from the public internet a target may lie, whatever the policy's keys say of others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Reach {
    /// A host that a server names.
    Public,
    /// The host of `SrvURI` as the bootstrap brought it: the bootstrap was accepted, so it may lie in a private network.
    Private,
    /// The host of a configured source: whoever configured it meant it.
    Any,
}

/// Where an address lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Public,
    Private,
    /// Reaches the link alone; cloud hosts keep their credentials there.
    LinkLocal,
    /// The device itself.
    Loopback,
    /// No host at all: multicast, broadcast, reserved.
    Nowhere,
}

/// The addresses at which policy lets a target be reached, as its host resolves now.
pub(crate) async fn resolve(
    origin: &Origin,
    reach: Reach,
    network: NetworkPolicy,
) -> Result<Vec<SocketAddr>, Cause> {
    if origin.scheme == Scheme::Http && !network.allow_plain_http {
        return Err(Cause::Forbidden(AddressRule::PlainHttp));
    }
    let found = tokio::net::lookup_host((origin.host.as_str(), origin.port)).await;
    let found: Vec<SocketAddr> = found
        .map_err(|error| Cause::Unreachable(error.to_string()))?
        .collect();
    if found.is_empty() {
        return Err(Cause::Unreachable("the host has no address".to_owned()));
    }
    let (allowed, forbidden): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|address| allows(place(address.ip()), reach, network));
    if allowed.is_empty() {
        let rules = forbidden.iter().map(|address| rule(place(address.ip())));
        let rule = rules.min_by_key(|rule| rule.key().is_none());
        return Err(Cause::Forbidden(rule.unwrap_or(AddressRule::NoHost)));
    }
    Ok(allowed)
}

fn allows(place: Place, reach: Reach, network: NetworkPolicy) -> bool {
    match place {
        Place::Nowhere => false,
        _ if reach == Reach::Any => true,
        Place::Public => true,
        Place::Private => network.allow_private || reach == Reach::Private,
        Place::LinkLocal => network.allow_private,
        Place::Loopback => network.allow_loopback,
    }
}

/// What forbids a place that is forbidden.
const fn rule(place: Place) -> AddressRule {
    match place {
        Place::Private | Place::LinkLocal => AddressRule::Private,
        Place::Loopback => AddressRule::Loopback,
        Place::Public | Place::Nowhere => AddressRule::NoHost,
    }
}

fn place(address: IpAddr) -> Place {
    match address {
        IpAddr::V4(address) => place_v4(address),
        IpAddr::V6(address) => place_v6(address),
    }
}

fn place_v4(address: Ipv4Addr) -> Place {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        // 0.0.0.0 connects to the device itself.
        (0 | 127, ..) => Place::Loopback,
        (169, 254, _) => Place::LinkLocal,
        (10, ..) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) => Place::Private,
        (192, 0, 0) | (198, 18 | 19, _) => Place::Private,
        (224..=255, ..) => Place::Nowhere,
        _ => Place::Public,
    }
}

/// An IPv6 address that stands for an IPv4 one lies where that does.
fn place_v6(address: Ipv6Addr) -> Place {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return place_v4(mapped);
    }
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        place_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        // Unspecified, loopback, and the deprecated form with an IPv4 address at the end.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Place::Loopback,
        [0, 0, 0, 0, 0, 0, high, low] => v4(high, low),
        // NAT64 and 6to4.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        [0xff00..=0xffff, ..] => Place::Nowhere,
        [0xfe80..=0xfebf, ..] => Place::LinkLocal,
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] | [0x64, 0xff9b, 1, ..] => Place::Private,
        _ => Place::Public,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: NetworkPolicy = NetworkPolicy {
        allow_private: true,
        allow_loopback: true,
        allow_plain_http: true,
    };

    #[test]
    fn every_form_of_an_address_lies_where_its_network_does() {
        for (text, expected) in [
            ("93.184.216.34", Place::Public),
            ("127.0.0.1", Place::Loopback),
            ("127.9.9.9", Place::Loopback),
            ("0.0.0.0", Place::Loopback),
            ("10.1.2.3", Place::Private),
            ("172.31.0.1", Place::Private),
            ("172.32.0.1", Place::Public),
            ("192.168.7.7", Place::Private),
            ("100.64.0.1", Place::Private),
            ("169.254.169.254", Place::LinkLocal),
            ("224.0.0.1", Place::Nowhere),
            ("255.255.255.255", Place::Nowhere),
            ("::1", Place::Loopback),
            ("::", Place::Loopback),
            ("::ffff:127.0.0.1", Place::Loopback),
            ("::127.0.0.1", Place::Loopback),
            ("64:ff9b::7f00:1", Place::Loopback),
            ("2002:7f00:1::", Place::Loopback),
            ("2002:a00:1::", Place::Private),
            ("fe80::1", Place::LinkLocal),
            ("fd00::1", Place::Private),
            ("ff02::1", Place::Nowhere),
            ("2606:2800:220:1::1", Place::Public),
        ] {
            assert_eq!(place(text.parse().unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn each_key_opens_what_it_names_and_a_configured_host_needs_none() {
        let closed = NetworkPolicy::default();
        let private = NetworkPolicy {
            allow_private: true,
            ..closed
        };
        let loopback = NetworkPolicy {
            allow_loopback: true,
            ..closed
        };
        for (place, in_closed, in_private, in_loopback, bootstrapped) in [
            (Place::Public, true, true, true, true),
            (Place::Private, false, true, false, true),
            (Place::LinkLocal, false, true, false, false),
            (Place::Loopback, false, false, true, false),
            (Place::Nowhere, false, false, false, false),
        ] {
            assert_eq!(allows(place, Reach::Public, closed), in_closed);
            assert_eq!(allows(place, Reach::Public, private), in_private);
            assert_eq!(allows(place, Reach::Public, loopback), in_loopback);
            assert_eq!(allows(place, Reach::Private, closed), bootstrapped);
            assert_eq!(allows(place, Reach::Any, closed), place != Place::Nowhere);
            assert_eq!(allows(place, Reach::Public, OPEN), place != Place::Nowhere);
        }
    }

    #[tokio::test]
    async fn a_name_is_judged_by_what_it_resolves_to() {
        let origin = |text: &str| omadm_mo::ServerUri::parse(text).unwrap().origin();
        let closed = NetworkPolicy::default();
        for hidden in [
            "https://localhost/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://10.0.0.1/",
            "https://169.254.169.254/latest/",
            "http://93.184.216.34/",
        ] {
            let found = resolve(&origin(hidden), Reach::Public, closed).await;
            let forbidden = matches!(found, Err(Cause::Forbidden(_)));
            assert!(forbidden, "{hidden}: {found:?}");
        }
        let public = resolve(&origin("https://93.184.216.34/"), Reach::Public, closed).await;
        assert_eq!(public.unwrap().len(), 1);
        let local = resolve(&origin("https://localhost/"), Reach::Any, closed).await;
        assert!(!local.unwrap().is_empty());
    }
}
