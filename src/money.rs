//! Amounts of money: integers of nano-USD inside, decimal text outside. Never floating point.
//!
//! A nano-dollar is fine enough for one token of the cheapest model (0.01 USD per million tokens is
//! 10 nano-USD a token), and the largest amount, [`NanoUsd::MAX`], is 9.2 billion USD.

mod signed;

use std::fmt;
use std::iter::Sum;
use std::str::FromStr;

pub use signed::SignedUsd;

/// Nano-USD in one USD.
const NANOS: u64 = 1_000_000_000;
/// Digits behind the point.
const DIGITS: usize = 9;

/// An amount that is not negative: 0 to 2^63 - 1 nano-USD, so that any database holds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NanoUsd(u64);

impl NanoUsd {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// So many nano-USD; more than [`NanoUsd::MAX`] is that.
    pub const fn from_nanos(nanos: u64) -> Self {
        if nanos > Self::MAX.0 {
            Self::MAX
        } else {
            Self(nanos)
        }
    }

    /// The same from a wider number, as products of counts and rates are.
    pub fn from_wide(nanos: u128) -> Self {
        Self::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many nano-USD.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Whether it is nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Both together, at most [`NanoUsd::MAX`].
    pub const fn plus(self, other: Self) -> Self {
        Self::from_nanos(self.0.saturating_add(other.0))
    }

    /// What is left without `other`, at least nothing.
    pub const fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// An amount that somebody else wrote as a JSON number or header: exponents are taken, and what
    /// is finer than a nano-dollar is rounded up, never away.
    ///
    /// # Errors
    /// See [`AmountError`].
    pub fn of_stranger(text: &str) -> Result<Self, AmountError> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => {
                let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
                let exponent: i32 = exponent.parse().map_err(|_| AmountError::NotDecimal)?;
                (mantissa, exponent)
            }
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if mantissa.ends_with('.') || !is_digits(whole) || !fraction.bytes().all(is_digit) {
            return Err(match mantissa.starts_with('-') {
                true => AmountError::Negative,
                false => AmountError::NotDecimal,
            });
        }
        let digits = format!("{whole}{fraction}");
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            return Ok(Self::ZERO);
        }
        // How many digits of `digits` are whole nano-dollars.
        let behind = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
        let shift = i64::from(exponent) + DIGITS as i64 - behind;
        let nanos = if shift >= 0 {
            let zeros = usize::try_from(shift).unwrap_or(usize::MAX);
            if digits.len().saturating_add(zeros) > 19 {
                return Err(AmountError::TooLarge);
            }
            format!("{digits}{}", "0".repeat(zeros))
                .parse::<u64>()
                .map_err(|_| AmountError::TooLarge)?
        } else {
            let cut = usize::try_from(-shift).unwrap_or(usize::MAX);
            let kept = digits.len().saturating_sub(cut);
            let (kept, rest) = digits.split_at_checked(kept).unwrap_or(("", digits));
            let kept: u64 = match kept {
                "" => 0,
                kept => kept.parse().map_err(|_| AmountError::TooLarge)?,
            };
            kept + u64::from(rest.bytes().any(|digit| digit != b'0'))
        };
        match nanos > Self::MAX.0 {
            true => Err(AmountError::TooLarge),
            false => Ok(Self(nanos)),
        }
    }
}

impl Sum for NanoUsd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::plus)
    }
}

impl fmt::Display for NanoUsd {
    /// `12.50`: at least two digits behind the point, as many more as it takes.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_nanos(formatter, self.0.into())
    }
}

fn write_nanos(formatter: &mut fmt::Formatter<'_>, nanos: u128) -> fmt::Result {
    let one = u128::from(NANOS);
    let fraction = format!("{:09}", nanos % one);
    let mut fraction = fraction.as_str();
    while let Some(shorter) = fraction.strip_suffix('0') {
        if shorter.len() < 2 {
            break;
        }
        fraction = shorter;
    }
    write!(formatter, "{}.{fraction}", nanos / one)
}

