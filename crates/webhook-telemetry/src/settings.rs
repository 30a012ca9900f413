//! Where spans go, by OpenTelemetry's own variables.
//!
//! Source: OpenTelemetry specification, "Environment Variable Specification" and "OTLP Exporter Configuration".

use webhook_dispatch::SettingError;
use webhook_payload::{Ratio, Sampler};
use webhook_protocol::{HttpUrlParser, SecretText};

/// How spans are exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exporting {
    /// Where they are posted to. It may hold a token.
    pub url: SecretText,
    /// Headers of the requests. Their values are secret.
    pub headers: Vec<(String, SecretText)>,
    /// How long a request may take, in milliseconds.
    pub timeout_ms: u32,
    /// Which traces are recorded.
    pub sampler: Sampler,
    /// Who we are: attributes of the resource.
    pub resource: Vec<(String, String)>,
}

const SERVICE: &str = "supabase-webhooks";
const TIMEOUT_MS: u32 = 10_000;
const MOST_TIMEOUT_MS: u32 = 120_000;
const PAIRS: &str = "key=value pairs separated by commas, values percent-encoded";
const SAMPLERS: &str = "parentbased_always_on, parentbased_always_off, parentbased_traceidratio, always_on, \
                        always_off or traceidratio";
/// For values that may be secret.
const NOT_SHOWN: &str = "(not shown)";

impl Exporting {
    /// Reads the variables; `None` where no endpoint is set, or the SDK is disabled. `function` is the function's name. A
    /// variable that is wrong is named, and its default is used; without an endpoint that can be used nothing is exported.
    pub fn read(
        variable: &dyn Fn(&str) -> Option<String>,
        http_urls: &dyn HttpUrlParser,
        function: &str,
    ) -> (Option<Exporting>, Vec<SettingError>) {
        let mut reader = Reader::new(variable);
        if is_disabled(&mut reader) {
            return (None, reader.errors);
        }
        let Some(url) = endpoint(&mut reader, http_urls) else { return (None, reader.errors) };
        protocol(&mut reader);
        let timeout = either(&reader, ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"]);
        let exporting = Exporting {
            url: SecretText::new(url),
            headers: headers(&mut reader),
            timeout_ms: timeout
                .map_or(TIMEOUT_MS, |(name, _)| reader.number(name, TIMEOUT_MS, 1, MOST_TIMEOUT_MS)),
            sampler: sampler(&mut reader),
            resource: resource(&mut reader, function),
        };
        (Some(exporting), reader.errors)
    }
}

/// One type of look-up for all: each other one would be compiled anew.
type Reader<'a> = webhook_dispatch::Reader<&'a dyn Fn(&str) -> Option<String>>;

/// The first of these variables that is set, and its value: what is said for traces comes before what is said for all.
fn either(reader: &Reader<'_>, names: [&'static str; 2]) -> Option<(&'static str, String)> {
    names.into_iter().find_map(|name| Some((name, reader.text(name)?)))
}

fn is_disabled(reader: &mut Reader<'_>) -> bool {
    reader.value("OTEL_SDK_DISABLED", (false, "false"), "true or false", |text| {
        if text.eq_ignore_ascii_case("true") {
            Some(true)
        } else {
            text.eq_ignore_ascii_case("false").then_some(false)
        }
    })
}

fn endpoint(reader: &mut Reader<'_>, http_urls: &dyn HttpUrlParser) -> Option<String> {
    let names = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
    let (name, text) = either(reader, names)?;
    let is_for_traces = name == names[0];
    let full = if is_for_traces { text } else { format!("{}/v1/traces", text.trim_end_matches('/')) };
    let url = http_urls.parse(&full).filter(|url| !url.has_credentials);
    if url.is_none() {
        let expected = "a URL like https://collector.example:4318, without user and password: headers are in \
                        OTEL_EXPORTER_OTLP_HEADERS";
        reader.wrong(name, NOT_SHOWN, expected.to_owned(), "none: no trace is exported".to_owned());
    }
    url.map(|url| url.href)
}

