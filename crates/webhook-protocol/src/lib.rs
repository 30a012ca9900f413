//! Where deliveries go: target URLs by protocol, the requests that carry deliveries there, and their answers.

mod adapter;
mod address;
mod aws;
mod chat;
mod credentials;
mod error;
mod google;
mod http;
mod json;
mod kafka;
mod lambda;
mod mail;
mod message;
mod notice;
mod parts;
mod pubsub;
mod sqs;
mod target;
mod url;

pub use adapter::{
    Adapter, Context, Entry, Fault, Limits, MessageError, Preparation, PreparationError, PreparationStep,
    Reply, Request, RequestError, Response,
};
pub use address::{AddressClass, AddressError, AddressPolicy, AllowedAddresses, AllowedAddressesError, Host};
pub use chat::{Dialect, is_chat_host};
pub use credentials::{CredentialsError, CredentialsName, SecretText};
pub use error::TargetError;
pub use http::{HttpRequest, HttpTarget, MOST_BODY_BYTES};
pub use kafka::{
    Broker, KafkaCompression, KafkaMechanism, KafkaRecord, KafkaRequest, KafkaSasl, KafkaTarget,
};
pub use lambda::LambdaTarget;
pub use mail::MailTarget;
pub use message::{Beside, KeyBy, Message};
pub use pubsub::PubSubTarget;
pub use sqs::{SqsQueue, SqsTarget};
pub use target::{Protocol, Target};
#[cfg(any(test, feature = "native-url"))]
pub use url::NativeUrlParser;
pub use url::{HttpUrl, HttpUrlParser};
pub use webhook_http::{
    Answer, AnswerError, MOST_HEAD_BYTES, MOST_HEADERS, RequestError as HttpRequestError, header_fields,
    read_answer,
};
