//! In which form health is shown.

use thiserror::Error;

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthFormat {
    /// One JSON object.
    Json,
    /// Prometheus' text exposition format.
    Prometheus,
}

/// A form that there is not.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("format: expected json or prometheus, got {got:?}")]
pub struct HealthFormatError {
    /// What the caller wants, cut after 64 characters.
    pub got: String,
}

impl HealthFormat {
    /// Reads the parameter `format`; without it the answer is JSON.
    ///
    /// # Errors
    /// A [`HealthFormatError`] that names the choices.
    pub fn parse(format: Option<&str>) -> Result<HealthFormat, HealthFormatError> {
        match format {
            None | Some("json") => Ok(HealthFormat::Json),
            Some("prometheus") => Ok(HealthFormat::Prometheus),
            Some(other) => Err(HealthFormatError { got: other.chars().take(64).collect() }),
        }
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            HealthFormat::Json => "json",
            HealthFormat::Prometheus => "prometheus",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_json_and_prometheus() {
        for format in [HealthFormat::Json, HealthFormat::Prometheus] {
            assert_eq!(HealthFormat::parse(Some(format.as_str())), Ok(format));
        }
        assert_eq!(HealthFormat::parse(None), Ok(HealthFormat::Json));
        for (other, shown) in [("", "\"\""), ("Prometheus", "\"Prometheus\""), ("a\"\n", r#""a\"\n""#)] {
            let error = HealthFormat::parse(Some(other)).unwrap_err();
            assert_eq!(error.to_string(), format!("format: expected json or prometheus, got {shown}"));
        }
        assert_eq!(HealthFormat::parse(Some(&"ü".repeat(99))).unwrap_err().got, "ü".repeat(64));
    }
}
