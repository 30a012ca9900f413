//! Batches that take more than one request over HTTP: what is to be found out first, requests that have to be repeated,
//! answers that speak of each message, and Kafka.

use std::{cell::Cell, fmt, rc::Rc};

use webhook_backoff::{Fault, Outcome};
use webhook_protocol::{
    Context, Entry, Fault as WireFault, HttpRequest, HttpUrlParser, KafkaRequest, Message, Preparation,
    PreparationError, PreparationStep, Reply, Request, RequestError, Response, Target,
};

use crate::{Dispatcher, End, USER_AGENT, plan::Ready, small_map::SmallMap};

/// What to do next for a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send it, and say how that ended.
    Http(HttpRequest),
    /// The same over Kafka's protocol, with an end for each record.
    Kafka(KafkaRequest),
    /// Carry out the preparation with this key first.
    Prepare(String),
    /// It is over: an end for each attempt, or one for all.
    End(Vec<End>),
}

/// What to do next for a preparation.
#[derive(Debug)]
pub enum Task {
    /// Send it, and say how that ended.
    Http(HttpRequest),
    /// Sign with RSASSA-PKCS1-v1_5 and SHA-256.
    Sign {
        /// The private key: PKCS #8 in DER. Secret.
        pkcs8: Vec<u8>,
        /// What is signed, as UTF-8.
        text: String,
    },
    /// It is over, well or not: the batches that wait for it go on.
    Done,
}

/// What a task gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// How sending ended.
    End(End),
    /// A signature.
    Signature {
        /// What was signed.
        text: String,
        /// By the key.
        signature: Vec<u8>,
    },
    /// The key could not be used, and why.
    Unsigned(String),
}

/// For how long a preparation is not tried again, also where it has failed: the batches that have waited for it are to
/// see it. In milliseconds.
const LEAST_KEPT_MS: u64 = 1_000;

/// All batches under way that need steps, and what was found out for them.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnderWay {
    batches: SmallMap<u32, Carried>,
    last: u32,
    pending: SmallMap<String, Rc<dyn Preparation>>,
    prepared: SmallMap<String, Prepared>,
    generations: u64,
    pub(crate) variable: Variables,
}

/// Looks environment variables up.
#[derive(Clone)]
pub(crate) struct Variables(Rc<LookUp>);

type LookUp = dyn Fn(&str) -> Option<String>;

impl<F: Fn(&str) -> Option<String> + 'static> From<Rc<F>> for Variables {
    fn from(variable: Rc<F>) -> Self {
        Variables(variable)
    }
}

impl Default for Variables {
    fn default() -> Self {
        Variables(Rc::new(|_| None))
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Variables")
    }
}

/// A batch under way.
#[derive(Clone, Debug)]
pub(crate) struct Carried {
    target: Rc<Target>,
    messages: Vec<Ready>,
    /// What its request was made with: key and generation.
    used: Option<(String, u64)>,
    /// It was made anew once, as an answer said that what was prepared holds no longer.
    is_renewed: bool,
}

impl Carried {
    pub(crate) fn new(target: Rc<Target>, messages: Vec<Ready>) -> Carried {
        Carried { target, messages, used: None, is_renewed: false }
    }
}

/// What was found out, or why not.
#[derive(Clone)]
struct Prepared {
    /// Secret where it is a value.
    found: Result<String, Outcome>,
    until_ms: u64,
    generation: u64,
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("is_ok", &self.found.is_ok())
            .field("until_ms", &self.until_ms)
            .finish()
    }
}

impl UnderWay {
    /// Takes a batch in; returns its number.
    pub(crate) fn begin(&mut self, batch: Carried) -> u32 {
        self.last = self.last.wrapping_add(1);
        self.batches.insert(self.last, batch);
        self.last
    }

    /// A batch's first message.
    pub(crate) fn first_message(&self, batch: u32) -> Option<&Ready> {
        self.batches.get(&batch)?.messages.first()
    }
}

impl<U: HttpUrlParser> Dispatcher<U> {
    /// What to do next for a batch. `ends` is how the last step ended; `None` at the beginning and after a preparation.
    pub fn next(&mut self, batch: u32, ends: Option<Vec<End>>, now_ms: u64) -> Step {
        let Some(mut carried) = self.under_way.batches.remove(&batch) else {
            let reason = "the batch is not known".to_owned();
            return Step::End(vec![End::of(Outcome::NotReady { reason })]);
        };
        let step = match ends {
            None => self.request(&mut carried, now_ms),
            Some(ends) => self.answered(&mut carried, ends, now_ms),
        };
        if !matches!(step, Step::End(_)) {
            self.under_way.batches.insert(batch, carried);
        }
        step
    }

    fn request(&mut self, carried: &mut Carried, now_ms: u64) -> Step {
        let UnderWay { prepared, pending, variable, .. } = &mut self.under_way;
        let used = Cell::new(None);
        let failed = Cell::new(None);
        let look_up = |key: &str| {
            let known = prepared.get(key).filter(|known| now_ms < known.until_ms)?;
            match &known.found {
                Ok(value) => {
                    used.set(Some((key.to_owned(), known.generation)));
                    Some(value.clone())
                }
                Err(outcome) => {
                    failed.set(Some(outcome.clone()));
                    None
                }
            }
        };
        let messages: Vec<Message<'_>> = carried.messages.iter().map(Ready::message).collect();
        let context = Context {
            variable: &*variable.0,
            prepared: &look_up,
            http_urls: &self.http_urls,
            now_ms,
            user_agent: USER_AGENT,
        };
        let request = carried.target.adapter().request(&messages, &context);
        if let Some(outcome) = failed.take() {
            return Step::End(vec![End::of(outcome)]);
        }
        carried.used = used.take();
        match request {
            Ok(Request::Http(request)) => Step::Http(request),
            Ok(Request::Kafka(request)) => Step::Kafka(request),
            Err(RequestError::Unprepared(preparation)) => {
                let key = preparation.key();
                pending.get_or_insert_with(key.clone(), || Rc::from(preparation));
                Step::Prepare(key)
            }
            Err(error) => Step::End(vec![End::of(Outcome::NotReady { reason: error.to_string() })]),
        }
    }

