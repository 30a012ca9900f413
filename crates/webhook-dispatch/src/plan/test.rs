//! What the test tool alone may do: look at a message before it is sent, and send requests that are wrong on purpose, so
//! that a person sees whether a receiver verifies what it gets.

use webhook_backoff::Outcome;
use webhook_payload::Tamper;
use webhook_protocol::HttpUrlParser;

use super::{Plan, Ready};
use crate::{ClaimedDelivery, Dispatcher};

/// What a receiver should do with a request that is wrong on purpose.
pub const SEEN_THROUGH: &str = "the receiver refuses it with a 4xx";

/// How old a request's time is made: twice what Standard Webhooks tolerates. In milliseconds.
const TOO_OLD_MS: u64 = 600_000;

/// Whether a receiver has seen through a request that was wrong on purpose: whether it has answered 4xx.
///
/// `None` where that does not show: there was no answer; it is of the address or the method (404, 405, 410), of the
/// moment (408, 425, 429) or of a proxy (502, 503, 504); or it is a broker's, which verifies nothing (`is_receivers` says
/// that it is the receiver's own).
pub fn saw_through(outcome: &Outcome, is_receivers: bool) -> Option<bool> {
    match outcome {
        Outcome::Answered { status, .. } if is_receivers => match status {
            404 | 405 | 408 | 410 | 425 | 429 | 502..=504 => None,
            status => Some((400..500).contains(status)),
        },
        _ => None,
    }
}

impl<U: HttpUrlParser> Dispatcher<U> {
    /// As [`Dispatcher::plan`], for what the test tool sends: something is wrong with every request where `tamper` says
    /// what. Payloads that are too long are refused here, as not all of these rows come by a claim.
    pub fn plan_test(&mut self, mut rows: Vec<ClaimedDelivery>, tamper: Option<Tamper>, now_ms: u64) -> Plan {
        let most = self.settings.max_payload_bytes;
        for row in &mut rows {
            row.payload = row.payload.take().filter(|text| text.len() as u64 <= most);
        }
        self.plan_rows(&rows, tamper, now_ms)
    }

    /// The first message of a batch that goes by steps: its body, and what stands beside it in attributes or headers.
    pub fn message(&self, batch: u32) -> Option<(String, Vec<(&'static str, String)>)> {
        let message = self.under_way.first_message(batch)?.message();
        let attributes = message.attributes().into_iter().map(|(name, value)| (name, value.into_owned()));
        Some((message.body.to_owned(), attributes.collect()))
    }
}

/// When a message says that it was sent.
pub(super) fn sent_at(tamper: Option<Tamper>, now_ms: u64) -> u64 {
    if tamper == Some(Tamper::Timestamp) { now_ms.saturating_sub(TOO_OLD_MS) } else { now_ms }
}

impl Ready {
    /// Makes it wrong, once it is signed.
    pub(super) fn tamper(&mut self, tamper: Tamper) {
        match tamper {
            Tamper::Timestamp => {}
            Tamper::Body => self.body = with_another_byte(&self.body),
            Tamper::Missing => (self.standard_signature, self.body_signature) = (None, None),
            Tamper::Signature => {
                self.standard_signature =
                    self.standard_signature.take().map(|text| with_wrong_bits(&text, ','));
                self.body_signature = self.body_signature.take().map(|text| with_wrong_bits(&text, '='));
            }
        }
    }
}

/// The last digit is another one: the envelope ends with identifiers of ours, so that it stays JSON and what is wrong is
/// the signature alone.
fn with_another_byte(body: &str) -> String {
    let mut body = body.to_owned();
    if let Some(at) = body.rfind(|c: char| c.is_ascii_hexdigit()) {
        let other = if body.as_bytes().get(at) == Some(&b'0') { "1" } else { "0" };
        body.replace_range(at..=at, other);
    }
    body
}

/// The first character of each signature, which stands behind `mark`, is another one of its alphabet.
fn with_wrong_bits(signatures: &str, mark: char) -> String {
    let wrong = |signature: &str| match signature.split_once(mark) {
        Some((scheme, digits)) => {
            let other = if digits.starts_with('0') { '1' } else { '0' };
            format!("{scheme}{mark}{other}{}", digits.get(1..).unwrap_or_default())
        }
        None => signature.to_owned(),
    };
    signatures.split(' ').map(wrong).collect::<Vec<String>>().join(" ")
}

#[cfg(test)]
mod tests {
    use webhook_backoff::Fault;
    use webhook_signing::{Received, Secrets, VerifyError, verify, verify_body_signature};

    use super::*;
    use crate::{
        Batch, Carrier, Step,
        plan::tests::{NOW_MS, dispatcher, endpoint, header, request, row},
    };

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw another-plain-secret";

    /// What a receiver finds by the two signatures of a request.
    fn verified(batch: &Batch) -> (Result<(), VerifyError>, bool) {
        let secrets = Secrets::parse(SECRET).unwrap();
        let body = request(batch).body.as_bytes();
        let received = Received {
            id: header(batch, "webhook-id").unwrap(),
            timestamp: header(batch, "webhook-timestamp").unwrap(),
            signature: header(batch, "webhook-signature").unwrap_or_default(),
            body,
        };
        let body_signature = header(batch, "X-Webhook-Signature").unwrap_or_default();
        let now_s = i64::try_from(NOW_MS / 1_000).unwrap();
        (verify(&secrets, &received, now_s, 300), verify_body_signature(&secrets, body_signature, body))
    }

    fn planned(tamper: Option<Tamper>) -> Batch {
        let rows = vec![row(Some(endpoint("https://a.example/hook", Some(SECRET))))];
        let mut plan = dispatcher().plan_test(rows, tamper, NOW_MS);
        assert_eq!((plan.batches.len(), plan.refused.len()), (1, 0));
        plan.batches.remove(0)
    }

