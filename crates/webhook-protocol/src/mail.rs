//! Mail: `mailto:ADDRESS,ADDRESS`, sent by Resend's HTTP API.

mod address;
mod content;
mod send;
#[cfg(test)]
mod tests;

use crate::{CredentialsName, HttpTarget, TargetError, parts::Parts, target::Source};

use address::{decoded, mailbox, sender};

const OPTIONS: &str = "from, credentials";
const FORM: &str = "mailto:ops@example.com, or several addresses separated by commas";
const ADDRESS: &str = "an address in ASCII, such as ops@example.com";
const SENDER: &str = "an address, or a name and an address: Alerts%20<alerts@example.com>";
const COUNT: &str = "50 at most";

/// What Resend takes. Source: Resend API reference, "Send Email", `to`.
const MOST_RECIPIENTS: usize = 50;

/// People's mailboxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailTarget {
    /// Their addresses, 1 to 50.
    pub recipients: Vec<String>,
    /// The sender, from the option `from`; `None` for what the variables say.
    pub from: Option<String>,
    /// Resend's own server; a variable may name another in its place.
    pub server: HttpTarget,
    /// From the option `credentials`.
    pub credentials: CredentialsName,
}

impl MailTarget {
    /// Source: RFC 6068, section 2.
    pub(crate) fn parse(source: &Source<'_>) -> Result<MailTarget, TargetError> {
        let parts = Parts::of_path(source)?;
        refuse_headers(&parts)?;
        parts.check_options(OPTIONS)?;
        if parts.authority.is_empty() {
            return Err(TargetError::Missing { part: "recipient", expected: FORM });
        }
        if parts.authority.starts_with("//") {
            return Err(TargetError::invalid("recipient", parts.authority, FORM));
        }
        let recipients: Vec<String> = parts
            .authority
            .split(',')
            .map(|text| {
                let address = decoded(text).filter(|address| mailbox(address));
                address.ok_or_else(|| TargetError::invalid("recipient", text, ADDRESS))
            })
            .collect::<Result<_, _>>()?;
        if recipients.len() > MOST_RECIPIENTS {
            return Err(TargetError::invalid("number of recipients", &recipients.len().to_string(), COUNT));
        }
        let from = parts.option("from").map(|text| {
            let from = decoded(text).filter(|from| sender(from));
            from.ok_or_else(|| TargetError::invalid("option from", text, SENDER))
        });
        Ok(MailTarget {
            recipients,
            from: from.transpose()?,
            server: HttpTarget::of_url("https", "https://api.resend.com", source.http_urls)?,
            credentials: CredentialsName::parse(parts.option(CredentialsName::OPTION))?,
        })
    }
}

/// What RFC 6068 knows beside addresses, and is of no use here: it is refused with what to do instead.
fn refuse_headers(parts: &Parts<'_>) -> Result<(), TargetError> {
    for name in parts.option_names() {
        let got = parts.option(name).unwrap_or_default();
        let refused = |part, expected| Err(TargetError::invalid(part, got, expected));
        match name.to_ascii_lowercase().as_str() {
            "to" => refused("option to", "all addresses before the ?, separated by commas")?,
            "cc" => refused("option cc", "all addresses before the ?, separated by commas")?,
            "bcc" => refused("option bcc", "all addresses before the ?, separated by commas")?,
            "subject" => refused("option subject", "none: the delivery says what the mail is about")?,
            "body" => refused("option body", "none: the delivery says what the mail is about")?,
            _ => {}
        }
    }
    Ok(())
}
