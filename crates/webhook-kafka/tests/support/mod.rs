//! Moves a producer's bytes over sockets, as the transport does.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

pub mod script;

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, tcp::OwnedWriteHalf},
    sync::mpsc,
    time::{Instant, timeout},
};
use webhook_kafka::{
    Action, Broker, Compression, Config, Producer, Record, RecordResult, Rejection, RejectionKind,
};

/// Any time after 1970 does.
const EPOCH_MS: u64 = 1_700_000_000_000;

/// No test takes so long.
const PATIENCE: Duration = Duration::from_secs(20);

enum Event {
    Connected(u32, OwnedWriteHalf),
    Received(u32, Vec<u8>),
    Disconnected(u32, String),
}

/// A producer and its sockets.
pub struct Driver {
    pub producer: Producer,
    /// Every broker that was connected to, in order.
    pub connects: Vec<Broker>,
    started: Instant,
    sockets: HashMap<u32, OwnedWriteHalf>,
    sender: mpsc::UnboundedSender<Event>,
    events: mpsc::UnboundedReceiver<Event>,
    batches: u32,
    settled: HashMap<u32, Vec<RecordResult>>,
}

impl Driver {
    pub fn new(config: Config) -> Driver {
        let (sender, events) = mpsc::unbounded_channel();
        Driver {
            producer: Producer::new(config).unwrap(),
            connects: Vec::new(),
            started: Instant::now(),
            sockets: HashMap::new(),
            sender,
            events,
            batches: 0,
            settled: HashMap::new(),
        }
    }

    /// Sends records, and waits until they are settled.
    pub async fn send(&mut self, topic: &str, records: Vec<Record>, timeout_ms: u64) -> Vec<RecordResult> {
        let id = self.begin(topic, records, timeout_ms);
        self.settled(id).await
    }

    pub fn begin(&mut self, topic: &str, records: Vec<Record>, timeout_ms: u64) -> u32 {
        self.batches += 1;
        self.producer.produce(self.batches, topic, records, timeout_ms, self.now()).unwrap();
        self.batches
    }

    pub async fn settled(&mut self, id: u32) -> Vec<RecordResult> {
        let settled = async {
            loop {
                if let Some(results) = self.settled.remove(&id) {
                    return results;
                }
                self.step().await;
            }
        };
        timeout(PATIENCE, settled).await.expect("the batch is never settled")
    }

    /// Works on until `is_so`.
    pub async fn until(&mut self, is_so: impl Fn(&Driver) -> bool) {
        let reached = async {
            while !is_so(self) {
                self.step().await;
            }
        };
        timeout(PATIENCE, reached).await.expect("it never comes so far");
    }

    fn now(&self) -> u64 {
        EPOCH_MS + u64::try_from(self.started.elapsed().as_millis()).unwrap()
    }

    async fn step(&mut self) {
        let (actions, wake_in_ms) = self.producer.poll(self.now());
        let was_idle = actions.is_empty();
        for action in actions {
            self.act(action).await;
        }
        if !was_idle {
            return;
        }
        let wake = wake_in_ms.map_or(Duration::from_secs(60), Duration::from_millis);
        let Ok(event) = timeout(wake, self.events.recv()).await else { return };
        match event.unwrap() {
            Event::Connected(connection, socket) => {
                self.sockets.insert(connection, socket);
                self.producer.connected(connection, "0123456789abcdef", self.now()).unwrap();
            }
            Event::Received(connection, bytes) => self.producer.received(connection, &bytes, self.now()),
            Event::Disconnected(connection, reason) => {
                self.sockets.remove(&connection);
                self.producer.disconnected(connection, &reason, self.now());
            }
        }
    }

    async fn act(&mut self, action: Action) {
        match action {
            Action::Connect { connection, broker } => {
                tokio::spawn(connect(connection, broker.clone(), self.sender.clone()));
                self.connects.push(broker);
            }
            Action::Write { connection, bytes } => {
                // The reading side says it when the connection is broken.
                let _ = self.sockets.get_mut(&connection).unwrap().write_all(&bytes).await;
            }
            Action::Close { connection } => {
                self.sockets.remove(&connection);
            }
            Action::Settled { id, results } => {
                self.settled.insert(id, results);
            }
        }
    }
}

async fn connect(connection: u32, broker: Broker, events: mpsc::UnboundedSender<Event>) {
    let mut reading = match TcpStream::connect((broker.host.as_str(), broker.port)).await {
        Ok(socket) => {
            let (reading, writing) = socket.into_split();
            let _ = events.send(Event::Connected(connection, writing));
            reading
        }
        Err(error) => {
            let _ = events.send(Event::Disconnected(connection, error.to_string()));
            return;
        }
    };
    // Small, so that answers come in pieces.
    let mut buffer = [0; 7];
    loop {
        let event = match reading.read(&mut buffer).await {
            Ok(0) => Event::Disconnected(connection, "closed by the other side".to_owned()),
            Ok(length) => Event::Received(connection, buffer[..length].to_vec()),
            Err(error) => Event::Disconnected(connection, error.to_string()),
        };
        let is_over = matches!(event, Event::Disconnected(..));
        if events.send(event).is_err() || is_over {
            return;
        }
    }
}

pub fn config(brokers: impl IntoIterator<Item = SocketAddr>) -> Config {
    let brokers = brokers.into_iter();
    Config {
        brokers: brokers.map(|at| Broker { host: at.ip().to_string(), port: at.port() }).collect(),
        client_id: "webhooks".to_owned(),
        sasl: None,
        compression: Compression::None,
        request_timeout_ms: 5_000,
        connect_timeout_ms: 5_000,
    }
}

pub fn record(key: Option<&str>, value: &str) -> Record {
    Record {
        key: key.map(str::to_owned),
        value: value.to_owned(),
        headers: vec![("webhook-id".to_owned(), format!("msg_{value}"))],
        timestamp_ms: EPOCH_MS + 7,
    }
}

pub fn records(count: usize) -> Vec<Record> {
    (0..count).map(|number| record(None, &format!("value-{number}"))).collect()
}

pub fn is_accepted(result: &RecordResult) -> bool {
    matches!(result, RecordResult::Accepted { .. })
}

pub fn rejected(result: &RecordResult) -> (RejectionKind, &str) {
    match result {
        RecordResult::Rejected(Rejection { kind, reason }) => (*kind, reason),
        other => panic!("expected a rejection, got {other:?}"),
    }
}
