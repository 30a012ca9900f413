//! The producer and what it is told and says.

use serde::{Serialize, Serializer};
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;
use webhook_kafka as kafka;

use crate::{
    error::{js_error, shape_error},
    shape::Value,
};

/// A broker's address.
#[derive(Tsify)]
pub struct KafkaBroker {
    /// A name or an address; IPv6 without its brackets.
    pub host: String,
    /// 1 to 65535
    pub port: u16,
}

/// How the password is presented. `plain` shows it to the broker.
#[derive(Tsify)]
pub enum SaslMechanism {
    /// RFC 4616
    #[serde(rename = "plain")]
    Plain,
    /// RFC 7677
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    /// RFC 5802 with SHA-512
    #[serde(rename = "scram-sha-512")]
    ScramSha512,
}

/// Credentials, which every connection presents.
#[derive(Tsify)]
pub struct SaslCredentials {
    /// How the password is presented.
    pub mechanism: SaslMechanism,
    /// The user, as the cluster knows it.
    pub username: String,
    /// The user's password. It is never shown.
    pub password: String,
}

/// How record batches are packed.
#[derive(Tsify)]
#[serde(rename_all = "camelCase")]
pub enum Compression {
    /// Not at all.
    None,
    /// RFC 1952, which every broker and consumer can read.
    Gzip,
}

/// Which cluster, who we are there, and how long to wait.
#[derive(Tsify)]
#[serde(rename_all = "camelCase")]
pub struct ProducerConfig {
    /// The brokers to ask first, in turn; the cluster names the others. 1 to 32.
    pub brokers: Vec<KafkaBroker>,
    /// What the broker's logs and quotas know us by.
    pub client_id: String,
    /// Null where the brokers want no login.
    #[tsify(type = "SaslCredentials | null")]
    pub sasl: Option<SaslCredentials>,
    /// How record batches are packed.
    pub compression: Compression,
    /// How long a broker has for each answer.
    pub request_timeout_ms: f64,
    /// How long a connection may take, TLS included.
    pub connect_timeout_ms: f64,
}

/// What is appended to a topic.
#[derive(Tsify)]
#[serde(rename_all = "camelCase")]
pub struct KafkaRecord {
    /// Records with the same key share a partition.
    #[tsify(type = "string | null")]
    pub key: Option<String>,
    /// The value.
    pub value: String,
    /// Names and values, in their order; names may repeat.
    pub headers: Vec<(String, String)>,
    /// When what the record tells happened.
    pub timestamp_ms: f64,
}

/// Whether another try is worth it.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub enum RejectionKind {
    /// It may work later.
    Passing,
    /// Somebody has to change something first.
    Permanent,
    /// The cluster wants less of us.
    Throttled,
}

/// What became of a record.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum RecordResult {
    /// All in-sync replicas have it.
    Accepted {
        /// Where it is.
        partition: i32,
        /// A number of up to 64 bits.
        offset: String,
    },
    /// It was not written, or nobody knows.
    Rejected {
        /// Whether another try is worth it.
        kind: RejectionKind,
        /// For people. Shows no credentials.
        reason: String,
    },
    /// No answer came in time. It may have been written.
    TimedOut {
        /// How long was waited.
        after_ms: f64,
    },
}

/// What the transport is to do.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Connect, then call `connected`, or `disconnected` where that fails or the address is refused.
    Connect {
        /// Names the connection from now on.
        connection: u32,
        /// A name or an address; IPv6 without its brackets.
        host: String,
        /// 1 to 65535
        port: u16,
    },
    /// Write bytes to a connection.
    Write {
        /// Which connection.
        connection: u32,
        /// What to write.
        #[serde(serialize_with = "as_bytes")]
        #[tsify(type = "Uint8Array")]
        bytes: Vec<u8>,
    },
    /// Close a connection, or stop connecting it. Nothing is to be said of it afterwards.
    Close {
        /// Which connection.
        connection: u32,
    },
    /// The batch has ended: one result for each record, in their order.
    Settled {
        /// Which batch.
        id: u32,
        /// What became of its records.
        results: Vec<RecordResult>,
    },
}

