//! Sample data for the test tool: plausible values, none of a real person.

use crate::{
    AutoClosedDiscussion, CancelledRegistration, Event, EventType, ExtendedDiscussion, FlaggedComment,
    JoinedCommunity, JoinedPlatform, PostedComment, ReferredUser, RegisteredEvent,
};

const USER: &str = "5b0c2b1e-6a55-4b8e-9d3f-2f4f7f0a1c01";
const OTHER_USER: &str = "5b0c2b1e-6a55-4b8e-9d3f-2f4f7f0a1c02";
const COMMUNITY: &str = "c0ffee00-1d2e-4f3a-8b4c-5d6e7f8091a2";
const EVENT: &str = "e7e47000-2b3c-4d5e-9f60-718293a4b5c6";
const REGISTRATION: &str = "4e615000-3c4d-4e5f-a061-8293a4b5c6d7";
const DISCUSSION: &str = "d15c0551-4d5e-4f60-b172-93a4b5c6d7e8";
const COMMENT: &str = "c0111e17-5e6f-4071-8283-a4b5c6d7e8f9";

const TEST_DATA: &str = r#"{"message":"This is a test."}"#;

const ALERT_DATA: &str = r#"{"cause":"circuit_breaker","state":"firing","severity":"critical","endpoint":{"id":"e4d90147-6f70-4182-9394-b5c6d7e8f90a","name":"Example receiver"},"title":"Example receiver is left alone","summary":"5 deliveries to Example receiver failed in a row; the last one said HTTP 503.","action":"Look after the receiver. A probe goes in 300 s, and its success closes the breaker.","figures":{"failures_in_a_row":5,"next_attempt_in_s":300},"since":"2026-01-29T18:00:00.000Z"}"#;

/// Sample `data` of an event as JSON text; that of `webhook.test` for names that are not known here.
pub(crate) fn sample_data(event_type: &EventType) -> String {
    match event_type {
        EventType::WebhookAlert => ALERT_DATA.to_owned(),
        other => Event::sample(other).map_or_else(|| TEST_DATA.to_owned(), |event| event.data_text()),
    }
}

impl Event {
    /// A sample of an application event; `None` for others.
    pub fn sample(event_type: &EventType) -> Option<Event> {
        let event = match event_type {
            EventType::UserJoinedPlatform => Event::UserJoinedPlatform(JoinedPlatform {
                user_id: USER.to_owned(),
                email: "ada@example.com".to_owned(),
                name: "Ada Example".to_owned(),
            }),
            EventType::UserJoinedCommunity => Event::UserJoinedCommunity(JoinedCommunity {
                community_id: COMMUNITY.to_owned(),
                community_name: "Board Games Zürich".to_owned(),
                community_city: "Zürich".to_owned(),
                member_count: 42,
            }),
            EventType::UserRegisteredEvent => Event::UserRegisteredEvent(RegisteredEvent {
                event_id: EVENT.to_owned(),
                registration_id: REGISTRATION.to_owned(),
                payment_id: None,
                status: "registered".to_owned(),
            }),
            EventType::UserCancelledRegistration => Event::UserCancelledRegistration(CancelledRegistration {
                event_id: EVENT.to_owned(),
                registration_id: REGISTRATION.to_owned(),
            }),
            EventType::UserPostedComment => Event::UserPostedComment(PostedComment {
                discussion_id: DISCUSSION.to_owned(),
                comment_id: COMMENT.to_owned(),
                comment_text: "Count me in – see you on Friday! 🎲".to_owned(),
            }),
            EventType::UserFlaggedComment => Event::UserFlaggedComment(FlaggedComment {
                comment_id: COMMENT.to_owned(),
                flagged_user_id: OTHER_USER.to_owned(),
                reason: "spam".to_owned(),
            }),
            EventType::UserReferredUser => Event::UserReferredUser(ReferredUser {
                referred_user_id: OTHER_USER.to_owned(),
                referrer_id: USER.to_owned(),
                referral_code: "ADA-2026".to_owned(),
            }),
            EventType::DiscussionAutoClosed => Event::DiscussionAutoClosed(AutoClosedDiscussion {
                discussion_id: DISCUSSION.to_owned(),
                closed_at: "2026-01-29T18:00:00.000000Z".to_owned(),
            }),
            EventType::DiscussionExtended => Event::DiscussionExtended(ExtendedDiscussion {
                discussion_id: DISCUSSION.to_owned(),
                new_expires_at: "2026-02-05T18:00:00.000000Z".to_owned(),
            }),
            EventType::WebhookTest | EventType::WebhookAlert | EventType::Other(_) => return None,
        };
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_sample_of_each_application_event_that_reads_back_as_the_same_type() {
        for event_type in EventType::APPLICATION {
            let event = Event::sample(&event_type).unwrap();
            assert_eq!(event.event_type(), event_type);
            let text = serde_json::to_string(&event).unwrap();
            assert!(text.starts_with(&format!(r#"{{"event":"{}","data":{{"#, event_type.as_str())), "{text}");
            assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
            assert!(text.contains(&event.data_text()));
        }
    }

    #[test]
    fn there_is_no_sample_of_other_types() {
        assert_eq!(Event::sample(&EventType::WebhookTest), None);
        assert_eq!(Event::sample(&EventType::WebhookAlert), None);
        assert_eq!(Event::sample(&EventType::from("order.paid")), None);
    }

    #[test]
    fn the_samples_of_our_own_events_are_objects() {
        let data: serde_json::Value = serde_json::from_str(&sample_data(&EventType::WebhookAlert)).unwrap();
        assert_eq!(
            (&data["cause"], &data["figures"]["failures_in_a_row"]),
            (&"circuit_breaker".into(), &5.into())
        );
        assert_eq!(sample_data(&EventType::WebhookTest), TEST_DATA);
    }
}
