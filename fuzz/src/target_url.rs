//! Target URLs: what [`webhook_protocol::Target::parse`] promises.

use webhook_protocol::{
    CredentialsName, Dialect, HttpTarget, KafkaCompression, KafkaTarget, KeyBy, LambdaTarget, MailTarget,
    NativeUrlParser, Protocol, PubSubTarget, SqsQueue, SqsTarget, Target, TargetError,
};

use crate::{assert_showable, text, unprintable};

/// What holds for every text in a target URL's place.
///
/// # Panics
/// Where it does not hold.
pub fn target_url(data: &[u8]) {
    let text = text(data);
    let parsed = parse(&text);
    assert_eq!(parsed, parse(text.trim()), "blanks around {text:?} have a meaning");
    match &parsed {
        Ok(target) => accepted(&text, target),
        Err(error) => refused(&text, error),
    }
}

fn parse(text: &str) -> Result<Target, TargetError> {
    Target::parse(text, &NativeUrlParser)
}

fn accepted(text: &str, target: &Target) {
    assert_eq!(Protocol::from_url(text), Ok(target.protocol()), "{text:?}");
    let (scheme, rest) = text.trim().split_once(':').unwrap_or_else(|| panic!("{text:?} has no scheme"));
    let scheme = scheme.to_ascii_lowercase();
    assert!(scheme == "mailto" || rest.starts_with("//"), "{text:?} has no // behind its scheme");
    let of_scheme = match scheme.as_str() {
        "http" | "https" => Protocol::Http,
        "sqs" => Protocol::Sqs,
        "pubsub" => Protocol::PubSub,
        "kafka" | "kafkas" => Protocol::Kafka,
        "lambda" => Protocol::Lambda,
        "mailto" => Protocol::Mail,
        _ => panic!("{text:?} is none of our schemes"),
    };
    assert_eq!(target.protocol(), of_scheme, "{text:?}");
    match target {
        Target::Http(target) => http(text, &scheme, target),
        Target::Sqs(target) => sqs(text, target),
        Target::PubSub(target) => pubsub(text, target),
        Target::Kafka(target) => kafka(text, target),
        Target::Lambda(target) => lambda(text, target),
        Target::Mail(target) => mail(text, target),
    }
}

fn http(text: &str, scheme: &str, target: &HttpTarget) {
    let href = &target.href;
    assert!(href.is_ascii() && !href.contains(unprintable), "{text:?} gives {href:?}");
    // A quotation mark may stand in a host's name, by the URL standard.
    assert!(!href.contains([' ', '#', '<', '>']), "{text:?} gives {href:?}");
    let rest = href.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://"));
    let rest = rest.unwrap_or_else(|| panic!("{text:?} has become {href:?}"));
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    assert!(!authority.is_empty() && !authority.contains('@'), "{text:?} gives {href:?}");

    let url = url::Url::parse(href).unwrap_or_else(|error| panic!("{text:?} gives {href:?}: {error}"));
    assert!(url.username().is_empty() && url.password().is_none(), "credentials in {href:?}");
    assert!(url.has_host() && url.fragment().is_none(), "{text:?} gives {href:?}");
    // What is stored or shown as normalised is called as it is.
    let format = match target.dialect {
        Dialect::Plain => "plain",
        Dialect::Slack => "slack",
        Dialect::Discord => "discord",
        Dialect::Teams => "teams",
    };
    let again = parse(&format!("{href}#format={format}"));
    assert_eq!(again, Ok(Target::Http(target.clone())), "{text:?} is not normalised by one pass");
    if !text.contains("format=") {
        assert_eq!(parse(href), again, "{text:?} is a chat by more than its host and path");
        assert!(target.tls || target.dialect == Dialect::Plain, "{text:?} is a chat without TLS");
    }
}

fn mail(text: &str, target: &MailTarget) {
    let MailTarget { recipients, from, .. } = target;
    assert!((1..=50).contains(&recipients.len()), "{text:?} gives {} recipients", recipients.len());
    for address in recipients {
        // What stands in a header must not begin another one, nor a second address.
        let (local, domain) = address.split_once('@').unwrap_or_else(|| panic!("{text:?} gives {address:?}"));
        assert!(
            address.len() <= 254 && !local.is_empty() && domain.contains('.'),
            "{text:?} gives {address:?}"
        );
        assert!(is_of(address, |c| c.is_ascii_graphic() && !"<>(),;:\"\\[]".contains(c)), "{address:?}");
    }
    if let Some(from) = from {
        assert!(!from.contains(unprintable) && from.matches('@').count() == 1, "{text:?} gives {from:?}");
    }
    let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let mut options = vec![credentials(&target.credentials)];
    options.extend(from.as_ref().map(|from| format!("from={}", encoded(from))));
    let recipients: Vec<String> = recipients.iter().map(|address| encoded(address)).collect();
    let url = format!("mailto:{}?{}", recipients.join(","), options.join("&"));
    written_again(text, &Target::Mail(target.clone()), &url);
}

