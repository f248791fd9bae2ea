//! Which addresses a name may lead to: those that anybody on the internet may reach, and no others.
//!
//! A name that an attacker can point anywhere must not lead to this machine, its network or the metadata service of its
//! cloud. From the registries of special addresses (RFC 6890 and what came after it); of IPv6 only what is given out as global
//! unicast is left, so that what is unknown is refused.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is, where it is not one of the internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inside {
    /// None at all, which systems take for this machine.
    Unspecified,
    /// This machine.
    Loopback,
    /// This network segment; most metadata services of clouds are here.
    LinkLocal,
    /// A network of somebody's own.
    Private,
    /// Between a carrier and its customers; also the network of some clouds.
    Shared,
    /// What a cloud tells its machines, tokens among it, at an address that looks like any other.
    Metadata,
    /// Many machines at once.
    Multicast,
    /// Another address in disguise, by a way that is given up.
    Tunnel,
    /// For documents, measurements and what may come.
    Reserved,
}

impl fmt::Display for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "unspecified",
            Self::Loopback => "loopback",
            Self::LinkLocal => "link-local",
            Self::Private => "private",
            Self::Shared => "shared by a carrier",
            Self::Metadata => "a cloud's metadata service",
            Self::Multicast => "multicast",
            Self::Tunnel => "a tunnel",
            Self::Reserved => "reserved",
        })
    }
}

/// The first that holds decides.
const BLOCKS_4: &[(Ipv4Addr, u32, Inside)] = &[
    (Ipv4Addr::UNSPECIFIED, 8, Inside::Unspecified),
    (Ipv4Addr::new(10, 0, 0, 0), 8, Inside::Private),
    (Ipv4Addr::new(100, 64, 0, 0), 10, Inside::Shared),
    (Ipv4Addr::new(127, 0, 0, 0), 8, Inside::Loopback),
    // Azure's, the one metadata service outside of the blocks below.
    (Ipv4Addr::new(168, 63, 129, 16), 32, Inside::Metadata),
    (Ipv4Addr::new(169, 254, 0, 0), 16, Inside::LinkLocal),
    (Ipv4Addr::new(172, 16, 0, 0), 12, Inside::Private),
    (Ipv4Addr::new(192, 0, 0, 0), 24, Inside::Reserved),
    (Ipv4Addr::new(192, 0, 2, 0), 24, Inside::Reserved),
    (Ipv4Addr::new(192, 88, 99, 0), 24, Inside::Tunnel),
    (Ipv4Addr::new(192, 168, 0, 0), 16, Inside::Private),
    (Ipv4Addr::new(198, 18, 0, 0), 15, Inside::Reserved),
    (Ipv4Addr::new(198, 51, 100, 0), 24, Inside::Reserved),
    (Ipv4Addr::new(203, 0, 113, 0), 24, Inside::Reserved),
    (Ipv4Addr::new(224, 0, 0, 0), 4, Inside::Multicast),
    (Ipv4Addr::new(240, 0, 0, 0), 4, Inside::Reserved),
];

/// The first that holds decides. What none holds is refused as well, but for [`GLOBAL`].
const BLOCKS_6: &[(Ipv6Addr, u32, Inside)] = &[
    (Ipv6Addr::UNSPECIFIED, 128, Inside::Unspecified),
    (Ipv6Addr::LOCALHOST, 128, Inside::Loopback),
    // IPv4-compatible.
    (Ipv6Addr::UNSPECIFIED, 96, Inside::Tunnel),
    // Translation of a network's own.
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, Inside::Private),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, Inside::Private),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, Inside::LinkLocal),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, Inside::Private),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, Inside::Multicast),
    // Teredo, then the rest of what is for protocols.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, Inside::Tunnel),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, Inside::Reserved),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, Inside::Reserved),
    // 6to4.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, Inside::Tunnel),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, Inside::Reserved),
];

/// Global unicast.
const GLOBAL: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// IPv4 addresses in the sockets of IPv6.
const MAPPED: (Ipv6Addr, u32) = (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96);
/// IPv4 addresses on a network that has IPv6 only (RFC 6052). There every address of the internet is one of these.
const TRANSLATED: (Ipv6Addr, u32) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// What `address` is, or none for one of the internet.
pub(super) fn inside(address: IpAddr) -> Option<Inside> {
    match address {
        IpAddr::V4(address) => inside_4(address),
        IpAddr::V6(address) if is_in_6(address, MAPPED) || is_in_6(address, TRANSLATED) => {
            let [.., a, b, c, d] = address.octets();
            inside_4(Ipv4Addr::new(a, b, c, d))
        }
        IpAddr::V6(address) => {
            let known = BLOCKS_6.iter().find(|(block, bits, _)| is_in_6(address, (*block, *bits)));
            match known {
                Some((_, _, inside)) => Some(*inside),
                None if is_in_6(address, GLOBAL) => None,
                None => Some(Inside::Reserved),
            }
        }
    }
}

