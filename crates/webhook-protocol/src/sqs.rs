//! Amazon SQS: `sqs://sqs.REGION.amazonaws.com/ACCOUNT/QUEUE` or `sqs://QUEUE`, both with `?region=…`.

mod lookup;
mod send;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::{
    CredentialsName, HttpTarget, KeyBy, TargetError,
    aws::{DEFAULT_REGION, account_id, region},
    parts::{Parts, is_name, port_number},
    target::Source,
};

const OPTIONS: &str = "region, group, endpoint, credentials";

const FORM: &str = "sqs://QUEUE?region=REGION or sqs://sqs.REGION.amazonaws.com/ACCOUNT/QUEUE";
const QUEUE: &str = "1 to 80 letters, digits, - and _, and .fifo at the end of a FIFO queue's name";

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqsTarget {
    /// Which queue.
    pub queue: SqsQueue,
    /// Its region, from the option `region`, or else from the host's name, or else `us-east-1`.
    pub region: String,
    /// Where the service answers: the queue's host, the region's, or the option `endpoint`.
    pub server: HttpTarget,
    /// What the groups of a FIFO queue are, from the option `group`: by default `actor`. Other queues have none.
    pub group: KeyBy,
    /// From the option `credentials`.
    pub credentials: CredentialsName,
}

/// The two ways to name a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SqsQueue {
    /// By name alone, in the account of the credentials.
    Name(String),
    /// By its URL.
    Url {
        /// The service's host.
        host: String,
        /// The owner's account: 12 digits.
        account: String,
        /// The queue's name.
        name: String,
    },
}

impl SqsQueue {
    /// The queue's name, without whose it is.
    pub fn name(&self) -> &str {
        match self {
            SqsQueue::Name(name) | SqsQueue::Url { name, .. } => name,
        }
    }
}

impl fmt::Display for SqsQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SqsQueue::Name(name) => f.write_str(name),
            SqsQueue::Url { host, account, name } => write!(f, "https://{host}/{account}/{name}"),
        }
    }
}

impl SqsTarget {
    pub(crate) fn parse(source: &Source<'_>) -> Result<SqsTarget, TargetError> {
        let parts = Parts::split(source)?;
        parts.check_options(OPTIONS)?;
        let missing = |part| TargetError::Missing { part, expected: FORM };
        if parts.authority.is_empty() {
            return Err(missing("queue"));
        }
        let queue = match parts.segments.as_slice() {
            // A host without a path names no queue: a queue's name has no dot but the one of `.fifo`.
            [] if parts.authority.trim_end_matches(".fifo").contains('.') => return Err(missing("queue")),
            [] => SqsQueue::Name(queue_name(parts.authority)?),
            [_] => return Err(missing("queue")),
            [account, name] => SqsQueue::Url {
                host: host(parts.authority)?,
                account: account_id(account)?,
                name: queue_name(name)?,
            },
            [_, _, more, ..] => return Err(TargetError::invalid("path", more, FORM)),
        };
        let region = region(&parts)?.or_else(|| region_of(&queue)).unwrap_or(DEFAULT_REGION).to_owned();
        let usual = match &queue {
            SqsQueue::Name(_) => format!("https://sqs.{region}.amazonaws.com"),
            SqsQueue::Url { host, .. } => format!("https://{host}"),
        };
        let group = match parts.option("group") {
            None => KeyBy::default(),
            // Every message of a FIFO queue has a group.
            Some(text) => KeyBy::parse(text).filter(|by| *by != KeyBy::None).ok_or_else(|| {
                TargetError::invalid("option group", text, "actor, event, request or delivery")
            })?,
        };
        Ok(SqsTarget {
            server: parts.server(&usual, source)?,
            region,
            queue,
            group,
            credentials: CredentialsName::parse(parts.option(CredentialsName::OPTION))?,
        })
    }
}

fn region_of(queue: &SqsQueue) -> Option<&str> {
    let SqsQueue::Url { host, .. } = queue else { return None };
    let mut labels = host.split('.');
    (labels.next() == Some("sqs"))
        .then(|| labels.next())
        .flatten()
        .filter(|region| region.contains('-') && is_name(region, 1, 32, "-"))
}

fn host(text: &str) -> Result<String, TargetError> {
    let (name, port) = text.split_once(':').unwrap_or((text, "443"));
    if is_name(name, 1, 253, ".-") && port_number(port).is_some() {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(TargetError::invalid("host", text, "one like sqs.us-east-1.amazonaws.com"))
    }
}

fn queue_name(text: &str) -> Result<String, TargetError> {
    let plain = text.strip_suffix(".fifo").unwrap_or(text);
    if text.len() <= 80 && is_name(plain, 1, 80, "-_") {
        Ok(text.to_owned())
    } else {
        Err(TargetError::invalid("queue", text, QUEUE))
    }
}
