use serde_json::json as value;

use super::*;
use crate::NativeUrlParser;

const NOW_MS: u64 = 1_700_000_000_999;
/// What stands between the lines is no key, but base64 of `hidden`.
const PEM: &str = "-----BEGIN PRIVATE KEY-----\naGlk\nZGVu\n-----END PRIVATE KEY-----\n";

fn account(changes: Value) -> String {
    let mut account = value!({
        "type": "service_account",
        "client_email": "hooks@my-project.iam.gserviceaccount.com",
        "private_key": PEM,
        "private_key_id": "k1",
    });
    for (name, change) in changes.as_object().unwrap() {
        account[name] = change.clone();
    }
    account.to_string()
}

fn read(text: &str) -> Result<ServiceAccount, String> {
    let variable = |name: &str| (name == VARIABLE).then(|| text.to_owned());
    ServiceAccount::read(&CredentialsName::default(), &variable).map_err(|error| error.to_string())
}

fn step(account: &str, reply: Option<Reply<'_>>) -> Result<PreparationStep, PreparationError> {
    let variable = |name: &str| (name == VARIABLE).then(|| account.to_owned());
    let context = Context {
        variable: &variable,
        prepared: &|_| None,
        http_urls: &NativeUrlParser,
        now_ms: NOW_MS,
        user_agent: "u/1",
    };
    AccessToken { credentials: CredentialsName::default() }.step(reply.as_ref(), &context)
}

fn signed(account: &str) -> Result<HttpRequest, PreparationError> {
    let reply = Reply::Signature { text: "head.claims", signature: &[0xfb, 0xff, 0xfe, 1] };
    match step(account, Some(reply))? {
        PreparationStep::Http(request) => Ok(request),
        other => panic!("{other:?}"),
    }
}

fn answered(status: u16, body: &str) -> Result<(String, u64), (String, Fault)> {
    // An answer is read without the account.
    match step("", Some(Reply::Response(Response { status, body }))) {
        Ok(PreparationStep::Ready { value, expires_at_ms }) => Ok((value, expires_at_ms)),
        Err(error) => {
            let PreparationError::Refused { what: "access token", fault, .. } = error else {
                panic!("{error}")
            };
            Err((error.to_string(), fault))
        }
        other => panic!("{other:?}"),
    }
}

fn jwt(account: &str) -> (String, String) {
    let Ok(PreparationStep::Sign { pkcs8, text }) = step(account, None) else { panic!() };
    assert_eq!(pkcs8, b"hidden");
    let (header, claims) = text.split_once('.').unwrap();
    let decoded = |part| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    (decoded(header), decoded(claims))
}

