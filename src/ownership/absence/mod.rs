//! The backend's own way to say that something is not there.
//!
//! What belongs to another tenant, what nobody has heard of, and what the backend itself does not
//! find must look the same, or the answer says which ids exist. So the gate does not word an answer
//! of its own: it asks the backend about an id that can't exist, of the shape of the one that was
//! asked for ([`Impossible`]), in a request that is the caller's own in all else, and passes the
//! answer on with the asked id in place of the other ([`Answer::about`]).
//!
//! Two such answers teach how the backend speaks ([`Template`]), and from then on the gate answers
//! by itself, as long after the request as the backend would ([`Absences::wait`]). It asks again
//! now and then: the backend may have changed, and the hour has. What differs between two answers
//! and is neither repeated from the request nor random (a time, a counter, a tag of the content)
//! can't be made up without being found out; then the backend is asked every time.
//!
//! What is learned from one request is told to nobody else: the caller, every field and every
//! parameter of the request are part of the [`Fingerprint`]. A backend repeats more than ids.

mod alarm;
mod answer;
mod draw;
mod impossible;
mod pace;
mod spelling;
mod stated;
mod template;
mod uuid;
mod volatile;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{Method, header};
use quick_cache::sync::Cache;

use alarm::Alarm;
use draw::Secret;
use pace::Pace;

pub use answer::{Answer, Verdict};
pub use impossible::Impossible;
pub use spelling::Sent;
pub use template::{Sample, Template};

use crate::clock::Timestamp;

/// Kinds of requests whose answer is remembered. A kind costs the size of one answer, 64 KiB at most.
const MOST_KINDS: usize = 2_048;

/// Routes whose pace is remembered.
const MOST_ROUTES: usize = 4_096;

/// How often a template is used before the backend is asked again.
const MOST_SERVED: u32 = 64;

/// How long a template is used before the backend is asked again.
const MOST_AGE: Duration = Duration::from_secs(30);

/// What of a request may shape its answer, beside the ids that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of these texts in this order. Ids belong in it as their [`Fingerprint::shape`].
    pub fn of<'text>(texts: impl IntoIterator<Item = &'text [u8]>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for text in texts {
            // With its length, so that no two rows of texts come to the same.
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text);
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// What an id has in common with those that a backend treats alike.
    pub fn shape(id: &str) -> String {
        impossible::shape(id)
    }

    /// What an id has in common with those that are as long in every spelling.
    pub fn exact_shape(id: &str) -> String {
        let places = id.replace(|letter: char| letter.is_ascii_alphanumeric(), "x");
        format!("{} {places:?}", impossible::shape(id))
    }
}

/// How to answer.
#[derive(Debug)]
pub enum Recall {
    /// So, once [`Absences::wait`] returns.
    Answer(Answer),
    /// As the backend does: ask it, and [`Absences::learn`] from what it says.
    Ask {
        /// For [`Absences::in_place_of`].
        variant: u64,
    },
}

/// That an answer waited, and until when it was to be ready.
#[derive(Debug)]
#[must_use]
pub struct Waited(Option<Instant>);

/// What was learned of how backends say that something is not there.
pub struct Absences {
    secret: Secret,
    kinds: Cache<Fingerprint, Arc<Mutex<Kind>>>,
    paces: Cache<(Arc<str>, Method), Arc<Pace>>,
    alarm: Alarm,
    drawn: AtomicU64,
}

/// One kind of request.
#[derive(Debug)]
struct Kind {
    last: Option<Sample>,
    template: Option<Arc<Template>>,
    asked: u64,
    since: Instant,
    served: u32,
}

impl Absences {
    /// Nothing is learned yet. `key` has to be random: who knows it knows what stands for which id.
    pub fn new(key: [u8; 32]) -> Self {
        Self {
            secret: Secret::new(key),
            kinds: Cache::new(MOST_KINDS),
            paces: Cache::new(MOST_ROUTES),
            alarm: Alarm::default(),
            drawn: AtomicU64::new(0),
        }
    }

    /// An id that names nothing, to ask the backend about in place of `id`.
    pub fn in_place_of(&self, id: &str, variant: u64) -> Impossible {
        impossible::in_place_of(id, variant, &self.secret)
    }

