use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use proptest::prelude::*;

use super::*;
use crate::{NativeUrlParser, SecretText, header_fields};

/// 2015-08-30T12:36:00Z, as in AWS' published test suite.
const SUITE_MS: u64 = 1_440_938_160_000;

fn credentials(token: Option<&str>) -> AwsCredentials {
    AwsCredentials {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: SecretText::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
        session_token: token.map(|token| SecretText::new(token.to_owned())),
    }
}

fn context(now_ms: u64) -> Context<'static> {
    Context {
        variable: &|_| None,
        prepared: &|_| None,
        http_urls: &NativeUrlParser,
        now_ms,
        user_agent: "u/1",
    }
}

fn server(url: &str) -> HttpTarget {
    HttpTarget::of_url("https", url, &NativeUrlParser).unwrap()
}

fn header<'a>(request: &'a HttpRequest, name: &str) -> &'a str {
    header_fields(&request.head).find(|(known, _)| *known == name).unwrap().1
}

fn call<'a>(server: &'a HttpTarget, path: &'a [&'a str], query: &'a [(&'a str, &'a str)]) -> Call<'a> {
    Call {
        server,
        path,
        query,
        service: "service",
        region: "us-east-1",
        fields: vec![],
        body: String::new(),
        most_answer_bytes: 1,
    }
}

/// Header fields, query, body, session token, and the signature that AWS publishes for them.
type Example = (
    Vec<(&'static str, &'static str)>,
    &'static [(&'static str, &'static str)],
    &'static str,
    Option<&'static str>,
    &'static str,
);

