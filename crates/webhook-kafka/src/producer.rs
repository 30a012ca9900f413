//! The producer: which brokers to talk to, and about what.

use crate::{
    Action, Broker, Config, KafkaError, Record, RecordResult, Rejection, RejectionKind,
    answers::{Metadata, Produced},
    batch::{Batch, Load},
    codes::{self, Next},
    connection::{Answer, Connection, Login, Room, Sent},
    failure::Failure,
    record,
    scram::{self, Salted},
    topics::Topics,
};

/// A batch's records reach as many leaders; a cluster that names more is waited for in turn.
const MOST_CONNECTIONS: usize = 32;

/// So that the answer stays within its bound.
const MOST_TOPICS_ASKED: usize = 20;

/// Brokers beyond those that are configured, where none of these can be reached.
const MOST_KNOWN_ASKED: usize = 16;

/// Appends records to topics of one cluster. Every `now_ms` is in milliseconds since 1970 and must not go back.
#[derive(Debug)]
pub struct Producer {
    config: Config,
    batches: Vec<Batch>,
    batches_seen: u64,
    connections: Vec<Connection>,
    connections_seen: u32,
    /// The cluster's brokers by node.
    nodes: Vec<(i32, Broker)>,
    topics: Topics,
    salted: Option<Salted>,
    /// Brokers that closed on the newer `ApiVersions`.
    legacy: Vec<Broker>,
    /// The topics that a broker is being asked about.
    asking: Option<Vec<String>>,
    /// Brokers that were asked about topics in vain, and why, since an answer last came.
    tried: Vec<(Broker, String)>,
    actions: Vec<Action>,
}

impl Producer {
    /// A producer that knows nothing of the cluster yet and has no connection.
    pub fn new(config: Config) -> Result<Producer, KafkaError> {
        config.check()?;
        Ok(Producer {
            config,
            batches: Vec::new(),
            batches_seen: 0,
            connections: Vec::new(),
            connections_seen: 0,
            nodes: Vec::new(),
            topics: Topics::default(),
            salted: None,
            legacy: Vec::new(),
            asking: None,
            tried: Vec::new(),
            actions: Vec::new(),
        })
    }

    /// Takes a batch over: within `timeout_ms` it ends with an [`Action::Settled`] of this `id`.
    pub fn produce(
        &mut self,
        id: u32,
        topic: &str,
        records: Vec<Record>,
        timeout_ms: u64,
        now_ms: u64,
    ) -> Result<(), KafkaError> {
        if topic.is_empty() || topic.len() > 249 {
            return Err(KafkaError::Topic { length: topic.len() });
        }
        if self.batches.iter().any(|batch| batch.id == id) {
            return Err(KafkaError::RepeatedBatch { id });
        }
        let serial = self.batches_seen;
        self.batches_seen += 1;
        self.batches.push(Batch::new(id, serial, topic.to_owned(), records, now_ms, timeout_ms));
        Ok(())
    }

    /// A connection is open. `nonce` is 16 to 128 random printable ASCII characters without a comma, for SCRAM.
    pub fn connected(&mut self, connection: u32, nonce: &str, now_ms: u64) -> Result<(), KafkaError> {
        if self.config.uses_scram() && !scram::is_nonce(nonce) {
            return Err(KafkaError::Nonce);
        }
        if let Some(open) = self.connections.iter_mut().find(|open| open.id == connection) {
            let is_legacy = self.legacy.contains(&open.broker);
            open.connected(&self.config, is_legacy, nonce.to_owned(), now_ms);
        }
        Ok(())
    }

    /// A connection could not be opened, must not be, or was closed by the other side.
    pub fn disconnected(&mut self, connection: u32, reason: &str, now_ms: u64) {
        let Some(closed) = self.connections.iter().find(|open| open.id == connection) else { return };
        let failure = closed.closed(reason);
        self.lose(connection, &failure, now_ms);
    }

