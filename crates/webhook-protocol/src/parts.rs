//! Taking the URLs of brokers apart. They are no WHATWG URLs: a Kafka URL lists several hosts.

use crate::{HttpTarget, TargetError, target::Source};

/// What stands behind `scheme://`.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    /// Up to the first `/`.
    pub(crate) authority: &'a str,
    /// The non-empty segments behind it.
    pub(crate) segments: Vec<&'a str>,
    options: Options<'a>,
}

/// Names and values.
type Options<'a> = Vec<(&'a str, &'a str)>;

impl<'a> Parts<'a> {
    /// Splits at `/`, `?`, `&` and `=`; refuses fragments and credentials.
    pub(crate) fn split(source: &Source<'a>) -> Result<Parts<'a>, TargetError> {
        let (place, options) = place_and_options(source)?;
        let mut pieces = place.split('/');
        let authority = pieces.next().unwrap_or_default();
        if authority.contains('@') {
            return Err(TargetError::Credentials);
        }
        let segments = pieces.filter(|segment| !segment.is_empty()).collect();
        Ok(Parts { authority, segments, options })
    }

    /// As [`Parts::split`] for a URL that has a path alone (RFC 3986, section 3.3): `authority` is all of it.
    pub(crate) fn of_path(source: &Source<'a>) -> Result<Parts<'a>, TargetError> {
        let (place, options) = place_and_options(source)?;
        Ok(Parts { authority: place, segments: Vec::new(), options })
    }

    /// Refuses options that are not among `known`, names separated by a comma and a blank, and repeated ones.
    pub(crate) fn check_options(&self, known: &'static str) -> Result<(), TargetError> {
        for (at, (name, _)) in self.options.iter().enumerate() {
            if !known.split(", ").any(|one| one == *name) {
                return Err(TargetError::UnknownOption { name: name.chars().take(64).collect(), known });
            }
            if self.options.iter().take(at).any(|(earlier, _)| earlier == name) {
                return Err(TargetError::RepeatedOption { name: (*name).to_owned() });
            }
        }
        Ok(())
    }

    /// The options' names.
    pub(crate) fn option_names(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.options.iter().map(|(name, _)| *name)
    }

    /// An option's value.
    pub(crate) fn option(&self, name: &str) -> Option<&'a str> {
        self.options.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// The server of a service: the option `endpoint`, or else `usual`.
    pub(crate) fn server(&self, usual: &str, source: &Source<'_>) -> Result<HttpTarget, TargetError> {
        let Some(text) = self.option("endpoint") else {
            return HttpTarget::of_url("https", usual, source.http_urls);
        };
        let invalid = || {
            TargetError::invalid("option endpoint", text, "https://HOST or https://HOST:PORT, without a path")
        };
        let scheme = if text.starts_with("http://") { "http" } else { "https" };
        let server = HttpTarget::of_url(scheme, text, source.http_urls).map_err(|error| match error {
            TargetError::Credentials => error,
            _ => invalid(),
        })?;
        if server.path_and_query == "/" { Ok(server) } else { Err(invalid()) }
    }
}

/// What stands before the `?`, and the options behind it.
fn place_and_options<'a>(source: &Source<'a>) -> Result<(&'a str, Options<'a>), TargetError> {
    let rest = source.rest;
    if rest.contains('#') {
        return Err(TargetError::Fragment);
    }
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let options = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    Ok((place, options.collect()))
}

/// Whether a text has from `shortest` to `longest` characters, all of them ASCII letters, digits or among `others`.
pub(crate) fn is_name(text: &str, shortest: usize, longest: usize, others: &str) -> bool {
    (shortest..=longest).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

/// A port from 1 to 65535, in digits alone.
pub(crate) fn port_number(text: &str) -> Option<u16> {
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit());
    is_decimal.then(|| text.parse().ok()).flatten().filter(|port| *port > 0)
}

/// Sorts what is short: the library's sort is 4 KB of WASM for each type.
pub(crate) fn insertion_sort<T: Ord>(items: &mut [T]) {
    for end in 1..items.len() {
        let mut at = end;
        while at > 0 && items.get(at - 1) > items.get(at) {
            items.swap(at - 1, at);
            at -= 1;
        }
    }
}
