//! Records, what becomes of them, and the batches in which they travel.

use miniz_oxide::deflate;

use crate::{Compression, crc, writer::Writer};

/// The Java client's `max.request.size`, and a little less than what a broker takes by default
/// (`message.max.bytes`). It bounds the records before they are compressed.
pub(crate) const MOST_REQUEST_BYTES: usize = 1_048_576;

/// What lengths, deltas and a batch's header add to a record's own bytes at most, but for its headers.
const RECORD_OVERHEAD: usize = 96;
const HEADER_OVERHEAD: usize = 10;

/// What is appended to a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Records with the same key share a partition; those without take turns.
    pub key: Option<String>,
    /// The value.
    pub value: String,
    /// Names and values, in their order; names may repeat.
    pub headers: Vec<(String, String)>,
    /// Milliseconds since 1970: when what the record tells happened.
    pub timestamp_ms: u64,
}

impl Record {
    /// How much room it takes at most, uncompressed.
    pub(crate) fn most_bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len() + HEADER_OVERHEAD);
        let key = self.key.as_ref().map_or(0, String::len);
        RECORD_OVERHEAD + key + self.value.len() + headers.sum::<usize>()
    }
}

/// What became of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordResult {
    /// All in-sync replicas have it.
    Accepted {
        /// Where it is.
        partition: i32,
        /// Its number there.
        offset: i64,
    },
    /// It was not written, or nobody knows.
    Rejected(Rejection),
    /// No answer came in time. It may have been written.
    TimedOut {
        /// How long was waited, in milliseconds.
        after_ms: u64,
    },
}

/// Why a record was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Whether it is worth another try.
    pub kind: RejectionKind,
    /// For people. Shows no credentials.
    pub reason: String,
}

/// Whether another try is worth it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectionKind {
    /// It may work later.
    Passing,
    /// Somebody has to change something first: the topic, the permissions, the record.
    Permanent,
    /// The cluster wants less of us.
    Throttled,
}

/// Packs records into one batch of format 2
/// ([Kafka's documentation](https://kafka.apache.org/documentation/#recordbatch)).
pub(crate) fn encode(records: &[&Record], compression: Compression) -> Vec<u8> {
    let timestamps = || records.iter().map(|record| timestamp(record));
    let (first, last) = (timestamps().next().unwrap_or(0), timestamps().max().unwrap_or(0));
    let mut plain = Writer::default();
    for (position, record) in records.iter().enumerate() {
        let body = body(record, position, first);
        plain.varint(body.len() as i64);
        plain.raw(&body);
    }
    let (attributes, packed) = match compression {
        Compression::None => (0, plain.bytes),
        Compression::Gzip => (1, gzip(&plain.bytes)),
    };
    let mut checked = Writer::default();
    checked.int16(attributes);
    checked.int32(records.len() as i32 - 1); // the last record's offset
    checked.int64(first);
    checked.int64(last);
    // No producer's identifier, epoch and sequence: it is not idempotent.
    checked.int64(-1);
    checked.int16(-1);
    checked.int32(-1);
    checked.int32(records.len() as i32);
    checked.raw(&packed);

    let mut batch = Writer::default();
    batch.int64(0); // the first record's offset, which the broker fills in
    batch.int32(checked.bytes.len() as i32 + 9); // what follows
    batch.int32(-1); // the leader's epoch, which the broker fills in
    batch.raw(&[2]); // the format
    batch.raw(&crc::crc32c(&checked.bytes).to_be_bytes());
    batch.raw(&checked.bytes);
    batch.bytes
}

fn body(record: &Record, position: usize, first_timestamp: i64) -> Vec<u8> {
    let mut body = Writer::default();
    body.raw(&[0]); // no attributes
    body.varint(timestamp(record) - first_timestamp);
    body.varint(position as i64);
    match &record.key {
        Some(key) => text(&mut body, key),
        None => body.varint(-1),
    }
    text(&mut body, &record.value);
    body.varint(record.headers.len() as i64);
    for (name, value) in &record.headers {
        text(&mut body, name);
        text(&mut body, value);
    }
    body.bytes
}