    fn answered(&mut self, carried: &mut Carried, ends: Vec<End>, now_ms: u64) -> Step {
        let adapter = carried.target.adapter();
        let [End { outcome: Outcome::Answered { status, .. }, response_body }] = ends.as_slice() else {
            return Step::End(ends);
        };
        let answer = Response { status: *status, body: response_body.as_deref().unwrap_or_default() };
        if adapter.is_stale(&answer) && !carried.is_renewed && self.forget(carried.used.take()) {
            carried.is_renewed = true;
            return self.request(carried, now_ms);
        }
        let messages: Vec<Message<'_>> = carried.messages.iter().map(Ready::message).collect();
        let read = adapter.read(&answer, &messages);
        Step::End(read.map_or(ends, |entries| entries.into_iter().map(End::from).collect()))
    }

    /// Forgets what a request was made with, unless somebody has found it out again since. Says whether it knows
    /// what that was.
    fn forget(&mut self, used: Option<(String, u64)>) -> bool {
        let Some((key, generation)) = used else { return false };
        let prepared = &mut self.under_way.prepared;
        if prepared.get(&key).is_some_and(|known| known.generation == generation) {
            prepared.remove(&key);
        }
        true
    }

    /// What to do next for a preparation. `given` is what the last task gave; `None` at the beginning.
    pub fn prepare(&mut self, key: &str, given: Option<Given>, now_ms: u64) -> Task {
        let Some(preparation) = self.under_way.pending.get(key).map(Rc::clone) else { return Task::Done };
        let step = self.preparation_step(&*preparation, given.as_ref(), now_ms);
        let (found, until_ms) = match step {
            Ok(PreparationStep::Http(request)) => return Task::Http(request),
            Ok(PreparationStep::Sign { pkcs8, text }) => return Task::Sign { pkcs8, text },
            // Long enough for the batches that have waited for it, however short it is said to live.
            Ok(PreparationStep::Ready { value, expires_at_ms }) => {
                (Ok(value), expires_at_ms.max(now_ms.saturating_add(LEAST_KEPT_MS)))
            }
            Err(outcome) => (Err(outcome), now_ms.saturating_add(LEAST_KEPT_MS)),
        };
        let under_way = &mut self.under_way;
        under_way.generations += 1;
        under_way.pending.remove(key);
        under_way.prepared.retain(|known| now_ms < known.until_ms);
        let prepared = Prepared { found, until_ms, generation: under_way.generations };
        under_way.prepared.insert(key.to_owned(), prepared);
        Task::Done
    }

    fn preparation_step(
        &self,
        preparation: &dyn Preparation,
        given: Option<&Given>,
        now_ms: u64,
    ) -> Result<PreparationStep, Outcome> {
        let reply = match given {
            None => None,
            Some(Given::Signature { text, signature }) => Some(Reply::Signature { text, signature }),
            Some(Given::Unsigned(reason)) => Some(Reply::Unsigned(reason)),
            Some(Given::End(End { outcome: Outcome::Answered { status, .. }, response_body })) => {
                let body = response_body.as_deref().unwrap_or_default();
                Some(Reply::Response(Response { status: *status, body }))
            }
            Some(Given::End(End { outcome, .. })) => return Err(outcome.clone()),
        };
        let context = Context {
            variable: &*self.under_way.variable.0,
            prepared: &|_| None,
            http_urls: &self.http_urls,
            now_ms,
            user_agent: USER_AGENT,
        };
        preparation.step(reply.as_ref(), &context).map_err(|error| unprepared(&error))
    }
}

/// Nothing was sent, so it is for the operator to put right, unless it passes by itself.
fn unprepared(error: &PreparationError) -> Outcome {
    let reason = error.to_string();
    match error {
        PreparationError::Refused { fault: WireFault::Passing, .. } => {
            Outcome::Rejected { fault: Fault::Passing, reason }
        }
        PreparationError::Refused { fault: WireFault::Throttled, .. } => {
            Outcome::Rejected { fault: Fault::Throttled, reason }
        }
        _ => Outcome::NotReady { reason },
    }
}

impl End {
    /// An end without an answer's body.
    pub fn of(outcome: Outcome) -> End {
        End { outcome, response_body: None }
    }
}

impl From<Entry> for End {
    fn from(entry: Entry) -> End {
        End::of(match entry {
            Entry::Accepted { note } => Outcome::Accepted { note },
            Entry::Rejected { fault, reason } => {
                let fault = match fault {
                    WireFault::Passing => Fault::Passing,
                    WireFault::Permanent => Fault::Permanent,
                    WireFault::Throttled => Fault::Throttled,
                };
                Outcome::Rejected { fault, reason }
            }
        })
    }
}

#[cfg(test)]
mod tests;
