//! HMAC-SHA256 of many messages, four side by side.

use std::{array, ops::Range, slice};

use sha2::{Digest, Sha256, block_api::compress256};

use crate::lanes::{Block, LANES, State, compress};

/// With fewer busy lanes than this, each message goes on alone.
const FEWEST_BUSY: usize = 3;

const BLOCK_BYTES: usize = 64;

/// The length of a message in bits stands at the end of its last block.
const LENGTH_BYTES: usize = 8;

/// A message to authenticate.
pub(crate) struct Message<'a> {
    pub(crate) key: &'a HmacKey,
    /// Its parts in order, as if they stood in one piece.
    pub(crate) parts: &'a [&'a [u8]],
}

/// The MAC of each message, in their order: HMAC-SHA256 as in RFC 2104.
pub(crate) fn macs(messages: &[Message<'_>]) -> Vec<[u8; 32]> {
    let mut macs = vec![[0; 32]; messages.len()];
    let mut waiting = messages.iter().zip(&mut macs);
    let mut lanes: [Option<Lane<'_>>; LANES] = array::from_fn(|_| Lane::next(&mut waiting));
    loop {
        for lane in &mut lanes {
            while lane.as_mut().is_some_and(|lane| lane.is_done()) {
                *lane = Lane::next(&mut waiting);
            }
        }
        let busy = lanes.iter().flatten().count();
        if busy == 0 {
            break;
        }
        if busy < FEWEST_BUSY {
            for lane in lanes.iter_mut().flatten() {
                lane.go_on_alone();
            }
        } else {
            go_on_together(&mut lanes);
        }
    }
    macs
}

/// The states in which the hashes inside and outside of HMAC begin for a key: both have taken in one block of it.
#[derive(Clone)]
pub(crate) struct HmacKey {
    inner: State,
    outer: State,
}

impl HmacKey {
    pub(crate) fn new(key: &[u8]) -> HmacKey {
        let digest: [u8; 32];
        let key = if key.len() > BLOCK_BYTES {
            digest = Sha256::digest(key).into();
            &digest
        } else {
            key
        };
        let begun = |pad: u8| {
            let mut block = [pad; BLOCK_BYTES];
            for (byte, key) in block.iter_mut().zip(key) {
                *byte ^= key;
            }
            let mut state = INITIAL;
            compress256(&mut state, &[block]);
            state
        };
        HmacKey { inner: begun(0x36), outer: begun(0x5c) }
    }
}

/// FIPS 180-4, section 5.3.3.
const INITIAL: State =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// One message on its way.
struct Lane<'a> {
    state: State,
    /// Blocks that are next, as they stand in a part.
    run: &'a [Block],
    /// Or else those that are next in `own`.
    own_run: Range<usize>,
    /// Blocks that do not stand in one part: where two parts meet, and the ends of both hashes.
    own: [Block; 2],
    /// What is left of the part.
    rest: &'a [u8],
    parts: slice::Iter<'a, &'a [u8]>,
    /// The bytes that the running hash has taken in, the key's block included, and those that lie in `own` or `run`.
    bytes: u64,
    outer: State,
    stage: Stage,
    mac: &'a mut [u8; 32],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Message,
    InnerEnd,
    OuterEnd,
}

fn go_on_together(lanes: &mut [Option<Lane<'_>>; LANES]) {
    let mut filler: &[Block] = &[];
    let mut shortest = usize::MAX;
    for lane in lanes.iter().flatten() {
        filler = lane.blocks();
        shortest = shortest.min(filler.len());
    }
    let mut states = array::from_fn(|_| INITIAL);
    for (state, lane) in states.iter_mut().zip(lanes.iter().flatten()) {
        *state = lane.state;
    }
    let mut runs = [filler; LANES];
    for (run, lane) in runs.iter_mut().zip(lanes.iter().flatten()) {
        *run = lane.blocks();
    }
    compress(&mut states, runs);
    for (lane, state) in lanes.iter_mut().flatten().zip(states) {
        lane.state = state;
        lane.take(shortest);
    }
}

impl<'a> Lane<'a> {
    fn next(waiting: &mut impl Iterator<Item = (&'a Message<'a>, &'a mut [u8; 32])>) -> Option<Lane<'a>> {
        let (message, mac) = waiting.next()?;
        let mut lane = Lane {
            state: message.key.inner,
            run: &[],
            own_run: 0..0,
            own: [[0; BLOCK_BYTES]; 2],
            rest: &[],
            parts: message.parts.iter(),
            bytes: BLOCK_BYTES as u64,
            outer: message.key.outer,
            stage: Stage::Message,
            mac,
        };
        lane.ready();
        Some(lane)
    }

    fn blocks(&self) -> &[Block] {
        if self.run.is_empty() { self.own.get(self.own_run.clone()).unwrap_or_default() } else { self.run }
    }

    fn is_done(&self) -> bool {
        self.blocks().is_empty()
    }

    fn go_on_alone(&mut self) {
        let mut state = self.state;
        let blocks = self.blocks();
        compress256(&mut state, blocks);
        let count = blocks.len();
        self.state = state;
        self.take(count);
    }

    /// Leaves `count` blocks behind, and makes the next ready.
    fn take(&mut self, count: usize) {
        if self.run.is_empty() {
            self.own_run.start += count;
        } else {
            self.run = self.run.get(count..).unwrap_or_default();
        }
        if self.blocks().is_empty() {
            self.ready();
        }
    }

    fn ready(&mut self) {
        match self.stage {
            Stage::Message => self.ready_message(),
            Stage::InnerEnd => {
                let digest = bytes_of(&self.state);
                self.state = self.outer;
                self.bytes = BLOCK_BYTES as u64 + 32;
                self.own = [[0; BLOCK_BYTES]; 2];
                let own = self.own.as_flattened_mut();
                for (to, from) in own.iter_mut().zip(digest) {
                    *to = from;
                }
                self.end(32);
                self.stage = Stage::OuterEnd;
            }
            Stage::OuterEnd => *self.mac = bytes_of(&self.state),
        }
    }

    fn ready_message(&mut self) {
        let (run, rest) = self.rest.as_chunks();
        if !run.is_empty() {
            self.run = run;
            self.rest = rest;
            self.bytes += (run.len() * BLOCK_BYTES) as u64;
            return;
        }
        let mut filled = 0;
        loop {
            let own = self.own.as_flattened_mut();
            let room = own.get_mut(filled..BLOCK_BYTES).unwrap_or_default();
            let count = room.len().min(self.rest.len());
            let (taken, rest) = self.rest.split_at(count);
            for (to, from) in room.iter_mut().zip(taken) {
                *to = *from;
            }
            self.rest = rest;
            self.bytes += count as u64;
            filled += count;
            if filled == BLOCK_BYTES {
                self.own_run = 0..1;
                return;
            }
            match self.parts.next() {
                Some(part) => {
                    self.rest = part;
                    // A part begins at a block's start.
                    if filled == 0 && part.len() >= BLOCK_BYTES {
                        return self.ready_message();
                    }
                }
                None => break,
            }
        }
        if let Some(free) = self.own.as_flattened_mut().get_mut(filled..) {
            free.fill(0);
        }
        self.end(filled);
        self.stage = Stage::InnerEnd;
    }

    /// FIPS 180-4, section 5.1.1
    fn end(&mut self, filled: usize) {
        let bits = (self.bytes * 8).to_be_bytes();
        let blocks = if filled + 1 + LENGTH_BYTES > BLOCK_BYTES { 2 } else { 1 };
        let own = self.own.as_flattened_mut();
        if let Some(byte) = own.get_mut(filled) {
            *byte = 0x80;
        }
        if let Some(length) = own.get_mut(blocks * BLOCK_BYTES - LENGTH_BYTES..blocks * BLOCK_BYTES) {
            length.copy_from_slice(&bits);
        }
        self.own_run = 0..blocks;
    }
}

fn bytes_of(state: &State) -> [u8; 32] {
    let mut bytes = [0; 32];
    let (words, _) = bytes.as_chunks_mut();
    for (to, word) in words.iter_mut().zip(state) {
        *to = word.to_be_bytes();
    }
    bytes
}
