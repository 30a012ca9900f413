//! What brokers answer: the fields that a producer needs, of every version that it asks for.
//!
//! The schemas are Kafka's `clients/src/main/resources/common/message/*Response.json`.

use crate::{
    Broker,
    requests::{Api, METADATA, PRODUCE, SASL_AUTHENTICATE, SASL_HANDSHAKE},
    wire::{Malformed, Reader},
};

/// More than any cluster has: they are looked through one by one.
const MOST_BROKERS: usize = 1_000;

/// What an element of an array has at least, in any version.
const LEAST_BROKER_BYTES: usize = 10;
const LEAST_TOPIC_BYTES: usize = 5;
const LEAST_PARTITION_BYTES: usize = 12;
const LEAST_PRODUCED_BYTES: usize = 22;

/// Which versions a broker has of what a producer uses.
#[derive(Clone, Debug, Default)]
pub(crate) struct ApiVersions {
    pub(crate) error: i16,
    /// By API key.
    ranges: Vec<(i16, i16, i16)>,
}

impl ApiVersions {
    /// Version 0 or 3. An error is answered in version 0, whatever was asked for.
    pub(crate) fn read(version: i16, body: &[u8]) -> Result<ApiVersions, Malformed> {
        let mut reader = Reader::new(body);
        let error = reader.int16()?;
        if error != 0 {
            return Ok(ApiVersions { error, ranges: Vec::new() });
        }
        reader.is_flexible = version >= 3;
        let mut ranges = Vec::new();
        for _ in 0..reader.array_length(6)? {
            let key = reader.int16()?;
            let range = (key, reader.int16()?, reader.int16()?);
            reader.skip_tags()?;
            if [PRODUCE, METADATA, SASL_HANDSHAKE, SASL_AUTHENTICATE].iter().any(|api| api.key == key) {
                ranges.push(range);
            }
        }
        if version >= 1 {
            let _throttle = reader.int32()?;
        }
        reader.skip_tags()?;
        reader.finish()?;
        Ok(ApiVersions { error, ranges })
    }

    /// The newest version that both sides have.
    pub(crate) fn best(&self, api: Api) -> Option<i16> {
        let (_, least, most) = *self.ranges.iter().find(|(key, ..)| *key == api.key)?;
        let best = most.min(api.most);
        (best >= least.max(api.least)).then_some(best)
    }
}

/// An error code, and the mechanisms that the broker has.
pub(crate) fn sasl_handshake(body: &[u8]) -> Result<(i16, Vec<&str>), Malformed> {
    let mut reader = Reader::new(body);
    let error = reader.int16()?;
    let mut mechanisms = Vec::new();
    for _ in 0..reader.array_length(2)? {
        mechanisms.extend(reader.string()?);
    }
    reader.finish()?;
    Ok((error, mechanisms))
}

/// A step of the authentication.
#[derive(Clone, Debug)]
pub(crate) struct SaslAuthenticate<'a> {
    pub(crate) error: i16,
    pub(crate) bytes: &'a [u8],
    /// In milliseconds; 0 for as long as the connection lives.
    pub(crate) lifetime_ms: i64,
}

impl<'a> SaslAuthenticate<'a> {
    /// Version 0 or 1.
    pub(crate) fn read(version: i16, body: &'a [u8]) -> Result<SaslAuthenticate<'a>, Malformed> {
        let mut reader = Reader::new(body);
        let error = reader.int16()?;
        // The broker's own words are passed over: they may repeat what it was told.
        let _message = reader.string()?;
        let bytes = reader.bytes()?;
        let lifetime_ms = if version >= 1 { reader.int64()? } else { 0 };
        reader.finish()?;
        Ok(SaslAuthenticate { error, bytes, lifetime_ms })
    }
}

/// Brokers, and who leads the partitions of the topics that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) throttle_ms: i32,
    /// By node, at most 1,000. What cannot be an address is left out.
    pub(crate) brokers: Vec<(i32, Broker)>,
    /// By name.
    pub(crate) topics: Vec<(String, TopicMetadata)>,
}

/// A topic, as the cluster sees it now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TopicMetadata {
    pub(crate) error: i16,
    /// The leader's node of each partition, from partition 0; `None` while there is none.
    pub(crate) leaders: Vec<Option<i32>>,
}

