//! The names of events.

/// What happened, by its name in `webhook_deliveries.event_type` and in the envelope's `event`.
///
/// The queue is the user's: a name that is not known here is an [`EventType::Other`] and delivered all the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventType {
    /// `user.joined_platform`
    UserJoinedPlatform,
    /// `user.joined_community`
    UserJoinedCommunity,
    /// `user.registered_event`
    UserRegisteredEvent,
    /// `user.cancelled_registration`
    UserCancelledRegistration,
    /// `user.posted_comment`
    UserPostedComment,
    /// `user.flagged_comment`
    UserFlaggedComment,
    /// `user.referred_user`
    UserReferredUser,
    /// `discussion.auto_closed`
    DiscussionAutoClosed,
    /// `discussion.extended`
    DiscussionExtended,
    /// `webhook.test`, sent by the test tool only
    WebhookTest,
    /// `webhook.alert`: what the system says of itself
    WebhookAlert,
    /// Any other name, as stored
    Other(String),
}

impl EventType {
    /// The application's nine events, in the order of the user's documentation.
    pub const APPLICATION: [EventType; 9] = [
        EventType::UserJoinedPlatform,
        EventType::UserJoinedCommunity,
        EventType::UserRegisteredEvent,
        EventType::UserCancelledRegistration,
        EventType::UserPostedComment,
        EventType::UserFlaggedComment,
        EventType::UserReferredUser,
        EventType::DiscussionAutoClosed,
        EventType::DiscussionExtended,
    ];

    /// What is about the webhooks themselves.
    pub const OWN: [EventType; 2] = [EventType::WebhookTest, EventType::WebhookAlert];

    /// The name on the wire and in the tables.
    pub fn as_str(&self) -> &str {
        match self {
            EventType::UserJoinedPlatform => "user.joined_platform",
            EventType::UserJoinedCommunity => "user.joined_community",
            EventType::UserRegisteredEvent => "user.registered_event",
            EventType::UserCancelledRegistration => "user.cancelled_registration",
            EventType::UserPostedComment => "user.posted_comment",
            EventType::UserFlaggedComment => "user.flagged_comment",
            EventType::UserReferredUser => "user.referred_user",
            EventType::DiscussionAutoClosed => "discussion.auto_closed",
            EventType::DiscussionExtended => "discussion.extended",
            EventType::WebhookTest => "webhook.test",
            EventType::WebhookAlert => "webhook.alert",
            EventType::Other(name) => name,
        }
    }
}

impl From<&str> for EventType {
    fn from(name: &str) -> Self {
        EventType::APPLICATION
            .into_iter()
            .chain(EventType::OWN)
            .find(|known| known.as_str() == name)
            .unwrap_or_else(|| EventType::Other(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_as_itself() {
        let known: Vec<EventType> = EventType::APPLICATION.into_iter().chain(EventType::OWN).collect();
        assert_eq!(known.len(), 11);
        for event_type in known {
            assert!(!matches!(event_type, EventType::Other(_)));
            assert_eq!(EventType::from(event_type.as_str()), event_type);
        }
    }

    #[test]
    fn an_unknown_name_is_kept_as_it_is() {
        assert_eq!(EventType::from("order.Paid "), EventType::Other("order.Paid ".to_owned()));
        assert_eq!(EventType::from("order.Paid ").as_str(), "order.Paid ");
    }
}
