//! Which traces are recorded. Source: OpenTelemetry specification, "Tracing SDK", section "Sampling".

use crate::{TraceId, TraceParent};

/// Says of each trace whether it is recorded. By default all are, but for those that another one has decided not to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampler {
    /// How many of the traces that nobody has decided on.
    pub ratio: Ratio,
    /// A trace that another one has begun is recorded where that one does so.
    pub is_parent_based: bool,
}

/// A share of all traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    /// Traces whose randomness is below are not recorded: 0 for all of them, 2^56 for none.
    threshold: u64,
}

/// The last seven bytes of a trace id have so many values.
const RANDOMNESS: u64 = 1 << 56;

impl Ratio {
    /// All traces.
    pub const ALL: Ratio = Ratio { threshold: 0 };
    /// None.
    pub const NONE: Ratio = Ratio { threshold: RANDOMNESS };

    /// A share from 0 to 1; `None` for any other number. Source: OpenTelemetry specification, "TraceState: Probability
    /// Sampling": whoever samples by the same ratio records the same traces, and by a greater one those and others.
    pub fn of(share: f64) -> Option<Ratio> {
        (0.0..=1.0)
            .contains(&share)
            .then(|| Ratio { threshold: ((1.0 - share) * RANDOMNESS as f64).round() as u64 })
    }
}

impl Default for Sampler {
    fn default() -> Self {
        Sampler { ratio: Ratio::ALL, is_parent_based: true }
    }
}

impl Sampler {
    /// Whether the trace is recorded. `parent` is what has begun it, where that is known.
    pub fn is_sampled(self, trace_id: TraceId, parent: Option<&TraceParent>) -> bool {
        match parent {
            Some(parent) if self.is_parent_based => parent.is_sampled,
            _ => trace_id.randomness() >= self.ratio.threshold,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SpanId;

    fn trace(last_digits: &str) -> TraceId {
        TraceId::parse(&format!("4bf92f3577b34da6a3{last_digits}")).unwrap()
    }

    fn by(share: f64) -> Sampler {
        Sampler { ratio: Ratio::of(share).unwrap(), is_parent_based: true }
    }

    #[test]
    fn a_ratio_goes_by_the_last_seven_bytes() {
        // 0.25: the threshold is 0xc0 and zeros.
        for (digits, is_sampled) in [
            ("00000000000000", false),
            ("bfffffffffffff", false),
            ("c0000000000000", true),
            ("ffffffffffffff", true),
        ] {
            assert_eq!(by(0.25).is_sampled(trace(digits), None), is_sampled, "{digits}");
        }
    }

    #[test]
    fn all_and_none_are_ratios() {
        for digits in ["00000000000000", "ffffffffffffff"] {
            assert!(by(1.0).is_sampled(trace(digits), None));
            assert!(!by(0.0).is_sampled(trace(digits), None));
        }
        assert_eq!((Ratio::of(1.0), Ratio::of(0.0)), (Some(Ratio::ALL), Some(Ratio::NONE)));
        for wrong in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Ratio::of(wrong), None);
        }
    }

    #[test]
    fn a_greater_ratio_records_what_a_smaller_one_does() {
        let traces: Vec<TraceId> = (0..2_000).map(|n| TraceId::derive(&n.to_string())).collect();
        let of = |share| traces.iter().filter(|trace| by(share).is_sampled(**trace, None)).count();
        assert!((350..450).contains(&of(0.2)), "{}", of(0.2));
        assert!(
            traces.iter().all(|trace| !by(0.2).is_sampled(*trace, None) || by(0.3).is_sampled(*trace, None))
        );
    }

    #[test]
    fn a_parents_decision_counts_where_parents_are_asked() {
        let low = trace("00000000000000");
        let parent = |is_sampled| TraceParent { trace_id: low, span_id: SpanId::derive("a", 1), is_sampled };
        assert!(by(0.0).is_sampled(low, Some(&parent(true))));
        assert!(!by(1.0).is_sampled(low, Some(&parent(false))));
        let alone = Sampler { is_parent_based: false, ..by(0.5) };
        assert!(!alone.is_sampled(low, Some(&parent(true))));
    }
}