fn sqs(text: &str, target: &SqsTarget) {
    let region = &target.region;
    let place = match &target.queue {
        SqsQueue::Name(name) => {
            assert!(is_queue(name), "{text:?} gives the queue {name:?}");
            name.clone()
        }
        SqsQueue::Url { host, account, name } => {
            assert!(is_queue(name), "{text:?} gives the queue {name:?}");
            assert!(account.len() == 12 && is_of(account, char::is_numeric), "{text:?}: account {account:?}");
            assert!(!host.contains(char::is_uppercase), "{text:?} gives the host {host:?}");
            // The queue's URL is made of it, so it has to be a name and perhaps a port.
            let (name_of_host, port) = host.split_once(':').unwrap_or((host, "443"));
            let is_port = is_of(port, char::is_numeric) && port.parse::<u16>().is_ok_and(|port| port > 0);
            assert!(!name_of_host.is_empty() && is_port, "{text:?} gives the host {host:?}");
            assert!(
                is_of(name_of_host, |c| c.is_alphanumeric() || ".-".contains(c)),
                "{text:?} gives {host:?}"
            );
            format!("{host}/{account}/{name}")
        }
        other => panic!("{text:?} names a queue in a way that this property does not know: {other:?}"),
    };
    assert!((1..=32).contains(&region.len()), "{text:?} gives the region {region:?}");
    assert!(is_of(region, |c| c.is_alphanumeric() || c == '-'), "{text:?} gives the region {region:?}");
    let options = [
        format!("region={region}"),
        format!("group={}", key_name(target.group)),
        endpoint(&target.server),
        credentials(&target.credentials),
    ];
    written_again(text, &Target::Sqs(target.clone()), &format!("sqs://{place}?{}", options.join("&")));
}

fn pubsub(text: &str, target: &PubSubTarget) {
    let PubSubTarget { project, topic, .. } = target;
    // A project of a domain is DOMAIN:ID.
    let id = project.rsplit(':').next().unwrap_or_default();
    assert!((6..=30).contains(&id.len()), "{text:?} gives the project {project:?}");
    assert!(
        is_of(project, |c| c.is_alphanumeric() || ":.-".contains(c)) && !project.starts_with(':'),
        "{text:?} gives the project {project:?}"
    );
    assert!((3..=255).contains(&topic.len()), "{text:?} gives the topic {topic:?}");
    assert!(
        is_of(topic, |c| c.is_alphanumeric() || "-_.~+%".contains(c)),
        "{text:?} gives the topic {topic:?}"
    );
    assert!(!topic.starts_with("goog"), "{text:?} gives the topic {topic:?}");
    let mut options =
        vec![format!("ordering={}", key_name(target.ordering)), credentials(&target.credentials)];
    if target.has_endpoint {
        options.push(endpoint(&target.server));
    }
    let url = format!("pubsub://{project}/{topic}?{}", options.join("&"));
    written_again(text, &Target::PubSub(target.clone()), &url);
}

fn lambda(text: &str, target: &LambdaTarget) {
    let LambdaTarget { account, function, qualifier, region, .. } = target;
    assert!((1..=64).contains(&function.len()), "{text:?} gives the function {function:?}");
    assert!(is_of(function, |c| c.is_alphanumeric() || "-_".contains(c)), "{text:?} gives {function:?}");
    let place = account.as_ref().map_or(function.clone(), |account| format!("{account}:{function}"));
    let mut options =
        vec![format!("region={region}"), endpoint(&target.server), credentials(&target.credentials)];
    options.extend(qualifier.as_ref().map(|qualifier| format!("qualifier={qualifier}")));
    written_again(text, &Target::Lambda(target.clone()), &format!("lambda://{place}?{}", options.join("&")));
}

fn key_name(key: KeyBy) -> &'static str {
    match key {
        KeyBy::Actor => "actor",
        KeyBy::Event => "event",
        KeyBy::Request => "request",
        KeyBy::Delivery => "delivery",
        KeyBy::None => "none",
    }
}

