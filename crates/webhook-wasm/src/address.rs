//! The address policy.

use std::net::IpAddr;

use wasm_bindgen::prelude::*;
use webhook_protocol::{AddressError, AllowedAddresses, Host};

use crate::error::js_error;

/// Which hosts are called: public ones, and what a self-hoster allows.
///
/// Its methods throw an `AddressError` with a code: `empty_host`, `invalid_address`, `zone`, `invalid_name`,
/// `local_name`, `no_address`, or the class of an address that is not public, like `loopback` or `private`.
#[wasm_bindgen]
pub struct AddressPolicy {
    policy: webhook_protocol::AddressPolicy,
    errors: Vec<String>,
}

#[wasm_bindgen]
impl AddressPolicy {
    /// `allowed` is the text of `WEBHOOK_ALLOWED_ADDRESSES`: ranges, addresses and names, empty for none.
    #[wasm_bindgen(constructor)]
    pub fn new(allowed: &str) -> AddressPolicy {
        let (allowed, errors) = AllowedAddresses::parse(allowed);
        AddressPolicy {
            policy: webhook_protocol::AddressPolicy::new(allowed),
            errors: errors.iter().map(ToString::to_string).collect(),
        }
    }

    /// A line for each entry that is wrong and therefore allows nothing.
    pub fn errors(&self) -> Vec<String> {
        self.errors.clone()
    }

    /// Judges a URL's host: gives the address to connect to, or `undefined` for a name that is to be resolved.
    #[wasm_bindgen(js_name = judgeHost)]
    pub fn judge_host(&self, host: &str) -> Result<Option<String>, JsValue> {
        match self.policy.judge_host(host).map_err(address_error)? {
            Host::Address(address) => Ok(Some(address.to_string())),
            Host::Name(_) => Ok(None),
        }
    }

    /// Judges all the addresses that a name resolves to.
    #[wasm_bindgen(js_name = judgeResolved)]
    pub fn judge_resolved(&self, host: &str, addresses: Vec<String>) -> Result<(), JsValue> {
        let parsed: Result<Vec<IpAddr>, JsValue> = addresses
            .iter()
            .map(|address| address.parse().map_err(|_| address_error(AddressError::invalid_address(address))))
            .collect();
        self.policy.judge_resolved(host, &parsed?).map_err(address_error)
    }
}

fn address_error(error: AddressError) -> JsValue {
    js_error("AddressError", error.code(), &error.to_string())
}