/// A text is no amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Something else than digits around one point.
    #[error("an amount is a decimal number of US dollars: \"12.50\"")]
    NotDecimal,
    /// Below zero.
    #[error("an amount is not negative")]
    Negative,
    /// Digits that nothing is paid in.
    #[error("an amount has at most 9 digits behind the point")]
    TooFine,
    /// More than fits.
    #[error("an amount is at most {}", NanoUsd::MAX)]
    TooLarge,
}

impl FromStr for NanoUsd {
    type Err = AmountError;

    /// Reads `12.50`: digits, and after a point up to nine more. No sign, exponent or separator.
    fn from_str(text: &str) -> Result<Self, AmountError> {
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) if is_digits(fraction) => (whole, fraction),
            Some(_) => return Err(AmountError::NotDecimal),
            None => (text, ""),
        };
        if text.starts_with('-') {
            return Err(AmountError::Negative);
        }
        if !is_digits(whole) {
            return Err(AmountError::NotDecimal);
        }
        if fraction.len() > DIGITS {
            return Err(AmountError::TooFine);
        }
        let nanos: u64 = format!("{fraction:0<DIGITS$}")
            .parse()
            .map_err(|_| AmountError::NotDecimal)?;
        let dollars: u64 = whole.parse().map_err(|_| AmountError::TooLarge)?;
        dollars
            .checked_mul(NANOS)
            .and_then(|whole| whole.checked_add(nanos))
            .filter(|nanos| *nanos <= Self::MAX.0)
            .map(Self)
            .ok_or(AmountError::TooLarge)
    }
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_digit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn usd(text: &str) -> NanoUsd {
        text.parse().unwrap()
    }

    #[test]
    fn amounts_are_read_to_the_last_nano_dollar() {
        assert_eq!(usd("12.50").nanos(), 12_500_000_000);
        assert_eq!(usd("0.000000001").nanos(), 1);
        assert_eq!(usd("9223372036.854775807"), NanoUsd::MAX);
        assert_eq!(usd("7").to_string(), "7.00");
        assert_eq!(usd("0.003125").to_string(), "0.003125");
    }

    #[test]
    fn what_is_no_amount_is_refused_by_its_reason() {
        let refused = |text: &str| text.parse::<NanoUsd>().unwrap_err();
        for text in [
            "", ".5", "5.", "1,5", "1e3", "+1", " 1", "1.2.3", "NaN", "٣",
        ] {
            assert_eq!(refused(text), AmountError::NotDecimal, "{text:?}");
        }
        assert_eq!(refused("-1"), AmountError::Negative);
        assert_eq!(refused("0.0000000001"), AmountError::TooFine);
        assert_eq!(refused("9223372036.854775808"), AmountError::TooLarge);
        assert_eq!(refused("99999999999999999999999"), AmountError::TooLarge);
    }

    #[test]
    fn amounts_of_strangers_are_rounded_up_and_never_away() {
        let read = |text: &str| NanoUsd::of_stranger(text).map(NanoUsd::nanos);
        assert_eq!(read("3e-06"), Ok(3_000));
        assert_eq!(read("1.25E+2"), Ok(125_000_000_000));
        assert_eq!(read("0.0000000001"), Ok(1));
        assert_eq!(read("0.00000000210"), Ok(3));
        assert_eq!(read("1e-400"), Ok(1));
        assert_eq!(read("0e999999999"), Ok(0));
        assert_eq!(read("-0.1"), Err(AmountError::Negative));
        assert_eq!(read("1e400"), Err(AmountError::TooLarge));
        assert_eq!(read("1e99999999999"), Err(AmountError::NotDecimal));
        for text in ["", ".", "1.", "e5", "0x10", "NaN", "inf", "1 "] {
            assert_eq!(read(text), Err(AmountError::NotDecimal), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_amount_is_read_as_it_is_written(nanos in 0..=NanoUsd::MAX.nanos()) {
            let amount = NanoUsd::from_nanos(nanos);
            prop_assert_eq!(amount.to_string().parse(), Ok(amount));
            prop_assert_eq!(NanoUsd::of_stranger(&amount.to_string()), Ok(amount));
        }
    }
}
