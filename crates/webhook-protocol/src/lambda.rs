//! AWS Lambda: `lambda://FUNCTION?region=…`, or `lambda://ACCOUNT:FUNCTION` for another account's.

use crate::{
    Adapter, Context, CredentialsName, HttpTarget, Message, Request, RequestError, TargetError,
    aws::{DEFAULT_REGION, account_id, region},
    parts::{Parts, is_name},
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

impl Adapter for LambdaTarget {
    fn hosts(&self) -> Vec<&str> {
        vec![&self.server.host]
    }

    fn request(&self, _messages: &[Message<'_>], _context: &Context<'_>) -> Result<Request, RequestError> {
        Err(crate::HttpRequestError::Path.into())
    }
}