fn text(writer: &mut Writer, text: &str) {
    writer.varint(text.len() as i64);
    writer.raw(text.as_bytes());
}

/// Below 2^62, so that no difference overflows.
fn timestamp(record: &Record) -> i64 {
    (record.timestamp_ms & (u64::MAX >> 2)) as i64
}

/// RFC 1952: one member without a name or a time.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    const LEVEL: u8 = 6;
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    packed.append(&mut deflate::compress_to_vec(bytes, LEVEL));
    packed.extend_from_slice(&crc::crc32(bytes).to_le_bytes());
    packed.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    packed
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kafka_protocol::records::{self, RecordBatchDecoder};
    use proptest::prelude::*;

    use super::*;

    fn decoded(bytes: Vec<u8>) -> Vec<records::Record> {
        let mut bytes = Bytes::from(bytes);
        let sets = RecordBatchDecoder::decode_all(&mut bytes).unwrap();
        assert_eq!(sets.len(), 1, "one batch, whatever it holds");
        assert!(bytes.is_empty());
        sets.into_iter().next().unwrap().records
    }

    fn any_record() -> impl Strategy<Value = Record> {
        let headers = proptest::collection::btree_map(".{0,8}", ".{0,20}", 0..4);
        (proptest::option::of(".{0,12}"), ".{0,200}", headers, 0..1_u64 << 50).prop_map(
            |(key, value, headers, timestamp_ms)| Record {
                key,
                value,
                headers: headers.into_iter().collect(),
                timestamp_ms,
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_packed_is_what_a_consumer_unpacks(
            records in proptest::collection::vec(any_record(), 1..20),
            gzip: bool,
        ) {
            let compression = if gzip { Compression::Gzip } else { Compression::None };
            let bytes = encode(&records.iter().collect::<Vec<_>>(), compression);
            if !gzip {
                prop_assert!(bytes.len() <= records.iter().map(Record::most_bytes).sum());
            }
            let unpacked = decoded(bytes);
            prop_assert_eq!(unpacked.len(), records.len());
            for (position, (got, sent)) in unpacked.iter().zip(&records).enumerate() {
                let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
                prop_assert_eq!(got.offset, position as i64);
                prop_assert_eq!(got.producer_id, -1);
                prop_assert_eq!(got.timestamp, sent.timestamp_ms as i64);
                prop_assert_eq!(got.key.as_ref().map(text), sent.key.clone());
                prop_assert_eq!(got.value.as_ref().map(text), Some(sent.value.clone()));
                let headers: Vec<(String, String)> = got
                    .headers
                    .iter()
                    .map(|(name, value)| (name.to_string(), text(value.as_ref().unwrap())))
                    .collect();
                prop_assert_eq!(&headers, &sent.headers);
            }
        }
    }

    #[test]
    fn a_batch_without_a_producer_has_no_sequence() {
        let record = Record { key: None, value: "x".to_owned(), headers: Vec::new(), timestamp_ms: 1 };
        let bytes = encode(&[&record, &record], Compression::None);
        // Base sequence: after base offset 8, length 4, epoch 4, magic 1, CRC 4, attributes 2, delta 4, two times 16,
        // producer 8 and epoch 2.
        assert_eq!(bytes[53..57], [0xff; 4]);
        assert_eq!(bytes[57..61], [0, 0, 0, 2]);
    }

    #[test]
    fn gzip_makes_text_smaller() {
        let value = "the same words again and again ".repeat(100);
        let record = Record { key: None, value, headers: Vec::new(), timestamp_ms: 1 };
        let plain = encode(&[&record], Compression::None);
        let packed = encode(&[&record], Compression::Gzip);
        assert!(packed.len() * 10 < plain.len(), "{} of {}", packed.len(), plain.len());
    }
}
