//! Publishing: the request, what it may hold, and what the answer says.
//!
//! Sources: Pub/Sub REST reference, "projects.topics.publish" and "PubsubMessage"; "Quotas and limits", resource limits.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::PubSubTarget;
use crate::{
    Adapter, Context, CredentialsError, Entry, Fault, HttpRequest, HttpTarget, KeyBy, Limits, Message,
    MessageError, Preparation, Request, RequestError, Response,
    google::{AccessToken, ServiceAccount, cut, said},
    json::{self, json},
};

/// A publish request has at most 10 MB. What stands around the messages, and whatever else the service may count, has
/// the rest of it.
const LIMITS: Limits = Limits { messages: 1_000, bytes: 9_999_000 };
/// An attribute's value and an ordering key, in bytes.
const MOST_TEXT_BYTES: usize = 1_024;
/// A thousand ids have less than half of it.
const MOST_ANSWER_BYTES: usize = 64 * 1024;
const PROTOCOL: &str = "Pub/Sub";

const EMULATOR: &str = "PUBSUB_EMULATOR_HOST";
const EMULATOR_FORM: &str = "HOST:PORT, such as localhost:8085";
const UNIVERSE: &str = "the domain of the server, which has its tokens over https alone: set the option endpoint to \
     https://pubsub.UNIVERSE_DOMAIN, leave it out for googleapis.com, or set PUBSUB_EMULATOR_HOST for an emulator";

impl Adapter for PubSubTarget {
    /// Not the emulator's: that one is judged by whoever connects.
    fn hosts(&self) -> Vec<&str> {
        vec![&self.server.host]
    }

    /// One message where it has an ordering key: all messages of a request have to have the same, and the service
    /// refuses the whole request where they do not. An emulator takes it. Source: "PubsubMessage", `orderingKey`.
    fn limits(&self) -> Limits {
        if self.ordering == KeyBy::None { LIMITS } else { Limits { messages: 1, ..LIMITS } }
    }

    /// What the message adds to the request's body, its comma included. An emulator checks none of this.
    fn weigh(&self, message: &Message<'_>) -> Result<usize, MessageError> {
        let too_large = |bytes| MessageError::TooLarge { protocol: PROTOCOL, bytes, most: LIMITS.bytes };
        for (name, value) in message.attributes() {
            check_text(name, &value)?;
        }
        check_text("ordering key", self.ordering.key(message).unwrap_or_default())?;
        let data = base64::encoded_len(message.body.len(), true).ok_or_else(|| too_large(usize::MAX))?;
        let bytes = data.saturating_add(self.frame(message).iter().map(String::len).sum()).saturating_add(1);
        if bytes > LIMITS.bytes { Err(too_large(bytes)) } else { Ok(bytes) }
    }

    fn request(&self, messages: &[Message<'_>], context: &Context<'_>) -> Result<Request, RequestError> {
        let path = format!("/v1/projects/{}/topics/{}:publish", encoded(&self.project), encoded(&self.topic));
        let emulator = self.emulator(context)?;
        let authorization = match emulator {
            Some(_) => None,
            None => Some(self.authorization(context)?),
        };
        let fields = [
            ("Content-Type", Some("application/json")),
            ("User-Agent", Some(context.user_agent)),
            ("Authorization", authorization.as_deref()),
            ("Accept", Some("application/json")),
        ];
        let server = emulator.as_ref().unwrap_or(&self.server);
        let body = self.body(messages);
        Ok(Request::Http(HttpRequest::post(server, &path, &fields, body, MOST_ANSWER_BYTES)?))
    }

    fn read(&self, answer: &Response<'_>, messages: &[Message<'_>]) -> Option<Vec<Entry>> {
        let rejected = |fault, reason: String| vec![Entry::Rejected { fault, reason }; messages.len()];
        let fault = match answer.status {
            200..=299 => {
                return Some(accepted(answer.body, messages.len()).unwrap_or_else(|| {
                    rejected(Fault::Passing, "Pub/Sub said nothing of this message".to_owned())
                }));
            }
            429 => Fault::Throttled,
            408 | 409 | 499 | 500.. => Fault::Passing,
            _ => Fault::Permanent,
        };
        Some(rejected(fault, cut(&format!("Pub/Sub: {}", said(answer)))))
    }