    /// The answer about `asked` to a request of this kind on this route, where it is known.
    pub fn recall(
        &self,
        kind: &Fingerprint,
        route: (&Arc<str>, &Method),
        asked: &[Sent],
        now: Timestamp,
    ) -> Recall {
        let paced = self.pace(route).is_known();
        let entry = self.kind(kind);
        let mut entry = entry.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = entry.served < MOST_SERVED && entry.since.elapsed() < MOST_AGE;
        let template = entry.template.clone().filter(|_| fresh && paced);
        let Some(template) = template else {
            // Whoever comes while this one asks is answered as before.
            entry.since = Instant::now();
            entry.served = 0;
            return Recall::Ask {
                variant: entry.next_variant(),
            };
        };
        entry.served += 1;
        drop(entry);
        Recall::Answer(template.about(asked, now, &mut self.draw(b"chance")))
    }

    /// Takes note of what the backend said. A failure ([`Verdict::Failed`]) says nothing of the id
    /// and is to be kept away from here.
    pub fn learn(&self, kind: &Fingerprint, sample: Sample, now: Timestamp) {
        let entry = self.kind(kind);
        let mut entry = entry.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = entry.last.take() {
            let same_question = last.sent == sample.sent;
            if !same_question || Verdict::of(sample.answer.status) != Verdict::Absent {
                entry.template = Template::learn(&last, &sample, now).map(Arc::new);
            }
        }
        // What teaches nothing is not kept: its size is the backend's to say, and there are many kinds.
        entry.last = Some(sample).filter(|sample| sample.answer.body.len() <= template::LARGEST);
    }

    /// An answer of the backend, which says that something is not there, was ready to be sent so
    /// long after its request was there whole.
    pub fn observe(&self, route: (&Arc<str>, &Method), took: Duration) {
        self.pace(route).observe(took);
    }

    /// Returns when the backend would have answered a request that was there whole at `arrival`; at
    /// once where nothing is known of how long it takes.
    pub async fn wait(&self, route: (&Arc<str>, &Method), arrival: Instant) -> Waited {
        let took = self.pace(route).draw(&mut self.draw(b"pace"));
        match took.and_then(|took| arrival.checked_add(took)) {
            Some(moment) if self.alarm.wait_until(moment).await => Waited(Some(moment)),
            Some(_) | None => Waited(None),
        }
    }

    /// The answer that waited was ready to be sent at `done`: the next one is made ready so much
    /// earlier as this one was late.
    pub fn said(&self, waited: &Waited, done: Instant) {
        if let Waited(Some(moment)) = waited {
            self.alarm.learn(*moment, done);
        }
    }

    fn kind(&self, kind: &Fingerprint) -> Arc<Mutex<Kind>> {
        self.kinds
            .get_or_insert_with(kind, || Ok::<_, std::convert::Infallible>(Arc::default()))
            .unwrap_or_else(|never| match never {})
    }

    fn pace(&self, (route, method): (&Arc<str>, &Method)) -> Arc<Pace> {
        let key = (Arc::clone(route), method.clone());
        self.paces
            .get_or_insert_with(&key, || Ok::<_, std::convert::Infallible>(Arc::default()))
            .unwrap_or_else(|never| match never {})
    }

    fn draw(&self, purpose: &[u8]) -> draw::Draw {
        let turn = self.drawn.fetch_add(1, Ordering::Relaxed);
        self.secret.draw(&[purpose, &turn.to_le_bytes()])
    }
}

impl Default for Kind {
    fn default() -> Self {
        Self {
            last: None,
            template: None,
            asked: 0,
            since: Instant::now(),
            served: 0,
        }
    }
}

impl Kind {
    /// Which of the impossible ids to ask about.
    ///
    /// Another one each time, so that two answers to one id show what is repeated of it. Where
    /// answers are tagged (RFC 9110 section 8.8.3) always the same one: the tag of what was asked
    /// for twice would differ.
    fn next_variant(&mut self) -> u64 {
        let tagged = self
            .last
            .as_ref()
            .is_some_and(|last| last.answer.headers.contains_key(header::ETAG));
        if tagged {
            return 0;
        }
        self.asked += 1;
        self.asked - 1
    }
}

impl fmt::Debug for Absences {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Absences")
            .field("kinds", &self.kinds.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
