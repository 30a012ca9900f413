//! AWS Signature Version 4 for one POST request.
//!
//! Source: AWS Identity and Access Management User Guide, "Create a signed AWS API request".

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::{Context, HttpRequest, HttpRequestError, HttpTarget, aws::AwsCredentials, parts::insertion_sort};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// A request to a service of AWS, not signed yet.
pub(crate) struct Call<'a> {
    /// Where the service answers; its own path and query are not used.
    pub(crate) server: &'a HttpTarget,
    /// The path's segments before any encoding. None is empty, `.` or `..`: AWS would take those out.
    pub(crate) path: &'a [&'a str],
    /// Names and values before any encoding.
    pub(crate) query: &'a [(&'a str, &'a str)],
    /// The service's name in the scope, such as `sqs`.
    pub(crate) service: &'a str,
    /// The region's.
    pub(crate) region: &'a str,
    /// Headers to send and to sign, beside `Host` and those that signing adds.
    pub(crate) fields: Vec<(&'static str, &'a str)>,
    /// The payload.
    pub(crate) body: String,
    /// How much of the answer's body is worth reading, in bytes.
    pub(crate) most_answer_bytes: usize,
}

impl Call<'_> {
    /// The signed request, at the time of the context.
    pub(crate) fn signed(
        self,
        credentials: &AwsCredentials,
        context: &Context<'_>,
    ) -> Result<HttpRequest, HttpRequestError> {
        let time = basic_time(context.now_ms);
        let token = credentials.session_token.as_ref().map(|token| token.expose());
        let mut fields: Vec<(&'static str, Option<&str>)> =
            self.fields.iter().map(|(name, value)| (*name, Some(*value))).collect();
        fields.extend([("X-Amz-Date", Some(time.as_str())), ("X-Amz-Security-Token", token)]);
        let path = encoded_path(self.path, 1);
        let query = canonical_query(self.query);
        let authorization = self.authorization(credentials, &time, &fields, &query);
        fields.extend([
            ("Authorization", Some(authorization.as_str())),
            ("User-Agent", Some(context.user_agent)),
            ("Accept", Some("*/*")),
        ]);
        // The query is sent as it was signed.
        let path = if query.is_empty() { path } else { format!("{path}?{query}") };
        HttpRequest::post(self.server, &path, &fields, self.body, self.most_answer_bytes)
    }

    /// The value of `Authorization`.
    fn authorization(
        &self,
        credentials: &AwsCredentials,
        time: &str,
        fields: &[(&'static str, Option<&str>)],
        query: &str,
    ) -> String {
        let mut headers: Vec<(String, String)> = [("Host", Some(self.server.host_header.as_str()))]
            .iter()
            .chain(fields)
            .filter_map(|(name, value)| Some((name.to_ascii_lowercase(), one_blank((*value)?))))
            .collect();
        insertion_sort(&mut headers);
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(";");

        // Every service but S3 has the path encoded twice, which counts the encoding that it is sent in.
        let mut canonical = format!("POST\n{}\n{query}\n", encoded_path(self.path, 2));
        for (name, value) in &headers {
            // Writing to a String does not fail.
            let _ = writeln!(canonical, "{name}:{value}");
        }
        let _ = write!(canonical, "\n{names}\n{}", hex_sha256(self.body.as_bytes()));

        let date = time.split('T').next().unwrap_or_default();
        let scope = format!("{date}/{}/{}/aws4_request", self.region, self.service);
        let to_sign = format!("{ALGORITHM}\n{time}\n{scope}\n{}", hex_sha256(canonical.as_bytes()));
        let key = signing_key(credentials.secret_access_key.expose(), date, self.region, self.service);
        let signature = lower_hex(&hmac_sha256(&key, &to_sign));
        let id = &credentials.access_key_id;
        format!("{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}")
    }
}

/// A key for a day, a region and a service.
fn signing_key(secret: &str, date: &str, region: &str, service: &str) -> [u8; 32] {
    let of_day = hmac_sha256(format!("AWS4{secret}").as_bytes(), date);
    [region, service, "aws4_request"].iter().fold(of_day, |key, text| hmac_sha256(&key, text))
}

fn hmac_sha256(key: &[u8], text: &str) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

/// The SHA-256 of bytes, in lower-case hex.
pub(crate) fn hex_sha256(bytes: &[u8]) -> String {
    lower_hex(&Sha256::digest(bytes))
}

pub(crate) fn lower_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Everything but RFC 3986's unreserved characters, in upper-case hex.
fn uri_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// A path, its segments encoded so many times.
fn encoded_path(segments: &[&str], times: u32) -> String {
    let encoded =
        segments.iter().map(|segment| (0..times).fold((*segment).to_owned(), |text, _| uri_encoded(&text)));
    encoded.fold(String::new(), |path, segment| path + "/" + &segment)
}

/// Names and values encoded and sorted.
fn canonical_query(query: &[(&str, &str)]) -> String {
    let mut pairs: Vec<(String, String)> =
        query.iter().map(|(name, value)| (uri_encoded(name), uri_encoded(value))).collect();
    insertion_sort(&mut pairs);
    let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// A header's value without blanks around it, and one for several.
fn one_blank(value: &str) -> String {
    value.split(' ').filter(|piece| !piece.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A time as `20150830T123600Z`. Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms",
/// `civil_from_days`, for days since 1970.
fn basic_time(ms: u64) -> String {
    let (days, second) = (ms / 86_400_000, ms / 1_000 % 86_400);
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

#[cfg(test)]
mod tests;
