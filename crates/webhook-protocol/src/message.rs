//! A delivery, ready to travel over any protocol.

use std::borrow::Cow;

use crate::parts::insertion_sort;

/// What travels: the envelope, and what stands beside it in headers or attributes.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The envelope: these bytes were signed.
    pub body: &'a str,
    /// The delivery's id: `webhook-id` and `Idempotency-Key`, the same at every attempt.
    pub delivery_id: &'a str,
    /// What happened.
    pub event_type: &'a str,
    /// Who did it: the envelope's `actor_user_id`.
    pub actor: Option<&'a str>,
    /// The event, shared by all of its deliveries: the envelope's `request_id`.
    pub request_id: Option<&'a str>,
    /// This attempt's time, in seconds since 1970.
    pub timestamp_s: i64,
    /// W3C trace context.
    pub traceparent: &'a str,
    /// `X-Webhook-Signature`; `None` for an endpoint without a secret.
    pub body_signature: Option<&'a str>,
    /// `webhook-signature`; `None` for an endpoint without a secret.
    pub standard_signature: Option<&'a str>,
    /// Names us to the receiver.
    pub user_agent: &'a str,
}

/// The attribute that tells the event's type where the body need not be read: brokers filter by it.
pub(crate) const EVENT_TYPE: &str = "event_type";

impl<'a> Message<'a> {
    /// What stands beside the body, by the names of the HTTP headers, so that whoever verifies a webhook finds the same
    /// over every protocol.
    pub fn attributes(&self) -> Vec<(&'static str, Cow<'a, str>)> {
        let signatures =
            [("webhook-signature", self.standard_signature), ("X-Webhook-Signature", self.body_signature)];
        let mut attributes = vec![
            (EVENT_TYPE, Cow::Borrowed(self.event_type)),
            ("webhook-id", Cow::Borrowed(self.delivery_id)),
            ("webhook-timestamp", Cow::Owned(self.timestamp_s.to_string())),
            ("Idempotency-Key", Cow::Borrowed(self.delivery_id)),
            ("traceparent", Cow::Borrowed(self.traceparent)),
        ];
        attributes.extend(
            signatures
                .into_iter()
                .filter_map(|(name, value)| value.map(|value| (name, Cow::Borrowed(value)))),
        );
        attributes
    }

    /// The same, sorted by name.
    pub(crate) fn sorted_attributes(&self) -> Vec<(&'static str, Cow<'a, str>)> {
        let mut attributes = self.attributes();
        insertion_sort(&mut attributes);
        attributes
    }
}

/// What belongs together: the messages with one key keep their order where the protocol keeps it, and share a
/// partition or group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyBy {
    /// `actor`: the user who did it, or the event's type where nobody did.
    #[default]
    Actor,
    /// `event`: the event's type.
    Event,
    /// `request`: the event itself, or the delivery where the envelope names none.
    Request,
    /// `delivery`: each by itself.
    Delivery,
    /// `none`: nothing belongs together.
    None,
}

impl KeyBy {
    /// What [`KeyBy::parse`] takes.
    pub(crate) const FORM: &'static str = "actor, event, request, delivery or none";

    pub(crate) fn parse(text: &str) -> Option<KeyBy> {
        Some(match text {
            "actor" => KeyBy::Actor,
            "event" => KeyBy::Event,
            "request" => KeyBy::Request,
            "delivery" => KeyBy::Delivery,
            "none" => KeyBy::None,
            _ => return None,
        })
    }

    /// A message's key.
    pub fn key<'a>(self, message: &Message<'a>) -> Option<&'a str> {
        match self {
            KeyBy::Actor => Some(message.actor.unwrap_or(message.event_type)),
            KeyBy::Event => Some(message.event_type),
            KeyBy::Request => Some(message.request_id.unwrap_or(message.delivery_id)),
            KeyBy::Delivery => Some(message.delivery_id),
            KeyBy::None => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An unsigned message for tests.
    pub(crate) const UNSIGNED: Message<'static> = Message {
        body: "{\"é\":1}",
        delivery_id: "d",
        event_type: "order.paid",
        actor: None,
        request_id: None,
        timestamp_s: 1,
        traceparent: "t",
        body_signature: None,
        standard_signature: None,
        user_agent: "u/1",
    };

    #[test]
    fn attributes_are_named_as_the_headers_are() {
        let signed =
            Message { body_signature: Some("sha256=ab"), standard_signature: Some("v1,x"), ..UNSIGNED };
        let names: Vec<&str> = signed.attributes().iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names,
            [
                "event_type",
                "webhook-id",
                "webhook-timestamp",
                "Idempotency-Key",
                "traceparent",
                "webhook-signature",
                "X-Webhook-Signature"
            ]
        );
        assert_eq!(UNSIGNED.attributes().len(), 5);
    }

    #[test]
    fn a_key_says_what_belongs_together() {
        let of = |text: &str, message: &Message<'static>| KeyBy::parse(text).unwrap().key(message);
        let full = Message { actor: Some("a"), request_id: Some("r"), ..UNSIGNED };
        assert_eq!(
            ["actor", "event", "request", "delivery", "none"].map(|by| of(by, &full)),
            [Some("a"), Some("order.paid"), Some("r"), Some("d"), None]
        );
        assert_eq!(["actor", "request"].map(|by| of(by, &UNSIGNED)), [Some("order.paid"), Some("d")]);
        assert_eq!(KeyBy::parse("user"), None);
    }
}