/// Every collector takes JSON where it takes Protobuf over HTTP.
fn protocol(reader: &mut Reader<'_>) {
    let names = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
    if let Some((name, _)) = either(reader, names) {
        reader.value(name, ((), "http/json"), "http/json", |text| (text == "http/json").then_some(()));
    }
}

fn headers(reader: &mut Reader<'_>) -> Vec<(String, SecretText)> {
    let names = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
    let Some((name, text)) = either(reader, names) else { return Vec::new() };
    let is_header = |(name, value): &(String, String)| {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        !name.is_empty()
            && name.bytes().all(is_token)
            && value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte))
    };
    let read = pairs(&text).filter(|pairs| pairs.iter().all(is_header));
    if read.is_none() {
        reader.wrong(name, NOT_SHOWN, format!("{PAIRS}, as headers take them"), "none".to_owned());
    }
    let secret = |(name, value): (String, String)| (name, SecretText::new(value));
    read.unwrap_or_default().into_iter().map(secret).collect()
}

fn sampler(reader: &mut Reader<'_>) -> Sampler {
    let name = "OTEL_TRACES_SAMPLER";
    let default = (("always_on", true), "parentbased_always_on");
    let (root, is_parent_based) = reader.value(name, default, SAMPLERS, |text| {
        let (root, is_parent_based) =
            text.strip_prefix("parentbased_").map_or((text, false), |root| (root, true));
        let known = ["always_on", "always_off", "traceidratio"].into_iter().find(|known| *known == root)?;
        Some((known, is_parent_based))
    });
    let ratio = match root {
        "always_off" => Ratio::NONE,
        "traceidratio" => {
            let default = (Ratio::ALL, "1");
            let expected = "a number from 0 to 1 like 0.25";
            reader.value("OTEL_TRACES_SAMPLER_ARG", default, expected, |text| Ratio::of(share_of(text)?))
        }
        _ => Ratio::ALL,
    };
    Sampler { ratio, is_parent_based }
}

/// `0.25` or the like: the library's parser of numbers would be 10 KB of WASM.
fn share_of(text: &str) -> Option<f64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let number = |digits: &str| {
        let is_number = (1..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse::<u64>().ok()).flatten()
    };
    let scale = 10_u64.pow(u32::try_from(decimals.len()).ok().filter(|digits| *digits <= 15)?);
    Some(number(whole)? as f64 + number(decimals)? as f64 / scale as f64)
}

/// What the variables say comes before what we know ourselves.
fn resource(reader: &mut Reader<'_>, function: &str) -> Vec<(String, String)> {
    let name = "OTEL_RESOURCE_ATTRIBUTES";
    let mut resource = match reader.text(name) {
        None => Vec::new(),
        Some(text) => pairs(&text).unwrap_or_else(|| {
            reader.wrong(name, &text, PAIRS.to_owned(), "none".to_owned());
            Vec::new()
        }),
    };
    if let Some(service) = reader.text("OTEL_SERVICE_NAME") {
        resource.retain(|(name, _)| name != "service.name");
        resource.push(("service.name".to_owned(), service));
    }
    let own = [
        ("service.name", Some(SERVICE.to_owned())),
        ("service.version", Some(env!("CARGO_PKG_VERSION").to_owned())),
        ("faas.name", Some(function.to_owned())),
        ("faas.instance", reader.text("SB_EXECUTION_ID")),
        ("cloud.region", reader.text("SB_REGION")),
    ];
    for (name, value) in own {
        if let Some(value) = value
            && !resource.iter().any(|(known, _)| known == name)
        {
            resource.push((name.to_owned(), value));
        }
    }
    resource
}

