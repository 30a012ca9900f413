//! What kinds of addresses there are.

use std::{fmt, net::IpAddr};

use super::ranges;

/// What an address is for, by IANA's special-purpose address registries. Only [`AddressClass::Public`] is called.
///
/// Its text has an article: `a loopback address`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddressClass {
    /// Globally reachable unicast.
    Public,
    /// `0.0.0.0` and `::`, which many systems take for themselves.
    Unspecified,
    /// The rest of `0.0.0.0/8`.
    ThisNetwork,
    /// `127.0.0.0/8` and `::1`.
    Loopback,
    /// The networks of RFC 1918.
    Private,
    /// `169.254.0.0/16` and `fe80::/10`.
    LinkLocal,
    /// Where clouds tell a machine its credentials.
    Metadata,
    /// `100.64.0.0/10`, behind a carrier's NAT.
    SharedAddressSpace,
    /// Groups of receivers.
    Multicast,
    /// `255.255.255.255`.
    Broadcast,
    /// Examples in texts.
    Documentation,
    /// Networks of test benches.
    Benchmarking,
    /// Not given to anyone, and all of IPv6 outside of `2000::/3` that has no class of its own.
    Reserved,
    /// `fc00::/7`, IPv6's private networks.
    UniqueLocal,
    /// `fec0::/10`, the private networks before them.
    SiteLocal,
    /// What a local translator turns into IPv4: `64:ff9b:1::/48` and `::ffff:0:0:0/96`.
    Translated,
    /// `2002::/16` and the relays' `192.88.99.0/24`.
    SixToFour,
    /// `2001::/32`.
    Teredo,
    /// `::/96`, IPv4 addresses in the form of before `::ffff:0:0/96`.
    Ipv4Compatible,
    /// An interface identifier `5efe:a.b.c.d` whose IPv4 address is not public.
    Isatap,
    /// `100::/64`, which drops what it gets.
    Discard,
    /// Given to a protocol, not to a host. Those that are globally reachable are anycast: they are answered by the
    /// nearest network, which may be one's own.
    ProtocolAssignment,
}

impl AddressClass {
    /// The class of an address. IPv4-mapped (`::ffff:0:0/96`) and NAT64 (`64:ff9b::/96`) addresses have the class of
    /// the IPv4 address in them, because that is what is called.
    pub fn of(address: IpAddr) -> AddressClass {
        match address.to_canonical() {
            IpAddr::V4(address) => ranges::class_of_v4(address.to_bits()),
            IpAddr::V6(address) => ranges::class_of_v6(address.to_bits()),
        }
    }

    /// A stable name.
    pub fn as_str(self) -> &'static str {
        self.words().0
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            AddressClass::Public => ("public", "a public address"),
            AddressClass::Unspecified => ("unspecified", "the unspecified address"),
            AddressClass::ThisNetwork => ("this_network", "an address of this network"),
            AddressClass::Loopback => ("loopback", "a loopback address"),
            AddressClass::Private => ("private", "a private address"),
            AddressClass::LinkLocal => ("link_local", "a link-local address"),
            AddressClass::Metadata => ("metadata", "a cloud's metadata address"),
            AddressClass::SharedAddressSpace => ("shared", "a shared address behind a carrier's NAT"),
            AddressClass::Multicast => ("multicast", "a multicast address"),
            AddressClass::Broadcast => ("broadcast", "the broadcast address"),
            AddressClass::Documentation => ("documentation", "a documentation address"),
            AddressClass::Benchmarking => ("benchmarking", "a benchmarking address"),
            AddressClass::Reserved => ("reserved", "a reserved address"),
            AddressClass::UniqueLocal => ("unique_local", "a unique local address"),
            AddressClass::SiteLocal => ("site_local", "a site-local address"),
            AddressClass::Translated => ("translated", "a locally translated address"),
            AddressClass::SixToFour => ("6to4", "a 6to4 address"),
            AddressClass::Teredo => ("teredo", "a Teredo address"),
            AddressClass::Ipv4Compatible => ("ipv4_compatible", "an IPv4-compatible address"),
            AddressClass::Isatap => ("isatap", "an ISATAP address"),
            AddressClass::Discard => ("discard", "a discard-only address"),
            AddressClass::ProtocolAssignment => ("protocol_assignment", "an address assigned to a protocol"),
        }
    }
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words().1)
    }
}
