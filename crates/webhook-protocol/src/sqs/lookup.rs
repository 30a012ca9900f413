//! The URL of a queue that is known by its name alone.

use super::{SqsQueue, SqsTarget, send::is_unknown_queue};
use crate::{
    Context, Fault, Preparation, PreparationError, PreparationStep, Reply, Response,
    aws::{AwsCredentials, fault_and_reason},
    google::cut,
    json::{self, json},
};

/// For how long a URL is kept, in milliseconds.
const KEPT_MS: u64 = 3_600_000;

const MOST_ANSWER_BYTES: usize = 4 * 1_024;

/// GetQueueUrl for a target.
#[derive(Debug)]
pub(super) struct QueueUrlLookup(SqsTarget);

impl QueueUrlLookup {
    pub(super) fn new(target: &SqsTarget) -> QueueUrlLookup {
        QueueUrlLookup(target.clone())
    }
}

impl Preparation for QueueUrlLookup {
    fn key(&self) -> String {
        let SqsTarget { queue, region, server, credentials, .. } = &self.0;
        format!("sqs queue {queue} in {region} at {} for {}", server.host_header, credentials.key())
    }

    fn step(
        &self,
        reply: Option<&Reply<'_>>,
        context: &Context<'_>,
    ) -> Result<PreparationStep, PreparationError> {
        let Some(reply) = reply else {
            let credentials = AwsCredentials::read(&self.0.credentials, context.variable)?;
            let question = format!("{{\"QueueName\":{}}}", json(self.0.queue.name()));
            let call = self.0.call("AmazonSQS.GetQueueUrl", question, MOST_ANSWER_BYTES);
            return Ok(PreparationStep::Http(call.signed(&credentials, context)?));
        };
        let Reply::Response(answer) = reply else {
            return Err(refused("unexpected reply".to_owned(), Fault::Passing));
        };
        self.read(answer, context.now_ms)
    }
}

impl QueueUrlLookup {
    fn read(&self, answer: &Response<'_>, now_ms: u64) -> Result<PreparationStep, PreparationError> {
        if is_unknown_queue(answer) {
            let SqsTarget { queue, region, credentials, .. } = &self.0;
            let whose = credentials.key();
            let reason =
                format!("there is no queue {queue} in {region} in the account of the credentials {whose}");
            return Err(refused(reason, Fault::Permanent));
        }
        if answer.status != 200 {
            let (fault, reason) = fault_and_reason(answer);
            return Err(refused(format!("SQS: {reason}"), fault));
        }
        match json::text(&json::read(answer.body), "QueueUrl") {
            Some(queue_url) if is_queue_url(&queue_url, &self.0.queue) => {
                Ok(PreparationStep::Ready { value: queue_url, expires_at_ms: now_ms.saturating_add(KEPT_MS) })
            }
            _ => Err(refused("the answer names no queue".to_owned(), Fault::Passing)),
        }
    }
}

/// It is text in later requests, and nothing is sent to it.
fn is_queue_url(url: &str, queue: &SqsQueue) -> bool {
    url.len() <= 2_048 && url.rsplit('/').next() == Some(queue.name())
}

fn refused(reason: String, fault: Fault) -> PreparationError {
    PreparationError::Refused { what: "queue lookup", reason: cut(&reason), fault }
}
