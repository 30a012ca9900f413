//! The ranges that are not public.
//!
//! After IANA's IPv4 and IPv6 Special-Purpose Address Registries
//! (<https://www.iana.org/assignments/iana-ipv4-special-registry>,
//! <https://www.iana.org/assignments/iana-ipv6-special-registry>) and the documents that each range names. IPv4 is a list
//! of what is refused, as all of the rest is given to networks; of IPv6 only `2000::/3` is given to networks, so anything
//! else is refused, known or not.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::AddressClass;

/// The first row that holds an address says its class.
const V4: [(u32, u8, AddressClass); 29] = [
    // Single addresses where clouds serve credentials, before the ranges around them.
    (v4([169, 254, 169, 254]), 32, AddressClass::Metadata), // AWS, Google, Azure, Oracle, DigitalOcean, Hetzner, …
    (v4([169, 254, 170, 2]), 32, AddressClass::Metadata),   // AWS: containers' task roles
    (v4([169, 254, 170, 23]), 32, AddressClass::Metadata),  // AWS: EKS Pod Identity
    (v4([169, 254, 42, 42]), 32, AddressClass::Metadata),   // Scaleway
    (v4([169, 254, 0, 23]), 32, AddressClass::Metadata),    // Tencent Cloud
    (v4([100, 100, 100, 200]), 32, AddressClass::Metadata), // Alibaba Cloud
    (v4([100, 96, 0, 96]), 32, AddressClass::Metadata),     // Volcano Engine
    (v4([192, 0, 0, 192]), 32, AddressClass::Metadata),     // Oracle Cloud, Classic
    (v4([168, 63, 129, 16]), 32, AddressClass::Metadata),   // Azure's wire server, amid public addresses
    (v4([0, 0, 0, 0]), 32, AddressClass::Unspecified),      // RFC 1122 section 3.2.1.3
    (v4([0, 0, 0, 0]), 8, AddressClass::ThisNetwork),       // RFC 791 section 3.2
    (v4([10, 0, 0, 0]), 8, AddressClass::Private),          // RFC 1918
    (v4([100, 64, 0, 0]), 10, AddressClass::SharedAddressSpace), // RFC 6598
    (v4([127, 0, 0, 0]), 8, AddressClass::Loopback),        // RFC 1122 section 3.2.1.3
    (v4([169, 254, 0, 0]), 16, AddressClass::LinkLocal),    // RFC 3927
    (v4([172, 16, 0, 0]), 12, AddressClass::Private),       // RFC 1918
    (v4([192, 0, 0, 0]), 24, AddressClass::ProtocolAssignment), // RFC 6890 section 2.1
    (v4([192, 0, 2, 0]), 24, AddressClass::Documentation),  // RFC 5737
    (v4([192, 31, 196, 0]), 24, AddressClass::ProtocolAssignment), // RFC 7535: AS112, anycast
    (v4([192, 52, 193, 0]), 24, AddressClass::ProtocolAssignment), // RFC 7450: AMT, anycast
    (v4([192, 88, 99, 0]), 24, AddressClass::SixToFour),    // RFC 7526: relays, anycast
    (v4([192, 168, 0, 0]), 16, AddressClass::Private),      // RFC 1918
    (v4([192, 175, 48, 0]), 24, AddressClass::ProtocolAssignment), // RFC 7534: AS112, anycast
    (v4([198, 18, 0, 0]), 15, AddressClass::Benchmarking),  // RFC 2544
    (v4([198, 51, 100, 0]), 24, AddressClass::Documentation), // RFC 5737
    (v4([203, 0, 113, 0]), 24, AddressClass::Documentation), // RFC 5737
    (v4([224, 0, 0, 0]), 4, AddressClass::Multicast),       // RFC 5771
    (v4([255, 255, 255, 255]), 32, AddressClass::Broadcast), // RFC 8190, RFC 919 section 7
    (v4([240, 0, 0, 0]), 4, AddressClass::Reserved),        // RFC 1112 section 4
];