/// The option `endpoint` of a server. It is a server's URL: nothing stands behind its host and port.
fn endpoint(server: &HttpTarget) -> String {
    assert_eq!(server.path_and_query, "/");
    format!("endpoint={}", server.href.strip_suffix('/').unwrap_or(&server.href))
}

fn credentials(name: &CredentialsName) -> String {
    name.as_deref().map_or(String::new(), |name| format!("credentials={name}"))
}

fn kafka(text: &str, target: &KafkaTarget) {
    let topic = &target.topic;
    assert!((1..=249).contains(&topic.len()), "{text:?} gives the topic {topic:?}");
    assert!(is_of(topic, |c| c.is_alphanumeric() || "._-".contains(c)), "{text:?} gives the topic {topic:?}");
    assert!(topic != "." && topic != "..", "{text:?} gives the topic {topic:?}");
    assert!(!target.brokers.is_empty(), "{text:?} gives no broker");
    for broker in &target.brokers {
        assert!(broker.port > 0, "{text:?} gives {broker}");
        assert!(!broker.host.is_empty() && broker.host.len() <= 253, "{text:?} gives {broker}");
        if broker.host.contains(':') {
            let address = broker.host.parse::<std::net::Ipv6Addr>();
            assert!(address.is_ok(), "{text:?} gives {broker}, which is no address");
        }
        assert!(
            is_of(&broker.host, |c| c.is_alphanumeric() || ".-_:".contains(c)),
            "{text:?} gives {broker}"
        );
    }
    // Brackets are for addresses: a name in them would lose them.
    let addresses = target.brokers.iter().filter(|broker| broker.host.contains(':')).count();
    assert_eq!(text.matches('[').count(), addresses, "{text:?} gives {:?}", target.brokers);
    let brokers: Vec<String> = target.brokers.iter().map(ToString::to_string).collect();
    let scheme = if target.tls { "kafkas" } else { "kafka" };
    let compression = match target.compression {
        KafkaCompression::None => "none",
        KafkaCompression::Gzip => "gzip",
    };
    let options = [
        format!("key={}", key_name(target.key)),
        format!("compression={compression}"),
        credentials(&target.credentials),
    ];
    let url = format!("{scheme}://{}/{topic}?{}", brokers.join(","), options.join("&"));
    written_again(text, &Target::Kafka(target.clone()), &url);
}

/// A target says all that its URL said: a URL that is made of it gives the same target.
fn written_again(text: &str, target: &Target, url: &str) {
    assert_eq!(parse(url).as_ref(), Ok(target), "{text:?}, written again as {url:?}");
}

fn is_queue(name: &str) -> bool {
    let plain = name.strip_suffix(".fifo").unwrap_or(name);
    name.len() <= 80 && !plain.is_empty() && is_of(plain, |c| c.is_alphanumeric() || "-_".contains(c))
}

fn is_of(text: &str, allowed: impl Fn(char) -> bool) -> bool {
    text.chars().all(|c| c.is_ascii() && allowed(c))
}

fn refused(text: &str, error: &TargetError) {
    let message = error.to_string();
    assert_showable(&message);
    assert!(message.starts_with("url: "), "{text:?} gives {message:?}");
    assert!(!error.code().is_empty(), "{text:?} gives {error:?}");
    match error {
        TargetError::Empty => assert!(text.trim().is_empty(), "{text:?} is not empty"),
        TargetError::MissingScheme => assert_eq!(Protocol::from_url(text).as_ref(), Err(error), "{text:?}"),
        TargetError::UnsupportedScheme { scheme } => {
            // What stands before `://` is shown, so it has to be a scheme, and no path or query with a token in it.
            let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && is_of(scheme, |c| c.is_alphanumeric() || "+-.".contains(c));
            assert!(is_scheme, "{text:?} has the scheme {scheme:?}");
        }
        TargetError::InvalidHttpUrl { .. } => {
            assert_eq!(Protocol::from_url(text), Ok(Protocol::Http), "{text:?}");
            assert!(url::Url::parse(text.trim()).is_err(), "{text:?} is a valid URL");
        }
        TargetError::Credentials => assert!(text.contains('@'), "{text:?} holds no credentials"),
        TargetError::Fragment => assert!(text.contains('#'), "{text:?} has no fragment"),
        TargetError::Invalid { part: "option format", .. } => {
            assert!(text.contains("format="), "{text:?} names no format");
        }
        _ => {
            assert!(Protocol::from_url(text).is_ok_and(|known| known != Protocol::Http), "{text:?}: {error}")
        }
    }
}