/// What to do now, and when to ask again.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
#[tsify(missing_as_null)]
pub struct Poll {
    /// In order.
    actions: Vec<Action>,
    /// In how many milliseconds to call `poll` at the latest; null where only a call of another method changes anything.
    wake_in_ms: Option<f64>,
}

/// Appends records to topics of one cluster. It does no I/O: it says what to connect, write and close (`poll`), and is
/// told what came of it. After every other call `poll` has something to say. Every `nowMs` is in milliseconds since 1970.
#[wasm_bindgen]
pub struct Producer(kafka::Producer);

#[wasm_bindgen]
impl Producer {
    /// A producer that has no connection yet.
    ///
    /// @throws {Error} `KafkaError` with the code `config`
    #[wasm_bindgen(constructor)]
    pub fn new(
        #[wasm_bindgen(unchecked_param_type = "ProducerConfig")] config: JsValue,
    ) -> Result<Producer, JsValue> {
        let config = read_config(&Value::new(config, "config"))?;
        kafka::Producer::new(config).map(Producer).map_err(kafka_error)
    }

    /// Takes a batch over: it ends within `timeoutMs` with a `settled` action of this `id`.
    ///
    /// @throws {Error} `KafkaError` with a code: `repeated_batch`, `topic`
    pub fn produce(
        &mut self,
        id: u32,
        topic: &str,
        #[wasm_bindgen(unchecked_param_type = "KafkaRecord[]")] records: JsValue,
        #[wasm_bindgen(js_name = timeoutMs)] timeout_ms: f64,
        #[wasm_bindgen(js_name = nowMs)] now_ms: f64,
    ) -> Result<(), JsValue> {
        let records = Value::new(records, "records");
        let records = records.list()?.map(|record| read_record(&record)).collect::<Result<_, _>>()?;
        let (timeout_ms, now_ms) = (whole(timeout_ms, "timeoutMs")?, whole(now_ms, "nowMs")?);
        self.0.produce(id, topic, records, timeout_ms, now_ms).map_err(kafka_error)
    }

    /// A connection is open. `nonce` is 16 to 128 random printable ASCII characters without a comma, for SCRAM.
    ///
    /// @throws {Error} `KafkaError` with the code `nonce`
    pub fn connected(
        &mut self,
        connection: u32,
        nonce: &str,
        #[wasm_bindgen(js_name = nowMs)] now_ms: f64,
    ) -> Result<(), JsValue> {
        self.0.connected(connection, nonce, whole(now_ms, "nowMs")?).map_err(kafka_error)
    }

    /// A connection could not be opened, must not be, or was closed by the other side.
    pub fn disconnected(
        &mut self,
        connection: u32,
        reason: &str,
        #[wasm_bindgen(js_name = nowMs)] now_ms: f64,
    ) -> Result<(), JsValue> {
        self.0.disconnected(connection, reason, whole(now_ms, "nowMs")?);
        Ok(())
    }

    /// Bytes have come in.
    pub fn received(
        &mut self,
        connection: u32,
        bytes: &[u8],
        #[wasm_bindgen(js_name = nowMs)] now_ms: f64,
    ) -> Result<(), JsValue> {
        self.0.received(connection, bytes, whole(now_ms, "nowMs")?);
        Ok(())
    }

    /// What to do now, in order, and when to ask again at the latest.
    pub fn poll(&mut self, #[wasm_bindgen(js_name = nowMs)] now_ms: f64) -> Result<Ts<Poll>, JsValue> {
        let (actions, wake_in_ms) = self.0.poll(whole(now_ms, "nowMs")?);
        let actions = actions.into_iter().map(Action::from).collect();
        let poll = Poll { actions, wake_in_ms: wake_in_ms.map(|wake| wake as f64) };
        poll.into_ts().map_err(shape_error)
    }

    /// Closes the connections that nothing is outstanding on; without a batch under way, all of them.
    pub fn close(&mut self) {
        self.0.close();
    }
}

