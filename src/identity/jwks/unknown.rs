//! Key ids that no fetch brought, so that they ask for no other for a while.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Most ids remembered. A flood that fills the table empties it: that costs the flood's own ids
/// their memory, and what they ask for is bounded by the cool-down all the same.
const MAX_IDS: usize = 1024;

/// A bounded memory of unknown key ids.
#[derive(Debug)]
pub(super) struct UnknownKids {
    memory: Duration,
    seen: Mutex<HashMap<Box<str>, Instant>>,
}

impl UnknownKids {
    /// A memory that forgets an id after `memory`.
    pub(super) fn new(memory: Duration) -> Self {
        Self {
            memory,
            seen: Mutex::new(HashMap::new()),
        }
    }

    /// Whether the id was looked for in vain of late.
    pub(super) fn contains(&self, kid: &str) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(kid)
            .is_some_and(|since| since.elapsed() < self.memory)
    }

    /// Remembers that the id was looked for in vain.
    pub(super) fn remember(&self, kid: &str) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MAX_IDS {
            seen.clear();
        }
        seen.insert(kid.into(), Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_ids_stays_bounded() {
        let unknown = UnknownKids::new(Duration::from_secs(60));
        for index in 0..10_000 {
            unknown.remember(&format!("kid-{index}"));
        }
        assert!(unknown.seen.lock().unwrap().len() <= MAX_IDS);
        assert!(unknown.contains("kid-9999"));
        assert!(!unknown.contains("kid-0"));
    }

    #[test]
    fn an_id_is_forgotten_after_its_time() {
        let unknown = UnknownKids::new(Duration::ZERO);
        unknown.remember("kid");
        assert!(!unknown.contains("kid"));
    }
}
