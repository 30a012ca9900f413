//! A conversation without sockets, in which the test is the broker. Its answers are encoded by `kafka-protocol`.

use bytes::{Bytes, BytesMut};
use kafka_protocol::{
    messages::{
        ApiKey, ApiVersionsResponse, BrokerId, MetadataResponse, ProduceRequest, ProduceResponse,
        RequestHeader, ResponseHeader, SaslAuthenticateRequest, SaslAuthenticateResponse,
        SaslHandshakeResponse, TopicName,
        api_versions_response::ApiVersion,
        metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic},
        produce_response::{PartitionProduceResponse, TopicProduceResponse},
    },
    protocol::{Decodable, Encodable, HeaderVersion, StrBytes},
};
use webhook_kafka::{Action, Config, Producer, RecordResult};

/// A producer whose broker is the test.
pub struct Script {
    pub producer: Producer,
    pub now: u64,
    actions: Vec<Action>,
}

/// A request as the broker decodes it.
#[derive(Debug)]
pub struct Asked {
    pub connection: u32,
    pub api: ApiKey,
    pub version: i16,
    pub correlation: i32,
    pub body: Bytes,
}

impl Script {
    pub fn new(config: Config) -> Script {
        Script { producer: Producer::new(config).unwrap(), now: 1_000_000, actions: Vec::new() }
    }

    /// Answers the request in the version that it was asked in.
    pub fn answer<R: Encodable + HeaderVersion>(&mut self, asked: &Asked, answer: &R) {
        self.producer.received(asked.connection, &frame(asked.correlation, asked.version, answer), self.now);
    }

    /// The next connection that is asked for, opened.
    pub fn connect(&mut self, nonce: &str) -> u32 {
        let connection = self.next(|action| match action {
            Action::Connect { connection, .. } => Some(*connection),
            _ => None,
        });
        self.producer.connected(connection, nonce, self.now).unwrap();
        connection
    }

    /// The next request, decoded.
    pub fn asked(&mut self, api: ApiKey) -> Asked {
        let (connection, bytes) = self.next(|action| match action {
            Action::Write { connection, bytes } => Some((*connection, bytes.clone())),
            _ => None,
        });
        let mut body = Bytes::from(bytes);
        let length = bytes::Buf::get_i32(&mut body);
        assert_eq!(usize::try_from(length).unwrap(), body.len());
        let key = i16::from_be_bytes(body[..2].try_into().unwrap());
        let version = i16::from_be_bytes(body[2..4].try_into().unwrap());
        assert_eq!(ApiKey::try_from(key).unwrap(), api);
        let header = RequestHeader::decode(&mut body, api.request_header_version(version)).unwrap();
        assert_eq!(header.client_id, Some(StrBytes::from_static_str("webhooks")));
        Asked { connection, api, version, correlation: header.correlation_id, body }
    }

    pub fn closed(&mut self) -> u32 {
        self.next(|action| match action {
            Action::Close { connection } => Some(*connection),
            _ => None,
        })
    }

    pub fn settled(&mut self) -> Vec<RecordResult> {
        self.next(|action| match action {
            Action::Settled { results, .. } => Some(results.clone()),
            _ => None,
        })
    }

    pub fn wake_in_ms(&mut self) -> Option<u64> {
        let (actions, wake_in_ms) = self.producer.poll(self.now);
        self.actions.extend(actions);
        wake_in_ms
    }

    pub fn has_nothing_to_do(&mut self) -> bool {
        self.wake_in_ms();
        self.actions.is_empty()
    }

    fn next<T>(&mut self, wanted: impl Fn(&Action) -> Option<T>) -> T {
        self.wake_in_ms();
        let found = self.actions.iter().position(|action| wanted(action).is_some());
        let position = found.unwrap_or_else(|| panic!("not among {:?}", self.actions));
        wanted(&self.actions.remove(position)).unwrap()
    }

    /// Opens a connection to a broker that has `versions` and wants no login.
    pub fn open(&mut self, versions: &ApiVersionsResponse) -> u32 {
        let connection = self.connect("0123456789abcdef");
        let asked = self.asked(ApiKey::ApiVersions);
        self.answer(&asked, versions);
        connection
    }
}

