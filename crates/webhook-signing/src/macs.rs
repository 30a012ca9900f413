//! HMAC-SHA256 of many messages, four side by side.

use std::{array, ops::Range, slice};

use sha2::{Digest, Sha256, block_api::compress256};

use crate::lanes::{Block, LANES, State, compress};

const BLOCK_BYTES: usize = 64;
const MAC_BYTES: usize = 32;

/// A hash ends with the length of what it took in, in bits.
const LENGTH_BYTES: usize = 8;

/// A message to authenticate.
pub(crate) struct Message<'a> {
    pub(crate) key: &'a BegunKey,
    /// Its parts in order, as if they stood in one piece.
    pub(crate) parts: &'a [&'a [u8]],
}

/// The MACs of the messages, in their order: HMAC-SHA256 as in RFC 2104.
///
/// A lane that has done its message takes the next one, so that long and short ones may stand together.
pub(crate) fn macs(messages: &[Message<'_>]) -> Vec<[u8; MAC_BYTES]> {
    let mut macs = vec![[0; MAC_BYTES]; messages.len()];
    let mut waiting = messages.iter().zip(&mut macs);
    let mut lanes: [Lane<'_>; LANES] = array::from_fn(|_| Lane::idle());
    loop {
        for lane in &mut lanes {
            if lane.is_idle()
                && let Some((message, mac)) = waiting.next()
            {
                lane.begin(message, mac);
            }
        }
        match lanes.iter().filter(|lane| !lane.is_idle()).count() {
            0 => break,
            // Four lanes, busy or idle, take as long as two blocks one after the other by `sha2`: measured in WASM that the
            // engine has optimised. Before it has, they take less than one.
            1 => lanes.iter_mut().for_each(Lane::go_on_alone),
            _ => go_on_together(&mut lanes),
        }
    }
    macs
}

/// A key that both hashes of HMAC have taken in: the state of the inner and of the outer one.
#[derive(Clone)]
pub(crate) struct BegunKey {
    inner: State,
    outer: State,
}

impl BegunKey {
    pub(crate) fn new(key: &[u8]) -> BegunKey {
        let mut block = [0; BLOCK_BYTES];
        let digest: [u8; MAC_BYTES];
        let key = if key.len() > BLOCK_BYTES {
            digest = Sha256::digest(key).into();
            &digest
        } else {
            key
        };
        copy(key, &mut block);
        let begun = |pad: u8| {
            let mut state = INITIAL;
            compress256(&mut state, &[block.map(|byte| byte ^ pad)]);
            state
        };
        BegunKey { inner: begun(0x36), outer: begun(0x5c) }
    }
}

/// The state before the first block: FIPS 180-4, section 5.3.3.
const INITIAL: State =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// One message on its way. It is idle, or has blocks to hash.
struct Lane<'a> {
    state: State,
    outer: State,
    stage: Stage,
    /// The blocks that are next, where they stand in a part of the message.
    run: &'a [Block],
    /// Else they are these of `own`.
    own_run: Range<usize>,
    /// Blocks that stand in no part: where one part meets the next, and the ends.
    own: [Block; 2],
    /// What is left of a part behind `run`.
    rest: &'a [u8],
    parts: slice::Iter<'a, &'a [u8]>,
    /// The length of the message.
    bytes: usize,
    /// Where the MAC goes; `None` where the lane is idle.
    mac: Option<&'a mut [u8; MAC_BYTES]>,
}

/// What the blocks belong to that a lane hashes.
enum Stage {
    Message,
    /// The last blocks of the inner hash.
    InnerEnd,
    OuterEnd,
}

impl<'a> Lane<'a> {
    fn idle() -> Lane<'a> {
        Lane {
            state: INITIAL,
            outer: INITIAL,
            stage: Stage::Message,
            run: &[],
            own_run: 0..0,
            own: [[0; BLOCK_BYTES]; 2],
            rest: &[],
            parts: [].iter(),
            bytes: 0,
            mac: None,
        }
    }

    fn is_idle(&self) -> bool {
        self.mac.is_none()
    }

    fn begin(&mut self, message: &Message<'a>, mac: &'a mut [u8; MAC_BYTES]) {
        self.state = message.key.inner;
        self.outer = message.key.outer;
        self.stage = Stage::Message;
        self.parts = message.parts.iter();
        self.bytes = message.parts.iter().map(|part| part.len()).sum();
        self.mac = Some(mac);
        self.next_blocks();
    }

    /// The state, and the blocks that it takes in next.
    fn hash(&mut self) -> (&mut State, &[Block]) {
        let run = if self.run.is_empty() {
            self.own.get(self.own_run.clone()).unwrap_or_default()
        } else {
            self.run
        };
        (&mut self.state, run)
    }

    fn go_on_alone(&mut self) {
        let (state, run) = self.hash();
        compress256(state, run);
        let count = run.len();
        self.leave_behind(count);
    }

    /// The first `count` of the blocks are hashed.
    fn leave_behind(&mut self, count: usize) {
        if self.is_idle() {
            return;
        }
        if self.run.is_empty() {
            self.own_run.start += count;
        } else {
            self.run = self.run.get(count..).unwrap_or_default();
        }
        if self.run.is_empty() && self.own_run.is_empty() {
            self.next_blocks();
        }
    }

    fn next_blocks(&mut self) {
        match self.stage {
            Stage::Message => self.next_of_message(),
            Stage::InnerEnd => {
                let digest = bytes_of(&self.state);
                copy(&digest, self.own.as_flattened_mut());
                self.state = self.outer;
                self.end(digest.len(), digest.len());
                self.stage = Stage::OuterEnd;
            }
            Stage::OuterEnd => {
                if let Some(mac) = self.mac.take() {
                    *mac = bytes_of(&self.state);
                }
            }
        }
    }

    fn next_of_message(&mut self) {
        let mut filled = 0;
        loop {
            if filled == 0 {
                (self.run, self.rest) = self.rest.as_chunks();
                if !self.run.is_empty() {
                    return;
                }
            }
            let [block, _] = &mut self.own;
            let taken = copy(self.rest, block.get_mut(filled..).unwrap_or_default());
            self.rest = self.rest.get(taken..).unwrap_or_default();
            filled += taken;
            if filled == BLOCK_BYTES {
                self.own_run = 0..1;
                return;
            }
            let Some(part) = self.parts.next() else { break };
            self.rest = part;
        }
        self.end(filled, self.bytes);
        self.stage = Stage::InnerEnd;
    }

    /// Ends the hash of a key's block and `bytes` bytes, the last of which are the first `filled` of `own`.
    ///
    /// Source: FIPS 180-4, section 5.1.1.
    fn end(&mut self, filled: usize, bytes: usize) {
        let blocks = if filled + 1 + LENGTH_BYTES > BLOCK_BYTES { 2 } else { 1 };
        let bits = 8 * (BLOCK_BYTES + bytes) as u64;
        let free = self.own.as_flattened_mut().get_mut(filled..blocks * BLOCK_BYTES).unwrap_or_default();
        free.fill(0);
        if let [one, .., _, _, _, _, _, _, _, _] = free {
            *one = 0x80;
        }
        if let Some(length) = free.last_chunk_mut() {
            *length = bits.to_be_bytes();
        }
        self.own_run = 0..blocks;
    }
}

