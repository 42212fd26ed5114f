//! A sampling temperature, kept as it was written.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Longest text, in bytes.
const MAX_LENGTH: usize = 16;

/// A temperature: decimal text from 0 to 2, which goes into requests digit for digit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Temperature(Arc<str>);

/// A text is no temperature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a temperature is a decimal number from 0 to 2, such as 0.7, in at most 16 characters")]
pub struct TemperatureError;

impl Temperature {
    /// The number as JSON text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Temperature {
    type Err = TemperatureError;

    /// Takes what both TOML and JSON (RFC 8259 section 6) take for the same number, without sign and
    /// exponent.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (text, None),
        };
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let fraction_is_sound =
            fraction.is_none_or(|fraction| !fraction.is_empty() && digits(fraction));
        let within = match whole {
            "0" | "1" => true,
            "2" => fraction
                .unwrap_or_default()
                .bytes()
                .all(|byte| byte == b'0'),
            _ => false,
        };
        if fraction_is_sound && within && text.len() <= MAX_LENGTH {
            Ok(Self(text.into()))
        } else {
            Err(TemperatureError)
        }
    }
}

impl fmt::Display for Temperature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temperature_is_a_plain_decimal_from_0_to_2() {
        for text in ["0", "0.0", "0.7", "0.70", "1", "1.999", "2", "2.0", "2.000"] {
            assert_eq!(text.parse::<Temperature>().unwrap().as_str(), text);
        }
        for text in [
            "",
            ".",
            ".7",
            "0.",
            "-0",
            "-0.1",
            "+1",
            "2.01",
            "3",
            "02",
            "1e0",
            "0,7",
            "nan",
            "inf",
            " 1",
            "0x1",
            "1_0",
            "0.12345678901234567",
        ] {
            assert_eq!(
                text.parse::<Temperature>(),
                Err(TemperatureError),
                "`{text}`"
            );
        }
    }
}
