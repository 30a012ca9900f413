//! One connection to a broker: opened, authenticated, then used for some requests at a time.

mod login;

use std::{collections::VecDeque, mem};

use crate::{
    Broker, Config,
    answers::{ApiVersions, Metadata, Produced},
    batch::Load,
    codes,
    failure::Failure,
    requests::{self, API_VERSIONS, Api, Head, METADATA, PRODUCE},
    scram::{Expected, Salted, Scram},
    wire::Malformed,
};

/// Metadata of thousands of partitions has room; what is more is not waited for.
const MOST_ANSWER_BYTES: usize = 1_048_576;

/// The Java client's `max.in.flight.requests.per.connection`.
const MOST_OUTSTANDING: usize = 5;

/// Brokers and what stands between close connections that say nothing for minutes, Azure's after four.
const MOST_IDLE_MS: u64 = 180_000;

/// The longest that a broker's wish to be left alone is heeded.
const MOST_HOLD_MS: u64 = 60_000;

/// What the platform says of a connection is cut here, in characters.
const LONGEST_REASON: usize = 200;

/// A connection and what is outstanding on it.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: u32,

    pub(crate) broker: Broker,
    stage: Stage,
    inbox: Vec<u8>,
    outbox: Vec<Vec<u8>>,
    outstanding: VecDeque<Outstanding>,
    last_correlation: i32,
    /// SCRAM's.
    nonce: String,
    versions: ApiVersions,
    /// The broker wants nothing before.
    held_until: u64,
    /// When the session ends that was authenticated.
    ends_at: Option<u64>,
    used_at: u64,
    /// It has answered what it was opened for.
    has_served: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Connecting { deadline: u64 },
    Opening,
    Ready,
}

#[derive(Debug)]
struct Outstanding {
    correlation: i32,
    version: i16,
    deadline: u64,
    request: Request,
}

#[derive(Debug)]
enum Request {
    ApiVersions,
    SaslHandshake,
    SaslPlain,
    ScramFirst(Scram),
    ScramFinal(Expected),
    Metadata,
    Produce(Sent),
}

/// What was sent of a batch.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) batch: u64,
    pub(crate) topic: String,
    pub(crate) load: Load,
}

/// What a broker has answered.
#[derive(Debug)]
pub(crate) enum Answer {
    Metadata(Metadata),
    Produced(Sent, Produced),
}

/// Whether a connection can take a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    Free,
    /// Not open yet, or with as much outstanding as it may have.
    Later,
    /// The broker wants nothing for so long, in milliseconds.
    Held(u64),
    /// It is not to be used any longer.
    Ended,
}

/// What authentication needs beside the connection.
pub(crate) struct Login<'a> {
    pub(crate) config: &'a Config,
    pub(crate) salted: &'a mut Option<Salted>,
}

impl Connection {
    pub(crate) fn new(id: u32, broker: Broker, now: u64, config: &Config) -> Connection {
        Connection {
            id,
            broker,
            stage: Stage::Connecting { deadline: now.saturating_add(config.connect_timeout_ms) },
            inbox: Vec::new(),
            outbox: Vec::new(),
            outstanding: VecDeque::new(),
            last_correlation: 0,
            nonce: String::new(),
            versions: ApiVersions::default(),
            held_until: 0,
            ends_at: None,
            used_at: now,
            has_served: false,
        }
    }

    pub(crate) fn room(&self, now: u64) -> Room {
        let is_over = self.ends_at.is_some_and(|ends_at| ends_at <= now);
        if self.stage != Stage::Ready {
            Room::Later
        } else if is_over || (self.is_idle() && now.saturating_sub(self.used_at) >= MOST_IDLE_MS) {
            Room::Ended
        } else if self.held_until > now {
            Room::Held(self.held_until - now)
        } else if self.outstanding.len() >= MOST_OUTSTANDING {
            Room::Later
        } else {
            Room::Free
        }
    }

    pub(crate) fn is_opening(&self) -> bool {
        self.stage != Stage::Ready
    }

    /// Open, and nothing is outstanding.
    pub(crate) fn is_idle(&self) -> bool {
        self.stage == Stage::Ready && self.outstanding.is_empty()
    }

    /// It has never been of use: connecting to the same broker again would lead nowhere now.
    pub(crate) fn was_in_vain(&self) -> bool {
        !self.has_served
    }