pub fn frame<R: Encodable + HeaderVersion>(correlation: i32, version: i16, answer: &R) -> Vec<u8> {
    let mut body = BytesMut::new();
    let header = ResponseHeader::default().with_correlation_id(correlation);
    header.encode(&mut body, R::header_version(version)).unwrap();
    answer.encode(&mut body, version).unwrap();
    [&u32::try_from(body.len()).unwrap().to_be_bytes(), body.as_ref()].concat()
}

/// What a broker has of what a producer needs: (key, least, most).
pub fn versions(ranges: &[(ApiKey, i16, i16)]) -> ApiVersionsResponse {
    let ranges = ranges.iter().map(|(api, least, most)| {
        ApiVersion::default().with_api_key(*api as i16).with_min_version(*least).with_max_version(*most)
    });
    ApiVersionsResponse::default().with_api_keys(ranges.collect())
}

pub fn kafka_4() -> ApiVersionsResponse {
    versions(&[
        (ApiKey::Produce, 0, 13),
        (ApiKey::Metadata, 0, 13),
        (ApiKey::SaslHandshake, 0, 1),
        (ApiKey::ApiVersions, 0, 4),
        (ApiKey::SaslAuthenticate, 0, 2),
    ])
}

/// One broker, `kafka.example:9092`, that leads all partitions of `orders`.
pub fn metadata(version: i16, partitions: i32) -> MetadataResponse {
    let partitions = (0..partitions).map(|index| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(BrokerId(7))
            .with_replica_nodes(vec![BrokerId(7), BrokerId(8)])
            .with_isr_nodes(vec![BrokerId(7)])
            .with_offline_replicas(if version >= 5 { vec![BrokerId(8)] } else { vec![] })
    });
    let topic = MetadataResponseTopic::default()
        .with_name(Some(topic_name()))
        .with_partitions(partitions.collect())
        .with_topic_authorized_operations(i32::MIN);
    let broker = MetadataResponseBroker::default()
        .with_node_id(BrokerId(7))
        .with_host(StrBytes::from_static_str("kafka.example"))
        .with_port(9092)
        .with_rack(Some(StrBytes::from_static_str("eu-1a")));
    MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id(Some(StrBytes::from_static_str("c")))
        .with_cluster_authorized_operations(i32::MIN)
        .with_topics(vec![topic])
}

pub fn produced(partition: i32, error: i16, offset: i64) -> ProduceResponse {
    let partition = PartitionProduceResponse::default()
        .with_index(partition)
        .with_error_code(error)
        .with_base_offset(offset);
    let topic =
        TopicProduceResponse::default().with_name(topic_name()).with_partition_responses(vec![partition]);
    ProduceResponse::default().with_responses(vec![topic])
}

pub fn topic_name() -> TopicName {
    TopicName(StrBytes::from_static_str("orders"))
}

/// The partitions that a request writes to, and its time-out.
pub fn produce_request(asked: &Asked) -> (Vec<i32>, i32) {
    let request = ProduceRequest::decode(&mut asked.body.clone(), asked.version).unwrap();
    assert_eq!((request.acks, request.topic_data.len()), (-1, 1));
    let partitions = request.topic_data[0].partition_data.iter().map(|partition| partition.index);
    (partitions.collect(), request.timeout_ms)
}

pub fn sasl_message(asked: &Asked) -> Vec<u8> {
    SaslAuthenticateRequest::decode(&mut asked.body.clone(), asked.version).unwrap().auth_bytes.to_vec()
}

pub fn sasl_answer(message: &[u8]) -> SaslAuthenticateResponse {
    SaslAuthenticateResponse::default().with_auth_bytes(Bytes::copy_from_slice(message))
}

pub fn sasl_handshake(error: i16, mechanisms: &[&'static str]) -> SaslHandshakeResponse {
    let mechanisms = mechanisms.iter().map(|name| StrBytes::from_static_str(name)).collect();
    SaslHandshakeResponse::default().with_error_code(error).with_mechanisms(mechanisms)
}
