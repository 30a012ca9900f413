//! The retry schedule.

/// The longest delay between two attempts, in milliseconds.
pub const CAP_MS: u64 = 60_000;

/// The delay after a failed attempt, in milliseconds: `min(2^attempt · 1000, 60000)`. `attempt` counts from 1; for 0
/// it is one second.
pub fn exponential_delay_ms(attempt: u32) -> u64 {
    2_u64.saturating_pow(attempt).saturating_mul(1_000).min(CAP_MS)
}

/// How often and how long a delivery is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How many attempts a delivery gets before it fails for good; at least 1.
    pub max_attempts: u32,
}

impl Default for RetryPolicy {
    /// Ten attempts.
    fn default() -> Self {
        RetryPolicy { max_attempts: 10 }
    }
}

impl RetryPolicy {
    /// The delay after failed attempt number `attempt` (from 1), in milliseconds; `None` where it was the last one.
    pub fn delay_ms(&self, attempt: u32) -> Option<u64> {
        (attempt < self.max_attempts).then(|| exponential_delay_ms(attempt))
    }
}

/// The delays after attempts 1, 2, 3 … up to the first that equals the cap, in milliseconds: what a query needs to
/// tell which rows are due, the last one standing for all that follow.
pub fn delays_ms() -> Vec<u64> {
    let doubling = (1_u32..).map(exponential_delay_ms).take_while(|delay| *delay < CAP_MS);
    doubling.chain([CAP_MS]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn delays_double_up_to_a_minute() {
        let delays: Vec<u64> = (0..8).map(exponential_delay_ms).collect();
        assert_eq!(delays, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
        assert_eq!(delays_ms(), [2_000, 4_000, 8_000, 16_000, 32_000, 60_000]);
    }

    #[test]
    fn the_last_attempt_has_no_delay() {
        let policy = RetryPolicy { max_attempts: 3 };
        assert_eq!(policy.delay_ms(2), Some(4_000));
        assert_eq!(policy.delay_ms(3), None);
        assert_eq!(policy.delay_ms(4), None);
        assert_eq!(RetryPolicy { max_attempts: 1 }.delay_ms(1), None);
    }

    proptest! {
        #[test]
        fn delays_never_shrink_and_never_pass_the_cap(attempt: u32) {
            let delay = exponential_delay_ms(attempt);
            prop_assert!((1_000..=CAP_MS).contains(&delay));
            prop_assert!(delay <= exponential_delay_ms(attempt.saturating_add(1)));
        }
    }
}