    /// When something will have taken too long.
    pub(crate) fn deadline(&self) -> Option<u64> {
        match self.stage {
            Stage::Connecting { deadline } => Some(deadline),
            Stage::Opening | Stage::Ready => self.outstanding.front().map(|front| front.deadline),
        }
    }

    /// Until when the broker wants nothing.
    pub(crate) fn held_until(&self) -> u64 {
        self.held_until
    }

    pub(crate) fn overdue(&self, now: u64, config: &Config) -> Option<Failure> {
        if self.deadline().is_none_or(|deadline| deadline > now) {
            return None;
        }
        Some(match self.stage {
            Stage::Connecting { .. } => {
                Failure::Broken(format!("no connection within {} ms", config.connect_timeout_ms))
            }
            Stage::Opening | Stage::Ready => Failure::TimedOut(config.request_timeout_ms),
        })
    }

    /// What a close by the other side means.
    pub(crate) fn closed(&self, reason: &str) -> Failure {
        match self.outstanding.front() {
            Some(Outstanding { request: Request::ApiVersions, version: 1.., .. }) => {
                Failure::NeedsOldApiVersions
            }
            _ => Failure::Broken(reason.chars().take(LONGEST_REASON).collect()),
        }
    }

    /// The frames to write, in order.
    pub(crate) fn take_frames(&mut self) -> Vec<Vec<u8>> {
        mem::take(&mut self.outbox)
    }

    /// What stays unanswered, and whether metadata were among it.
    pub(crate) fn into_unanswered(self) -> (Vec<Sent>, bool) {
        let mut asked_metadata = false;
        let sent = self.outstanding.into_iter().filter_map(|outstanding| match outstanding.request {
            Request::Produce(sent) => Some(sent),
            request => {
                asked_metadata |= matches!(request, Request::Metadata);
                None
            }
        });
        (sent.collect(), asked_metadata)
    }

    /// The connection is there: the conversation begins. `nonce` is SCRAM's.
    pub(crate) fn connected(&mut self, config: &Config, is_legacy: bool, nonce: String, now: u64) {
        if matches!(self.stage, Stage::Connecting { .. }) {
            self.stage = Stage::Opening;
            self.nonce = nonce;
            self.ask_versions(if is_legacy { API_VERSIONS.least } else { API_VERSIONS.most }, config, now);
        }
    }

    /// Takes bytes in. What is answered in full is in `answers` even if what follows makes no sense.
    pub(crate) fn received(
        &mut self,
        bytes: &[u8],
        login: &mut Login<'_>,
        now: u64,
        answers: &mut Vec<Answer>,
    ) -> Result<(), Failure> {
        self.inbox.extend_from_slice(bytes);
        while let Some((correlation, body)) = self.next_frame()? {
            let front = self.outstanding.pop_front();
            let outstanding = front.ok_or(Malformed("is to nothing that was asked"))?;
            if outstanding.correlation != correlation {
                self.outstanding.push_front(outstanding);
                return Err(Malformed("is to another request").into());
            }
            self.used_at = now;
            match outstanding.request {
                Request::Metadata => match Metadata::read(outstanding.version, &body) {
                    Ok(metadata) => {
                        self.hold(metadata.throttle_ms, now);
                        self.has_served = true;
                        answers.push(Answer::Metadata(metadata));
                    }
                    Err(malformed) => {
                        // The question is still open: somebody else is to be asked.
                        self.outstanding.push_front(outstanding);
                        return Err(malformed.into());
                    }
                },
                Request::Produce(sent) => match Produced::read(outstanding.version, &body, &sent.topic) {
                    Ok(produced) => {
                        self.hold(produced.throttle_ms, now);
                        self.has_served = true;
                        answers.push(Answer::Produced(sent, produced));
                    }
                    Err(malformed) => {
                        // Nobody has answered for these records.
                        let request = Request::Produce(sent);
                        self.outstanding.push_front(Outstanding { request, ..outstanding });
                        return Err(malformed.into());
                    }
                },
                request => self.opening_answer(request, outstanding.version, &body, login, now)?,
            }
        }
        Ok(())
    }