/// All lanes take in as many blocks as the busy one that has the fewest at hand.
fn go_on_together(lanes: &mut [Lane<'_>; LANES]) {
    let mut hashes = lanes.each_mut().map(Lane::hash);
    let runs = hashes.iter().map(|(_, run)| *run).filter(|run| !run.is_empty());
    let shortest = runs.min_by_key(|run| run.len()).unwrap_or_default();
    for (_, run) in &mut hashes {
        if run.is_empty() {
            // An idle lane hashes what another does, and nobody asks for it.
            *run = shortest;
        }
    }
    let count = shortest.len();
    compress(hashes);
    for lane in lanes {
        lane.leave_behind(count);
    }
}

/// Copies what there is room for, and says how many bytes that were.
fn copy(from: &[u8], to: &mut [u8]) -> usize {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
    from.len().min(to.len())
}

fn bytes_of(state: &State) -> [u8; MAC_BYTES] {
    let mut bytes = [0; MAC_BYTES];
    let (words, _) = bytes.as_chunks_mut();
    for (to, word) in words.iter_mut().zip(state) {
        *to = word.to_be_bytes();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit, Mac};

    use super::*;

    fn oracle(key: &[u8], message: &[u8]) -> [u8; 32] {
        Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(message).finalize().into_bytes().into()
    }

    /// Bytes of which no two neighbours and no two blocks are the same.
    fn bytes(count: usize) -> Vec<u8> {
        (0..count).map(|at| (at * 7 + at / 64) as u8).collect()
    }

    /// The ways of taking `whole` apart that cross blocks' edges differently.
    fn splits(whole: &[u8]) -> Vec<Vec<&[u8]>> {
        let at = |first: usize| {
            let (head, tail) = whole.split_at(first.min(whole.len()));
            vec![head, tail]
        };
        vec![
            vec![whole],
            vec![&[], whole, &[], &[]],
            at(1),
            at(48),
            at(63),
            at(64),
            at(65),
            at(128),
            at(whole.len() / 2),
            whole.chunks(1).collect(),
            whole.chunks(37).collect(),
            whole.chunks(100).collect(),
        ]
    }

    #[test]
    fn every_length_in_every_split_is_authenticated_as_hmac_does() {
        let mut compared = 0;
        for length in 0..=300 {
            let key = bytes(length);
            let (begun, whole) = (BegunKey::new(&key), bytes(length));
            let splits = splits(&whole);
            let messages: Vec<Message<'_>> =
                splits.iter().map(|parts| Message { key: &begun, parts }).collect();
            let expected = oracle(&key, &whole);
            for (mac, split) in macs(&messages).iter().zip(&splits) {
                assert_eq!(*mac, expected, "{length} bytes in {} parts", split.len());
                compared += 1;
            }
        }
        assert_eq!(compared, 301 * 12);
    }

    #[test]
    fn any_number_of_messages_of_unequal_length_share_the_lanes() {
        let lengths = [5_000, 0, 64, 55, 1_024, 56, 119, 3, 120, 20_000, 63, 1];
        let keys: Vec<Vec<u8>> = (0..lengths.len()).map(|nth| bytes(nth * 9)).collect();
        let begun: Vec<BegunKey> = keys.iter().map(|key| BegunKey::new(key)).collect();
        let bodies: Vec<Vec<u8>> = lengths.map(bytes).into();
        let parts: Vec<[&[u8]; 2]> = bodies.iter().map(|body| [b"id.0.".as_slice(), body]).collect();
        let messages: Vec<Message<'_>> =
            begun.iter().zip(&parts).map(|(key, parts)| Message { key, parts }).collect();
        let expected: Vec<[u8; 32]> =
            keys.iter().zip(&parts).map(|(key, parts)| oracle(key, &parts.concat())).collect();
        for first in 0..lengths.len() {
            for end in first..=lengths.len() {
                assert_eq!(macs(&messages[first..end]), expected[first..end], "{first}..{end}");
            }
        }
    }

    #[test]
    fn a_message_without_parts_is_the_empty_message() {
        let key = BegunKey::new(b"key");
        assert_eq!(macs(&[Message { key: &key, parts: &[] }]), [oracle(b"key", b"")]);
    }
}
