//! The rate limiter of an endpoint: a token bucket that paces.

/// So many requests in such a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many; at least 1.
    pub count: u32,
    /// In how long, in milliseconds; at least 1.
    pub per_ms: u64,
}

/// A bucket is full with what a tenth of a second brings, and with one token at least. So a receiver that counts by
/// the second, too, never sees more than a tenth above its rate.
const BURST_MS: f64 = 100.0;

impl Rate {
    fn tokens_in(self, elapsed_ms: f64) -> f64 {
        elapsed_ms * f64::from(self.count) / self.per_ms as f64
    }

    fn capacity(self) -> f64 {
        self.tokens_in(BURST_MS).max(1.0)
    }
}

/// What an endpoint may get at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    rate: Rate,
    tokens: f64,
    at_ms: u64,
}

impl Bucket {
    /// A full bucket. `now_ms` is in milliseconds since 1970.
    pub fn new(rate: Rate, now_ms: u64) -> Bucket {
        Bucket { rate, tokens: rate.capacity(), at_ms: now_ms }
    }

    /// Its rate.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// How many requests may go now.
    pub fn available(&self, now_ms: u64) -> u32 {
        self.level(now_ms) as u32
    }

    /// Counts requests that go now; more than are available make the next ones wait longer.
    pub fn take(&mut self, count: u32, now_ms: u64) {
        self.tokens = self.level(now_ms) - f64::from(count);
        self.at_ms = self.at_ms.max(now_ms);
    }

    /// How many requests it can let go at once.
    pub fn capacity(&self) -> u32 {
        self.rate.capacity() as u32
    }

    /// How long until `count` requests may go, in milliseconds; 0 for now. More than its capacity never may.
    pub fn wait_ms(&self, count: u32, now_ms: u64) -> u64 {
        let missing = f64::from(count) - self.level(now_ms);
        if missing <= 0.0 {
            return 0;
        }
        (missing * self.rate.per_ms as f64 / f64::from(self.rate.count)).ceil() as u64
    }

    /// Takes into account what everybody has sent within the rate's time, as the table has it: there is never more
    /// in the bucket than is left of the rate.
    pub fn heed(&mut self, recent: u32, now_ms: u64) {
        let left = self.rate.count.saturating_sub(recent);
        self.tokens = self.level(now_ms).min(f64::from(left));
        self.at_ms = self.at_ms.max(now_ms);
    }

    fn level(&self, now_ms: u64) -> f64 {
        let elapsed_ms = now_ms.saturating_sub(self.at_ms) as f64;
        // A hundredth of a thousandth of a token is rounding, not a request.
        (self.tokens + self.rate.tokens_in(elapsed_ms) + 1e-5).min(self.rate.capacity())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEN_A_SECOND: Rate = Rate { count: 10, per_ms: 1_000 };

    #[test]
    fn requests_are_paced_and_none_is_refused() {
        let mut bucket = Bucket::new(TEN_A_SECOND, 0);
        assert_eq!((bucket.available(0), bucket.wait_ms(1, 0)), (1, 0));
        bucket.take(1, 0);
        assert_eq!((bucket.available(0), bucket.wait_ms(1, 0)), (0, 100));
        assert_eq!((bucket.available(99), bucket.wait_ms(1, 60)), (0, 40));
        assert_eq!(bucket.available(100), 1);
        // What is not used does not pile up beyond the burst.
        assert_eq!(bucket.available(60_000), 1);
    }

    #[test]
    fn fast_rates_have_a_burst_of_a_tenth_of_a_second() {
        assert_eq!(Bucket::new(Rate { count: 200, per_ms: 1_000 }, 0).available(0), 20);
        assert_eq!(Bucket::new(Rate { count: 600, per_ms: 60_000 }, 0).available(0), 1);
    }

    #[test]
    fn what_others_have_sent_counts() {
        let hourly = Rate { count: 100, per_ms: 3_600_000 };
        let mut bucket = Bucket::new(hourly, 0);
        bucket.heed(40, 0);
        assert_eq!(bucket.available(0), 1);
        bucket.heed(100, 0);
        assert_eq!((bucket.available(0), bucket.wait_ms(1, 0)), (0, 36_000));
    }

    proptest! {
        #[test]
        fn no_window_gets_more_than_the_rate_and_a_burst(
            count in 1_u32..500, per_ms in 1_u64..100_000, steps in prop::collection::vec(0_u64..5_000, 1..200)
        ) {
            let rate = Rate { count, per_ms };
            let mut bucket = Bucket::new(rate, 0);
            let (mut now_ms, mut sent) = (0, 0_f64);
            for step in steps {
                now_ms += step;
                let available = bucket.available(now_ms);
                bucket.take(available, now_ms);
                sent += f64::from(available);
                let most = rate.tokens_in(now_ms as f64) + rate.capacity();
                prop_assert!(sent <= most + 0.1, "{} of {}", sent, most);
            }
        }

        #[test]
        fn after_the_wait_there_is_a_token(count in 1_u32..10_000, per_ms in 1_u64..10_000_000, taken in 1_u32..50) {
            let mut bucket = Bucket::new(Rate { count, per_ms }, 0);
            bucket.take(taken, 0);
            let wait_ms = bucket.wait_ms(1, 0);
            prop_assert!(bucket.available(wait_ms) >= 1);
        }
    }
}
