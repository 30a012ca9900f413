//! Chats: Slack, Discord and Microsoft Teams take web requests in formats of their own. A receiver is told as one of
//! them by its URL.

mod discord;
mod slack;
mod teams;
#[cfg(test)]
mod tests;

use crate::{HttpUrl, Message, TargetError, notice::Notice};

/// What a receiver wants in a request's body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// The envelope.
    #[default]
    Plain,
    /// Slack's incoming webhooks: `text` and `blocks`.
    Slack,
    /// Discord's webhooks: `embeds`.
    Discord,
    /// Workflows of Microsoft Teams, and its former connectors: an Adaptive Card.
    Teams,
}

/// Whether a host is a chat's, in whatever format it is told: the paths there are tokens.
pub fn is_chat_host(host: &str) -> bool {
    let domains = ["slack.com", "slack-gov.com", "discord.com", "discordapp.com", "webhook.office.com"];
    let domains = domains.into_iter().chain(["logic.azure.com", "api.powerplatform.com"]);
    domains
        .into_iter()
        .any(|domain| host.strip_suffix(domain).is_some_and(|name| name.is_empty() || name.ends_with('.')))
}

const OPTION: &str = "format";
const FORM: &str = "plain, slack, discord or teams";

impl Dialect {
    /// The dialect of a URL: what the option `format` in its fragment says, or else what its host and path tell.
    ///
    /// # Errors
    /// [`TargetError::Invalid`] where the option's value is none.
    pub(crate) fn of_url(url: &HttpUrl) -> Result<Dialect, TargetError> {
        match format_option(&url.href) {
            None => Ok(Dialect::of_place(url)),
            Some("plain") => Ok(Dialect::Plain),
            Some("slack") => Ok(Dialect::Slack),
            Some("discord") => Ok(Dialect::Discord),
            Some("teams") => Ok(Dialect::Teams),
            Some(other) => Err(TargetError::invalid("option format", other, FORM)),
        }
    }

    /// By host and path, over TLS alone. A parser has written the host in lower case.
    ///
    /// Sources: Slack, "Sending messages using incoming webhooks"; Discord, "Webhook Resource", "Execute Webhook";
    /// Microsoft, "Create incoming webhooks with Workflows for Microsoft Teams".
    fn of_place(url: &HttpUrl) -> Dialect {
        if !url.tls {
            return Dialect::Plain;
        }
        let path = url.path_and_query.split('?').next().unwrap_or_default();
        let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| path.starts_with(prefix));
        let below = |domain: &str| {
            url.host.strip_suffix(domain).is_some_and(|name| name.len() > 1 && name.ends_with('.'))
        };
        match url.host.as_str() {
            // Workflow Builder's webhooks take variables that somebody has named, and no blocks.
            "hooks.slack.com" | "hooks.slack-gov.com" if !starts(&["/workflows/", "/triggers/"]) => {
                Dialect::Slack
            }
            "discord.com"
            | "ptb.discord.com"
            | "canary.discord.com"
            | "discordapp.com"
            | "ptb.discordapp.com"
            | "canary.discordapp.com"
                if is_discord_webhook(path) =>
            {
                Dialect::Discord
            }
            _ if below("webhook.office.com") => Dialect::Teams,
            // Other services stand there, too: a workflow's trigger is what takes cards.
            _ if (below("logic.azure.com") || below("api.powerplatform.com"))
                && path.contains("/workflows/")
                && path.contains("/triggers/") =>
            {
                Dialect::Teams
            }
            _ => Dialect::Plain,
        }
    }

    /// The body in this dialect; `None` where it is the envelope.
    pub(crate) fn body(self, message: &Message<'_>) -> Option<String> {
        let write = match self {
            Dialect::Plain => return None,
            Dialect::Slack => slack::body,
            Dialect::Discord => discord::body,
            Dialect::Teams => teams::body,
        };
        Some(write(&Notice::of(message)))
    }
}

/// The value of `format` in a fragment that holds options.
fn format_option(href: &str) -> Option<&str> {
    let (_, fragment) = href.split_once('#')?;
    fragment
        .split('&')
        .find_map(|pair| pair.split_once('=').filter(|(name, _)| *name == OPTION))
        .map(|(_, value)| value)
}

/// `/api/webhooks/ID/TOKEN`, at times with the API's version. What stands behind it, such as `/slack`, names another format.
fn is_discord_webhook(path: &str) -> bool {
    let mut segments = path.strip_suffix('/').unwrap_or(path).split('/').skip(1);
    let is_api = segments.next() == Some("api");
    let first = segments.next().unwrap_or_default();
    let is_version =
        first.strip_prefix('v').is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let webhooks = if is_version { segments.next().unwrap_or_default() } else { first };
    is_api && webhooks == "webhooks" && segments.filter(|segment| !segment.is_empty()).count() == 2
}
