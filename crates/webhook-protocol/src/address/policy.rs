//! Judging hosts and the addresses that they resolve to.

use std::net::IpAddr;

use super::{
    AddressClass, AddressError, AllowedAddresses, Host,
    error::shown,
    host::{is_local_name, normalised},
};

/// Which hosts are called: public ones, and what a self-hoster allows. By default nothing is allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressPolicy {
    allowed: AllowedAddresses,
}

impl AddressPolicy {
    /// A policy that allows more than public addresses.
    pub fn new(allowed: AllowedAddresses) -> AddressPolicy {
        AddressPolicy { allowed }
    }

    /// Judges a host as a URL has it: a name or an address, IPv6 with brackets or without.
    ///
    /// Local names (`localhost`, `*.local`, `*.internal`, names of one part and the like) are refused if they are not
    /// allowed by name. Where ranges are allowed, a local name may well lie in one of them, so it is let through to be
    /// resolved, and [`AddressPolicy::judge_resolved`] decides.
    ///
    /// # Errors
    /// All but [`AddressError::ResolvesToNotPublic`] and [`AddressError::NoAddress`].
    pub fn judge_host(&self, host: &str) -> Result<Host, AddressError> {
        let host = Host::parse(host)?;
        match &host {
            Host::Address(address) => {
                if let Some(class) = self.refused_class(*address) {
                    return Err(AddressError::NotPublic { address: *address, class });
                }
            }
            Host::Name(name) => {
                if is_local_name(name) && !self.allowed.has_ranges() && !self.allowed.covers_name(name) {
                    return Err(AddressError::LocalName { host: shown(name) });
                }
            }
        }
        Ok(host)
    }

    /// Judges all the addresses that a host name resolves to. One that is not called refuses them all: whoever mixes
    /// inside addresses with public ones hopes for the connection to take the wrong one.
    ///
    /// # Errors
    /// [`AddressError::NoAddress`] or [`AddressError::ResolvesToNotPublic`].
    pub fn judge_resolved(&self, host: &str, addresses: &[IpAddr]) -> Result<(), AddressError> {
        let host = shown(&normalised(host));
        if addresses.is_empty() {
            return Err(AddressError::NoAddress { host });
        }
        if self.allowed.covers_name(&host) {
            return Ok(());
        }
        for address in addresses {
            if let Some(class) = self.refused_class(*address) {
                return Err(AddressError::ResolvesToNotPublic {
                    host,
                    address: address.to_canonical(),
                    class,
                });
            }
        }
        Ok(())
    }

    /// The class of an address that is neither public nor allowed.
    fn refused_class(&self, address: IpAddr) -> Option<AddressClass> {
        let class = AddressClass::of(address);
        (class != AddressClass::Public && !self.allowed.covers_address(address)).then_some(class)
    }
}