    /// Bytes have come in.
    pub fn received(&mut self, connection: u32, bytes: &[u8], now_ms: u64) {
        let Some(open) = self.connections.iter_mut().find(|open| open.id == connection) else { return };
        let mut answers = Vec::new();
        let mut login = Login { config: &self.config, salted: &mut self.salted };
        let result = open.received(bytes, &mut login, now_ms, &mut answers);
        for answer in answers {
            match answer {
                Answer::Metadata(metadata) => self.learn(metadata, now_ms),
                Answer::Produced(sent, produced) => self.produced(&sent, &produced, now_ms),
            }
        }
        if let Err(failure) = result {
            self.end(connection, &failure, now_ms);
        }
    }

    /// What to do now, in order, and in how many milliseconds to ask again if nothing happens before.
    pub fn poll(&mut self, now_ms: u64) -> (Vec<Action>, Option<u64>) {
        self.expire(now_ms);
        self.ask(now_ms);
        self.send(now_ms);
        self.settle();
        for open in &mut self.connections {
            let frames = open.take_frames().into_iter();
            self.actions.extend(frames.map(|bytes| Action::Write { connection: open.id, bytes }));
        }
        (std::mem::take(&mut self.actions), self.wake_in(now_ms))
    }

    /// Closes the connections that nothing is outstanding on; without a batch under way, all of them.
    pub fn close(&mut self) {
        let is_done = self.batches.is_empty();
        self.drop_connections(|open| is_done || open.is_idle());
    }

    /// What has taken too long ends.
    fn expire(&mut self, now: u64) {
        loop {
            let overdue = |open: &Connection| Some((open.id, open.overdue(now, &self.config)?));
            let Some((id, failure)) = self.connections.iter().find_map(overdue) else { break };
            self.end(id, &failure, now);
        }
        self.drop_connections(|open| open.is_idle() && open.room(now) == Room::Ended);
        for batch in self.batches.iter_mut().filter(|batch| batch.deadline <= now) {
            batch.expire(now);
        }
    }

    /// Asks a broker about the topics that records wait for.
    fn ask(&mut self, now: u64) {
        if self.asking.is_some() {
            return;
        }
        let mut wanted: Vec<String> = Vec::new();
        for batch in &self.batches {
            let is_unknown = batch.is_due(now) && self.topics.fresh(&batch.topic, now).is_none();
            if is_unknown && !wanted.contains(&batch.topic) {
                wanted.push(batch.topic.clone());
            }
        }
        if wanted.is_empty() {
            self.tried.clear();
            return;
        }
        if let Some(open) = self.connections.iter_mut().find(|open| open.room(now) == Room::Free) {
            wanted.truncate(MOST_TOPICS_ASKED);
            open.ask_metadata(&wanted, &self.config, now);
            self.asking = Some(wanted);
            return;
        }
        if self.connections.iter().any(Connection::is_opening) {
            return;
        }
        let known = self.nodes.iter().take(MOST_KNOWN_ASKED).map(|(_, broker)| broker);
        let candidate = self.config.brokers.iter().chain(known).find(|broker| {
            let was_tried = self.tried.iter().any(|(tried, _)| tried == *broker);
            !was_tried && !self.connections.iter().any(|open| open.broker == **broker)
        });
        if let Some(broker) = candidate.cloned() {
            self.open(broker, now);
        } else if self.connections.is_empty() {
            self.give_up(&wanted);
        }
    }

    /// No broker is left to be asked.
    fn give_up(&mut self, topics: &[String]) {
        let tried = std::mem::take(&mut self.tried);
        let reasons: Vec<String> =
            tried.iter().take(5).map(|(broker, reason)| format!("{broker}: {reason}")).collect();
        let reason = format!("no broker can be reached: {}", reasons.join("; "));
        let rejection = Rejection { kind: RejectionKind::Passing, reason };
        for batch in self.batches.iter_mut().filter(|batch| topics.contains(&batch.topic)) {
            batch.reject_waiting(&rejection);
        }
    }