fn inside_4(address: Ipv4Addr) -> Option<Inside> {
    let is_in = |block: Ipv4Addr, bits: u32| (address.to_bits() ^ block.to_bits()).leading_zeros() >= bits;
    BLOCKS_4.iter().find(|(block, bits, _)| is_in(*block, *bits)).map(|(_, _, inside)| *inside)
}

fn is_in_6(address: Ipv6Addr, (block, bits): (Ipv6Addr, u32)) -> bool {
    (address.to_bits() ^ block.to_bits()).leading_zeros() >= bits
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[track_caller]
    fn check(addresses: &[&str], want: Option<Inside>) {
        for address in addresses {
            assert_eq!(inside(address.parse().unwrap()), want, "{address}");
        }
    }

    #[test]
    fn addresses_of_the_internet_are_let_through() {
        check(&["1.1.1.1", "8.8.8.8", "170.72.231.1", "9.255.255.255", "11.0.0.0", "223.255.255.255"], None);
        check(&["2606:4700:4700::1111", "2a02::1", "2001:200::1", "2003::1", "3ffe:ffff::1"], None);
    }

    #[test]
    fn this_machine_is_refused() {
        check(&["127.0.0.1", "127.255.255.255", "127.0.0.53", "::1"], Some(Inside::Loopback));
        check(&["0.0.0.0", "0.1.2.3", "::"], Some(Inside::Unspecified));
    }

    #[test]
    fn its_network_is_refused_to_the_edges_of_each_block() {
        check(&["10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255"], Some(Inside::Private));
        check(&["192.168.0.0", "192.168.255.255", "fc00::", "fdff:ffff::1", "fec0::1"], Some(Inside::Private));
        check(&["100.64.0.0", "100.127.255.255"], Some(Inside::Shared));
        check(&["169.254.0.0", "169.254.255.255", "fe80::1", "febf::1"], Some(Inside::LinkLocal));
        check(&["172.15.255.255", "172.32.0.0", "100.63.255.255", "100.128.0.0", "169.253.255.255"], None);
        check(&["192.167.255.255", "192.169.0.0", "169.255.0.0"], None);
    }

    #[test]
    fn metadata_services_are_refused() {
        check(&["169.254.169.254", "169.254.170.2", "169.254.169.123"], Some(Inside::LinkLocal));
        check(&["100.100.100.200"], Some(Inside::Shared));
        check(&["192.0.0.192"], Some(Inside::Reserved));
        check(&["168.63.129.16"], Some(Inside::Metadata));
        check(&["fd00:ec2::254", "fd20:ce::254", "fd00:42::42"], Some(Inside::Private));
        check(&["168.63.129.15", "168.63.129.17"], None);
    }

    #[test]
    fn what_is_no_machine_is_refused() {
        check(&["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"], Some(Inside::Multicast));
        check(&["255.255.255.255", "240.0.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1"], Some(Inside::Reserved));
        check(&["198.18.0.0", "198.19.255.255", "192.0.0.8"], Some(Inside::Reserved));
        check(&["2001:db8::1", "2001:2::1", "2001:1ff::1", "3fff::1", "3fff:fff::1"], Some(Inside::Reserved));
        check(&["100::1", "5f00::1", "4000::1", "1fff::1", "::ffff:0:1.1.1.1"], Some(Inside::Reserved));
        check(&["198.17.255.255", "198.20.0.0"], None);
    }

    #[test]
    fn an_address_within_another_counts_as_what_it_leads_to() {
        check(&["::ffff:127.0.0.1", "64:ff9b::127.0.0.1"], Some(Inside::Loopback));
        check(&["::ffff:10.1.2.3", "64:ff9b::10.1.2.3"], Some(Inside::Private));
        check(&["::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"], Some(Inside::LinkLocal));
        check(&["::ffff:0.0.0.0"], Some(Inside::Unspecified));
        check(&["::ffff:1.1.1.1", "64:ff9b::1.1.1.1"], None);
    }

    #[test]
    fn ways_of_hiding_an_address_that_are_given_up_are_refused_whatever_they_hold() {
        check(&["::127.0.0.1", "::1.1.1.1", "::2"], Some(Inside::Tunnel));
        check(&["2002:7f00:1::", "2002:101:101::1", "2001:0:4136:e378::1", "192.88.99.1"], Some(Inside::Tunnel));
        check(&["64:ff9b:1::10.0.0.1", "64:ff9b:1::1.1.1.1"], Some(Inside::Private));
    }
}
