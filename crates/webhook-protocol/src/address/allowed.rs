//! What a self-hoster allows beyond public addresses.

use std::net::IpAddr;

use thiserror::Error;

use super::{
    host::{check_name, ends_in_number, is_below, normalised},
    ranges::covers,
};

/// What may be called although it is not public: the value of `WEBHOOK_ALLOWED_ADDRESSES`, empty by default.
///
/// Its entries are separated by commas or blanks:
/// - ranges, `10.1.0.0/16` or `fd00:1::/32`, and single addresses, `10.1.2.3`. One of IPv4 also stands for the
///   IPv4-mapped form of its addresses; a wide one of IPv6, even `::/0`, does not stand for IPv4-mapped addresses.
/// - names, `db` or `hooks.internal.example`, and all names below one, `*.internal.example`. What such a name resolves
///   to is called, whatever it is: whoever allows a name trusts whoever answers for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedAddresses {
    /// The 128 bits of an address, IPv4 as IPv4-mapped, and how many of them count.
    ranges: Vec<(u128, u8)>,
    /// Lower case; those with `*.` before them allow what is below.
    names: Vec<String>,
}

/// An entry of `WEBHOOK_ALLOWED_ADDRESSES` that is wrong and allows nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("WEBHOOK_ALLOWED_ADDRESSES: expected {expected}, got {entry:?}; this entry is ignored")]
pub struct AllowedAddressesError {
    /// The entry, cut after 64 characters.
    pub entry: String,
    /// What it should have been.
    pub expected: String,
}

const ENTRY: &str = "a range like 10.1.0.0/16, an address, a host name or *.DOMAIN";

impl AllowedAddresses {
    /// Reads the variable's text. Entries that are wrong are left out and come back as errors.
    pub fn parse(text: &str) -> (AllowedAddresses, Vec<AllowedAddressesError>) {
        let mut allowed = AllowedAddresses::default();
        let mut errors = Vec::new();
        for entry in
            text.split(|c: char| c == ',' || c.is_ascii_whitespace()).filter(|entry| !entry.is_empty())
        {
            if let Err(expected) = allowed.add(entry) {
                errors.push(AllowedAddressesError { entry: entry.chars().take(64).collect(), expected });
            }
        }
        (allowed, errors)
    }

    /// Whether an address is in one of the ranges.
    pub fn covers_address(&self, address: IpAddr) -> bool {
        let (bits, shortest_prefix) = mapped(address.to_canonical());
        self.ranges.iter().any(|(base, prefix)| *prefix >= shortest_prefix && covers(*base, *prefix, bits))
    }

    /// Whether a host name is allowed, whatever it resolves to.
    pub fn covers_name(&self, name: &str) -> bool {
        let name = normalised(name);
        self.names.iter().any(|allowed| match allowed.strip_prefix("*.") {
            Some(domain) => is_below(&name, domain),
            None => *allowed == name,
        })
    }

    /// Whether an address could be allowed at all.
    pub(super) fn has_ranges(&self) -> bool {
        !self.ranges.is_empty()
    }

    fn add(&mut self, entry: &str) -> Result<(), String> {
        let (address, prefix) = match entry.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (entry, None),
        };
        match (address.parse::<IpAddr>(), prefix) {
            (Ok(address), prefix) => self.ranges.push(range(address, prefix)?),
            (Err(_), None) => self.names.push(name(entry).ok_or(ENTRY)?),
            (Err(_), Some(_)) => return Err(ENTRY.to_owned()),
        }
        Ok(())
    }
}

fn range(address: IpAddr, prefix: Option<&str>) -> Result<(u128, u8), String> {
    let longest: u8 = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        Some(digits) => prefix_length(digits)
            .filter(|prefix| *prefix <= longest)
            .ok_or_else(|| format!("a number from 0 to {longest} after the /"))?,
        None => longest,
    };
    let (bits, prefix) = (mapped(address).0, prefix + (128 - longest));
    let base = bits & !u128::MAX.checked_shr(prefix.into()).unwrap_or(0);
    if base == bits {
        return Ok((bits, prefix));
    }
    let prefix = prefix - (128 - longest);
    let base = match address {
        IpAddr::V4(_) => IpAddr::V4((base as u32).into()),
        IpAddr::V6(_) => IpAddr::V6(base.into()),
    };
    Err(format!("{base}/{prefix} or {address}/{longest}"))
}

/// Digits only and no zero before them: in some places that would mean octal.
fn prefix_length(digits: &str) -> Option<u8> {
    let is_plain = digits == "0" || !digits.starts_with(['0', '+']);
    is_plain.then(|| digits.parse().ok()).flatten()
}

/// The 128 bits of an address, and how many of a range's must count for it to hold the address: the bits of `::/0` and
/// its like are those of IPv4-mapped addresses, too, but it is IPv6 that they were written for.
fn mapped(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (address.to_ipv6_mapped().to_bits(), 96),
        IpAddr::V6(address) => (address.to_bits(), 0),
    }
}

/// A name or `*.` and a name, normalised. Something like `127.1` is no name, and an address should be written out.
fn name(entry: &str) -> Option<String> {
    let entry = normalised(entry);
    let domain = entry.strip_prefix("*.").unwrap_or(&entry);
    (check_name(domain).is_ok() && !ends_in_number(domain)).then_some(entry)
}
