//! The breaker against a naive model that keeps everything that ever happened and looks it all through.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use webhook_backoff::{Breaker, BreakerPolicy, BreakerState};

const POLICY: BreakerPolicy = BreakerPolicy { failures: 5, pause_ms: 300_000 };

#[derive(Clone, Debug)]
enum Step {
    Succeed,
    Fail,
    Wait(u64),
    /// A cold start: the breaker is lost and rebuilt from what a table would say.
    Restart,
}

#[derive(Clone, Debug, Default)]
struct History {
    now_ms: u64,
    /// Time and success of each attempt.
    attempts: Vec<(u64, bool)>,
}

impl History {
    fn failures_in_a_row(&self) -> usize {
        self.attempts.iter().rev().take_while(|(_, succeeded)| !succeeded).count()
    }

    fn state(&self) -> BreakerState {
        if self.failures_in_a_row() < 5 {
            return BreakerState::Closed;
        }
        let last_ms = self.attempts.last().unwrap().0;
        if self.now_ms - last_ms < 300_000 {
            BreakerState::Open { until_ms: last_ms + 300_000 }
        } else {
            BreakerState::HalfOpen
        }
    }
}

impl ReferenceStateMachine for History {
    type State = History;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<History> {
        Just(History::default()).boxed()
    }

    fn transitions(_: &History) -> BoxedStrategy<Step> {
        prop_oneof![
            1 => Just(Step::Succeed),
            6 => Just(Step::Fail),
            3 => prop_oneof![0_u64..1_000, 299_990_u64..300_010, Just(300_000)].prop_map(Step::Wait),
            1 => Just(Step::Restart),
        ]
        .boxed()
    }

    fn apply(mut history: History, step: &Step) -> History {
        match step {
            Step::Succeed => history.attempts.push((history.now_ms, true)),
            Step::Fail => history.attempts.push((history.now_ms, false)),
            Step::Wait(ms) => history.now_ms += ms,
            Step::Restart => {}
        }
        history
    }
}

struct BreakerMachine;

impl StateMachineTest for BreakerMachine {
    type SystemUnderTest = Breaker;
    type Reference = History;

    fn init_test(_: &History) -> Breaker {
        Breaker::default()
    }

    fn apply(mut breaker: Breaker, history: &History, step: Step) -> Breaker {
        match step {
            Step::Succeed => breaker.succeeded(),
            Step::Fail => breaker.failed(history.now_ms),
            Step::Wait(_) => {}
            Step::Restart => {
                let last_ms = history.attempts.iter().rev().find(|(_, succeeded)| !succeeded);
                let failures = u32::try_from(history.failures_in_a_row()).unwrap();
                breaker = Breaker::rebuilt(failures, last_ms.map_or(0, |(at_ms, _)| *at_ms));
            }
        }
        breaker
    }

    fn check_invariants(breaker: &Breaker, history: &History) {
        assert_eq!(breaker.state(&POLICY, history.now_ms), history.state());
        assert_eq!(
            breaker.state(&BreakerPolicy { failures: 0, ..POLICY }, history.now_ms),
            BreakerState::Closed
        );
    }
}

prop_state_machine! {
    #[test]
    fn the_breaker_is_in_the_state_that_its_history_gives(sequential 1..60 => BreakerMachine);
}

#[test]
fn it_opens_after_five_failures_tries_again_after_five_minutes_and_closes_on_a_success() {
    let mut breaker = Breaker::default();
    for at_ms in 0..4 {
        breaker.failed(at_ms);
    }
    assert_eq!(breaker.state(&POLICY, 4), BreakerState::Closed);
    breaker.failed(4);
    assert_eq!(breaker.state(&POLICY, 4), BreakerState::Open { until_ms: 300_004 });
    assert_eq!(breaker.state(&POLICY, 300_003), BreakerState::Open { until_ms: 300_004 });
    assert_eq!(breaker.state(&POLICY, 300_004), BreakerState::HalfOpen);
    // The probe fails.
    breaker.failed(300_100);
    assert_eq!(breaker.state(&POLICY, 300_100), BreakerState::Open { until_ms: 600_100 });
    // The next one succeeds.
    breaker.succeeded();
    assert_eq!(breaker.state(&POLICY, 600_100), BreakerState::Closed);
}
