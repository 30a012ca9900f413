//! SHA-256 of four messages side by side, each in its own lane of a vector ("multi-buffer" hashing).
//!
//! A vector instruction does for four messages what a plain one does for one. The rounds are written once, over
//! [`Words`]: 128-bit vectors where WebAssembly has them, four numbers elsewhere, which is what the tests run natively.

mod words;

use words::Words;

/// How many messages are hashed side by side.
pub(crate) const LANES: usize = 4;

/// The state of one message's hash: FIPS 180-4, section 6.2, H0 to H7.
pub(crate) type State = [u32; 8];

/// What one compression takes in.
pub(crate) type Block = [u8; 64];

/// Takes blocks into each of four states, as many as the shortest of the four runs has; the rest of a longer run is left
/// out.
#[inline(never)]
pub(crate) fn compress(hashes: [(&mut State, &[Block]); LANES]) {
    let [(state_1, run_1), (state_2, run_2), (state_3, run_3), (state_4, run_4)] = hashes;
    let mut state = gathered([state_1, state_2, state_3, state_4]);
    for (((block_1, block_2), block_3), block_4) in run_1.iter().zip(run_2).zip(run_3).zip(run_4) {
        let mixed = rounds(state, words([block_1, block_2, block_3, block_4]));
        for (word, mixed) in state.iter_mut().zip(mixed) {
            *word = word.plus(mixed);
        }
    }
    for ((((word, a), b), c), d) in state.iter().zip(state_1).zip(state_2).zip(state_3).zip(state_4) {
        [*a, *b, *c, *d] = word.lanes();
    }
}

/// Lane n of word m is word m of state n.
fn gathered([state_1, state_2, state_3, state_4]: [&State; LANES]) -> [Words; 8] {
    let mut state = [Words::all(0); 8];
    for ((((word, a), b), c), d) in state.iter_mut().zip(state_1).zip(state_2).zip(state_3).zip(state_4) {
        *word = Words::of([*a, *b, *c, *d]);
    }
    state
}

/// The sixteen big-endian words of four blocks.
#[inline(always)]
fn words(blocks: [&Block; LANES]) -> [Words; 16] {
    let [(words_1, _), (words_2, _), (words_3, _), (words_4, _)] = blocks.map(|block| block.as_chunks());
    let mut words = [Words::all(0); 16];
    for ((((word, a), b), c), d) in words.iter_mut().zip(words_1).zip(words_2).zip(words_3).zip(words_4) {
        *word = Words::of_bytes([*a, *b, *c, *d]);
    }
    words
}

/// The 64 rounds, sixteen at a time: before each sixteen but the first the schedule goes on.
#[inline(always)]
fn rounds(hash: [Words; 8], mut schedule: [Words; 16]) -> [Words; 8] {
    let [first, later @ ..] = &ROUND_CONSTANTS;
    let mut hash = sixteen_rounds(hash, schedule, first);
    for constants in later {
        schedule = next_words(schedule);
        hash = sixteen_rounds(hash, schedule, constants);
    }
    hash
}

/// Written out, so that the eight words change their names and not their places.
#[inline(always)]
fn sixteen_rounds(hash: [Words; 8], schedule: [Words; 16], constants: &[u32; 16]) -> [Words; 8] {
    let [w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15] = schedule;
    let [k0, k1, k2, k3, k4, k5, k6, k7, k8, k9, k10, k11, k12, k13, k14, k15] = *constants;
    let hash = round(hash, w0, k0);
    let hash = round(hash, w1, k1);
    let hash = round(hash, w2, k2);
    let hash = round(hash, w3, k3);
    let hash = round(hash, w4, k4);
    let hash = round(hash, w5, k5);
    let hash = round(hash, w6, k6);
    let hash = round(hash, w7, k7);
    let hash = round(hash, w8, k8);
    let hash = round(hash, w9, k9);
    let hash = round(hash, w10, k10);
    let hash = round(hash, w11, k11);
    let hash = round(hash, w12, k12);
    let hash = round(hash, w13, k13);
    let hash = round(hash, w14, k14);
    round(hash, w15, k15)
}

/// FIPS 180-4, section 6.2.2, step 3.
#[inline(always)]
fn round([a, b, c, d, e, f, g, h]: [Words; 8], word: Words, constant: u32) -> [Words; 8] {
    let sum_e = e.rotated::<6>().xor(e.rotated::<11>()).xor(e.rotated::<25>());
    let sum_a = a.rotated::<2>().xor(a.rotated::<13>()).xor(a.rotated::<22>());
    let first = h.plus(word.plus(Words::all(constant))).plus(sum_e).plus(e.choose(f, g));
    // Where a and b agree, the majority is theirs; elsewhere c decides.
    let majority = a.xor(b).choose(c, b);
    [first.plus(sum_a.plus(majority)), a, b, c, d.plus(first), e, f, g]
}

