//! Sending: the request, and what the answer says.
//!
//! Sources: Resend API reference, "Send Email", "Idempotency keys" and "Errors".

use super::{ADDRESS, MailTarget, address::sender, content};
use crate::{
    Adapter, Context, CredentialsError, Entry, Fault, HttpRequest, HttpTarget, Message, Request,
    RequestError, Response, SecretText,
    credentials::{Fields, filled},
    google::{cut, may_have_secrets},
    json::{self, json},
    notice::Notice,
};

const API_KEY: &str = "RESEND_API_KEY";
const API_KEY_FORM: &str = "an API key of Resend";
const FROM: &str = "WEBHOOK_MAIL_FROM";
const FROM_FORM: &str = "an address of a domain that is verified at Resend";
const SET: &str = "{\"api_key\",\"from\"}";
/// The name that Resend's own libraries have for it.
const BASE_URL: &str = "RESEND_BASE_URL";
const BASE_URL_FORM: &str = "an https URL, such as https://api.resend.com";
const MOST_ANSWER_BYTES: usize = 4 * 1_024;

impl Adapter for MailTarget {
    /// Not the one that a variable names: that one is judged by whoever connects.
    fn hosts(&self) -> Vec<&str> {
        vec![&self.server.host]
    }

    fn request(&self, messages: &[Message<'_>], context: &Context<'_>) -> Result<Request, RequestError> {
        let (api_key, from) = self.account(context)?;
        let named = named_server(context)?;
        let server = named.as_ref().unwrap_or(&self.server);
        let authorization = format!("Bearer {}", api_key.expose());
        let fields = [
            ("Content-Type", Some("application/json")),
            ("User-Agent", Some(context.user_agent)),
            ("Authorization", Some(authorization.as_str())),
            // The body says the same at every attempt, as Resend wants it of a key that it has seen.
            ("Idempotency-Key", messages.first().map(|message| message.delivery_id)),
            ("Accept", Some("application/json")),
        ];
        let path = format!("{}/emails", server.path_and_query.trim_end_matches('/'));
        let body = messages.first().map(|message| self.body(message, &from)).unwrap_or_default();
        Ok(Request::Http(HttpRequest::post(server, &path, &fields, body, MOST_ANSWER_BYTES)?))
    }

    fn read(&self, answer: &Response<'_>, messages: &[Message<'_>]) -> Option<Vec<Entry>> {
        let body = json::read(answer.body);
        let name = json::text(&body, "name").unwrap_or_default();
        let fault = match (answer.status, name.as_str()) {
            (200..=299, _) => {
                let accepted = |id: String| Entry::Accepted { note: format!("{{\"id\":{}}}", json(&id)) };
                let unsaid = || rejected(Fault::Passing, "Resend said no id of the mail".to_owned());
                let entry = json::text(&body, "id").map_or_else(unsaid, accepted);
                return Some(vec![entry; messages.len()]);
            }
            (429, "daily_quota_exceeded" | "monthly_quota_exceeded") => Fault::Throttled,
            // Its own answer says more: when to come again.
            (429, _) => return None,
            (409, "concurrent_idempotent_requests") | (408 | 500.., _) => Fault::Passing,
            _ => Fault::Permanent,
        };
        let mut reason = format!("HTTP {}", answer.status);
        let message = json::text(&body, "message").unwrap_or_default();
        for (before, part) in [(" ", name.as_str()), (": ", without_keys(&message).as_str())] {
            if !part.is_empty() {
                reason.push_str(before);
                reason.push_str(part);
            }
        }
        let remedy = self.remedy(answer.status, &name);
        Some(vec![rejected(fault, format!("Resend: {}{remedy}", cut(&reason))); messages.len()])
    }
}

fn rejected(fault: Fault, reason: String) -> Entry {
    Entry::Rejected { fault, reason }
}

