//! Errors as AWS' JSON protocols tell them.

use crate::{Entry, Fault, Response, google::cut, json};

#[derive(Default)]
struct AwsError {
    kind: Option<String>,
    message: Option<String>,
    /// As some services write it, and a few write both.
    capital_message: Option<String>,
}

impl AwsError {
    /// `None` where something is no text.
    fn read(body: &str) -> Option<AwsError> {
        let body = json::read(body);
        Some(AwsError {
            kind: json::optional_text(&body, "__type")?,
            message: json::optional_text(&body, "message")?,
            capital_message: json::optional_text(&body, "Message")?,
        })
    }
}

/// What an answer that is no success means for each of `count` messages. `service` begins the reason.
pub(crate) fn rejected(service: &str, answer: &Response<'_>, count: usize) -> Vec<Entry> {
    let (fault, reason) = fault_and_reason(answer);
    vec![Entry::Rejected { fault, reason: cut(&format!("{service}: {reason}")) }; count]
}

/// The fault of an answer that is no success, and what it says.
pub(crate) fn fault_and_reason(answer: &Response<'_>) -> (Fault, String) {
    let error = AwsError::of(answer);
    let kind = error.code();
    // What AWS says of a wrong signature goes on, on lines of its own, with the request as it has seen it: the session
    // token is a part of that.
    let message = error.message.as_deref().or(error.capital_message.as_deref()).unwrap_or_default();
    let message = message.trim_start().lines().next().unwrap_or_default();
    let mut reason = format!("HTTP {}", answer.status);
    for (before, part) in [(" ", kind), (": ", message)] {
        if !part.is_empty() {
            reason.push_str(before);
            reason.push_str(part);
        }
    }
    let fault = match (fault_of_code(kind), answer.status) {
        (Some(fault), _) => fault,
        (None, 429) => Fault::Throttled,
        // 409: Lambda is about to change the function.
        (None, 408 | 409 | 500..) => Fault::Passing,
        (None, _) => Fault::Permanent,
    };
    (fault, reason)
}

/// Whether an answer is the error of one of these codes, whatever stands before the code's last dot.
pub(crate) fn is_error(answer: &Response<'_>, codes: &[&str]) -> bool {
    answer.status >= 400 && codes.contains(&last_part(AwsError::of(answer).code()))
}

/// What some codes mean, whatever their status.
pub(crate) fn fault_of_code(code: &str) -> Option<Fault> {
    let code = last_part(code);
    let is_throttling = ["Throttl", "TooManyRequests", "RequestLimitExceeded", "OverLimit", "SlowDown"];
    if is_throttling.iter().any(|part| code.contains(part)) {
        return Some(Fault::Throttled);
    }
    // A batch that is too long for a queue's own limit is another one next time.
    let may_pass =
        ["InternalError", "InternalFailure", "ServiceUnavailable", "RequestTimeout", "BatchRequestTooLong"];
    may_pass.iter().any(|part| code.contains(part)).then_some(Fault::Passing)
}

/// `NonExistentQueue` of `AWS.SimpleQueueService.NonExistentQueue`.
fn last_part(code: &str) -> &str {
    code.rsplit('.').next().unwrap_or_default()
}

impl AwsError {
    /// The error that an answer tells; an empty one where it tells none.
    fn of(answer: &Response<'_>) -> AwsError {
        AwsError::read(answer.body).unwrap_or_default()
    }

    /// `QueueDoesNotExist` of `com.amazonaws.sqs#QueueDoesNotExist`, at times with `:http://…` behind it.
    fn code(&self) -> &str {
        let kind = self.kind.as_deref().unwrap_or_default();
        kind.rsplit('#').next().unwrap_or_default().split(':').next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> (Fault, String) {
        fault_and_reason(&Response { status, body })
    }

    #[test]
    fn errors_are_told_by_their_code_and_message() {
        let cases = [
            (
                400,
                r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no such queue"}"#,
                Fault::Permanent,
                "HTTP 400 QueueDoesNotExist: no such queue",
            ),
            (
                403,
                r#"{"__type":"InvalidSignatureException:http://x","Message":"m"}"#,
                Fault::Permanent,
                "HTTP 403 InvalidSignatureException: m",
            ),
            (400, r#"{"__type":"x#ThrottlingException"}"#, Fault::Throttled, "HTTP 400 ThrottlingException"),
            (400, r#"{"__type":"x#RequestThrottled"}"#, Fault::Throttled, "HTTP 400 RequestThrottled"),
            (
                404,
                r#"{"Message":"Function not found","Type":"User"}"#,
                Fault::Permanent,
                "HTTP 404: Function not found",
            ),
            (404, r#"{"message":"lower","Message":"upper"}"#, Fault::Permanent, "HTTP 404: lower"),
            (400, r#"{"__type":"x#E","message":null,"Message":"m"}"#, Fault::Permanent, "HTTP 400 E: m"),
            (
                400,
                r#"{"__type":"x#AWS.SimpleQueueService.BatchRequestTooLong"}"#,
                Fault::Passing,
                "HTTP 400 AWS.SimpleQueueService.BatchRequestTooLong",
            ),
            (409, r#"{"Type":"User","Message":"Pending"}"#, Fault::Passing, "HTTP 409: Pending"),
            (
                502,
                r#"{"__type":"EC2ThrottledException"}"#,
                Fault::Throttled,
                "HTTP 502 EC2ThrottledException",
            ),
            (
                400,
                r#"{"__type":"x#KMS.ThrottlingException"}"#,
                Fault::Throttled,
                "HTTP 400 KMS.ThrottlingException",
            ),
            (429, "", Fault::Throttled, "HTTP 429"),
            (503, "<html>busy</html>", Fault::Passing, "HTTP 503"),
            (408, "[]", Fault::Passing, "HTTP 408"),
            (302, "null", Fault::Permanent, "HTTP 302"),
            (400, r#"{"__type":7,"message":[]}"#, Fault::Permanent, "HTTP 400"),
        ];
        for (status, body, fault, reason) in cases {
            assert_eq!(of(status, body), (fault, reason.to_owned()), "{status} {body}");
        }
    }

    #[test]
    fn a_reason_is_one_line_and_short() {
        let body = format!(r#"{{"message":"a\tb{}"}}"#, "x".repeat(500));
        let entries = rejected("SQS", &Response { status: 400, body: &body }, 2);
        let [Entry::Rejected { reason, .. }, _] = entries.as_slice() else { panic!("{entries:?}") };
        assert!(reason.starts_with("SQS: HTTP 400: a bx") && reason.len() == 200, "{reason}");
    }

    #[test]
    fn no_reason_repeats_the_request_that_was_signed() {
        let body = r#"{"__type":"InvalidSignatureException","message":"It does not match.\n\nThe Canonical String for
            this request should have been\n'POST\n/\n\nx-amz-security-token:hidden"}"#
            .replace("\n            ", " ");
        let reason = "HTTP 403 InvalidSignatureException: It does not match.".to_owned();
        assert_eq!(of(403, &body), (Fault::Permanent, reason));
    }
}