/// The next sixteen words of the message schedule, in the places of the last.
#[inline(always)]
fn next_words(schedule: [Words; 16]) -> [Words; 16] {
    let [w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15] = schedule;
    let w0 = next_word(w0, w1, w9, w14);
    let w1 = next_word(w1, w2, w10, w15);
    let w2 = next_word(w2, w3, w11, w0);
    let w3 = next_word(w3, w4, w12, w1);
    let w4 = next_word(w4, w5, w13, w2);
    let w5 = next_word(w5, w6, w14, w3);
    let w6 = next_word(w6, w7, w15, w4);
    let w7 = next_word(w7, w8, w0, w5);
    let w8 = next_word(w8, w9, w1, w6);
    let w9 = next_word(w9, w10, w2, w7);
    let w10 = next_word(w10, w11, w3, w8);
    let w11 = next_word(w11, w12, w4, w9);
    let w12 = next_word(w12, w13, w5, w10);
    let w13 = next_word(w13, w14, w6, w11);
    let w14 = next_word(w14, w15, w7, w12);
    let w15 = next_word(w15, w0, w8, w13);
    [w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15]
}

/// FIPS 180-4, section 6.2.2, step 1: the word sixteen places on.
#[inline(always)]
fn next_word(word: Words, after_1: Words, after_9: Words, after_14: Words) -> Words {
    let sigma_0 = after_1.rotated::<7>().xor(after_1.rotated::<18>()).xor(after_1.shifted::<3>());
    let sigma_1 = after_14.rotated::<17>().xor(after_14.rotated::<19>()).xor(after_14.shifted::<10>());
    word.plus(sigma_0).plus(after_9.plus(sigma_1))
}

/// FIPS 180-4, section 4.2.2, sixteen a row.
const ROUND_CONSTANTS: [[u32; 16]; 4] = [
    [
        0x428a_2f98,
        0x7137_4491,
        0xb5c0_fbcf,
        0xe9b5_dba5,
        0x3956_c25b,
        0x59f1_11f1,
        0x923f_82a4,
        0xab1c_5ed5,
        0xd807_aa98,
        0x1283_5b01,
        0x2431_85be,
        0x550c_7dc3,
        0x72be_5d74,
        0x80de_b1fe,
        0x9bdc_06a7,
        0xc19b_f174,
    ],
    [
        0xe49b_69c1,
        0xefbe_4786,
        0x0fc1_9dc6,
        0x240c_a1cc,
        0x2de9_2c6f,
        0x4a74_84aa,
        0x5cb0_a9dc,
        0x76f9_88da,
        0x983e_5152,
        0xa831_c66d,
        0xb003_27c8,
        0xbf59_7fc7,
        0xc6e0_0bf3,
        0xd5a7_9147,
        0x06ca_6351,
        0x1429_2967,
    ],
    [
        0x27b7_0a85,
        0x2e1b_2138,
        0x4d2c_6dfc,
        0x5338_0d13,
        0x650a_7354,
        0x766a_0abb,
        0x81c2_c92e,
        0x9272_2c85,
        0xa2bf_e8a1,
        0xa81a_664b,
        0xc24b_8b70,
        0xc76c_51a3,
        0xd192_e819,
        0xd699_0624,
        0xf40e_3585,
        0x106a_a070,
    ],
    [
        0x19a4_c116,
        0x1e37_6c08,
        0x2748_774c,
        0x34b0_bcb5,
        0x391c_0cb3,
        0x4ed8_aa4a,
        0x5b9c_ca4f,
        0x682e_6ff3,
        0x748f_82ee,
        0x78a5_636f,
        0x84c8_7814,
        0x8cc7_0208,
        0x90be_fffa,
        0xa450_6ceb,
        0xbef9_a3f7,
        0xc671_78f2,
    ],
];

#[cfg(test)]
mod tests {
    use proptest::{array::uniform4, collection::vec, prelude::*};
    use sha2::block_api::compress256;

    use super::*;

    fn block() -> impl Strategy<Value = Block> {
        vec(any::<u8>(), 64).prop_map(|bytes| bytes.try_into().unwrap())
    }

    proptest! {
        #[test]
        fn each_lane_is_compressed_as_it_is_alone(
            states: [State; LANES],
            runs in uniform4(vec(block(), 0..6)),
        ) {
            let shortest = runs.iter().map(Vec::len).min().unwrap();
            let mut alone = states;
            for (state, run) in alone.iter_mut().zip(&runs) {
                compress256(state, &run[..shortest]);
            }
            let [mut a, mut b, mut c, mut d] = states;
            let [run_a, run_b, run_c, run_d] = &runs;
            compress([(&mut a, run_a), (&mut b, run_b), (&mut c, run_c), (&mut d, run_d)]);
            prop_assert_eq!([a, b, c, d], alone);
        }
    }
}
