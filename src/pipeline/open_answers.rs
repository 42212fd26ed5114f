//! Which answers go on, whose they are and since when.

use std::sync::{Arc, Mutex, PoisonError};

use super::admission::Admission;
use super::trace_context::RequestId;
use crate::clock::Timestamp;

/// The answers that go on at present.
#[derive(Debug, Default)]
pub struct OpenAnswers(Mutex<Places>);

#[derive(Debug, Default)]
struct Places {
    taken: Vec<Option<OpenAnswer>>,
    free: Vec<usize>,
}

/// One answer that goes on.
#[derive(Clone, Debug)]
pub struct OpenAnswer {
    /// What let its request in.
    pub admission: Arc<Admission>,
    /// The gate's id of the request.
    pub request_id: RequestId,
    /// When the request arrived.
    pub since: Timestamp,
}

/// Keeps one answer among those that go on, until it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Opened {
    answers: Arc<OpenAnswers>,
    place: usize,
}

impl OpenAnswers {
    /// One more goes on.
    pub fn open(self: &Arc<Self>, answer: OpenAnswer) -> Opened {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = match places.free.pop() {
            Some(place) => place,
            None => {
                places.taken.push(None);
                places.taken.len() - 1
            }
        };
        if let Some(taken) = places.taken.get_mut(place) {
            *taken = Some(answer);
        }
        Opened {
            answers: Arc::clone(self),
            place,
        }
    }

    /// Those that go on, the oldest first, at most `most` of them; and how many there are.
    pub fn oldest(&self, most: usize) -> (Vec<OpenAnswer>, usize) {
        let mut open: Vec<OpenAnswer> = {
            let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            places.taken.iter().flatten().cloned().collect()
        };
        let number = open.len();
        open.sort_by_key(|answer| answer.since);
        open.truncate(most);
        (open, number)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let answer = {
            let mut places = self
                .answers
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            places.free.push(self.place);
            places.taken.get_mut(self.place).and_then(Option::take)
        };
        // It may be the last hold on a policy; that is not let go of under the lock.
        drop(answer);
    }
}
