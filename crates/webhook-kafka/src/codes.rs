//! What Kafka's error codes mean for a record.

use crate::{Rejection, RejectionKind};

/// How a producer takes an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meaning {
    pub(crate) name: &'static str,
    pub(crate) kind: RejectionKind,
    pub(crate) next: Next,
}

/// What is worth doing about it at once, within the batch's own time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing: the record is rejected.
    Reject,
    /// Nothing was written: the cluster is asked again who leads, and the record is sent there.
    AskAgain,
    /// It may be the fault of one record among several: they are sent in halves.
    Halve,
}

use Next::{AskAgain, Halve, Reject};
use RejectionKind::{Passing, Permanent, Throttled};

pub(crate) const LEADER_NOT_AVAILABLE: i16 = 5;
pub(crate) const UNSUPPORTED_SASL_MECHANISM: i16 = 33;
pub(crate) const UNSUPPORTED_VERSION: i16 = 35;
pub(crate) const SASL_AUTHENTICATION_FAILED: i16 = 58;

/// Kafka's numbers and names (`org.apache.kafka.common.protocol.Errors`), as far as producing can meet them.
///
/// `UNKNOWN_TOPIC_OR_PARTITION` is asked about again, because brokers that have just started or a topic that was
/// just made say it, too; a topic that stays unknown is permanent, so that a misspelt name shows soon.
/// `NOT_ENOUGH_REPLICAS_AFTER_APPEND` and `REQUEST_TIMED_OUT` may have been written, so they are left to the schedule.
const MEANINGS: [(i16, &str, RejectionKind, Next); 36] = [
    (-1, "UNKNOWN_SERVER_ERROR", Passing, Reject),
    (2, "CORRUPT_MESSAGE", Passing, Reject),
    (3, "UNKNOWN_TOPIC_OR_PARTITION", Permanent, AskAgain),
    (5, "LEADER_NOT_AVAILABLE", Passing, AskAgain),
    (6, "NOT_LEADER_OR_FOLLOWER", Passing, AskAgain),
    (7, "REQUEST_TIMED_OUT", Passing, Reject),
    (8, "BROKER_NOT_AVAILABLE", Passing, AskAgain),
    (9, "REPLICA_NOT_AVAILABLE", Passing, AskAgain),
    (10, "MESSAGE_TOO_LARGE", Permanent, Halve),
    (13, "NETWORK_EXCEPTION", Passing, Reject),
    (14, "COORDINATOR_LOAD_IN_PROGRESS", Passing, Reject),
    (15, "COORDINATOR_NOT_AVAILABLE", Passing, Reject),
    (17, "INVALID_TOPIC_EXCEPTION", Permanent, Reject),
    (18, "RECORD_LIST_TOO_LARGE", Permanent, Halve),
    (19, "NOT_ENOUGH_REPLICAS", Passing, Reject),
    (20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND", Passing, Reject),
    (21, "INVALID_REQUIRED_ACKS", Permanent, Reject),
    (29, "TOPIC_AUTHORIZATION_FAILED", Permanent, Reject),
    (31, "CLUSTER_AUTHORIZATION_FAILED", Permanent, Reject),
    (32, "INVALID_TIMESTAMP", Permanent, Halve),
    (33, "UNSUPPORTED_SASL_MECHANISM", Permanent, Reject),
    (34, "ILLEGAL_SASL_STATE", Permanent, Reject),
    (35, "UNSUPPORTED_VERSION", Permanent, Reject),
    (42, "INVALID_REQUEST", Permanent, Reject),
    (43, "UNSUPPORTED_FOR_MESSAGE_FORMAT", Permanent, Reject),
    (44, "POLICY_VIOLATION", Permanent, Reject),
    (56, "KAFKA_STORAGE_ERROR", Passing, AskAgain),
    (58, "SASL_AUTHENTICATION_FAILED", Permanent, Reject),
    (72, "LISTENER_NOT_FOUND", Passing, AskAgain),
    (74, "FENCED_LEADER_EPOCH", Passing, AskAgain),
    (75, "UNKNOWN_LEADER_EPOCH", Passing, AskAgain),
    (76, "UNSUPPORTED_COMPRESSION_TYPE", Permanent, Reject),
    (87, "INVALID_RECORD", Permanent, Halve),
    (89, "THROTTLING_QUOTA_EXCEEDED", Throttled, Reject),
    (100, "UNKNOWN_TOPIC_ID", Passing, AskAgain),
    (103, "INCONSISTENT_TOPIC_ID", Passing, AskAgain),
];

/// What an error code means. One that is not known is passing: a later Kafka's errors are not to cost deliveries.
pub(crate) fn meaning(code: i16) -> Meaning {
    match MEANINGS.iter().find(|(known, ..)| *known == code) {
        Some(&(_, name, kind, next)) => Meaning { name, kind, next },
        None => Meaning { name: "", kind: Passing, next: Reject },
    }
}

/// A rejection that names the code.
pub(crate) fn rejection(code: i16) -> Rejection {
    Rejection { kind: meaning(code).kind, reason: shown(code) }
}

/// `Kafka error 29 TOPIC_AUTHORIZATION_FAILED`
pub(crate) fn shown(code: i16) -> String {
    let mut text = format!("Kafka error {code} {}", meaning(code).name);
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use kafka_protocol::ResponseError;

    use super::*;

    #[test]
    fn names_and_numbers_agree_with_kafkas() {
        for (code, name, ..) in MEANINGS {
            let error = ResponseError::try_from_code(code).unwrap();
            let camel = format!("{error:?}").to_lowercase();
            assert_eq!(
                name.replace('_', "").to_lowercase().trim_end_matches("exception"),
                camel.trim_end_matches("exception")
            );
        }
    }

    #[test]
    fn a_reason_has_the_number_and_the_name() {
        assert_eq!(shown(29), "Kafka error 29 TOPIC_AUTHORIZATION_FAILED");
        assert_eq!(shown(1_234), "Kafka error 1234");
        assert_eq!(rejection(89).kind, Throttled);
        assert_eq!(rejection(10).kind, Permanent);
        assert_eq!(rejection(1_234).kind, Passing);
    }

    #[test]
    fn only_what_was_surely_not_written_is_sent_again_at_once() {
        for (code, _, _, next) in MEANINGS {
            let may_be_written = [-1, 7, 13, 20].contains(&code);
            assert!(!may_be_written || next == Reject, "{code}");
        }
    }
}