/// As `V4`. What stands outside of `2000::/3` is here for a better name than "reserved".
const V6: [(u128, u8, AddressClass); 21] = [
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]), 128, AddressClass::Metadata), // AWS
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23]), 128, AddressClass::Metadata),  // AWS: EKS Pod Identity
    (v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254]), 128, AddressClass::Metadata),  // Google Cloud
    (v6([0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42]), 128, AddressClass::Metadata),   // Scaleway
    (v6([0, 0, 0, 0, 0, 0, 0, 0]), 128, AddressClass::Unspecified),           // RFC 4291 section 2.5.2
    (v6([0, 0, 0, 0, 0, 0, 0, 1]), 128, AddressClass::Loopback),              // RFC 4291 section 2.5.3
    (v6([0, 0, 0, 0, 0, 0, 0, 0]), 96, AddressClass::Ipv4Compatible),         // RFC 4291 section 2.5.5.1
    (v6([0, 0, 0, 0, 0xffff, 0, 0, 0]), 96, AddressClass::Translated),        // RFC 2765 section 2.1
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0]), 48, AddressClass::Translated),     // RFC 8215
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0]), 64, AddressClass::Discard),            // RFC 6666
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0]), 32, AddressClass::Teredo),            // RFC 4380
    (v6([0x2001, 2, 0, 0, 0, 0, 0, 0]), 48, AddressClass::Benchmarking),      // RFC 5180
    // RFC 2928, with all that IANA gave to protocols out of it: anycast (RFC 7723, 8155, 9665), AMT (RFC 7450),
    // AS112 (RFC 7535), and the identifiers of ORCHID (RFC 4843, 7343) and of drones (RFC 9374), which are no places.
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0]), 23, AddressClass::ProtocolAssignment),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0]), 32, AddressClass::Documentation), // RFC 3849
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0]), 16, AddressClass::SixToFour),         // RFC 3056
    (v6([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0]), 48, AddressClass::ProtocolAssignment), // RFC 7534: AS112, anycast
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0]), 20, AddressClass::Documentation),              // RFC 9637
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0]), 7, AddressClass::UniqueLocal),                 // RFC 4193
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0]), 10, AddressClass::LinkLocal), // RFC 4291 section 2.5.6
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0]), 10, AddressClass::SiteLocal), // RFC 3879
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0]), 8, AddressClass::Multicast),  // RFC 4291 section 2.7
];

/// `64:ff9b::/96` of RFC 6052: the last 32 bits are the IPv4 address that the translator calls.
const NAT64: u128 = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0]);

/// `2000::/3` of RFC 4291 section 2.4: all that IANA gives to networks.
const GLOBAL_UNICAST: u128 = v6([0x2000, 0, 0, 0, 0, 0, 0, 0]);

pub(super) fn class_of_v4(address: u32) -> AddressClass {
    V4.iter()
        .find(|(base, prefix, _)| covers(u128::from(*base), prefix + 96, u128::from(address)))
        .map_or(AddressClass::Public, |(_, _, class)| *class)
}

/// Of an address that is not IPv4-mapped.
pub(super) fn class_of_v6(address: u128) -> AddressClass {
    if let Some((_, _, class)) = V6.iter().find(|(base, prefix, _)| covers(*base, *prefix, address)) {
        return *class;
    }
    let embedded = class_of_v4(address as u32);
    if covers(NAT64, 96, address) {
        embedded
    } else if !covers(GLOBAL_UNICAST, 3, address) {
        AddressClass::Reserved
    } else if is_isatap(address) && embedded != AddressClass::Public {
        AddressClass::Isatap
    } else {
        AddressClass::Public
    }
}

/// RFC 5214 section 6.1: the interface identifier is `0000:5efe` or `0200:5efe`, then the tunnel's IPv4 address.
fn is_isatap(address: u128) -> bool {
    matches!((address >> 32) as u32, 0x0000_5efe | 0x0200_5efe)
}

/// Whether the first `prefix` of the 128 bits are the same.
pub(super) fn covers(base: u128, prefix: u8, address: u128) -> bool {
    let rest = 128_u32.saturating_sub(u32::from(prefix));
    // A shift by all 128 bits leaves nothing: nothing has to be the same.
    (base ^ address).checked_shr(rest).unwrap_or(0) == 0
}

const fn v4([a, b, c, d]: [u8; 4]) -> u32 {
    Ipv4Addr::new(a, b, c, d).to_bits()
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8]) -> u128 {
    Ipv6Addr::new(a, b, c, d, e, f, g, h).to_bits()
}
