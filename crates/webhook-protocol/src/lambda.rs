//! AWS Lambda: `lambda://FUNCTION?region=…`, or `lambda://ACCOUNT:FUNCTION` for another account's.

use crate::{
    Adapter, Context, CredentialsName, Entry, HttpTarget, Limits, Message, MessageError, Request,
    RequestError, Response, TargetError,
    aws::{AwsCredentials, Call, DEFAULT_REGION, account_id, region, rejected},
    json::json,
    parts::{Parts, insertion_sort, is_name},
    target::Source,
};

const OPTIONS: &str = "region, qualifier, endpoint, credentials";
const FORM: &str = "lambda://FUNCTION?region=REGION";

/// A function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LambdaTarget {
    /// The account that owns it; `None` for that of the credentials.
    pub account: Option<String>,
    /// The function's name.
    pub function: String,
    /// A version or an alias, from the option `qualifier`.
    pub qualifier: Option<String>,
    /// Its region, from the option `region`, or else `us-east-1`.
    pub region: String,
    /// Where the service answers: the region's, or the option `endpoint`.
    pub server: HttpTarget,
    /// From the option `credentials`.
    pub credentials: CredentialsName,
}

impl LambdaTarget {
    pub(crate) fn parse(source: &Source<'_>) -> Result<LambdaTarget, TargetError> {
        let parts = Parts::split(source)?;
        parts.check_options(OPTIONS)?;
        if parts.authority.is_empty() {
            return Err(TargetError::Missing { part: "function", expected: FORM });
        }
        if let Some(more) = parts.segments.first() {
            return Err(TargetError::invalid("path", more, FORM));
        }
        let (account, function) = match parts.authority.split_once(':') {
            Some((account, function)) => (Some(account_id(account)?), function),
            None => (None, parts.authority),
        };
        let name = |part, text: &str, longest, others, expected| {
            if is_name(text, 1, longest, others) {
                Ok(text.to_owned())
            } else {
                Err(TargetError::invalid(part, text, expected))
            }
        };
        let qualifier = parts.option("qualifier").map(|text| {
            name(
                "option qualifier",
                text,
                128,
                "-_$",
                "a version or an alias: up to 128 letters, digits, - and _",
            )
        });
        let region = region(&parts)?.unwrap_or(DEFAULT_REGION).to_owned();
        Ok(LambdaTarget {
            account,
            function: name("function", function, 64, "-_", "a name of 1 to 64 letters, digits, - and _")?,
            qualifier: qualifier.transpose()?,
            server: parts.server(&format!("https://lambda.{region}.amazonaws.com"), source)?,
            region,
            credentials: CredentialsName::parse(parts.option(CredentialsName::OPTION))?,
        })
    }
}

/// Asynchronous invocations: 256 KB until October 2025. Source: AWS Lambda Developer Guide, "Lambda quotas".
const MOST_PAYLOAD_BYTES: usize = 1_048_576;

const MOST_ANSWER_BYTES: usize = 4 * 1_024;

impl Adapter for LambdaTarget {
    fn hosts(&self) -> Vec<&str> {
        vec![&self.server.host]
    }

    fn limits(&self) -> Limits {
        Limits { messages: 1, bytes: MOST_PAYLOAD_BYTES }
    }

    fn weigh(&self, message: &Message<'_>) -> Result<usize, MessageError> {
        let (bytes, most) = (payload(message).len(), MOST_PAYLOAD_BYTES);
        if bytes > most { Err(MessageError::TooLarge { protocol: "Lambda", bytes, most }) } else { Ok(bytes) }
    }

    fn request(&self, messages: &[Message<'_>], context: &Context<'_>) -> Result<Request, RequestError> {
        let credentials = AwsCredentials::read(&self.credentials, context.variable)?;
        let function = match &self.account {
            Some(account) => format!("{account}:{}", self.function),
            None => self.function.clone(),
        };
        let query: Vec<(&str, &str)> =
            self.qualifier.iter().map(|qualifier| ("Qualifier", qualifier.as_str())).collect();
        let call = Call {
            server: &self.server,
            path: &["2015-03-31", "functions", &function, "invocations"],
            query: &query,
            service: "lambda",
            region: &self.region,
            fields: vec![("Content-Type", "application/json"), ("X-Amz-Invocation-Type", "Event")],
            body: messages.first().map(payload).unwrap_or_default(),
            most_answer_bytes: MOST_ANSWER_BYTES,
        };
        Ok(Request::Http(call.signed(&credentials, context)?))
    }

    fn read(&self, answer: &Response<'_>, messages: &[Message<'_>]) -> Option<Vec<Entry>> {
        match answer.status {
            // A 429's own answer says more: when to come again.
            200..=299 | 429 => None,
            _ => Some(rejected("Lambda", answer, messages.len())),
        }
    }
}

/// The event as a function has it that is called by its URL, so that attributes travel as headers, and the body's text
/// is what was signed. Source: AWS Lambda Developer Guide, "Invoking Lambda function URLs", payload format 2.0.
fn payload(message: &Message<'_>) -> String {
    let mut headers = vec![("content-type".to_owned(), json("application/json"))];
    headers.extend(message.attributes().iter().map(|(name, value)| (name.to_ascii_lowercase(), json(value))));
    insertion_sort(&mut headers);
    let headers: Vec<String> =
        headers.iter().map(|(name, value)| format!("{}:{value}", json(name))).collect();
    let (body, headers) = (json(message.body), headers.join(","));
    format!(
        "{{\"body\":{body},\"headers\":{{{headers}}},\"isBase64Encoded\":false,\"rawPath\":\"/\",\
         \"requestContext\":{{\"http\":{{\"method\":\"POST\",\"path\":\"/\"}}}},\"version\":\"2.0\"}}"
    )
}

#[cfg(test)]
mod tests;
