//! Credentials of services, from environment variables: the usual names, or a named set
//! (`?credentials=NAME` → `WEBHOOK_CREDENTIALS_NAME`, a JSON object). No message shows a value.

use std::fmt;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::{TargetError, parts::is_name};

/// A text that is shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// Takes the text.
    pub fn new(text: String) -> SecretText {
        SecretText(text)
    }

    /// The text itself: for whoever signs with it or sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(redacted)")
    }
}

/// What is wrong with credentials.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// A variable is not set.
    #[error("credentials: {variable} is not set; set it to {expected}")]
    Missing {
        /// Its name.
        variable: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// A variable does not hold what it should.
    #[error("credentials: {variable} is not valid; expected {expected}")]
    Invalid {
        /// Its name, and the field's where it is one of several.
        variable: String,
        /// What belongs there.
        expected: &'static str,
    },
}

/// Which credentials a target uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CredentialsName(Option<String>);

impl CredentialsName {
    pub(crate) const OPTION: &'static str = "credentials";

    /// Reads the option's value; `None` for the usual variables.
    pub(crate) fn parse(option: Option<&str>) -> Result<CredentialsName, TargetError> {
        let Some(name) = option else { return Ok(CredentialsName(None)) };
        if is_name(name, 1, 64, "_") {
            return Ok(CredentialsName(Some(name.to_ascii_uppercase())));
        }
        Err(TargetError::invalid(
            "option credentials",
            name,
            "a name of letters, digits and _, such as BILLING",
        ))
    }

    /// The name in capitals; `None` for the usual variables.
    pub fn as_deref(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// Tells cached values apart.
    pub(crate) fn key(&self) -> &str {
        self.0.as_deref().unwrap_or("default")
    }
}

/// Fields from variables of their own, or from the JSON object of a named set.
pub(crate) struct Fields<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
    /// The variable of the set, and its object.
    set: Option<(String, Map<String, Value>)>,
}

impl<'a> Fields<'a> {
    /// `expected` says what a named set looks like.
    pub(crate) fn read(
        name: &CredentialsName,
        variable: &'a dyn Fn(&str) -> Option<String>,
        expected: &'static str,
    ) -> Result<Fields<'a>, CredentialsError> {
        match &name.0 {
            None => Ok(Fields { variable, set: None }),
            Some(name) => Fields::of_object(format!("WEBHOOK_CREDENTIALS_{name}"), variable, expected),
        }
    }

    /// As [`Fields::read`], where the usual variable holds a JSON object, too.
    pub(crate) fn read_object(
        name: &CredentialsName,
        usual: &str,
        variable: &'a dyn Fn(&str) -> Option<String>,
        expected: &'static str,
    ) -> Result<Fields<'a>, CredentialsError> {
        let holder = name.0.as_ref().map_or(usual.to_owned(), |name| format!("WEBHOOK_CREDENTIALS_{name}"));
        Fields::of_object(holder, variable, expected)
    }

    fn of_object(
        holder: String,
        variable: &'a dyn Fn(&str) -> Option<String>,
        expected: &'static str,
    ) -> Result<Fields<'a>, CredentialsError> {
        let Some(text) = filled(variable(&holder)) else {
            return Err(CredentialsError::Missing { variable: holder, expected });
        };
        match serde_json::from_str(&text) {
            Ok(Value::Object(object)) => Ok(Fields { variable, set: Some((holder, object)) }),
            _ => Err(CredentialsError::Invalid { variable: holder, expected }),
        }
    }

    /// A field: `field` of the set, or else the variable `usual`.
    pub(crate) fn optional(
        &self,
        field: &'static str,
        usual: &'static str,
    ) -> Result<Option<String>, CredentialsError> {
        match &self.set {
            None => Ok(filled((self.variable)(usual))),
            Some((_, object)) => match object.get(field) {
                None | Some(Value::Null) => Ok(None),
                Some(Value::String(text)) => Ok(filled(Some(text.clone()))),
                Some(_) => {
                    Err(CredentialsError::Invalid { variable: self.name(field, usual), expected: "a text" })
                }
            },
        }
    }

    /// As [`Fields::optional`], for a field that must be there.
    pub(crate) fn required(
        &self,
        field: &'static str,
        usual: &'static str,
        expected: &'static str,
    ) -> Result<String, CredentialsError> {
        self.optional(field, usual)?
            .ok_or_else(|| CredentialsError::Missing { variable: self.name(field, usual), expected })
    }

    /// An error about a field's value.
    pub(crate) fn invalid(
        &self,
        field: &'static str,
        usual: &'static str,
        expected: &'static str,
    ) -> CredentialsError {
        CredentialsError::Invalid { variable: self.name(field, usual), expected }
    }

    fn name(&self, field: &str, usual: &str) -> String {
        match &self.set {
            Some((variable, _)) => format!("{variable}.{field}"),
            None => usual.to_owned(),
        }
    }
}

/// An empty variable counts as not set: that is how dashboards clear one.
pub(crate) fn filled(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(option: Option<&str>, variables: &[(&str, &str)]) -> Result<(String, Option<String>), String> {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let name = CredentialsName::parse(option).unwrap();
        let read = || {
            let fields = Fields::read(&name, &variable, "{\"user\": …}")?;
            Ok((fields.required("user", "X_USER", "a user")?, fields.optional("token", "X_TOKEN")?))
        };
        read().map_err(|error: CredentialsError| error.to_string())
    }

    #[test]
    fn fields_come_from_the_usual_variables_or_a_named_set() {
        assert_eq!(read(None, &[("X_USER", " u "), ("X_TOKEN", "")]), Ok(("u".to_owned(), None)));
        assert_eq!(
            read(Some("billing"), &[("WEBHOOK_CREDENTIALS_BILLING", r#"{"user": "u", "token": "t"}"#)]),
            Ok(("u".to_owned(), Some("t".to_owned())))
        );
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_and_not_shown() {
        let cases = [
            (None, "", "credentials: X_USER is not set; set it to a user"),
            (Some("A"), "", "credentials: WEBHOOK_CREDENTIALS_A is not set; set it to {\"user\": …}"),
            (
                Some("A"),
                "[\"hidden\"]",
                "credentials: WEBHOOK_CREDENTIALS_A is not valid; expected {\"user\": …}",
            ),
            (Some("A"), "{}", "credentials: WEBHOOK_CREDENTIALS_A.user is not set; set it to a user"),
            (
                Some("A"),
                r#"{"user": 7}"#,
                "credentials: WEBHOOK_CREDENTIALS_A.user is not valid; expected a text",
            ),
        ];
        for (option, value, message) in cases {
            assert_eq!(read(option, &[("WEBHOOK_CREDENTIALS_A", value)]), Err(message.to_owned()));
        }
    }

    #[test]
    fn names_are_letters_digits_and_underscores() {
        assert_eq!(CredentialsName::parse(Some("b_2")).unwrap().as_deref(), Some("B_2"));
        for wrong in ["", "a-b", "a b", "é", &"a".repeat(65)] {
            assert!(CredentialsName::parse(Some(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_debug_shows_a_secret() {
        assert_eq!(format!("{:?}", SecretText::new("hidden".to_owned())), "SecretText(redacted)");
    }
}
