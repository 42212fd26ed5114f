//! What a million tokens cost, and by what a service tier multiplies it.

use std::fmt;
use std::str::FromStr;

use crate::money::{AmountError, NanoUsd};

/// Digits behind the point of a factor.
const FACTOR_DIGITS: usize = 6;

/// USD per million tokens, in nano-USD: whole, so that sums are exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(NanoUsd);

impl Rate {
    /// Free of charge.
    pub const ZERO: Self = Self(NanoUsd::ZERO);

    /// So many nano-USD for a million tokens.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(NanoUsd::from_nanos(nanos))
    }

    /// Nano-USD for a million tokens.
    pub const fn nanos(self) -> u64 {
        self.0.nanos()
    }

    /// A rate somebody else wrote as USD for one token: `3e-06` is 3.00 for a million. What is finer
    /// than a nano-dollar for a million is rounded up.
    ///
    /// # Errors
    /// See [`AmountError`].
    pub fn of_stranger_per_token(text: &str) -> Result<Self, AmountError> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
        let exponent: i32 = exponent.parse().map_err(|_| AmountError::NotDecimal)?;
        let million = exponent.checked_add(6).ok_or(AmountError::TooLarge)?;
        NanoUsd::of_stranger(&format!("{mantissa}e{million}")).map(Self)
    }

    /// So many quarters of it, rounded up.
    pub(super) fn quarters(self, quarters: u64) -> Self {
        let nanos = u128::from(self.nanos()) * u128::from(quarters);
        Self(NanoUsd::from_wide(nanos.div_ceil(4)))
    }
}

impl FromStr for Rate {
    type Err = AmountError;

    /// Reads `2.50`: decimal USD for a million tokens.
    fn from_str(text: &str) -> Result<Self, AmountError> {
        text.parse().map(Self)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// By what a service tier multiplies the rates, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Factor(u32);

impl Factor {
    /// A million millionths.
    pub const ONE: Self = Self(1_000_000);
    /// The largest: a thousand.
    const MAX: u64 = 1_000 * 1_000_000;

    /// How many millionths.
    pub const fn millionths(self) -> u32 {
        self.0
    }
}

/// A text is no factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a factor is a decimal number above 0 and up to 1000, with at most 6 digits behind the point"
)]
pub struct FactorError;

impl FromStr for Factor {
    type Err = FactorError;

    /// Reads `0.5`, `2.0`.
    fn from_str(text: &str) -> Result<Self, FactorError> {
        // The amounts of money have the same grammar, with three digits more.
        let nanos = text.parse::<NanoUsd>().map_err(|_| FactorError)?.nanos();
        let millionths = nanos / 1_000;
        let sound = nanos % 1_000 == 0 && (1..=Self::MAX).contains(&millionths);
        let millionths = sound.then_some(millionths);
        millionths
            .and_then(|millionths| u32::try_from(millionths).ok())
            .map(Self)
            .ok_or(FactorError)
    }
}

impl fmt::Display for Factor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fraction = format!("{:0FACTOR_DIGITS$}", self.0 % Self::ONE.0);
        let shown = fraction.trim_end_matches('0');
        let shown = if shown.is_empty() { "0" } else { shown };
        write!(formatter, "{}.{shown}", self.0 / Self::ONE.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_rate_per_token_is_read_by_its_digits() {
        let read = |text: &str| Rate::of_stranger_per_token(text).map(|rate| rate.to_string());
        for (text, rate) in [
            ("3e-06", "3.00"),
            ("0.0000025", "2.50"),
            ("1.25E-7", "0.125"),
            ("6.25e-08", "0.0625"),
            ("0", "0.00"),
            ("1e-15", "0.000000001"),
            ("1e-16", "0.000000001"),
            ("2", "2000000.00"),
        ] {
            assert_eq!(read(text), Ok(rate.to_owned()), "{text}");
        }
        assert_eq!(read("-1e-6"), Err(AmountError::Negative));
        assert_eq!(read("1e2147483647"), Err(AmountError::TooLarge));
        for text in ["", "e", "1e", "0x1", "1e-6e-6", "null"] {
            assert_eq!(read(text), Err(AmountError::NotDecimal), "{text}");
        }
    }

    #[test]
    fn a_factor_is_above_nothing() {
        assert_eq!("2.0".parse(), Ok(Factor(2_000_000)));
        assert_eq!("0.000001".parse(), Ok(Factor(1)));
        assert_eq!("1000".parse(), Ok(Factor(1_000_000_000)));
        for text in ["0", "0.0000001", "1000.000001", "-1", "2x", "", "1e1"] {
            assert_eq!(text.parse::<Factor>(), Err(FactorError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_rate_and_factor_is_read_as_it_is_written(
            nanos in 0..=NanoUsd::MAX.nanos(), millionths in 1..=1_000_000_000_u32
        ) {
            let rate = Rate::from_nanos(nanos);
            prop_assert_eq!(rate.to_string().parse(), Ok(rate));
            let factor = Factor(millionths);
            prop_assert_eq!(factor.to_string().parse(), Ok(factor));
        }
    }
}