    pub(crate) fn ask_metadata(&mut self, topics: &[String], config: &Config, now: u64) {
        // That there is a version for both was seen when the connection was opened.
        let version = self.versions.best(METADATA).unwrap_or(METADATA.most);
        let frame = requests::metadata(self.head(version, config), topics);
        self.ask(Request::Metadata, version, frame, config, now);
    }

    /// Sends record batches, which are to be in all in-sync replicas within `timeout_ms`.
    pub(crate) fn produce(
        &mut self,
        sent: Sent,
        batches: &[(i32, Vec<u8>)],
        timeout_ms: u64,
        config: &Config,
        now: u64,
    ) {
        let version = self.versions.best(PRODUCE).unwrap_or(PRODUCE.most);
        let timeout_ms = i32::try_from(timeout_ms).unwrap_or(i32::MAX);
        let frame = requests::produce(self.head(version, config), &sent.topic, batches, timeout_ms);
        self.ask(Request::Produce(sent), version, frame, config, now);
    }

    /// An answer that belongs to the opening.
    fn opening_answer(
        &mut self,
        request: Request,
        version: i16,
        body: &[u8],
        login: &mut Login<'_>,
        now: u64,
    ) -> Result<(), Failure> {
        let config = login.config;
        match request {
            Request::ApiVersions => {
                let versions = ApiVersions::read(version, body)?;
                if versions.error == codes::UNSUPPORTED_VERSION && version > API_VERSIONS.least {
                    self.ask_versions(API_VERSIONS.least, config, now);
                    return Ok(());
                }
                if versions.error != 0 {
                    return Err(Failure::Broken(codes::shown(versions.error)));
                }
                self.versions = versions;
                self.version(PRODUCE)?;
                self.version(METADATA)?;
                match &config.sasl {
                    Some(sasl) => self.begin_login(sasl, config, now)?,
                    None => self.stage = Stage::Ready,
                }
                Ok(())
            }
            request => match &config.sasl {
                Some(sasl) => self.login_answer(sasl, request, version, body, login, now),
                None => Ok(()),
            },
        }
    }

    fn ask_versions(&mut self, version: i16, config: &Config, now: u64) {
        let frame = requests::api_versions(self.head(version, config));
        self.ask(Request::ApiVersions, version, frame, config, now);
    }

    fn hold(&mut self, throttle_ms: i32, now: u64) {
        if let Ok(throttle @ 1..) = u64::try_from(throttle_ms) {
            self.held_until = now.saturating_add(throttle.min(MOST_HOLD_MS));
        }
    }

    fn version(&self, api: Api) -> Result<i16, Failure> {
        self.versions.best(api).ok_or_else(|| {
            let Api { name, least, most, .. } = api;
            Failure::Refused(format!("it has no {name} of version {least} to {most}"))
        })
    }

    fn head<'a>(&self, version: i16, config: &'a Config) -> Head<'a> {
        Head { version, correlation: self.last_correlation.wrapping_add(1), client_id: &config.client_id }
    }

    fn ask(&mut self, request: Request, version: i16, frame: Vec<u8>, config: &Config, now: u64) {
        self.last_correlation = self.last_correlation.wrapping_add(1);
        let deadline = now.saturating_add(config.request_timeout_ms);
        self.used_at = now;
        self.outbox.push(frame);
        let correlation = self.last_correlation;
        self.outstanding.push_back(Outstanding { correlation, version, deadline, request });
    }

    /// The next whole answer: its number and its body.
    fn next_frame(&mut self) -> Result<Option<(i32, Vec<u8>)>, Failure> {
        let Some((length, rest)) = self.inbox.split_first_chunk() else { return Ok(None) };
        let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if !(4..=MOST_ANSWER_BYTES).contains(&length) {
            // What a server for TLS says to other bytes is an alert (RFC 8446, section 5.1).
            let is_tls = self.inbox.starts_with(&[0x15, 3]);
            let wrong =
                if is_tls { "is TLS, which is switched off here" } else { "has a length that no answer has" };
            return Err(Malformed(wrong).into());
        }
        let Some((frame, rest)) = rest.split_at_checked(length) else { return Ok(None) };
        let Some((correlation, body)) = frame.split_first_chunk() else { return Ok(None) };
        let found = (i32::from_be_bytes(*correlation), body.to_vec());
        self.inbox = rest.to_vec();
        Ok(Some(found))
    }
}