    /// Sends what is due to the leaders that it belongs to.
    fn send(&mut self, now: u64) {
        for position in 0..self.batches.len() {
            let Some(batch) = self.batches.get_mut(position) else { continue };
            if !batch.is_due(now) {
                continue;
            }
            let Some(topic) = self.topics.fresh(&batch.topic, now) else { continue };
            let (loads, lacks_leader) = batch.route(topic, now);
            if lacks_leader {
                self.topics.doubt(&batch.topic);
            }
            for (node, load) in loads {
                self.send_to(node, position, load, now);
            }
        }
    }

    fn send_to(&mut self, node: i32, position: usize, mut load: Load, now: u64) {
        let Some(batch) = self.batches.get_mut(position) else { return };
        let Some(broker) = address(&self.nodes, node) else {
            self.topics.doubt(&batch.topic);
            let rejection = codes::rejection(codes::LEADER_NOT_AVAILABLE);
            batch.put_off_for(|leader| leader == node, now, &rejection);
            return;
        };
        let mut to_leader = self.connections.iter_mut().filter(|open| open.broker == *broker);
        let Some(open) = to_leader.find(|open| open.room(now) != Room::Ended) else {
            let broker = broker.clone();
            self.open(broker, now);
            return;
        };
        if let Room::Held(for_ms) = open.room(now) {
            let reason = format!("broker {broker}: it wants nothing for {for_ms} ms");
            batch.note(&load, &Rejection { kind: RejectionKind::Throttled, reason });
        }
        let timeout_ms = self.config.request_timeout_ms.min(batch.deadline.saturating_sub(now));
        while !load.is_empty() && open.room(now) == Room::Free {
            let request = batch.split_off(&mut load);
            let encode = |(partition, positions): &(i32, Vec<usize>)| {
                (*partition, record::encode(&batch.records(positions), self.config.compression))
            };
            let batches: Vec<(i32, Vec<u8>)> = request.iter().map(encode).collect();
            batch.mark_sent(&request);
            let sent = Sent { batch: batch.serial, topic: batch.topic.clone(), load: request };
            open.produce(sent, &batches, timeout_ms, &self.config, now);
        }
    }

    /// Takes in what the cluster says of itself.
    fn learn(&mut self, metadata: Metadata, now: u64) {
        let Some(asked) = self.asking.take() else { return };
        self.tried.clear();
        self.nodes = metadata.brokers;
        for name in asked {
            let answer = metadata.topics.iter().find(|(known, _)| *known == name).map(|(_, topic)| topic);
            let error = match answer {
                Some(topic) if topic.error == 0 && !topic.leaders.is_empty() => {
                    self.topics.learn(&name, topic.leaders.clone(), now);
                    continue;
                }
                Some(topic) if topic.error != 0 => topic.error,
                Some(_) | None => codes::LEADER_NOT_AVAILABLE,
            };
            self.topics.doubt(&name);
            let rejection = codes::rejection(error);
            for batch in self.batches.iter_mut().filter(|batch| batch.topic == name) {
                match codes::meaning(error).next {
                    Next::AskAgain => batch.put_off(now, &rejection),
                    Next::Halve | Next::Reject => batch.reject_waiting(&rejection),
                }
            }
        }
    }

    /// Takes in what a leader says of record batches.
    fn produced(&mut self, sent: &Sent, produced: &Produced, now: u64) {
        let Some(batch) = self.batches.iter_mut().find(|batch| batch.serial == sent.batch) else { return };
        for (partition, positions) in &sent.load {
            match produced.partitions.iter().find(|(known, ..)| known == partition) {
                Some((_, error, first)) => {
                    if batch.answered(*partition, positions, *error, *first, now) {
                        self.topics.doubt(&sent.topic);
                    }
                }
                None => {
                    let reason = format!("the broker's answer leaves out partition {partition}");
                    let rejection = Rejection { kind: RejectionKind::Passing, reason };
                    batch.settle_sent(positions, &RecordResult::Rejected(rejection));
                }
            }
        }
    }

