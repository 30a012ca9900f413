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
    let host = host.strip_suffix('.').unwrap_or(host);
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_decimal = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    is_decimal || parse_ipv4_number(last).is_some()
}

/// WHATWG's IPv4 parser: one to four numbers, of which the last one fills what is left of the 32 bits.
/// <https://url.spec.whatwg.org/#concept-ipv4-parser>
fn parse_ipv4(host: &str) -> Option<Ipv4Addr> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let mut bytes = 0_u64;
    let mut bits_left = 32_u32;
    let mut parts = host.split('.').peekable();
    while let Some(part) = parts.next() {
        let number = parse_ipv4_number(part)?;
        let width = if parts.peek().is_some() { 8 } else { bits_left };
        bits_left = bits_left.checked_sub(width)?;
        if width == 0 || number >> width != 0 {
            return None;
        }
        bytes = bytes << width | number;
    }
    u32::try_from(bytes).ok().map(Ipv4Addr::from_bits)
}

/// WHATWG's IPv4 number parser: decimal, `0` and octal, `0x` and hexadecimal; a mere `0x` is zero.
/// <https://url.spec.whatwg.org/#ipv4-number-parser>
fn parse_ipv4_number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.is_empty() => return None,
        None => match text.strip_prefix('0') {
            Some(digits) if !digits.is_empty() => (digits, 8),
            _ => (text, 10),
        },
    };
    digits.chars().try_fold(0_u64, |number, digit| {
        // What does not fit stays too large for an address.
        Some(number.saturating_mul(radix).saturating_add(digit.to_digit(radix as u32)?.into()))
    })
}

/// Lower case, without a dot at the end.
pub(super) fn normalised(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Says what a normalised name should have consisted of. Names beyond ASCII come here as punycode.
pub(super) fn check_name(name: &str) -> Result<(), &'static str> {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if name.len() <= 253 && name.split('.').all(is_label) {
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
