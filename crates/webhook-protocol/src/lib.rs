//! Where deliveries go: target URLs by protocol, the requests that carry deliveries there, and their answers.

mod address;
mod error;
mod http;
mod http1;
mod kafka;
mod parts;
mod pubsub;
mod sqs;
mod target;
mod url;

pub use address::{AddressClass, AddressError, AddressPolicy, AllowedAddresses, AllowedAddressesError, Host};
pub use error::TargetError;
pub use http::{HttpRequest, HttpRequestError, HttpTarget, Message, header_fields};
pub use http1::{Answer, AnswerError, MOST_BODY_BYTES, MOST_HEAD_BYTES, MOST_HEADERS, read_answer};
pub use kafka::{Broker, KafkaTarget};
pub use pubsub::PubSubTarget;
pub use sqs::{SqsQueue, SqsTarget};
pub use target::{Protocol, Target};
#[cfg(any(test, feature = "native-url"))]
pub use url::NativeUrlParser;
pub use url::{HttpUrl, HttpUrlParser};
