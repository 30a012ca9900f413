//! How many lines may be logged. The platform keeps 100 lines in 10 seconds and drops what comes beyond, whatever it is:
//! so what matters less is left out first, and counted.

/// A token bucket: in any ten seconds it lets through what fits in it and what comes in meanwhile, 96 lines in all.
#[derive(Clone, Copy, Debug)]
pub struct LogBudget {
    /// Thousandths of a line.
    room: u64,
    at_ms: u64,
    omitted: u32,
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// One of many, such as an attempt that failed.
    Detail,
    /// Whatever else is said.
    Ordinary,
}

const MOST_ROOM: u64 = 56_000;
/// Thousandths of a line in a millisecond: four lines a second.
const ROOM_PER_MS: u64 = 4;
const LINE: u64 = 1_000;
/// What is kept for other lines than details.
const RESERVE: u64 = 26_000;

impl Default for LogBudget {
    fn default() -> Self {
        LogBudget { room: MOST_ROOM, at_ms: 0, omitted: 0 }
    }
}

impl LogBudget {
    /// Whether a line may be written now; one that may not is counted. `now_ms` is in milliseconds since 1970.
    pub fn admit(&mut self, weight: Weight, now_ms: u64) -> bool {
        let gained = now_ms.saturating_sub(self.at_ms).saturating_mul(ROOM_PER_MS);
        self.room = self.room.saturating_add(gained).min(MOST_ROOM);
        self.at_ms = self.at_ms.max(now_ms);
        let reserve = if weight == Weight::Detail { RESERVE } else { 0 };
        let is_admitted = self.room >= reserve + LINE;
        if is_admitted {
            self.room -= LINE;
        } else {
            self.omitted += 1;
        }
        is_admitted
    }

    /// How many lines were left out since the last time, if there is room for the line that says it; 0 for none.
    pub fn take_omitted(&mut self, now_ms: u64) -> u32 {
        if self.omitted == 0 || self.room < LINE || !self.admit(Weight::Ordinary, now_ms) {
            return 0;
        }
        std::mem::take(&mut self.omitted)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn details_leave_room_for_what_matters_more() {
        let mut budget = LogBudget::default();
        let mut admitted = |weight| (0..100).filter(|_| budget.admit(weight, 5_000)).count();
        assert_eq!(admitted(Weight::Detail), 30);
        assert_eq!(admitted(Weight::Ordinary), 26);
        assert_eq!(budget.take_omitted(5_000), 0);
        assert!(!budget.admit(Weight::Ordinary, 5_249));
        assert!(budget.admit(Weight::Ordinary, 5_250));
        assert_eq!(budget.take_omitted(5_499), 0);
        assert!(budget.admit(Weight::Detail, 60_000));
        assert_eq!(budget.take_omitted(60_000), 145);
        assert_eq!(budget.take_omitted(60_000), 0);
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing() {
        let mut budget = LogBudget::default();
        assert_eq!((0..99).filter(|_| budget.admit(Weight::Ordinary, 9_000)).count(), 56);
        assert!(!budget.admit(Weight::Ordinary, 0));
        assert!(!budget.admit(Weight::Ordinary, 9_001));
    }

    proptest! {
        #[test]
        fn no_ten_seconds_have_a_hundred_lines(steps in prop::collection::vec((0_u64..900, any::<bool>()), 1..600)) {
            let mut budget = LogBudget::default();
            let mut now_ms = 1_000_000;
            let mut written: Vec<u64> = Vec::new();
            for (pause_ms, is_detail) in steps {
                // Bursts, and pauses between them.
                now_ms += pause_ms.saturating_sub(700);
                let weight = if is_detail { Weight::Detail } else { Weight::Ordinary };
                if budget.admit(weight, now_ms) {
                    written.push(now_ms);
                }
            }
            for start in &written {
                let lines = written.iter().filter(|at| (*start..start + 10_000).contains(at)).count();
                prop_assert!(lines < 100, "{lines}");
            }
        }
    }
}
