//! An AWS access key, from `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`, or a named set.

use crate::{CredentialsError, CredentialsName, SecretText, credentials::Fields};

const SET: &str = r#"a JSON object like {"access_key_id":"…","secret_access_key":"…"}"#;
const ID: (&str, &str) = ("access_key_id", "AWS_ACCESS_KEY_ID");
const SECRET: (&str, &str) = ("secret_access_key", "AWS_SECRET_ACCESS_KEY");
const TOKEN: (&str, &str) = ("session_token", "AWS_SESSION_TOKEN");

/// An access key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AwsCredentials {
    /// Its id, which every request names.
    pub(crate) access_key_id: String,
    /// What requests are signed with.
    pub(crate) secret_access_key: SecretText,
    /// What a temporary key comes with.
    pub(crate) session_token: Option<SecretText>,
}

impl AwsCredentials {
    /// Reads them; a named set has the fields `access_key_id`, `secret_access_key` and `session_token`.
    pub(crate) fn read(
        name: &CredentialsName,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<AwsCredentials, CredentialsError> {
        let fields = Fields::read(name, variable, SET)?;
        let access_key_id = fields.required(ID.0, ID.1, "the id of an access key")?;
        let secret_access_key = fields.required(SECRET.0, SECRET.1, "the secret of the access key")?;
        let session_token = fields.optional(TOKEN.0, TOKEN.1)?;
        // The id stands in the scope between slashes and commas.
        if !is_graphic(&access_key_id) || access_key_id.contains(['/', ',', '=']) {
            return Err(fields.invalid(ID.0, ID.1, "letters and digits, as in AKIDEXAMPLE"));
        }
        if !session_token.as_deref().is_none_or(is_graphic) {
            return Err(fields.invalid(TOKEN.0, TOKEN.1, "ASCII without blanks"));
        }
        Ok(AwsCredentials {
            access_key_id,
            secret_access_key: SecretText::new(secret_access_key),
            session_token: session_token.map(SecretText::new),
        })
    }
}

fn is_graphic(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(option: Option<&str>, variables: &[(&str, &str)]) -> Result<AwsCredentials, String> {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let name = CredentialsName::parse(option).unwrap();
        AwsCredentials::read(&name, &variable).map_err(|error| error.to_string())
    }

    #[test]
    fn they_come_from_the_usual_variables_or_a_named_set() {
        let expected = |token: Option<&str>| AwsCredentials {
            access_key_id: "AKID".to_owned(),
            secret_access_key: SecretText::new("s/+".to_owned()),
            session_token: token.map(|token| SecretText::new(token.to_owned())),
        };
        let usual = [("AWS_ACCESS_KEY_ID", " AKID\n"), ("AWS_SECRET_ACCESS_KEY", "s/+")];
        assert_eq!(read(None, &usual), Ok(expected(None)));
        let [id, secret] = usual;
        assert_eq!(read(None, &[id, secret, ("AWS_SESSION_TOKEN", "t")]), Ok(expected(Some("t"))));
        assert_eq!(read(None, &[id, secret, ("AWS_SESSION_TOKEN", "")]), Ok(expected(None)));
        let set = r#"{"access_key_id":"AKID","secret_access_key":"s/+","session_token":"t"}"#;
        assert_eq!(read(Some("a"), &[("WEBHOOK_CREDENTIALS_A", set)]), Ok(expected(Some("t"))));
        // A named set stands alone: nothing is taken from the usual variables.
        let set = r#"{"access_key_id":"AKID","secret_access_key":"s/+"}"#;
        let both = [("WEBHOOK_CREDENTIALS_A", set), ("AWS_SESSION_TOKEN", "other")];
        assert_eq!(read(Some("a"), &both), Ok(expected(None)));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_and_not_shown() {
        let id = ("AWS_ACCESS_KEY_ID", "AKID");
        let secret = ("AWS_SECRET_ACCESS_KEY", "hidden");
        let cases: [(&[(&str, &str)], &str); 5] = [
            (&[secret], "AWS_ACCESS_KEY_ID is not set; set it to the id of an access key"),
            (&[id], "AWS_SECRET_ACCESS_KEY is not set; set it to the secret of the access key"),
            (
                &[("AWS_ACCESS_KEY_ID", "AK/hidden"), secret],
                "AWS_ACCESS_KEY_ID is not valid; expected letters and digits, as in AKIDEXAMPLE",
            ),
            (
                &[("AWS_ACCESS_KEY_ID", "AK hidden"), secret],
                "AWS_ACCESS_KEY_ID is not valid; expected letters and digits, as in AKIDEXAMPLE",
            ),
            (
                &[id, secret, ("AWS_SESSION_TOKEN", "hidden\r\nX: y")],
                "AWS_SESSION_TOKEN is not valid; expected ASCII without blanks",
            ),
        ];
        for (variables, message) in cases {
            assert_eq!(read(None, variables), Err(format!("credentials: {message}")));
        }
        let set = r#"{"access_key_id":"AKID","secret_access_key":["hidden"]}"#;
        let wrong = "credentials: WEBHOOK_CREDENTIALS_A.secret_access_key is not valid; expected a text";
        assert_eq!(read(Some("a"), &[("WEBHOOK_CREDENTIALS_A", set)]), Err(wrong.to_owned()));
    }

    #[test]
    fn no_debug_shows_a_secret() {
        let variables = [
            ("AWS_ACCESS_KEY_ID", "AKID"),
            ("AWS_SECRET_ACCESS_KEY", "hidden"),
            ("AWS_SESSION_TOKEN", "hidden"),
        ];
        let debug = format!("{:?}", read(None, &variables).unwrap());
        assert!(debug.contains("AKID") && !debug.contains("hidden"), "{debug}");
    }
}
