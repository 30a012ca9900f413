//! What the services of Google Cloud share: service accounts, access tokens and the form of errors.

use std::fmt;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::Value;

use crate::{
    Context, CredentialsError, CredentialsName, Fault, HttpRequest, HttpTarget, Preparation,
    PreparationError, PreparationStep, Reply, Response,
    credentials::Fields,
    json::{self, json},
};

/// Holds a service account's key file where no set of credentials is named.
const VARIABLE: &str = "GOOGLE_SERVICE_ACCOUNT_JSON";
const ACCOUNT: &str = "the JSON of a service account's key, with client_email and private_key";
const PRIVATE_KEY: &str =
    "a PKCS #8 key in PEM, from -----BEGIN PRIVATE KEY----- to -----END PRIVATE KEY-----";
const PKCS_1: &str = "a PKCS #8 key (BEGIN PRIVATE KEY), not a PKCS #1 key (BEGIN RSA PRIVATE KEY); convert it with \
     openssl pkcs8 -topk8 -nocrypt";
const SIGNING_KEY: &str = "an RSA key that can sign with SHA-256";
const TOKEN_URI: &str = "an https URL, such as https://oauth2.googleapis.com/token";
const UNIVERSE: &str = "a domain, such as googleapis.com";

/// A service account and its key.
///
/// Source: Google Cloud IAM, "Create and delete service account keys", which shows the file; AIP-4112.
#[derive(PartialEq, Eq)]
pub(crate) struct ServiceAccount {
    client_email: String,
    /// PKCS #8 in DER. Secret.
    pkcs8: Vec<u8>,
    private_key_id: Option<String>,
    token_uri: String,
    /// The domain whose services the account's tokens are for, in lower case.
    universe_domain: String,
    /// The variable that it was read from.
    variable: String,
}

impl ServiceAccount {
    /// # Errors
    /// A [`CredentialsError`] names the variable and the field.
    pub(crate) fn read(
        name: &CredentialsName,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<ServiceAccount, CredentialsError> {
        let fields = Fields::read_object(name, VARIABLE, variable, ACCOUNT)?;
        let pem = fields.required("private_key", VARIABLE, PRIVATE_KEY)?;
        let invalid = |expected| fields.invalid("private_key", VARIABLE, expected);
        if pem.contains("BEGIN RSA PRIVATE KEY") {
            return Err(invalid(PKCS_1));
        }
        let universe = fields.optional("universe_domain", VARIABLE)?;
        let universe_domain = universe.map_or("googleapis.com".to_owned(), |text| text.to_ascii_lowercase());
        if !is_domain(&universe_domain) {
            return Err(fields.invalid("universe_domain", VARIABLE, UNIVERSE));
        }
        Ok(ServiceAccount {
            client_email: fields.required("client_email", VARIABLE, "the service account's address")?,
            pkcs8: der_of_pem(&pem).ok_or_else(|| invalid(PRIVATE_KEY))?,
            private_key_id: fields.optional("private_key_id", VARIABLE)?,
            token_uri: fields
                .optional("token_uri", VARIABLE)?
                .unwrap_or("https://oauth2.googleapis.com/token".to_owned()),
            universe_domain,
            variable: name
                .as_deref()
                .map_or(VARIABLE.to_owned(), |name| format!("WEBHOOK_CREDENTIALS_{name}")),
        })
    }

    /// Whether a server may see the account's tokens: it is of the universe, and nobody listens on the way.
    pub(crate) fn trusts(&self, server: &HttpTarget) -> bool {
        let within = server.host.strip_suffix(&self.universe_domain);
        may_have_secrets(server) && within.is_some_and(|before| before.is_empty() || before.ends_with('.'))
    }

    /// An error about a field's value.
    pub(crate) fn invalid(&self, field: &str, expected: &'static str) -> CredentialsError {
        CredentialsError::Invalid { variable: format!("{}.{field}", self.variable), expected }
    }
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccount").field("variable", &self.variable).finish_non_exhaustive()
    }
}

/// An access token for Pub/Sub: a signed JWT is exchanged for it.
///
/// Sources: RFC 7523, sections 2.1 and 3; Google, "Using OAuth 2.0 for Server to Server Applications".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccessToken {
    pub(crate) credentials: CredentialsName,
}

const SCOPE: &str = "https://www.googleapis.com/auth/pubsub";
/// How long a JWT may be used, and how long a token is believed to hold at most, in seconds: Google allows no more.
const LIFETIME_S: u64 = 3_600;
/// How long before its end a token is no longer used, so that none ends on its way, in milliseconds.
const MARGIN_MS: u64 = 60_000;
const MOST_ANSWER_BYTES: usize = 64 * 1024;

impl Preparation for AccessToken {
    fn key(&self) -> String {
        format!("google token for {}", self.credentials.key())
    }

    fn step(
        &self,
        reply: Option<&Reply<'_>>,
        context: &Context<'_>,
    ) -> Result<PreparationStep, PreparationError> {
        if let Some(Reply::Response(answer)) = reply {
            return granted(answer, context.now_ms);
        }
        let account = ServiceAccount::read(&self.credentials, context.variable)?;
        match reply {
            Some(Reply::Signature { text, signature }) => {
                Ok(PreparationStep::Http(exchange(&account, text, signature, context)?))
            }
            Some(Reply::Unsigned(_)) => Err(account.invalid("private_key", SIGNING_KEY).into()),
            _ => Ok(PreparationStep::Sign {
                text: unsigned_jwt(&account, context.now_ms),
                pkcs8: account.pkcs8,
            }),
        }
    }
}

