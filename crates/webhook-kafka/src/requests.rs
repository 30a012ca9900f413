//! What is asked of brokers, as frames: a length, a header and a body.
//!
//! The schemas are Kafka's `clients/src/main/resources/common/message/*Request.json`.

use crate::writer::Writer;

/// One of Kafka's APIs, and the versions of it that are spoken here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Api {
    pub(crate) key: i16,
    pub(crate) name: &'static str,
    pub(crate) least: i16,
    pub(crate) most: i16,
    /// From which version on it is flexible (KIP-482).
    flexible: i16,
}

/// From 3 on with record batches of format 2; 13 names topics by identifier.
pub(crate) const PRODUCE: Api = Api { key: 0, name: "Produce", least: 3, most: 12, flexible: 9 };
/// 4 can forbid to make topics; 13 adds nothing.
pub(crate) const METADATA: Api = Api { key: 3, name: "Metadata", least: 4, most: 12, flexible: 9 };
/// With 1, what follows is wrapped in `SaslAuthenticate`, so that a refusal has an error code.
pub(crate) const SASL_HANDSHAKE: Api = Api { key: 17, name: "SaslHandshake", least: 1, most: 1, flexible: 2 };
/// 1 tells how long the session lives.
pub(crate) const SASL_AUTHENTICATE: Api =
    Api { key: 36, name: "SaslAuthenticate", least: 0, most: 1, flexible: 2 };
/// Asked in version 3 first, and in version 0 where a broker does not have that.
pub(crate) const API_VERSIONS: Api = Api { key: 18, name: "ApiVersions", least: 0, most: 3, flexible: 3 };

/// A request's header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    pub(crate) version: i16,
    pub(crate) correlation: i32,
    pub(crate) client_id: &'a str,
}

/// Version 0 or 3.
pub(crate) fn api_versions(head: Head<'_>) -> Vec<u8> {
    let mut body = begin(API_VERSIONS, head);
    if head.version >= 3 {
        body.string("supabase-webhooks");
        body.string(env!("CARGO_PKG_VERSION"));
        body.tags();
    }
    frame(body)
}

pub(crate) fn sasl_handshake(head: Head<'_>, mechanism: &str) -> Vec<u8> {
    let mut body = begin(SASL_HANDSHAKE, head);
    body.string(mechanism);
    frame(body)
}

pub(crate) fn sasl_authenticate(head: Head<'_>, message: &[u8]) -> Vec<u8> {
    let mut body = begin(SASL_AUTHENTICATE, head);
    body.byte_string(message);
    frame(body)
}

/// Version 4 to 12. As with the Java client, the cluster's own setting says whether a topic that is missing is made.
pub(crate) fn metadata(head: Head<'_>, topics: &[String]) -> Vec<u8> {
    let mut body = begin(METADATA, head);
    body.array_length(topics.len());
    for topic in topics {
        if head.version >= 10 {
            body.raw(&[0; 16]); // by name, not by identifier
        }
        body.string(topic);
        body.tags();
    }
    let may_make_topics = true;
    body.boolean(may_make_topics);
    if (8..=10).contains(&head.version) {
        body.boolean(false); // what we may do in the cluster
    }
    if head.version >= 8 {
        body.boolean(false); // and with the topics
    }
    body.tags();
    frame(body)
}

/// Version 3 to 12. Appends record batches to partitions of a topic; all in-sync replicas are to have them within
/// `timeout_ms`.
pub(crate) fn produce(head: Head<'_>, topic: &str, batches: &[(i32, Vec<u8>)], timeout_ms: i32) -> Vec<u8> {
    let mut body = begin(PRODUCE, head);
    body.null_string(); // no transaction
    body.int16(-1); // acks: all
    body.int32(timeout_ms);
    body.array_length(1);
    body.string(topic);
    body.array_length(batches.len());
    for (partition, records) in batches {
        body.int32(*partition);
        body.byte_string(records);
        body.tags();
    }
    body.tags();
    body.tags();
    frame(body)
}

