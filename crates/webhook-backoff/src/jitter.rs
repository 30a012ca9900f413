//! Jitter without randomness: the same delivery and attempt always give the same.

/// A number for a delivery's attempt, spread evenly: FNV-1a over both, mixed by SplitMix64's finaliser.
pub fn jitter_seed(delivery_id: &str, attempt: u32) -> u64 {
    let bytes = delivery_id.bytes().chain(attempt.to_le_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// `delay_ms`, up to `percent` per cent longer or shorter.
pub(crate) fn jittered(delay_ms: u64, percent: u32, seed: u64) -> u64 {
    let span = delay_ms.saturating_mul(u64::from(percent.min(100))) / 100;
    let width = span.saturating_mul(2).saturating_add(1);
    delay_ms.saturating_sub(span).saturating_add(seed % width)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn seeds_do_not_change_between_versions() {
        // Another implementation (Python) computed these.
        assert_eq!(jitter_seed("", 0), 0xaca6_d6b5_4be3_ed05);
        assert_eq!(jitter_seed("0a6e3f6e-4f0e-4a58-9d2f-9a1b2c3d4e5f", 3), 0x6902_e05d_0374_5b2e);
    }

    #[test]
    fn seeds_spread_over_the_whole_span() {
        let delays: Vec<u64> = (1..=1_000).map(|n| jittered(1_000, 20, jitter_seed("id", n))).collect();
        let mean = delays.iter().sum::<u64>() / 1_000;
        assert!((980..=1_020).contains(&mean), "{mean}");
        for (low, high) in [(800, 850), (850, 950), (950, 1_050), (1_050, 1_150), (1_150, 1_201)] {
            assert!(delays.iter().any(|delay| (low..high).contains(delay)), "{low}");
        }
    }

    proptest! {
        #[test]
        fn jitter_stays_within_its_per_cent(delay in 0_u64..10_000_000_000, percent in 0_u32..=100, seed: u64) {
            let jittered = jittered(delay, percent, seed);
            let span = delay * u64::from(percent) / 100;
            prop_assert!(jittered >= delay - span && jittered <= delay + span);
        }

        #[test]
        fn no_jitter_changes_nothing(delay: u64, seed: u64) {
            prop_assert_eq!(jittered(delay, 0, seed), delay);
        }
    }
}
