//! Google Cloud Pub/Sub: `pubsub://PROJECT/TOPIC`.

mod publish;
#[cfg(test)]
mod tests;

use crate::{
    CredentialsName, HttpTarget, KeyBy, TargetError,
    parts::{Parts, is_name},
    target::Source,
};

const OPTIONS: &str = "ordering, endpoint, credentials";
const FORM: &str = "pubsub://PROJECT/TOPIC";
const PROJECT: &str = "a project id: 6 to 30 lower-case letters, digits and -, beginning with a letter";
const TOPIC: &str = "3 to 255 letters, digits and -_.~+%, beginning with a letter and not with goog";

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PubSubTarget {
    /// The project's id.
    pub project: String,
    /// The topic's id, without its path.
    pub topic: String,
    /// Where the service answers: Google's own, or the option `endpoint`.
    pub server: HttpTarget,
    /// The option `endpoint` is there: no emulator takes the server's place.
    pub has_endpoint: bool,
    /// What the messages' ordering keys are, from the option `ordering`: by default `none`.
    pub ordering: KeyBy,
    /// From the option `credentials`.
    pub credentials: CredentialsName,
}

impl PubSubTarget {
    pub(crate) fn parse(source: &Source<'_>) -> Result<PubSubTarget, TargetError> {
        let parts = Parts::split(source)?;
        parts.check_options(OPTIONS)?;
        if parts.authority.is_empty() {
            return Err(TargetError::Missing { part: "project", expected: FORM });
        }
        let topic = match parts.segments.as_slice() {
            [] => return Err(TargetError::Missing { part: "topic", expected: FORM }),
            [topic] => *topic,
            [_, more, ..] => return Err(TargetError::invalid("path", more, FORM)),
        };
        let ordering = match parts.option("ordering") {
            None => KeyBy::None,
            Some(text) => KeyBy::parse(text)
                .ok_or_else(|| TargetError::invalid("option ordering", text, KeyBy::FORM))?,
        };
        Ok(PubSubTarget {
            project: project_id(parts.authority)?,
            topic: topic_id(topic)?,
            server: parts.server("https://pubsub.googleapis.com", source)?,
            has_endpoint: parts.option("endpoint").is_some(),
            ordering,
            credentials: CredentialsName::parse(parts.option(CredentialsName::OPTION))?,
        })
    }
}

/// Source: Google Cloud, "Creating and managing projects": project ids, also those of a domain (`example.com:id`).
fn project_id(text: &str) -> Result<String, TargetError> {
    let (domain, id) = text.split_once(':').map_or((None, text), |(domain, id)| (Some(domain), id));
    let valid = is_name(id, 6, 30, "-")
        && id.starts_with(|c: char| c.is_ascii_lowercase())
        && !id.ends_with('-')
        && !id.contains(|c: char| c.is_ascii_uppercase())
        && domain.is_none_or(|domain| is_name(domain, 1, 253, ".-"));
    if valid { Ok(text.to_owned()) } else { Err(TargetError::invalid("project", text, PROJECT)) }
}

/// Source: Google Cloud Pub/Sub, "Guidelines to name a topic".
fn topic_id(text: &str) -> Result<String, TargetError> {
    let valid = is_name(text, 3, 255, "-_.~+%")
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !text.starts_with("goog");
    if valid { Ok(text.to_owned()) } else { Err(TargetError::invalid("topic", text, TOPIC)) }
}