fn kafka_error(error: kafka::KafkaError) -> JsValue {
    js_error("KafkaError", error.code(), &error.to_string())
}

/// A `Uint8Array` instead of an array of numbers.
fn as_bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

fn read_config(config: &Value) -> Result<kafka::Config, JsValue> {
    let compressions = [("none", kafka::Compression::None), ("gzip", kafka::Compression::Gzip)];
    Ok(kafka::Config {
        brokers: config
            .field("brokers")?
            .list()?
            .map(|broker| read_broker(&broker))
            .collect::<Result<_, _>>()?,
        client_id: config.field("clientId")?.text()?,
        sasl: config.field("sasl")?.optional().map(|sasl| read_sasl(&sasl)).transpose()?,
        compression: config.field("compression")?.one_of(&compressions)?,
        request_timeout_ms: config.field("requestTimeoutMs")?.whole()?,
        connect_timeout_ms: config.field("connectTimeoutMs")?.whole()?,
    })
}

fn read_broker(broker: &Value) -> Result<kafka::Broker, JsValue> {
    let port = broker.field("port")?;
    Ok(kafka::Broker {
        host: broker.field("host")?.text()?,
        port: port.whole()?.try_into().map_err(|_| port.wrong("a port from 1 to 65535"))?,
    })
}

fn read_sasl(sasl: &Value) -> Result<kafka::Sasl, JsValue> {
    let mechanisms = [
        ("plain", kafka::Mechanism::Plain),
        ("scram-sha-256", kafka::Mechanism::ScramSha256),
        ("scram-sha-512", kafka::Mechanism::ScramSha512),
    ];
    Ok(kafka::Sasl {
        mechanism: sasl.field("mechanism")?.one_of(&mechanisms)?,
        username: sasl.field("username")?.text()?,
        password: kafka::Password::new(sasl.field("password")?.text()?),
    })
}

fn read_record(record: &Value) -> Result<kafka::Record, JsValue> {
    Ok(kafka::Record {
        key: record.field("key")?.optional().map(|key| key.text()).transpose()?,
        value: record.field("value")?.text()?,
        headers: record
            .field("headers")?
            .list()?
            .map(|header| read_header(&header))
            .collect::<Result<_, _>>()?,
        timestamp_ms: record.field("timestampMs")?.whole()?,
    })
}

fn read_header(header: &Value) -> Result<(String, String), JsValue> {
    let mut pair = header.list()?;
    match (pair.next(), pair.next(), pair.next()) {
        (Some(name), Some(value), None) => Ok((name.text()?, value.text()?)),
        _ => Err(header.wrong("a name and a value")),
    }
}

fn whole(value: f64, name: &str) -> Result<u64, JsValue> {
    Value::new(value.into(), name).whole()
}

impl From<kafka::Action> for Action {
    fn from(action: kafka::Action) -> Self {
        match action {
            kafka::Action::Connect { connection, broker: kafka::Broker { host, port } } => {
                Action::Connect { connection, host, port }
            }
            kafka::Action::Write { connection, bytes } => Action::Write { connection, bytes },
            kafka::Action::Close { connection } => Action::Close { connection },
            kafka::Action::Settled { id, results } => {
                Action::Settled { id, results: results.into_iter().map(RecordResult::from).collect() }
            }
        }
    }
}

impl From<kafka::RecordResult> for RecordResult {
    fn from(result: kafka::RecordResult) -> Self {
        match result {
            kafka::RecordResult::Accepted { partition, offset } => {
                RecordResult::Accepted { partition, offset: offset.to_string() }
            }
            kafka::RecordResult::Rejected(kafka::Rejection { kind, reason }) => {
                let kind = match kind {
                    kafka::RejectionKind::Passing => RejectionKind::Passing,
                    kafka::RejectionKind::Permanent => RejectionKind::Permanent,
                    kafka::RejectionKind::Throttled => RejectionKind::Throttled,
                };
                RecordResult::Rejected { kind, reason }
            }
            kafka::RecordResult::TimedOut { after_ms } => {
                RecordResult::TimedOut { after_ms: after_ms as f64 }
            }
        }
    }
}