impl Metadata {
    /// Version 4 to 12.
    pub(crate) fn read(version: i16, body: &[u8]) -> Result<Metadata, Malformed> {
        let mut reader = Reader::new(body);
        let mut metadata = Metadata::default();
        if version >= 9 {
            reader.is_flexible = true;
            reader.skip_tags()?;
        }
        metadata.throttle_ms = reader.int32()?;
        for _ in 0..reader.array_length(LEAST_BROKER_BYTES)? {
            let node = reader.int32()?;
            let host = reader.string()?.unwrap_or_default();
            let port = reader.int32()?;
            let _rack = reader.string()?;
            reader.skip_tags()?;
            let broker = Broker { host: host.to_owned(), port: u16::try_from(port).unwrap_or_default() };
            if broker.is_valid() && metadata.brokers.len() < MOST_BROKERS {
                metadata.brokers.push((node, broker));
            }
        }
        let _cluster = reader.string()?;
        let _controller = reader.int32()?;
        for _ in 0..reader.array_length(LEAST_TOPIC_BYTES)? {
            metadata.topics.push(topic(version, &mut reader)?);
        }
        if (8..=10).contains(&version) {
            let _operations = reader.int32()?;
        }
        reader.skip_tags()?;
        // librdkafka's mock cluster ends it with a byte too many. Nothing follows that anybody could mistake.
        Ok(metadata)
    }
}

fn topic(version: i16, reader: &mut Reader<'_>) -> Result<(String, TopicMetadata), Malformed> {
    let error = reader.int16()?;
    let name = reader.string()?.unwrap_or_default().to_owned();
    if version >= 10 {
        let _topic_id = (reader.int64()?, reader.int64()?);
    }
    let _is_internal = reader.boolean()?;
    let count = reader.array_length(LEAST_PARTITION_BYTES)?;
    let mut leaders = vec![None; count];
    for _ in 0..count {
        let _error = reader.int16()?;
        let partition = reader.int32()?;
        let leader = reader.int32()?;
        if version >= 7 {
            let _leader_epoch = reader.int32()?;
        }
        reader.skip_int32s()?; // replicas
        reader.skip_int32s()?; // those in sync
        if version >= 5 {
            reader.skip_int32s()?; // those that are away
        }
        reader.skip_tags()?;
        // An error here may be about a replica; without a leader there is none to send to.
        if let Some(slot) = usize::try_from(partition).ok().and_then(|partition| leaders.get_mut(partition)) {
            *slot = (leader >= 0).then_some(leader);
        }
    }
    if version >= 8 {
        let _operations = reader.int32()?;
    }
    reader.skip_tags()?;
    Ok((name, TopicMetadata { error, leaders }))
}

/// What became of the record batches of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Produced {
    pub(crate) throttle_ms: i32,
    /// Partitions, their error codes and first offsets.
    pub(crate) partitions: Vec<(i32, i16, i64)>,
}

impl Produced {
    /// Version 3 to 12. `topic` is the one that was asked about; others are passed over.
    pub(crate) fn read(version: i16, body: &[u8], topic: &str) -> Result<Produced, Malformed> {
        let mut reader = Reader::new(body);
        let mut produced = Produced::default();
        if version >= 9 {
            reader.is_flexible = true;
            reader.skip_tags()?;
        }
        for _ in 0..reader.array_length(2)? {
            let is_ours = reader.string()? == Some(topic);
            for _ in 0..reader.array_length(LEAST_PRODUCED_BYTES)? {
                let answer = (reader.int32()?, reader.int16()?, reader.int64()?);
                let _appended_at = reader.int64()?;
                if version >= 5 {
                    let _log_start = reader.int64()?;
                }
                if version >= 8 {
                    record_errors(&mut reader)?;
                }
                reader.skip_tags()?;
                if is_ours {
                    produced.partitions.push(answer);
                }
            }
            reader.skip_tags()?;
        }
        produced.throttle_ms = reader.int32()?;
        reader.skip_tags()?;
        reader.finish()?;
        Ok(produced)
    }
}

/// The broker's own words about records: what counts is the code.
fn record_errors(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    for _ in 0..reader.array_length(5)? {
        let _index = reader.int32()?;
        let _message = reader.string()?;
        reader.skip_tags()?;
    }
    reader.string().map(drop)
}
