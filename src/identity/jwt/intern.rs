//! One copy of what many tokens of an issuer have in common.
//!
//! A hundred thousand cached tokens name a few hundred tenants and a few dozen sets of roles. Kept
//! once each, a cached token costs its own user and id only.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Values kept at most; past it the table starts over, and what is in use stays with its users.
const MAX_VALUES: usize = 4096;

/// A bounded table of shared values by their text.
#[derive(Debug)]
pub(super) struct Interner<T>(Mutex<HashMap<Box<str>, T>>);

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

impl<T: Clone> Interner<T> {
    /// The value of `text`, made by `make` the first time.
    ///
    /// # Errors
    /// Those of `make`; nothing is kept then.
    pub(super) fn share<E>(&self, text: &str, make: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = values.get(text) {
            return Ok(value.clone());
        }
        let value = make()?;
        if values.len() >= MAX_VALUES {
            values.clear();
        }
        values.insert(text.into(), value.clone());
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;

    use super::*;

    #[test]
    fn equal_texts_share_one_value_and_the_table_stays_bounded() {
        let interner = Interner::default();
        let share = |text: &str| {
            let Ok(value) = interner.share(text, || Ok::<Arc<str>, Infallible>(text.into()));
            value
        };
        assert!(Arc::ptr_eq(&share("acme"), &share("acme")));
        for index in 0..=MAX_VALUES {
            share(&index.to_string());
        }
        let held = interner.0.lock().unwrap().len();
        assert!(held <= MAX_VALUES, "{held} values are held");
    }
}
