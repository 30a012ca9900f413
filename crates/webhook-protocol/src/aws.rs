//! What the services of AWS share.

mod answer;
mod credentials;
mod sigv4;

pub(crate) use answer::{fault_and_reason, fault_of_code, is_error, rejected};
pub(crate) use credentials::AwsCredentials;
pub(crate) use sigv4::{Call, hex_sha256, lower_hex};

use crate::{
    TargetError,
    parts::{Parts, is_name},
};

/// The region where neither the URL's option nor its host names one.
pub(crate) const DEFAULT_REGION: &str = "us-east-1";

/// The option `region`.
pub(crate) fn region<'a>(parts: &Parts<'a>) -> Result<Option<&'a str>, TargetError> {
    match parts.option("region") {
        Some(text) if !is_name(text, 1, 32, "-") => {
            Err(TargetError::invalid("region", text, "a region like eu-central-1"))
        }
        option => Ok(option),
    }
}

/// An account's number.
pub(crate) fn account_id(text: &str) -> Result<String, TargetError> {
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err(TargetError::invalid("account", text, "12 digits"))
    }
}
