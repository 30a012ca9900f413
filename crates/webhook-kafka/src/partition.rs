//! Which partition a key belongs to.

const SEED: u32 = 0x9747_b28c;
const M: u32 = 0x5bd1_e995;

/// The partition of a key, as the Java client and all that follow it choose it:
/// `Utils.toPositive(Utils.murmur2(key)) % partitions`. `None` where there is no partition.
pub(crate) fn partition_of(key: &[u8], partitions: usize) -> Option<i32> {
    let partitions = i32::try_from(partitions).ok()?;
    (murmur2(key) & i32::MAX).checked_rem(partitions)
}

/// MurmurHash2 with the seed of Kafka's `Utils.murmur2`. Consumers rely on it: a key's records share a partition,
/// whichever producer wrote them.
fn murmur2(bytes: &[u8]) -> i32 {
    // The Java code computes with 32-bit lengths, and no record reaches 2 GiB.
    let mut hash = SEED ^ bytes.len() as u32;
    let (words, tail) = bytes.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    if !tail.is_empty() {
        for (position, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * position);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    (hash ^ (hash >> 15)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of the Java client's `UtilsTest.testMurmur2`.
    const VECTORS: [(&str, i32); 6] = [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ];

    #[test]
    fn keys_hash_as_in_the_java_client() {
        for (key, hash) in VECTORS {
            assert_eq!(murmur2(key.as_bytes()), hash, "{key}");
        }
    }

    #[test]
    fn a_negative_hash_loses_its_sign_bit_and_nothing_else() {
        // -973932308 & 0x7fffffff = 1173551340
        assert_eq!(partition_of(b"21", 12), Some(1_173_551_340 % 12));
        assert_eq!(partition_of(b"abc", 7), Some(479_470_107 % 7));
        assert_eq!(partition_of(b"abc", 1), Some(0));
        assert_eq!(partition_of(b"abc", 0), None);
    }
}
