//! The retry schedule: how long a delivery waits after each failed attempt.

/// The longest delay of the exponential schedule, in milliseconds.
pub const CAP_MS: u64 = 60_000;

/// How many attempts the exponential schedule gives where nothing else is said.
const EXPONENTIAL_ATTEMPTS: u32 = 10;

/// What follows the exponential start by default, in milliseconds: together 31 hours, so that even the shortest
/// jitter outlasts a receiver that is down for a day.
const TAIL_MS: [u64; 9] = [
    5 * 60_000,
    15 * 60_000,
    30 * 60_000,
    3_600_000,
    2 * 3_600_000,
    4 * 3_600_000,
    8 * 3_600_000,
    8 * 3_600_000,
    8 * 3_600_000,
];

/// The delay after a failed attempt, in milliseconds: `min(2^attempt · 1000, 60000)`. `attempt` counts from 1; for 0
/// it is one second.
pub fn exponential_delay_ms(attempt: u32) -> u64 {
    2_u64.saturating_pow(attempt).saturating_mul(1_000).min(CAP_MS)
}

/// The delays after attempts 1, 2, 3 …; the last one stands for all that follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    delays_ms: Vec<u64>,
    attempts: u32,
}

impl Default for Schedule {
    /// 2, 4, 8, 16, 32 and 60 seconds, then a tail of 5, 15 and 30 minutes, 1, 2, 4, 8, 8 and 8 hours.
    fn default() -> Self {
        let delays_ms = Schedule::exponential().delays_ms.into_iter().chain(TAIL_MS).collect();
        Schedule::list(delays_ms)
    }
}

impl Schedule {
    /// [`exponential_delay_ms`] alone, for ten attempts.
    pub fn exponential() -> Schedule {
        let doubling = (1_u32..).map(exponential_delay_ms).take_while(|delay| *delay < CAP_MS);
        Schedule { delays_ms: doubling.chain([CAP_MS]).collect(), attempts: EXPONENTIAL_ATTEMPTS }
    }

    /// No delay but what keeps the next attempt for the next call, for ten attempts.
    pub fn none() -> Schedule {
        Schedule { delays_ms: vec![1_000], attempts: EXPONENTIAL_ATTEMPTS }
    }

    /// The delays as they are given, in milliseconds, and one attempt more than there are delays.
    pub fn list(delays_ms: Vec<u64>) -> Schedule {
        let attempts = u32::try_from(delays_ms.len()).unwrap_or(u32::MAX).saturating_add(1);
        Schedule { delays_ms, attempts }
    }

    /// How many attempts the schedule is made for.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The delay after failed attempt number `attempt` (from 1), in milliseconds, before jitter.
    pub fn delay_ms(&self, attempt: u32) -> u64 {
        let at = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
        self.delays_ms.get(at).or(self.delays_ms.last()).copied().unwrap_or_default()
    }

    /// All delays in milliseconds: what a query needs to tell which rows are due.
    pub fn delays_ms(&self) -> &[u64] {
        &self.delays_ms
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY_MS: u64 = 24 * 3_600_000;

    #[test]
    fn delays_double_up_to_a_minute() {
        let delays: Vec<u64> = (0..8).map(exponential_delay_ms).collect();
        assert_eq!(delays, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
        let schedule = Schedule::exponential();
        assert_eq!(schedule.delays_ms(), [2_000, 4_000, 8_000, 16_000, 32_000, 60_000]);
        assert_eq!(schedule.attempts(), 10);
        assert_eq!(schedule.delay_ms(9), 60_000);
    }

    #[test]
    fn the_default_begins_as_the_exponential_one_and_outlasts_a_day_at_the_shortest_jitter() {
        let schedule = Schedule::default();
        assert!(schedule.delays_ms().starts_with(Schedule::exponential().delays_ms()));
        assert_eq!(schedule.attempts(), 16);
        let total: u64 = schedule.delays_ms().iter().sum();
        assert!(total * 80 / 100 > DAY_MS, "{total}");
    }

    #[test]
    fn a_list_is_taken_as_it_is_and_its_last_delay_repeats() {
        let schedule = Schedule::list(vec![5_000, 300_000]);
        assert_eq!(schedule.attempts(), 3);
        let delays: Vec<u64> = (0..5).map(|attempt| schedule.delay_ms(attempt)).collect();
        assert_eq!(delays, [5_000, 5_000, 300_000, 300_000, 300_000]);
    }

    proptest! {
        #[test]
        fn exponential_delays_never_shrink_and_never_pass_the_cap(attempt: u32) {
            let delay = exponential_delay_ms(attempt);
            prop_assert!((1_000..=CAP_MS).contains(&delay));
            prop_assert!(delay <= exponential_delay_ms(attempt.saturating_add(1)));
        }

        #[test]
        fn default_delays_never_shrink(attempt in 1_u32..1_000) {
            let schedule = Schedule::default();
            prop_assert!(schedule.delay_ms(attempt) <= schedule.delay_ms(attempt + 1));
        }
    }
}
