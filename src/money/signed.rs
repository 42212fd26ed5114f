//! Amounts with a sign: sums of what was spent and given back.

use std::fmt;
use std::ops::AddAssign;
use std::str::FromStr;

use super::{AmountError, NanoUsd};

/// Nano-USD above or below zero. Wide enough that no sum of amounts overflows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignedUsd(i128);

impl SignedUsd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many nano-USD.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos as i128)
    }

    /// How many nano-USD.
    pub const fn nanos(self) -> i128 {
        self.0
    }

    /// The amount as one of at most 2^63 - 1 nano-USD on either side; `None` beyond.
    pub fn narrow(self) -> Option<i64> {
        i64::try_from(self.0).ok()
    }

    /// What is left without `other`.
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl From<NanoUsd> for SignedUsd {
    fn from(amount: NanoUsd) -> Self {
        Self(amount.nanos().into())
    }
}

impl AddAssign for SignedUsd {
    fn add_assign(&mut self, other: Self) {
        self.0 = self.0.saturating_add(other.0);
    }
}

impl fmt::Display for SignedUsd {
    /// `-1.50`: as [`NanoUsd`], with a sign where it is below zero.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 0 {
            formatter.write_str("-")?;
        }
        super::write_nanos(formatter, self.0.unsigned_abs())
    }
}

impl FromStr for SignedUsd {
    type Err = AmountError;

    /// Reads an amount with a `-` or nothing before it.
    fn from_str(text: &str) -> Result<Self, AmountError> {
        let (sign, amount) = match text.strip_prefix('-') {
            Some(amount) => (-1, amount),
            None => (1, text),
        };
        let amount: NanoUsd = amount.parse()?;
        Ok(Self(sign * i128::from(amount.nanos())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_sign_stands_before_the_digits_and_nowhere_else() {
        let read = |text: &str| text.parse::<SignedUsd>().map(SignedUsd::nanos);
        assert_eq!(read("-1.50"), Ok(-1_500_000_000));
        assert_eq!(read("0.000000001"), Ok(1));
        assert_eq!(read("-0"), Ok(0));
        for text in ["--1", "+1", "1-", "- 1", "-", "1.-5"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(SignedUsd::from_nanos(-1).to_string(), "-0.000000001");
    }

    proptest! {
        #[test]
        fn every_amount_is_read_as_it_is_written(nanos in -i64::MAX..=i64::MAX) {
            let amount = SignedUsd::from_nanos(nanos);
            prop_assert_eq!(amount.to_string().parse(), Ok(amount));
            prop_assert_eq!(amount.narrow(), Some(nanos));
        }

        #[test]
        fn a_sum_is_that_of_the_nano_dollars(amounts in prop::collection::vec(any::<i64>(), 0..50)) {
            let mut sum = SignedUsd::ZERO;
            for amount in &amounts {
                sum += SignedUsd::from_nanos(*amount);
            }
            let expected: i128 = amounts.iter().map(|amount| i128::from(*amount)).sum();
            prop_assert_eq!(sum.nanos(), expected);
        }
    }
}
