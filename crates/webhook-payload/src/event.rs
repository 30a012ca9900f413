//! The nine events with their data, as the application emits them.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::EventType;

/// An event with its typed data. Serializes to `{"event": NAME, "data": {…}}`.
///
/// Identifiers are UUIDs and times are ISO 8601, both as text: they are passed on, never calculated with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(tag = "event", content = "data")]
#[non_exhaustive]
pub enum Event {
    /// Somebody signed up.
    #[serde(rename = "user.joined_platform")]
    UserJoinedPlatform(JoinedPlatform),
    /// Somebody became a member of a community.
    #[serde(rename = "user.joined_community")]
    UserJoinedCommunity(JoinedCommunity),
    /// Somebody registered for an event of a community.
    #[serde(rename = "user.registered_event")]
    UserRegisteredEvent(RegisteredEvent),
    /// Somebody withdrew a registration.
    #[serde(rename = "user.cancelled_registration")]
    UserCancelledRegistration(CancelledRegistration),
    /// Somebody commented on a discussion.
    #[serde(rename = "user.posted_comment")]
    UserPostedComment(PostedComment),
    /// Somebody flagged a comment for the moderators.
    #[serde(rename = "user.flagged_comment")]
    UserFlaggedComment(FlaggedComment),
    /// Somebody's referral code brought a new user.
    #[serde(rename = "user.referred_user")]
    UserReferredUser(ReferredUser),
    /// A discussion reached its expiry.
    #[serde(rename = "discussion.auto_closed")]
    DiscussionAutoClosed(AutoClosedDiscussion),
    /// A discussion got a later expiry.
    #[serde(rename = "discussion.extended")]
    DiscussionExtended(ExtendedDiscussion),
}

impl Event {
    /// The event's type.
    pub fn event_type(&self) -> EventType {
        match self {
            Event::UserJoinedPlatform(_) => EventType::UserJoinedPlatform,
            Event::UserJoinedCommunity(_) => EventType::UserJoinedCommunity,
            Event::UserRegisteredEvent(_) => EventType::UserRegisteredEvent,
            Event::UserCancelledRegistration(_) => EventType::UserCancelledRegistration,
            Event::UserPostedComment(_) => EventType::UserPostedComment,
            Event::UserFlaggedComment(_) => EventType::UserFlaggedComment,
            Event::UserReferredUser(_) => EventType::UserReferredUser,
            Event::DiscussionAutoClosed(_) => EventType::DiscussionAutoClosed,
            Event::DiscussionExtended(_) => EventType::DiscussionExtended,
        }
    }

    /// The event's `data` as JSON text.
    pub fn data_text(&self) -> String {
        let text = match self {
            Event::UserJoinedPlatform(data) => serde_json::to_string(data),
            Event::UserJoinedCommunity(data) => serde_json::to_string(data),
            Event::UserRegisteredEvent(data) => serde_json::to_string(data),
            Event::UserCancelledRegistration(data) => serde_json::to_string(data),
            Event::UserPostedComment(data) => serde_json::to_string(data),
            Event::UserFlaggedComment(data) => serde_json::to_string(data),
            Event::UserReferredUser(data) => serde_json::to_string(data),
            Event::DiscussionAutoClosed(data) => serde_json::to_string(data),
            Event::DiscussionExtended(data) => serde_json::to_string(data),
        };
        #[expect(clippy::expect_used, reason = "structs of texts and whole numbers always have a JSON form")]
        text.expect("event data has a JSON form")
    }
}

/// Data of `user.joined_platform`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct JoinedPlatform {
    /// The new user.
    pub user_id: String,
    /// The address that the user signed up with.
    pub email: String,
    /// The name that the user gave.
    pub name: String,
}

/// Data of `user.joined_community`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct JoinedCommunity {
    /// The community.
    pub community_id: String,
    /// Its name.
    pub community_name: String,
    /// Its city.
    pub community_city: String,
    /// How many members it has, the new one included.
    pub member_count: u64,
}

/// Data of `user.registered_event`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct RegisteredEvent {
    /// The event of the community.
    pub event_id: String,
    /// The registration.
    pub registration_id: String,
    /// The payment; null where the event is free.
    pub payment_id: Option<String>,
    /// The registration's status: text, because its set of values has changed before.
    pub status: String,
}

/// Data of `user.cancelled_registration`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct CancelledRegistration {
    /// The event of the community.
    pub event_id: String,
    /// The registration that was withdrawn.
    pub registration_id: String,
}

/// Data of `user.posted_comment`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct PostedComment {
    /// The discussion.
    pub discussion_id: String,
    /// The comment.
    pub comment_id: String,
    /// What it says.
    pub comment_text: String,
}

/// Data of `user.flagged_comment`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct FlaggedComment {
    /// The comment.
    pub comment_id: String,
    /// Its author.
    pub flagged_user_id: String,
    /// Why it was flagged.
    pub reason: String,
}

/// Data of `user.referred_user`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct ReferredUser {
    /// The new user.
    pub referred_user_id: String,
    /// Who brought the new user.
    pub referrer_id: String,
    /// The code that was used.
    pub referral_code: String,
}

/// Data of `discussion.auto_closed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct AutoClosedDiscussion {
    /// The discussion.
    pub discussion_id: String,
    /// The expiry that it reached, ISO 8601: with `discussion_id` it names this expiry.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "date-time")))]
    pub closed_at: String,
}

/// Data of `discussion.extended`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct ExtendedDiscussion {
    /// The discussion.
    pub discussion_id: String,
    /// Its new expiry, ISO 8601.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "date-time")))]
    pub new_expires_at: String,
}