    fn is_stale(&self, answer: &Response<'_>) -> bool {
        answer.status == 401
    }
}

impl PubSubTarget {
    /// The emulator to publish to, if there is one: it takes the place of Google's own server, not of an endpoint that
    /// the URL names. Source: Pub/Sub, "Testing apps locally with the emulator".
    fn emulator(&self, context: &Context<'_>) -> Result<Option<HttpTarget>, CredentialsError> {
        let set = (context.variable)(EMULATOR).map(|text| text.trim().to_owned());
        let Some(address) = set.filter(|text| !text.is_empty() && !self.has_endpoint) else {
            return Ok(None);
        };
        let server = if address.contains(['/', '\\', '?', '#', '@']) {
            None
        } else {
            HttpTarget::of_url("http", &format!("http://{address}"), context.http_urls).ok()
        };
        let invalid = || CredentialsError::Invalid { variable: EMULATOR.to_owned(), expected: EMULATOR_FORM };
        server.map(Some).ok_or_else(invalid)
    }

    /// The header's value. Whoever holds the token can do what the account may do, so that no other server gets it.
    fn authorization(&self, context: &Context<'_>) -> Result<String, RequestError> {
        let account = ServiceAccount::read(&self.credentials, context.variable)?;
        if !account.trusts(&self.server) {
            return Err(account.invalid("universe_domain", UNIVERSE).into());
        }
        let token = AccessToken { credentials: self.credentials.clone() };
        match (context.prepared)(&token.key()) {
            Some(text) => Ok(format!("Bearer {text}")),
            None => Err(RequestError::Unprepared(Box::new(token))),
        }
    }

    fn body(&self, messages: &[Message<'_>]) -> String {
        // Base64 has four characters for three bytes; the rest of a message is short.
        let bytes = messages.iter().map(|message| message.body.len() / 3 * 4 + 1_024).sum();
        let mut body = String::with_capacity(bytes);
        body.push_str("{\"messages\":[");
        for (at, message) in messages.iter().enumerate() {
            let [before, after] = self.frame(message);
            body.push_str(if at == 0 { "" } else { "," });
            body.push_str(&before);
            STANDARD.encode_string(message.body, &mut body);
            body.push_str(&after);
        }
        body.push_str("]}");
        body
    }

    /// What stands before and after a message's data.
    fn frame(&self, message: &Message<'_>) -> [String; 2] {
        let attributes: Vec<String> = message
            .attributes()
            .iter()
            .map(|(name, value)| format!("{}:{}", json(name), json(value)))
            .collect();
        let key = self.ordering.key(message).map(|key| format!(",\"orderingKey\":{}", json(key)));
        let attributes = attributes.join(",");
        [
            "{\"data\":\"".to_owned(),
            format!("\",\"attributes\":{{{attributes}}}{}}}", key.unwrap_or_default()),
        ]
    }
}

fn check_text(name: &'static str, text: &str) -> Result<(), MessageError> {
    let bytes = text.len();
    if bytes <= MOST_TEXT_BYTES {
        return Ok(());
    }
    Err(MessageError::AttributeTooLarge { protocol: PROTOCOL, name, bytes, most: MOST_TEXT_BYTES })
}

/// An entry for each id; `None` where there is not one for each message.
fn accepted(body: &str, messages: usize) -> Option<Vec<Entry>> {
    let body = json::read(body);
    let ids = body.get("messageIds")?.as_array().filter(|ids| ids.len() == messages)?;
    ids.iter()
        .map(|id| Some(Entry::Accepted { note: format!("{{\"messageId\":{}}}", json(id.as_str()?)) }))
        .collect()
}

/// A part of a path as Google's servers decode it. Source: google/api/http.proto, on variables of several segments:
/// everything but letters, digits and `-_.~` is percent-encoded.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