    #[test]
    fn each_way_of_tampering_is_refused_for_its_own_reason() {
        assert_eq!(verified(&planned(None)), (Ok(()), true));
        assert_eq!(
            verified(&planned(Some(Tamper::Signature))),
            (Err(VerifyError::NoMatch { count: 2 }), false)
        );
        assert_eq!(verified(&planned(Some(Tamper::Body))), (Err(VerifyError::NoMatch { count: 2 }), false));
        let old = verified(&planned(Some(Tamper::Timestamp)));
        assert!(matches!(old, (Err(VerifyError::TooOld { .. }), true)), "{old:?}");
    }

    #[test]
    fn wrong_signatures_have_the_right_form_and_as_many_are_there() {
        let (right, wrong) = (planned(None), planned(Some(Tamper::Signature)));
        assert_eq!(request(&right).body, request(&wrong).body);
        for (name, scheme) in [("webhook-signature", "v1,"), ("X-Webhook-Signature", "sha256=")] {
            let [right, wrong] = [&right, &wrong].map(|batch| header(batch, name).unwrap());
            let pairs: Vec<(&str, &str)> = right.split(' ').zip(wrong.split(' ')).collect();
            assert_eq!(pairs.len(), right.matches(scheme).count());
            for (right, wrong) in pairs {
                assert!(wrong.starts_with(scheme) && wrong.len() == right.len() && wrong != right, "{wrong}");
            }
        }
    }

    #[test]
    fn a_changed_body_differs_in_one_byte_and_is_still_json() {
        let (right, wrong) = (planned(None), planned(Some(Tamper::Body)));
        let (right, wrong) = (&request(&right).body, &request(&wrong).body);
        assert_eq!(right.len(), wrong.len());
        assert_eq!(right.bytes().zip(wrong.bytes()).filter(|(a, b)| a != b).count(), 1);
        assert!(serde_json::from_str::<serde_json::Value>(wrong).is_ok(), "{wrong}");
        assert_eq!(with_another_byte("{\"a\": \"f0\"}"), "{\"a\": \"f1\"}");
    }

    #[test]
    fn without_signatures_the_other_headers_stay() {
        let batch = planned(Some(Tamper::Missing));
        let signatures = ["webhook-signature", "X-Webhook-Signature"].map(|name| header(&batch, name));
        assert_eq!(signatures, [None, None]);
        assert!(["webhook-id", "webhook-timestamp"].iter().all(|name| header(&batch, name).is_some()));
    }

    #[test]
    fn what_is_not_signed_is_not_made_wrong() {
        let rows = vec![row(Some(endpoint("https://a.example/", None)))];
        let plan = dispatcher().plan_test(rows, Some(Tamper::Missing), NOW_MS);
        let reason = plan.refused[0].error_message.as_deref();
        let expected =
            "not sent: tamper: the receiver has no secret, so that nothing is signed; give it one; trace ";
        assert!(plan.batches.is_empty() && reason.unwrap().starts_with(expected), "{reason:?}");
    }

    #[test]
    fn a_payload_that_is_too_long_is_refused_wherever_it_comes_from() {
        let payload = |bytes: usize| Some(format!("\"{}\"", "x".repeat(bytes - 2)));
        let of = |bytes| ClaimedDelivery {
            payload: payload(bytes),
            ..row(Some(endpoint("https://a.example/", None)))
        };
        let plan = dispatcher().plan_test(vec![of(1_048_576), of(1_048_577)], None, NOW_MS);
        assert_eq!((plan.batches.len(), plan.refused.len()), (1, 1));
        let reason = plan.refused[0].error_message.as_deref().unwrap();
        assert!(reason.starts_with("not sent: payload: has more than the 1048576 bytes"), "{reason}");
    }

    #[test]
    fn a_brokers_message_can_be_looked_at_before_anything_is_found_out() {
        let mut dispatcher = dispatcher();
        let rows = vec![row(Some(endpoint("pubsub://my-project/orders", Some(SECRET))))];
        let plan = dispatcher.plan_test(rows, Some(Tamper::Signature), NOW_MS);
        let Carrier::Steps(number) = plan.batches[0].carrier else { panic!("{plan:?}") };
        let (body, attributes) = dispatcher.message(number).unwrap();
        assert!(body.starts_with(r#"{"event": "user.joined_platform""#), "{body}");
        let names: Vec<&str> = attributes.iter().map(|(name, _)| *name).collect();
        assert!(names.contains(&"webhook-signature") && names.contains(&"X-Webhook-Signature"), "{names:?}");
        assert!(matches!(dispatcher.next(number, None, NOW_MS), Step::End(_)));
        assert_eq!(dispatcher.message(number), None);
    }

    #[test]
    fn a_refusal_with_4xx_is_a_receiver_that_sees_through_it() {
        let answered = |status| Outcome::Answered { status, location: None, retry_after: None };
        for (status, expected) in [
            (400, Some(true)),
            (401, Some(true)),
            (403, Some(true)),
            (422, Some(true)),
            (200, Some(false)),
            (302, Some(false)),
            (500, Some(false)),
            (404, None),
            (429, None),
            (503, None),
        ] {
            assert_eq!(saw_through(&answered(status), true), expected, "{status}");
            assert_eq!(saw_through(&answered(status), false), None, "{status}");
        }
        let refused = Outcome::Rejected { fault: Fault::Permanent, reason: "no".to_owned() };
        for outcome in [refused, Outcome::TimedOut { after_ms: 1 }] {
            assert_eq!(saw_through(&outcome, true), None);
        }
    }
}
