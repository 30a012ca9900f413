//! Where deliveries go: target URLs by protocol, and the requests that carry deliveries there.

mod address;
mod error;
mod http;
mod kafka;
mod parts;
mod pubsub;
mod sqs;
mod target;
mod url;

pub use address::{AddressClass, AddressError, AddressPolicy, AllowedAddresses, AllowedAddressesError, Host};
pub use error::TargetError;
pub use http::{HttpRequest, HttpTarget, Message};
pub use kafka::{Broker, KafkaTarget};
pub use pubsub::PubSubTarget;
pub use sqs::{SqsQueue, SqsTarget};
pub use target::{Protocol, Target};
#[cfg(any(test, feature = "native-url"))]
pub use url::NativeUrlParser;
pub use url::{HttpUrl, HttpUrlParser};