/// The header, with room for the length before it.
fn begin(api: Api, head: Head<'_>) -> Writer {
    let mut writer = Writer::default();
    writer.int32(0);
    writer.int16(api.key);
    writer.int16(head.version);
    writer.int32(head.correlation);
    // The header keeps the old form of strings in all versions.
    writer.string(head.client_id);
    writer.is_flexible = head.version >= api.flexible;
    writer.tags();
    writer
}

fn frame(writer: Writer) -> Vec<u8> {
    let mut bytes = writer.bytes;
    if let Some((length, rest)) = bytes.split_first_chunk_mut::<4>() {
        *length = (rest.len() as u32).to_be_bytes();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kafka_protocol::{
        messages::{
            ApiKey, ApiVersionsRequest, MetadataRequest, ProduceRequest, RequestHeader,
            SaslAuthenticateRequest, SaslHandshakeRequest, TopicName,
            metadata_request::MetadataRequestTopic,
            produce_request::{PartitionProduceData, TopicProduceData},
        },
        protocol::{Encodable, HeaderVersion, StrBytes},
    };

    use super::*;

    fn head(version: i16) -> Head<'static> {
        Head { version, correlation: 77, client_id: "webhooks-ü" }
    }

    /// The same request as `kafka-protocol` encodes it.
    fn expected<R: Encodable + HeaderVersion>(api: Api, version: i16, request: &R) -> Vec<u8> {
        assert_eq!(
            ApiKey::try_from(api.key).unwrap().request_header_version(version),
            R::header_version(version)
        );
        let header = RequestHeader::default()
            .with_request_api_key(api.key)
            .with_request_api_version(version)
            .with_correlation_id(77)
            .with_client_id(Some(StrBytes::from_static_str("webhooks-ü")));
        let mut body = Vec::new();
        header.encode(&mut body, R::header_version(version)).unwrap();
        request.encode(&mut body, version).unwrap();
        [&(body.len() as u32).to_be_bytes(), body.as_slice()].concat()
    }

    fn topic_name(name: &str) -> TopicName {
        TopicName(StrBytes::from_string(name.to_owned()))
    }

    #[test]
    fn every_version_is_as_kafka_protocol_encodes_it() {
        for version in [0, 3] {
            let mut request = ApiVersionsRequest::default();
            if version == 3 {
                request = request
                    .with_client_software_name(StrBytes::from_static_str("supabase-webhooks"))
                    .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
            }
            assert_eq!(api_versions(head(version)), expected(API_VERSIONS, version, &request));
        }
        for version in PRODUCE.least..=PRODUCE.most {
            let partitions = [(0, &b"zero"[..]), (300, b"")].map(|(index, records)| {
                PartitionProduceData::default()
                    .with_index(index)
                    .with_records(Some(Bytes::from_static(records)))
            });
            let topic = TopicProduceData::default()
                .with_name(topic_name("orders"))
                .with_partition_data(partitions.to_vec());
            let request =
                ProduceRequest::default().with_acks(-1).with_timeout_ms(5_000).with_topic_data(vec![topic]);
            let batches = [(0, b"zero".to_vec()), (300, Vec::new())];
            assert_eq!(
                produce(head(version), "orders", &batches, 5_000),
                expected(PRODUCE, version, &request),
                "{version}"
            );
        }
        for version in METADATA.least..=METADATA.most {
            let topics = ["orders", "größe"].map(str::to_owned);
            let named =
                topics.iter().map(|name| MetadataRequestTopic::default().with_name(Some(topic_name(name))));
            let request = MetadataRequest::default()
                .with_topics(Some(named.collect()))
                .with_allow_auto_topic_creation(true);
            assert_eq!(metadata(head(version), &topics), expected(METADATA, version, &request), "{version}");
        }
        let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str("PLAIN"));
        assert_eq!(sasl_handshake(head(1), "PLAIN"), expected(SASL_HANDSHAKE, 1, &request));
        for version in [0, 1] {
            let request = SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from_static(b"n,,"));
            assert_eq!(
                sasl_authenticate(head(version), b"n,,"),
                expected(SASL_AUTHENTICATE, version, &request)
            );
        }
    }
}
