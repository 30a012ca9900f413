//! Reading hosts: addresses in every form that some resolver takes, and names.
//!
//! A web URL's host has been normalised by a WHATWG parser, a broker's has not. `getaddrinfo` takes `0x7f.1` and
//! `2130706433` for `127.0.0.1`, so they are read here as the WHATWG URL standard reads them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{AddressError, error::shown};

/// A URL's host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// An address; an IPv4-mapped one as IPv4, since that is what is called.
    Address(IpAddr),
    /// A name to be resolved: lower case, without a dot at its end.
    Name(String),
}

impl Host {
    /// Reads a host, an IPv6 address with brackets or without.
    pub(super) fn parse(host: &str) -> Result<Host, AddressError> {
        if host.is_empty() {
            Err(AddressError::Empty)
        } else if host.contains([':', '[', ']']) {
            parse_ipv6(host).map(|address| Host::Address(IpAddr::from(address).to_canonical()))
        } else if ends_in_number(host) {
            let address = parse_ipv4(host).ok_or_else(|| AddressError::invalid_address(host))?;
            Ok(Host::Address(address.into()))
        } else {
            let name = normalised(host);
            check_name(&name)
                .map_err(|expected| AddressError::InvalidName { host: shown(host), expected })?;
            Ok(Host::Name(name))
        }
    }
}

fn parse_ipv6(host: &str) -> Result<Ipv6Addr, AddressError> {
    if host.contains('%') {
        return Err(AddressError::Zone { host: shown(host) });
    }
    let address = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.strip_suffix(']'),
        None => Some(host),
    };
    address.and_then(|address| address.parse().ok()).ok_or_else(|| AddressError::invalid_address(host))
}

/// WHATWG's "ends in a number checker": such a host is an IPv4 address or nothing.
/// <https://url.spec.whatwg.org/#ends-in-a-number-checker>
pub(super) fn ends_in_number(host: &str) -> bool {
    let last = parts(host).last().unwrap_or_default();
    let is_decimal = !last.is_empty() && last.iter().all(u8::is_ascii_digit);
    is_decimal || parse_ipv4_number(last).is_some()
}

/// WHATWG's IPv4 parser: one to four numbers, of which the last one fills what is left of the 32 bits.
/// <https://url.spec.whatwg.org/#concept-ipv4-parser>
fn parse_ipv4(host: &str) -> Option<Ipv4Addr> {
    let mut leading = 0_u64;
    let mut last = 0_u64;
    let mut bits_left = 40_u32;
    for part in parts(host) {
        // Only the last part may be larger than a byte.
        leading = leading << 8 | u8::try_from(last).ok().map(u64::from)?;
        last = parse_ipv4_number(part)?;
        bits_left = bits_left.checked_sub(8).filter(|bits| *bits > 0)?;
    }
    let address = (leading << bits_left).checked_add(last).filter(|_| last >> bits_left == 0)?;
    u32::try_from(address).ok().map(Ipv4Addr::from_bits)
}

/// WHATWG's IPv4 number parser: decimal, `0` and octal, `0x` and hexadecimal; a mere `0x` is zero.
/// <https://url.spec.whatwg.org/#ipv4-number-parser>
fn parse_ipv4_number(text: &[u8]) -> Option<u64> {
    let (digits, radix) = match text {
        [] => return None,
        [b'0', b'x' | b'X', digits @ ..] => (digits, 16_u32),
        [b'0', digits @ ..] if !digits.is_empty() => (digits, 8),
        digits => (digits, 10),
    };
    digits.iter().try_fold(0_u64, |number, digit| {
        // What does not fit stays too large for an address.
        Some(number.saturating_mul(radix.into()).saturating_add(char::from(*digit).to_digit(radix)?.into()))
    })
}

/// What stands between the dots of a host, without the empty part behind a dot at its end.
fn parts(host: &str) -> impl Iterator<Item = &[u8]> {
    host.strip_suffix('.').unwrap_or(host).as_bytes().split(|byte| *byte == b'.')
}

/// Lower case, without a dot at the end.
pub(super) fn normalised(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Says what a normalised name should have consisted of. Names beyond ASCII come here as punycode.
pub(super) fn check_name(name: &str) -> Result<(), &'static str> {
    let is_label = |label: &[u8]| {
        (1..=63).contains(&label.len())
            && label.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if name.len() <= 253 && name.as_bytes().split(|byte| *byte == b'.').all(is_label) {
        Ok(())
    } else {
        Err("at most 253 ASCII letters, digits, - and _, with dots between parts of 1 to 63 of them")
    }
}

/// Names that only mean something inside a machine or a network, whoever resolves them.
///
/// - `localhost` and below: RFC 6761 section 6.3; `localdomain` as in `localhost.localdomain` is the old Unix form.
/// - `local`: multicast DNS, RFC 6762; Kubernetes' `cluster.local`.
/// - `internal`: ICANN's resolution 2024.07.29.06 for private use; `metadata.google.internal`.
/// - `home.arpa`: RFC 8375.
/// - Names of one part (`metadata`, `db`): host files and search domains; no public host has one.
pub(super) fn is_local_name(name: &str) -> bool {
    const DOMAINS: [&str; 5] = ["localhost", "localdomain", "local", "internal", "home.arpa"];
    !name.contains('.') || DOMAINS.iter().any(|domain| is_below(name, domain) || name == *domain)
}

/// Whether a name is a proper part of a domain.
pub(super) fn is_below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}