/// The POST requests of AWS' Signature Version 4 test suite, but those that are signed alike.
#[test]
fn the_published_examples_pass() {
    const BODY: &str = "Param1=value1";
    const BODY_SHA256: &str = "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e";
    const TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXm\
                         xfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0\
                         KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZ\
                         bqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
    let form = |content_type| {
        vec![("Content-Length", "13"), ("Content-Type", content_type), ("X-Amz-Content-Sha256", BODY_SHA256)]
    };
    let form_alone = form("application/x-www-form-urlencoded");
    let form_and_charset = form("application/x-www-form-urlencoded; charset=utf-8");
    let examples: [Example; 7] = [
        // post-vanilla
        (vec![], &[], "", None, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        // post-vanilla-query
        (
            vec![],
            &[("Param1", "value1")],
            "",
            None,
            "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
        ),
        // post-header-key-sort
        (
            vec![("My-Header1", "value1")],
            &[],
            "",
            None,
            "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
        ),
        // post-header-value-case
        (
            vec![("My-Header1", "VALUE1")],
            &[],
            "",
            None,
            "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
        ),
        // post-sts-header-before
        (vec![], &[], "", Some(TOKEN), "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"),
        // post-x-www-form-urlencoded
        (form_alone, &[], BODY, None, "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"),
        // post-x-www-form-urlencoded-parameters
        (
            form_and_charset,
            &[],
            BODY,
            None,
            "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422",
        ),
    ];
    let server = server("https://example.amazonaws.com");
    for (fields, query, body, token, signature) in examples {
        let call = Call { fields, body: body.to_owned(), ..call(&server, &[""], query) };
        let request = call.signed(&credentials(token), &context(SUITE_MS)).unwrap();
        assert_eq!(header(&request, "X-Amz-Date"), "20150830T123600Z");
        let authorization = header(&request, "Authorization");
        assert!(
            authorization.starts_with(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
            ),
            "{authorization}"
        );
        assert!(authorization.ends_with(&format!(", Signature={signature}")), "{authorization}");
    }
}

/// The case `double-url-encode` of the AWS SDKs' suite, which is a call of Lambda.
#[test]
fn a_path_is_encoded_twice() {
    let server = server("https://lambda.us-east-2.amazonaws.com");
    let function = "arn:aws:lambda:us-west-2:892717189312:function:my-rusty-fun";
    let path = ["2015-03-31", "functions", function, "invocations"];
    let call = Call { service: "lambda", region: "us-east-2", ..call(&server, &path, &[]) };
    // 2021-05-11T15:40:45Z
    let request = call.signed(&credentials(None), &context(1_620_747_645_000)).unwrap();
    let signature = "4b93abbcc68be32bd64c18e2c71150660ab4c29bbd6c32a383a7517a88fc1804";
    let authorization = header(&request, "Authorization");
    assert!(authorization.ends_with(&format!(", Signature={signature}")), "{authorization}");
}

#[test]
fn the_published_signing_key_is_derived() {
    let key = signing_key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830", "us-east-1", "iam");
    assert_eq!(lower_hex(&key), "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
}

#[test]
fn no_header_can_begin_a_line_of_its_own() {
    let server = server("https://example.amazonaws.com");
    let mut odd = call(&server, &[""], &[]);
    odd.fields = vec![("X-Amz-Target", "a\r\nX: y")];
    let wrong = odd.signed(&credentials(None), &context(SUITE_MS));
    assert_eq!(wrong, Err(HttpRequestError::Header { name: "X-Amz-Target" }));
}

proptest! {
    #[test]
    fn times_are_those_of_another_library(seconds in 0_u64..253_402_300_800) {
        let time = basic_time(seconds * 1_000);
        // `Sun, 30 Aug 2015 12:36:00 GMT`
        let other = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        let pieces: Vec<&str> = other.split(' ').collect();
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let month = months.iter().position(|month| *month == pieces[2]).unwrap() + 1;
        let expected = format!("{}{month:02}{}T{}Z", pieces[3], pieces[1], pieces[4].replace(':', ""));
        prop_assert_eq!(time, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn signatures_equal_those_of_aws_own_library(
        host in "[a-z]{1,9}(\\.[a-z]{1,9}){1,3}(:[1-9][0-9]{3})?",
        path in prop::collection::vec("[a-zA-Z0-9._~:$ é/%+-]{0,8}[a-z]", 0..4),
        query in prop::collection::btree_map("[a-zA-Z0-9 ~é&=+]{1,6}", "[a-zA-Z0-9$ é&=/+%]{0,8}", 0..4),
        target in prop::option::of("[a-zA-Z0-9.]{1,12}( {1,3}[a-z]{1,3})?"),
        token in prop::option::of("[a-zA-Z0-9+/=]{1,40}"),
        region in "[a-z]{2}-[a-z]{4}-[0-9]",
        service in "(sqs|lambda|iam)",
        body in "\\PC{0,64}",
        now_ms in 0_u64..4_000_000_000_000,
    ) {
        let server = server(&format!("https://{host}"));
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut call = call(&server, if path.is_empty() { &[""] } else { &path }, &query);
        call.region = &region;
        call.service = &service;
        call.body = body.clone();
        call.fields = [Some(("Content-Type", "application/json")), target.as_deref().map(|text| ("X-Amz-Target", text))]
            .into_iter()
            .flatten()
            .collect();
        let fields = call.fields.clone();
        let ours = call.signed(&credentials(token.as_deref()), &context(now_ms)).unwrap();

        let identity = Credentials::new(
            "AKIDEXAMPLE",
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            token,
            None,
            "test",
        )
        .into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&region)
            .name(&service)
            .time(SystemTime::UNIX_EPOCH + Duration::from_millis(now_ms))
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let url = ours.url.clone();
        let signable =
            SignableRequest::new("POST", &url, fields.into_iter(), SignableBody::Bytes(body.as_bytes())).unwrap();
        let (instructions, _) = sign(signable, &params).unwrap().into_parts();
        let theirs = instructions.headers().find(|(name, _)| *name == "authorization").unwrap().1;
        prop_assert_eq!(header(&ours, "Authorization"), theirs, "{}", url);
    }
}