    fn open(&mut self, broker: Broker, now: u64) {
        if self.connections.len() >= MOST_CONNECTIONS {
            self.drop_connections(Connection::is_idle);
        }
        if self.connections.len() >= MOST_CONNECTIONS {
            return;
        }
        self.connections_seen = self.connections_seen.wrapping_add(1);
        let id = self.connections_seen;
        self.connections.push(Connection::new(id, broker.clone(), now, &self.config));
        self.actions.push(Action::Connect { connection: id, broker });
    }

    /// Closes a connection that failed.
    fn end(&mut self, id: u32, failure: &Failure, now: u64) {
        self.actions.push(Action::Close { connection: id });
        self.lose(id, failure, now);
    }

    /// Closes connections that nothing is outstanding on.
    fn drop_connections(&mut self, is_done: impl Fn(&Connection) -> bool) {
        let Producer { connections, actions, .. } = self;
        connections.retain(|open| {
            let stays = !is_done(open);
            if !stays {
                actions.push(Action::Close { connection: open.id });
            }
            stays
        });
    }

    /// A connection is gone: what it was needed for is tried elsewhere, put off or settled.
    fn lose(&mut self, id: u32, failure: &Failure, now: u64) {
        let Some(position) = self.connections.iter().position(|open| open.id == id) else { return };
        let connection = self.connections.remove(position);
        let broker = connection.broker.clone();
        let (was_idle, was_in_vain) = (connection.is_idle(), connection.was_in_vain());
        let (unanswered, asked_metadata) = connection.into_unanswered();
        if asked_metadata {
            self.asking = None;
        }
        let text = failure.to_string();
        let reason = format!("broker {broker}: {text}");
        let result = match failure {
            Failure::TimedOut(after_ms) => RecordResult::TimedOut { after_ms: *after_ms },
            _ => RecordResult::Rejected(Rejection { kind: RejectionKind::Passing, reason: reason.clone() }),
        };
        for sent in &unanswered {
            self.topics.doubt(&sent.topic);
            if let Some(batch) = self.batches.iter_mut().find(|batch| batch.serial == sent.batch) {
                sent.load.iter().for_each(|(_, positions)| batch.settle_sent(positions, &result));
            }
        }
        match failure {
            Failure::NeedsOldApiVersions => self.legacy.push(broker),
            Failure::Refused(_) => {
                // The credentials and the versions are the same for all brokers.
                let rejection = Rejection { kind: RejectionKind::Permanent, reason };
                self.batches.iter_mut().for_each(|batch| batch.reject_waiting(&rejection));
            }
            Failure::Broken(_) | Failure::TimedOut(_) if !was_idle => {
                let rejection = Rejection { kind: RejectionKind::Passing, reason };
                let is_leader = |node| address(&self.nodes, node) == Some(&broker);
                for batch in &mut self.batches {
                    if batch.put_off_for(is_leader, now, &rejection) {
                        self.topics.doubt(&batch.topic);
                    }
                }
                if was_in_vain {
                    self.tried.push((broker, text));
                }
            }
            Failure::Broken(_) | Failure::TimedOut(_) => {}
        }
    }

    /// Gives back the batches that are done.
    fn settle(&mut self) {
        let Producer { batches, actions, .. } = self;
        batches.retain(|batch| match batch.results() {
            Some(results) => {
                actions.push(Action::Settled { id: batch.id, results });
                false
            }
            None => true,
        });
    }

    fn wake_in(&self, now: u64) -> Option<u64> {
        let batches = self.batches.iter();
        let of_batches = batches.flat_map(|batch| [Some(batch.deadline), batch.next_due(now)]).flatten();
        let of_connections = self.connections.iter().filter_map(Connection::deadline);
        let held_until = self.connections.iter().map(Connection::held_until);
        let holds = held_until.filter(|until| *until > now && !self.batches.is_empty());
        of_batches.chain(of_connections).chain(holds).min().map(|at| at.saturating_sub(now))
    }
}

fn address(nodes: &[(i32, Broker)], node: i32) -> Option<&Broker> {
    nodes.iter().find(|(known, _)| *known == node).map(|(_, broker)| broker)
}