/// `key=value,key2=value2`, percent-decoded; `None` for anything else. Source: W3C Baggage, without its properties.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    text.split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let name = percent_decoded(name.trim()).filter(|name| !name.is_empty())?;
            Some((name, percent_decoded(value.trim())?))
        })
        .collect()
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend(parts.next()?.bytes());
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        bytes.push(is_hex.then(|| u8::from_str_radix(digits, 16).ok()).flatten()?);
        bytes.extend(rest.bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use webhook_protocol::NativeUrlParser;

    use super::*;

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.example:4318");

    fn read(variables: &[(&str, &str)]) -> (Option<Exporting>, Vec<String>) {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let (exporting, errors) = Exporting::read(&variable, &NativeUrlParser, "webhook-dispatcher");
        (exporting, errors.iter().map(ToString::to_string).collect())
    }

    fn exporting(variables: &[(&str, &str)]) -> Exporting {
        let all: Vec<(&str, &str)> = [&[ENDPOINT], variables].concat();
        let (exporting, errors) = read(&all);
        assert_eq!(errors, Vec::<String>::new());
        exporting.unwrap()
    }

    #[test]
    fn without_an_endpoint_nothing_is_exported_and_nothing_is_wrong() {
        let unused = [("OTEL_TRACES_SAMPLER", "sometimes"), ("OTEL_EXPORTER_OTLP_HEADERS", "x")];
        assert_eq!(read(&[]), (None, vec![]));
        assert_eq!(read(&unused), (None, vec![]));
        assert_eq!(read(&[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")]), (None, vec![]));
    }

    #[test]
    fn an_endpoint_for_traces_is_taken_as_it_is_and_one_for_all_gets_a_path() {
        let url = |variables: &[(&str, &str)]| read(variables).0.unwrap().url.expose().to_owned();
        for base in ["http://c.example:4318", "http://c.example:4318/"] {
            assert_eq!(url(&[("OTEL_EXPORTER_OTLP_ENDPOINT", base)]), "http://c.example:4318/v1/traces");
        }
        let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://t.example/otlp?key=1");
        assert_eq!(url(&[ENDPOINT, traces]), "https://t.example/otlp?key=1");
    }

    #[test]
    fn headers_are_decoded_and_never_shown() {
        let name = "OTEL_EXPORTER_OTLP_HEADERS";
        let exporting = exporting(&[(name, "authorization=Bearer%20s3cret%2C%3D , x-tenant = a,")]);
        let headers: Vec<(&str, &str)> =
            exporting.headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        assert_eq!(headers, [("authorization", "Bearer s3cret,="), ("x-tenant", "a")]);
        assert!(!format!("{exporting:?}").contains("s3cret"));
        let traces = [ENDPOINT, (name, "a=1"), ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "b=2")];
        assert_eq!(read(&traces).0.unwrap().headers, [("b".to_owned(), SecretText::new("2".to_owned()))]);
        for wrong in
            ["s3cret", "a b=s3cret", "a=s3cret%0A", "a=s3cret%", "a=s3cret%zz", "=s3cret", "a=s3cret%FF"]
        {
            let (exporting, errors) = read(&[ENDPOINT, (name, wrong)]);
            assert!(exporting.unwrap().headers.is_empty());
            assert_eq!(
                errors,
                [format!(
                    "{name}: expected key=value pairs separated by commas, values percent-encoded, as headers take \
                     them, got \"(not shown)\"; using none"
                )],
                "{wrong}"
            );
        }
    }

    #[test]
    fn each_sampler_is_known_by_its_name() {
        let half = Ratio::of(0.5).unwrap();
        for (name, ratio, is_parent_based) in [
            ("always_on", Ratio::ALL, false),
            ("always_off", Ratio::NONE, false),
            ("traceidratio", half, false),
            ("parentbased_always_on", Ratio::ALL, true),
            ("parentbased_always_off", Ratio::NONE, true),
            ("parentbased_traceidratio", half, true),
        ] {
            let sampler =
                exporting(&[("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", "0.5")]).sampler;
            assert_eq!(sampler, Sampler { ratio, is_parent_based }, "{name}");
        }
        assert_eq!(exporting(&[]).sampler, Sampler::default());
        let without = exporting(&[("OTEL_TRACES_SAMPLER", "traceidratio")]).sampler;
        assert_eq!(without, Sampler { ratio: Ratio::ALL, is_parent_based: false });
    }

    #[test]
    fn a_share_is_a_decimal_fraction() {
        for text in ["0", "1", "0.5", "0.001", "1.0", "0.123456789012345"] {
            assert_eq!(share_of(text), text.parse().ok(), "{text}");
        }
        for wrong in
            ["", ".", ".5", "1.", "-0.5", "+0.5", "1e-3", "half", "0.1234567890123456", "NaN", "0.5 "]
        {
            assert_eq!(share_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_resource_says_who_we_are_and_the_variables_come_first() {
        let resource = |variables: &[(&str, &str)]| {
            let mut pairs: Vec<String> = exporting(variables)
                .resource
                .into_iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            pairs.sort();
            pairs.join(" ")
        };
        let version = format!("service.version={}", env!("CARGO_PKG_VERSION"));
        assert_eq!(
            resource(&[("SB_REGION", "eu-central-1"), ("SB_EXECUTION_ID", "i")]),
            format!(
                "cloud.region=eu-central-1 faas.instance=i faas.name=webhook-dispatcher \
                 service.name=supabase-webhooks {version}"
            )
        );
        let attributes = (
            "OTEL_RESOURCE_ATTRIBUTES",
            "service.name=a,deployment.environment.name=b%20c,service.version=7",
        );
        assert_eq!(
            resource(&[attributes]),
            "deployment.environment.name=b c faas.name=webhook-dispatcher service.name=a service.version=7"
        );
        assert!(resource(&[attributes, ("OTEL_SERVICE_NAME", "hooks")]).contains(" service.name=hooks "));
    }

    #[test]
    fn wrong_values_are_named_and_defaults_are_used() {
        let (exporting, errors) = read(&[
            ENDPOINT,
            ("OTEL_SDK_DISABLED", "yes"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
            ("OTEL_TRACES_SAMPLER", "sometimes"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a"),
        ]);
        let exporting = exporting.unwrap();
        assert_eq!((exporting.timeout_ms, exporting.sampler), (TIMEOUT_MS, Sampler::default()));
        assert_eq!(
            errors,
            [
                r#"OTEL_SDK_DISABLED: expected true or false, got "yes"; using false"#,
                r#"OTEL_EXPORTER_OTLP_PROTOCOL: expected http/json, got "grpc"; using http/json"#,
                r#"OTEL_EXPORTER_OTLP_TIMEOUT: expected a whole number from 1 to 120000, got "10s"; using 10000"#,
                r#"OTEL_TRACES_SAMPLER: expected parentbased_always_on, parentbased_always_off, parentbased_traceidratio, always_on, always_off or traceidratio, got "sometimes"; using parentbased_always_on"#,
                r#"OTEL_RESOURCE_ATTRIBUTES: expected key=value pairs separated by commas, values percent-encoded, got "a"; using none"#,
            ]
        );
        let ratio = [ENDPOINT, ("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "2")];
        assert_eq!(
            read(&ratio).1,
            [r#"OTEL_TRACES_SAMPLER_ARG: expected a number from 0 to 1 like 0.25, got "2"; using 1"#]
        );
    }

    #[test]
    fn an_endpoint_that_is_no_url_is_named_and_not_shown() {
        for wrong in ["collector:4318", "ftp://c.example", "https://user:s3cret@c.example", "s3cret"] {
            let (exporting, errors) = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", wrong)]);
            assert_eq!((exporting, errors.len()), (None, 1), "{wrong}");
            assert!(errors[0].starts_with("OTEL_EXPORTER_OTLP_ENDPOINT: expected a URL like "), "{errors:?}");
            assert!(
                errors[0].ends_with(r#"got "(not shown)"; using none: no trace is exported"#),
                "{errors:?}"
            );
        }
    }
}
