//! A batch of records that was taken over, until each of them is settled.

use crate::{
    Record, RecordResult, Rejection, RejectionKind,
    codes::{self, Next},
    record::MOST_REQUEST_BYTES,
    topics::Topic,
};

/// How often a record is tried within its batch's time, and how long the first wait is, in milliseconds.
const MOST_TRIES: u32 = 5;
const FIRST_WAIT_MS: u64 = 100;

/// A batch that is under way.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The caller's.
    pub(crate) id: u32,
    /// Ours: an identifier may be used again while answers to an earlier batch are outstanding.
    pub(crate) serial: u64,

    pub(crate) topic: String,
    pub(crate) started_at: u64,
    pub(crate) deadline: u64,
    slots: Vec<Slot>,
    /// Where records without a key go: they share a partition, so that they share a record batch.
    turn: usize,
    /// How many records may share a record batch: halved while a broker refuses one for what may be one record's fault.
    most_records: usize,
}

#[derive(Debug)]
struct Slot {
    record: Record,
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting(Waiting),
    /// How often it was put off before.
    Sent {
        tries: u32,
    },
    Settled(RecordResult),
}

impl State {
    fn tries(&self) -> u32 {
        match self {
            State::Waiting(Waiting { tries, .. }) | State::Sent { tries } => *tries,
            State::Settled(_) => 0,
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Waiting {
    tries: u32,
    /// Not before.
    due_at: u64,
    /// The node that it waits for.
    leader: Option<i32>,
    /// Why the last try did not work.
    last: Option<Rejection>,
}

/// Records of one batch that travel in one request: positions by partition.
pub(crate) type Load = Vec<(i32, Vec<usize>)>;

impl Batch {
    pub(crate) fn new(
        id: u32,
        serial: u64,
        topic: String,
        records: Vec<Record>,
        now: u64,
        timeout_ms: u64,
    ) -> Batch {
        let slots = records.into_iter().map(|record| {
            let size = record.most_bytes();
            let state = if size > MOST_REQUEST_BYTES {
                let reason =
                    format!("the record has {size} bytes, more than the {MOST_REQUEST_BYTES} of a request");
                State::Settled(RecordResult::Rejected(Rejection { kind: RejectionKind::Permanent, reason }))
            } else {
                State::Waiting(Waiting::default())
            };
            Slot { record, state }
        });
        Batch {
            id,
            serial,
            topic,
            started_at: now,
            deadline: now.saturating_add(timeout_ms),
            slots: slots.collect(),
            turn: serial as usize,
            most_records: usize::MAX,
        }
    }

    /// The results, once there is one for each record.
    pub(crate) fn results(&self) -> Option<Vec<RecordResult>> {
        let result = |slot: &Slot| match &slot.state {
            State::Settled(result) => Some(result.clone()),
            State::Waiting(_) | State::Sent { .. } => None,
        };
        self.slots.iter().map(result).collect()
    }

    /// Whether a record is to be sent now.
    pub(crate) fn is_due(&self, now: u64) -> bool {
        self.waiting().any(|waiting| waiting.due_at <= now)
    }

    /// When a record that must wait may be sent.
    pub(crate) fn next_due(&self, now: u64) -> Option<u64> {
        self.waiting().map(|waiting| waiting.due_at).filter(|due_at| *due_at > now).min()
    }

    /// The records that are to be sent now, by the node that leads their partition, and whether some have none.
    pub(crate) fn route(&mut self, topic: &Topic, now: u64) -> (Vec<(i32, Load)>, bool) {
        let mut loads: Vec<(i32, Load)> = Vec::new();
        let keyless = topic.keyless(self.turn);
        let mut lacks_leader = false;
        for (position, slot) in self.slots.iter_mut().enumerate() {
            let State::Waiting(waiting) = &mut slot.state else { continue };
            if waiting.due_at > now {
                continue;
            }
            let route = slot.record.key.as_ref().map_or(keyless, |key| topic.keyed(key));
            match route {
                Some((partition, leader)) => {
                    waiting.leader = Some(leader);
                    entry(entry(&mut loads, leader), partition).push(position);
                }
                None => {
                    lacks_leader = true;
                    later(&mut slot.state, now, codes::rejection(codes::LEADER_NOT_AVAILABLE));
                }
            }
        }
        (loads, lacks_leader)
    }

    /// Cuts off what fits in one request: at most one record batch for each partition.
    pub(crate) fn split_off(&self, load: &mut Load) -> Load {
        let mut request = Load::new();
        let mut size = 0;
        for (partition, positions) in &mut *load {
            let mut count = 0;
            for position in positions.iter().take(self.most_records) {
                size += self.slots.get(*position).map_or(0, |slot| slot.record.most_bytes());
                if size > MOST_REQUEST_BYTES {
                    break;
                }
                count += 1;
            }
            if count > 0 {
                request.push((*partition, positions.drain(..count).collect()));
            }
            if size > MOST_REQUEST_BYTES {
                break;
            }
        }
        load.retain(|(_, positions)| !positions.is_empty());
        request
    }

    pub(crate) fn records(&self, positions: &[usize]) -> Vec<&Record> {
        positions.iter().filter_map(|position| Some(&self.slots.get(*position)?.record)).collect()
    }

    pub(crate) fn mark_sent(&mut self, load: &Load) {
        for position in load.iter().flat_map(|(_, positions)| positions) {
            if let Some(Slot { state, .. }) = self.slots.get_mut(*position) {
                *state = State::Sent { tries: state.tries() };
            }
        }
    }

    /// Takes in what a broker answered for a partition. Whether the topic is to be asked about again.
    pub(crate) fn answered(
        &mut self,
        partition: i32,
        positions: &[usize],
        error: i16,
        first: i64,
        now: u64,
    ) -> bool {
        if error == 0 {
            for (position, offset) in positions.iter().zip(first..) {
                self.settle_sent(&[*position], &RecordResult::Accepted { partition, offset });
            }
            return false;
        }
        let meaning = codes::meaning(error);
        match meaning.next {
            Next::Halve if positions.len() > 1 => {
                self.most_records = self.most_records.min(positions.len() / 2);
                self.change_sent(positions, |state| *state = State::Waiting(Waiting::default()));
            }
            Next::Halve | Next::Reject => {
                self.settle_sent(positions, &RecordResult::Rejected(codes::rejection(error)));
            }
            Next::AskAgain => {
                self.change_sent(positions, |state| later(state, now, codes::rejection(error)));
            }
        }
        meaning.next == Next::AskAgain
    }

    /// Settles records that were sent.
    pub(crate) fn settle_sent(&mut self, positions: &[usize], result: &RecordResult) {
        self.change_sent(positions, |state| *state = State::Settled(result.clone()));
    }

    /// The topic, or the way to it, does not work now: what is due waits, and is rejected after a few tries.
    pub(crate) fn put_off(&mut self, now: u64, rejection: &Rejection) {
        for slot in &mut self.slots {
            if matches!(&slot.state, State::Waiting(waiting) if waiting.due_at <= now) {
                later(&mut slot.state, now, rejection.clone());
            }
        }
    }

    /// As [`Batch::put_off`], for what waits for a node. Whether there was anything.
    pub(crate) fn put_off_for(
        &mut self,
        is_leader: impl Fn(i32) -> bool,
        now: u64,
        reason: &Rejection,
    ) -> bool {
        let mut any = false;
        for slot in &mut self.slots {
            if matches!(&slot.state, State::Waiting(waiting) if waiting.leader.is_some_and(&is_leader)) {
                later(&mut slot.state, now, reason.clone());
                any = true;
            }
        }
        any
    }

    /// Notes why what waits has to wait, in case that its time is over first.
    pub(crate) fn note(&mut self, load: &Load, reason: &Rejection) {
        for position in load.iter().flat_map(|(_, positions)| positions) {
            if let Some(Slot { state: State::Waiting(waiting), .. }) = self.slots.get_mut(*position) {
                waiting.last.get_or_insert_with(|| reason.clone());
            }
        }
    }

    /// Rejects what waits.
    pub(crate) fn reject_waiting(&mut self, rejection: &Rejection) {
        for slot in &mut self.slots {
            if matches!(slot.state, State::Waiting(_)) {
                slot.state = State::Settled(RecordResult::Rejected(rejection.clone()));
            }
        }
    }

    /// Its time is over: everything is settled.
    pub(crate) fn expire(&mut self, now: u64) {
        let after_ms = now.saturating_sub(self.started_at);
        for slot in &mut self.slots {
            let result = match &mut slot.state {
                State::Settled(_) => continue,
                State::Waiting(Waiting { last: Some(rejection), .. }) => {
                    RecordResult::Rejected(rejection.clone())
                }
                State::Waiting(_) | State::Sent { .. } => RecordResult::TimedOut { after_ms },
            };
            slot.state = State::Settled(result);
        }
    }

    fn change_sent(&mut self, positions: &[usize], change: impl Fn(&mut State)) {
        for position in positions {
            if let Some(Slot { state: state @ State::Sent { .. }, .. }) = self.slots.get_mut(*position) {
                change(state);
            }
        }
    }

    fn waiting(&self) -> impl Iterator<Item = &Waiting> {
        self.slots.iter().filter_map(|slot| match &slot.state {
            State::Waiting(waiting) => Some(waiting),
            State::Sent { .. } | State::Settled(_) => None,
        })
    }
}

/// Waits before the next try, twice as long each time, or gives up.
fn later(state: &mut State, now: u64, rejection: Rejection) {
    let tries = state.tries();
    *state = if tries + 1 >= MOST_TRIES {
        State::Settled(RecordResult::Rejected(rejection))
    } else {
        let due_at = now.saturating_add(FIRST_WAIT_MS << tries);
        State::Waiting(Waiting { tries: tries + 1, due_at, leader: None, last: Some(rejection) })
    };
}

/// The value of a key, in a list of few.
fn entry<V: Default>(list: &mut Vec<(i32, V)>, key: i32) -> &mut V {
    let found = list.iter().position(|(known, _)| *known == key);
    let position = found.unwrap_or_else(|| {
        list.push((key, V::default()));
        list.len() - 1
    });
    #[expect(clippy::indexing_slicing, reason = "it was found or pushed just now")]
    &mut list[position].1
}