impl MailTarget {
    /// The API key and the sender.
    fn account(&self, context: &Context<'_>) -> Result<(SecretText, String), CredentialsError> {
        let fields = Fields::read(&self.credentials, context.variable, SET)?;
        let api_key = fields.required("api_key", API_KEY, API_KEY_FORM)?;
        if !api_key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(fields.invalid("api_key", API_KEY, API_KEY_FORM));
        }
        if let Some(from) = &self.from {
            return Ok((SecretText::new(api_key), from.clone()));
        }
        // A set may leave the sender to the usual variable.
        let of_set = fields.optional("from", FROM)?;
        let missing = || CredentialsError::Missing { variable: FROM.to_owned(), expected: FROM_FORM };
        let (from, is_of_set) = match of_set {
            Some(from) => (from, true),
            None => (filled((context.variable)(FROM)).ok_or_else(missing)?, false),
        };
        if sender(&from) {
            return Ok((SecretText::new(api_key), from));
        }
        if is_of_set {
            return Err(fields.invalid("from", FROM, ADDRESS));
        }
        Err(CredentialsError::Invalid { variable: FROM.to_owned(), expected: ADDRESS })
    }

    fn body(&self, message: &Message<'_>, from: &str) -> String {
        let notice = Notice::of(message);
        let recipients: Vec<String> = self.recipients.iter().map(|address| json(address)).collect();
        format!(
            "{{\"from\":{},\"to\":[{}],\"subject\":{},\"html\":{},\"text\":{},\"headers\":{{\
             \"Auto-Submitted\":\"auto-generated\",\"X-Webhook-Id\":{}}},\"tags\":[{{\"name\":\"event\",\
             \"value\":{}}}]}}",
            json(from),
            recipients.join(","),
            json(&content::subject(&notice)),
            json(&content::html(&notice)),
            json(&content::text(&notice)),
            // What stands in a header of ours can stand in a mail's.
            json(message.delivery_id),
            json(&tag(message.event_type)),
        )
    }

    /// What puts it right, for whoever reads the row.
    fn remedy(&self, status: u16, name: &str) -> String {
        let set = self.credentials.as_deref().map(|set| format!("WEBHOOK_CREDENTIALS_{set}"));
        match (status, name) {
            (401, _)
            | (403, "invalid_api_key" | "restricted_api_key" | "missing_api_key" | "suspended_api_key") => {
                let variable = set.map_or(API_KEY.to_owned(), |set| format!("{set}.api_key"));
                format!("; set {variable} to an API key that may send")
            }
            (403, _) | (_, "invalid_from_address") if self.from.is_some() => {
                format!("; set the option from to {FROM_FORM}")
            }
            (403, _) | (_, "invalid_from_address") => {
                let variable = set.map_or(FROM.to_owned(), |set| format!("{set}.from or {FROM}"));
                format!("; set {variable} to {FROM_FORM}")
            }
            _ => String::new(),
        }
    }
}

/// The server that a variable names, if it does: a proxy, or a stand-in in tests. Whoever writes endpoints' URLs cannot
/// name one, as it gets the key.
fn named_server(context: &Context<'_>) -> Result<Option<HttpTarget>, CredentialsError> {
    let Some(url) = filled((context.variable)(BASE_URL)) else { return Ok(None) };
    let scheme = if url.starts_with("http://") { "http" } else { "https" };
    let server = HttpTarget::of_url(scheme, &url, context.http_urls).ok();
    let usable = server.filter(|server| may_have_secrets(server) && !server.path_and_query.contains('?'));
    let invalid = || CredentialsError::Invalid { variable: BASE_URL.to_owned(), expected: BASE_URL_FORM };
    usable.map(Some).ok_or_else(invalid)
}

/// Letters, digits, `_` and `-`, at most 256 of them. Source: Resend API reference, "Send Email", `tags`.
fn tag(event_type: &str) -> String {
    let tag: String = event_type
        .chars()
        .take(256)
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' })
        .collect();
    if tag.is_empty() { "webhook".to_owned() } else { tag }
}

/// A message without words that may be API keys (`re_…`), should a server repeat what it was sent.
fn without_keys(message: &str) -> String {
    let shown = |word: &str| {
        let is_key = word.trim_start_matches(|c: char| !c.is_alphanumeric()).starts_with("re_");
        if is_key { "(not shown)".to_owned() } else { word.to_owned() }
    };
    let words: Vec<String> = message.split_whitespace().map(shown).collect();
    words.join(" ")
}
