//! How long a backend takes to find nothing.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::draw::Draw;

/// Most answers that are remembered.
const MOST: usize = 64;

/// Fewest that say how long it takes.
const FEWEST: usize = 8;

/// How long the latest answers of one route took, from the end of the request to the head of the
/// answer.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    latest: Vec<Duration>,
    next: usize,
}

impl Pace {
    /// An answer took so long.
    pub(super) fn observe(&self, took: Duration) {
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = ring.next;
        match ring.latest.get_mut(next) {
            Some(oldest) => *oldest = took,
            None => ring.latest.push(took),
        }
        ring.next = (next + 1) % MOST;
    }

    /// Whether enough is known to answer in the backend's place.
    pub(super) fn is_known(&self) -> bool {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.latest.len() >= FEWEST
    }

    /// How long the next answer may take: as long as one of the latest did.
    pub(super) fn draw(&self, draw: &mut Draw) -> Option<Duration> {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = usize::try_from(draw.below(ring.latest.len() as u64)).ok()?;
        ring.latest.get(at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ownership::absence::draw::Secret;

    #[test]
    fn what_is_drawn_was_observed_of_late() {
        let pace = Pace::default();
        let mut draw = Secret::new([1; 32]).draw(&[]);
        assert_eq!(pace.draw(&mut draw), None);
        for micros in 0..200 {
            assert_eq!(pace.is_known(), micros >= 8);
            pace.observe(Duration::from_micros(micros));
        }
        let drawn: Vec<Duration> = (0..500).filter_map(|_| pace.draw(&mut draw)).collect();
        assert_eq!(drawn.len(), 500);
        assert!(drawn.iter().all(|took| *took >= Duration::from_micros(136)));
        assert!(
            drawn.iter().any(|took| *took != drawn[0]),
            "not one of them only"
        );
    }
}