/// A JWT up to its signature (RFC 7515, section 3.1).
fn unsigned_jwt(account: &ServiceAccount, now_ms: u64) -> String {
    let issued_s = now_ms / 1_000;
    let kid = account.private_key_id.as_ref().map_or(String::new(), |id| format!(",\"kid\":{}", json(id)));
    let header = format!("{{\"alg\":\"RS256\",\"typ\":\"JWT\"{kid}}}");
    let claims = format!(
        "{{\"iss\":{},\"scope\":\"{SCOPE}\",\"aud\":{},\"iat\":{issued_s},\"exp\":{}}}",
        json(&account.client_email),
        json(&account.token_uri),
        issued_s.saturating_add(LIFETIME_S),
    );
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}

/// The request that exchanges a JWT for a token. What it holds needs no percent-encoding.
fn exchange(
    account: &ServiceAccount,
    unsigned: &str,
    signature: &[u8],
    context: &Context<'_>,
) -> Result<HttpRequest, PreparationError> {
    // What travels unencrypted can be used by whoever listens: that is for servers on this machine alone.
    let server = HttpTarget::of_url("https", &account.token_uri, context.http_urls)
        .ok()
        .filter(may_have_secrets)
        .ok_or_else(|| account.invalid("token_uri", TOKEN_URI))?;
    let signature = URL_SAFE_NO_PAD.encode(signature);
    let body = format!(
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={unsigned}.{signature}"
    );
    let fields = [
        ("Content-Type", Some("application/x-www-form-urlencoded")),
        ("User-Agent", Some(context.user_agent)),
        ("Accept", Some("application/json")),
    ];
    Ok(HttpRequest::post(&server, &server.path_and_query, &fields, body, MOST_ANSWER_BYTES)?)
}

/// The token that an answer holds (RFC 6749, section 5).
fn granted(answer: &Response<'_>, now_ms: u64) -> Result<PreparationStep, PreparationError> {
    let refused = |reason, fault| PreparationError::Refused { what: "access token", reason, fault };
    if answer.status != 200 {
        let fault = match answer.status {
            429 => Fault::Throttled,
            400..=407 | 409..=499 => Fault::Permanent,
            _ => Fault::Passing,
        };
        return Err(refused(cut(&said(answer)), fault));
    }
    let body = json::read(answer.body);
    let read = || {
        let token = body.get("access_token")?.as_str()?;
        // RFC 6750, section 2.1; anything else would not stand in a header.
        let usable = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        Some((usable.then(|| token.to_owned())?, body.get("expires_in")?.as_u64()?))
    };
    let Some((value, expires_in_s)) = read() else {
        return Err(refused("HTTP 200 without a usable token".to_owned(), Fault::Passing));
    };
    let holds_ms = expires_in_s.min(LIFETIME_S).saturating_mul(1_000).saturating_sub(MARGIN_MS);
    Ok(PreparationStep::Ready { value, expires_at_ms: now_ms.saturating_add(holds_ms) })
}

/// What an error says: `HTTP 403 PERMISSION_DENIED: message`, with what of it there is.
///
/// Sources: Google Cloud APIs, "Errors", HTTP mapping: `{"error": {"status", "message"}}`; RFC 6749, section 5.2:
/// `{"error", "error_description"}`.
pub(crate) fn said(answer: &Response<'_>) -> String {
    let body = json::read(answer.body);
    let error = body.get("error");
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let (name, message) = match error {
        Some(Value::Object(error)) => (text(error.get("status")), text(error.get("message"))),
        _ => (text(error), text(body.get("error_description"))),
    };
    let mut said = format!("HTTP {}", answer.status);
    for (before, part) in [(" ", name), (": ", message)] {
        if !part.is_empty() {
            said.push_str(before);
            said.push_str(&part);
        }
    }
    said
}

/// Over https, or to this machine: stand-ins of servers have no certificates.
pub(crate) fn may_have_secrets(server: &HttpTarget) -> bool {
    server.tls || ["localhost", "127.0.0.1", "[::1]"].contains(&server.host.as_str())
}

/// The first 200 characters, on one line.
pub(crate) fn cut(text: &str) -> String {
    text.chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// RFC 7468, section 10. Line breaks may be written `\n`, as variables that hold one line have them.
fn der_of_pem(pem: &str) -> Option<Vec<u8>> {
    let pem = pem.replace("\\r", "").replace("\\n", "\n");
    let (_, rest) = pem.split_once("-----BEGIN PRIVATE KEY-----")?;
    let (base64, _) = rest.split_once("-----END PRIVATE KEY-----")?;
    let base64: String = base64.split_ascii_whitespace().collect();
    STANDARD.decode(base64).ok().filter(|der| !der.is_empty())
}

/// Two labels at least: a top-level domain is no universe of anyone's.
fn is_domain(text: &str) -> bool {
    text.contains('.')
        && text.split('.').all(|label| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

#[cfg(test)]
mod tests;
