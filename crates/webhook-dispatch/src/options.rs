//! The options of an endpoint, in its URL's fragment, which HTTP never sends:
//! `https://example.com/hook#rate=10/s&timeout=5s&concurrency=2`.

use webhook_backoff::Rate;
use webhook_protocol::{Protocol, TargetError};

use crate::{
    Settings,
    variables::{RATE_FORM, parse_rate, parse_time_ms},
};

const KNOWN: &str = "rate, timeout, concurrency";
/// Web servers have one more, which [`webhook_protocol::Target::parse`] reads.
const KNOWN_OVER_HTTP: &str = "rate, timeout, concurrency, format";

/// How an endpoint is to be treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EndpointOptions {
    /// `None` for no limit.
    pub(crate) rate: Option<Rate>,
    /// What a request gets for its whole answer, in milliseconds.
    pub(crate) timeout_ms: u64,
    /// Requests under way at once.
    pub(crate) concurrency: u32,
}

impl EndpointOptions {
    /// What an endpoint gets that says nothing.
    pub(crate) fn of(settings: &Settings) -> EndpointOptions {
        EndpointOptions {
            rate: settings.rate_limit,
            timeout_ms: settings.request_timeout_ms,
            concurrency: settings.endpoint_concurrency,
        }
    }

    /// Reads the fragment of a URL. One without `=` is an anchor and means nothing here.
    ///
    /// # Errors
    /// [`TargetError::UnknownOption`], [`TargetError::RepeatedOption`] or [`TargetError::Invalid`].
    pub(crate) fn read(url: &str, settings: &Settings) -> Result<EndpointOptions, TargetError> {
        let mut options = EndpointOptions::of(settings);
        let Some((_, fragment)) = url.split_once('#').filter(|(_, fragment)| fragment.contains('=')) else {
            return Ok(options);
        };
        let mut seen: Vec<&str> = Vec::new();
        for pair in fragment.trim().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if seen.contains(&name) {
                return Err(TargetError::RepeatedOption { name: name.to_owned() });
            }
            let is_http = Protocol::from_url(url) == Ok(Protocol::Http);
            if !(is_http && name == "format") {
                options.set(name, value, settings, if is_http { KNOWN_OVER_HTTP } else { KNOWN })?;
            }
            seen.push(name);
        }
        Ok(options)
    }

    fn set(
        &mut self,
        name: &str,
        value: &str,
        settings: &Settings,
        known: &'static str,
    ) -> Result<(), TargetError> {
        let invalid = |part, expected| TargetError::invalid(part, value, expected);
        match name {
            "rate" => {
                self.rate = Some(parse_rate(value).ok_or_else(|| invalid("option rate", RATE_FORM))?);
            }
            "timeout" => {
                let most_ms = settings.most_timeout_ms();
                self.timeout_ms =
                    parse_time_ms(value).filter(|ms| (100..=most_ms).contains(ms)).ok_or_else(|| {
                        invalid("option timeout", "a time like 5s, from 100ms to WEBHOOK_LEASE less 10s")
                    })?;
            }
            "concurrency" => {
                self.concurrency = value
                    .parse()
                    .ok()
                    .filter(|count| (1..=1_000).contains(count))
                    .ok_or_else(|| invalid("option concurrency", "a whole number from 1 to 1000"))?;
            }
            other => {
                return Err(TargetError::UnknownOption { name: other.chars().take(64).collect(), known });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fragment: &str) -> Result<EndpointOptions, String> {
        EndpointOptions::read(&format!("https://a.example/hook{fragment}"), &Settings::default())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn options_are_read_from_the_fragment() {
        let options = read("#rate=10/s&timeout=5s&concurrency=2").unwrap();
        assert_eq!(options.rate, Some(Rate { count: 10, per_ms: 1_000 }));
        assert_eq!((options.timeout_ms, options.concurrency), (5_000, 2));
    }

    #[test]
    fn a_format_is_an_option_of_web_servers_alone() {
        assert_eq!(read("#format=slack"), Ok(EndpointOptions::of(&Settings::default())));
        assert_eq!(
            EndpointOptions::read("sqs://orders#format=slack", &Settings::default()),
            Err(TargetError::UnknownOption {
                name: "format".to_owned(),
                known: "rate, timeout, concurrency"
            })
        );
    }

    #[test]
    fn anchors_and_nothing_at_all_leave_the_defaults() {
        for fragment in ["", "#", "#top", "#/route"] {
            assert_eq!(read(fragment), Ok(EndpointOptions::of(&Settings::default())), "{fragment}");
        }
    }

    #[test]
    fn wrong_options_are_named() {
        let cases = [
            ("#speed=9", r#"url: unknown option "speed"; known: rate, timeout, concurrency, format"#),
            ("#rate=1/s&rate=2/s", r#"url: option "rate" is given twice"#),
            (
                "#rate=fast",
                r#"url: option rate "fast" is not valid; expected a rate like 10/s, 600/m or 1000/h, from 1 to 1000000"#,
            ),
            (
                "#timeout=51s",
                r#"url: option timeout "51s" is not valid; expected a time like 5s, from 100ms to WEBHOOK_LEASE less 10s"#,
            ),
            (
                "#concurrency=0",
                r#"url: option concurrency "0" is not valid; expected a whole number from 1 to 1000"#,
            ),
        ];
        for (fragment, message) in cases {
            assert_eq!(read(fragment), Err(message.to_owned()));
        }
    }
}