#[test]
fn a_jwt_is_these_bytes() {
    let Ok(PreparationStep::Sign { text, .. }) = step(&account(value!({})), None) else { panic!() };
    assert_eq!(
        text.split_once('.').unwrap().0,
        "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImsxIn0",
        "RFC 7515, section 3: base64url without padding"
    );
    let (header, claims) = jwt(&account(value!({})));
    assert_eq!(header, r#"{"alg":"RS256","typ":"JWT","kid":"k1"}"#);
    assert_eq!(
        claims,
        "{\"iss\":\"hooks@my-project.iam.gserviceaccount.com\",\
         \"scope\":\"https://www.googleapis.com/auth/pubsub\",\
         \"aud\":\"https://oauth2.googleapis.com/token\",\"iat\":1700000000,\"exp\":1700003600}"
    );
}

#[test]
fn a_jwt_names_the_key_and_the_token_uri_that_the_account_has() {
    let (header, claims) = jwt(&account(
        value!({"private_key_id": null, "token_uri": "https://t.example/a?b", "client_email": "a\"b"}),
    ));
    assert_eq!(header, r#"{"alg":"RS256","typ":"JWT"}"#);
    let claims: Value = serde_json::from_str(&claims).unwrap();
    assert_eq!(
        (claims["aud"].as_str(), claims["iss"].as_str()),
        (Some("https://t.example/a?b"), Some("a\"b"))
    );
}

#[test]
fn a_signed_jwt_is_exchanged_with_this_request() {
    let request = signed(&account(value!({}))).unwrap();
    assert_eq!(
        request.head,
        "POST /token HTTP/1.1\r\n\
         Host: oauth2.googleapis.com\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\
         User-Agent: u/1\r\n\
         Accept: application/json\r\n\
         Content-Length: 93\r\n\r\n"
    );
    assert_eq!(
        request.body,
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=head.claims.-__-AQ"
    );
    assert_eq!(request.url, "https://oauth2.googleapis.com/token");
    assert_eq!((request.tls, request.most_answer_bytes), (true, 65_536));
    assert!(!format!("{request:?}").contains("head.claims"), "{request:?}");
}

#[test]
fn a_token_uri_is_https_or_on_this_machine() {
    for (uri, url) in [
        ("https://T.example:8443/a?b#c", "https://t.example:8443/a?b"),
        ("http://127.0.0.1:9/token", "http://127.0.0.1:9/token"),
        ("http://localhost/token", "http://localhost/token"),
        ("http://[::1]:9/", "http://[::1]:9/"),
    ] {
        assert_eq!(signed(&account(value!({"token_uri": uri}))).unwrap().url, url);
    }
    for uri in ["http://hidden.example/", "hidden", "ftp://hidden/", "https://u:hidden@t.example/"] {
        let error = signed(&account(value!({"token_uri": uri}))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "credentials: GOOGLE_SERVICE_ACCOUNT_JSON.token_uri is not valid; expected an https URL, such as \
             https://oauth2.googleapis.com/token"
        );
    }
}

#[test]
fn a_key_that_does_not_sign_is_named() {
    let error = step(&account(value!({})), Some(Reply::Unsigned("hidden"))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "credentials: GOOGLE_SERVICE_ACCOUNT_JSON.private_key is not valid; expected an RSA key that can sign with \
         SHA-256"
    );
}

#[test]
fn a_token_holds_until_a_minute_before_its_end_and_an_hour_at_most() {
    for (expires_in, holds_ms) in
        [(3_599, 3_539_000), (3_600, 3_540_000), (u64::MAX, 3_540_000), (61, 1_000), (60, 0), (0, 0)]
    {
        let body = value!({"access_token": "ya29.a", "expires_in": expires_in, "token_type": "Bearer"});
        assert_eq!(answered(200, &body.to_string()), Ok(("ya29.a".to_owned(), NOW_MS + holds_ms)));
    }
}

#[test]
fn an_answer_without_a_usable_token_may_pass() {
    let bodies = [
        "",
        "<html>",
        "[]",
        "{}",
        r#"{"id_token":"hidden","expires_in":1}"#,
        r#"{"access_token":"hidden"}"#,
        r#"{"access_token":"hidden","expires_in":-1}"#,
        r#"{"access_token":"hidden","expires_in":"1"}"#,
        r#"{"access_token":7,"expires_in":1}"#,
        r#"{"access_token":"","expires_in":1}"#,
        r#"{"access_token":"hid den","expires_in":1}"#,
        r#"{"access_token":"hidden\r\nX: y","expires_in":1}"#,
        r#"{"access_token":"hiddén","expires_in":1}"#,
        r#"{"access_token":"hidden\u007f","expires_in":1}"#,
    ];
    for body in bodies {
        let reason = "access token: HTTP 200 without a usable token".to_owned();
        assert_eq!(answered(200, body), Err((reason, Fault::Passing)), "{body}");
    }
}

#[test]
fn a_refusal_says_what_the_service_said() {
    let cases = [
        (
            400,
            r#"{"error":"invalid_grant","error_description":"Bad\nJWT"}"#,
            "HTTP 400 invalid_grant: Bad JWT",
        ),
        (401, r#"{"error":"invalid_client"}"#, "HTTP 401 invalid_client"),
        (403, r#"{"error":{"code":403,"message":"no","status":"DENIED"}}"#, "HTTP 403 DENIED: no"),
        (404, "<html>", "HTTP 404"),
        (400, r#"{"error":7,"error_description":[]}"#, "HTTP 400"),
    ];
    for (status, body, reason) in cases {
        let reason = format!("access token: {reason}");
        assert_eq!(answered(status, body), Err((reason, Fault::Permanent)), "{status} {body}");
    }
}

#[test]
fn a_status_says_whether_a_refusal_may_pass() {
    for (status, fault) in [
        (429, Fault::Throttled),
        (408, Fault::Passing),
        (500, Fault::Passing),
        (503, Fault::Passing),
        (302, Fault::Passing),
        (204, Fault::Passing),
        (400, Fault::Permanent),
        (499, Fault::Permanent),
    ] {
        assert_eq!(answered(status, ""), Err((format!("access token: HTTP {status}"), fault)));
    }
}

#[test]
fn a_long_refusal_is_cut() {
    let body = value!({"error": "e", "error_description": "é".repeat(300)}).to_string();
    let (message, _) = answered(400, &body).unwrap_err();
    assert_eq!(message, format!("access token: HTTP 400 e: {}", "é".repeat(188)));
}

#[test]
fn a_key_may_be_written_on_one_line() {
    let one_line = "-----BEGIN PRIVATE KEY-----\\naGlk\\r\\nZGVu\\n-----END PRIVATE KEY-----\\n";
    let windows = PEM.replace('\n', "\r\n");
    for pem in [PEM, one_line, &windows] {
        assert_eq!(read(&account(value!({"private_key": pem}))).unwrap().pkcs8, b"hidden");
    }
}

#[test]
fn what_is_missing_or_wrong_is_named_and_not_shown() {
    const EMPTY: &str = "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----";
    let invalid = |field: &str, expected: &str| {
        format!("credentials: GOOGLE_SERVICE_ACCOUNT_JSON.{field} is not valid; expected {expected}")
    };
    let key = || invalid("private_key", PRIVATE_KEY);
    let cases = [
        (
            value!({"client_email": null}),
            "credentials: GOOGLE_SERVICE_ACCOUNT_JSON.client_email is not set; set it to the service account's \
             address"
                .to_owned(),
        ),
        (
            value!({"private_key": " "}),
            format!("credentials: GOOGLE_SERVICE_ACCOUNT_JSON.private_key is not set; set it to {PRIVATE_KEY}"),
        ),
        (value!({"private_key": 7}), invalid("private_key", "a text")),
        (value!({"private_key": "hidden"}), key()),
        (value!({"private_key": EMPTY}), key()),
        (value!({"private_key": PEM.replace("aGlk", "a_lk")}), key()),
        (value!({"private_key": PEM.replace("aGlk", "aGl")}), key()),
        (value!({"private_key": PEM.replace("END", "END OF")}), key()),
        (value!({"private_key": PEM.replace("PRIVATE", "ENCRYPTED PRIVATE")}), key()),
        (
            value!({"private_key": PEM.replace("PRIVATE", "RSA PRIVATE")}),
            invalid(
                "private_key",
                "a PKCS #8 key (BEGIN PRIVATE KEY), not a PKCS #1 key (BEGIN RSA PRIVATE KEY); convert it with \
                 openssl pkcs8 -topk8 -nocrypt",
            ),
        ),
        (value!({"private_key_id": ["hidden"]}), invalid("private_key_id", "a text")),
        (value!({"token_uri": 7}), invalid("token_uri", "a text")),
    ];
    for (changes, message) in cases {
        assert_eq!(read(&account(changes.clone())), Err(message), "{changes}");
    }
    for universe in ["com", ".com", "a.", "a..b", "a b.c", "a.example/", "é.example", "*.example"] {
        let wrong = read(&account(value!({"universe_domain": universe})));
        assert_eq!(wrong, Err(invalid("universe_domain", "a domain, such as googleapis.com")), "{universe}");
    }
    assert_eq!(
        read(""),
        Err(format!("credentials: GOOGLE_SERVICE_ACCOUNT_JSON is not set; set it to {ACCOUNT}"))
    );
    for text in ["hidden", "[\"hidden\"]"] {
        let message = format!("credentials: GOOGLE_SERVICE_ACCOUNT_JSON is not valid; expected {ACCOUNT}");
        assert_eq!(read(text), Err(message));
    }
}

#[test]
fn a_named_set_is_read_and_named() {
    let name = CredentialsName::parse(Some("billing")).unwrap();
    let named = |text: String| {
        ServiceAccount::read(&name, &move |variable| {
            (variable == "WEBHOOK_CREDENTIALS_BILLING").then(|| text.clone())
        })
    };
    let account_of = named(account(value!({}))).unwrap();
    assert_eq!(
        account_of.invalid("token_uri", "x").to_string(),
        "credentials: WEBHOOK_CREDENTIALS_BILLING.token_uri is not valid; expected x"
    );
    let error = named(account(value!({"private_key": "hidden"}))).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("credentials: WEBHOOK_CREDENTIALS_BILLING.private_key is not valid; expected {PRIVATE_KEY}")
    );
}

#[test]
fn a_token_is_for_servers_of_the_universe_over_https() {
    let trusts = |universe: Value, url: &str| {
        let server = HttpTarget::of_url("https", url, &NativeUrlParser).unwrap();
        read(&account(value!({"universe_domain": universe}))).unwrap().trusts(&server)
    };
    for (universe, url) in [
        (Value::Null, "https://pubsub.googleapis.com"),
        (Value::Null, "https://europe-west1-pubsub.googleapis.com:8443"),
        (Value::Null, "https://GoogleAPIs.com"),
        (value!("Apis.Example"), "https://pubsub.apis.example"),
    ] {
        assert!(trusts(universe, url), "{url}");
    }
    for (universe, url) in [
        (Value::Null, "http://pubsub.googleapis.com"),
        (Value::Null, "https://evilgoogleapis.com"),
        (Value::Null, "https://pubsub.googleapis.com.evil.example"),
        (Value::Null, "https://pubsub.googleapis.com."),
        (Value::Null, "https://10.0.0.1"),
        (Value::Null, "https://[::1]"),
        (value!("apis.example"), "https://pubsub.googleapis.com"),
    ] {
        assert!(!trusts(universe, url), "{url}");
    }
}

#[test]
fn no_debug_and_no_key_shows_a_secret() {
    let account = read(&account(value!({}))).unwrap();
    assert_eq!(format!("{account:?}"), "ServiceAccount { variable: \"GOOGLE_SERVICE_ACCOUNT_JSON\", .. }");
    let token = |option| AccessToken { credentials: CredentialsName::parse(option).unwrap() };
    assert_eq!(token(None).key(), "google token for default");
    assert_eq!(token(Some("billing")).key(), "google token for BILLING");
    assert!(!format!("{:?}", token(None)).contains("hidden"));
}
