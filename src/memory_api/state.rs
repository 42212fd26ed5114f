//! What the routes share.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use super::shares::Shares;
use super::{Authenticator, MemoryMetrics};
use crate::clock::SharedClock;
use crate::memory::{Memory, Rules};

/// Bounds of single requests and of all of them together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiLimits {
    /// Largest request body, in bytes.
    pub body_bytes: usize,
    /// Largest body of an import, in bytes.
    pub import_bytes: usize,
    /// Most requests at once; of one tenant half as many.
    pub requests_at_once: usize,
    /// Most event streams at once, of one tenant half as many, which are not counted among the requests once they began.
    pub streams_at_once: usize,
    /// Bytes of large answers that are held at once for peers that are slow to take them; one tenant
    /// holds half of it, or one answer.
    pub answer_bytes: usize,
    /// From a request's head to its answer's.
    pub request_timeout: Duration,
    /// The same for what moves or erases a whole namespace.
    pub bulk_timeout: Duration,
}

/// What the service is made of.
pub struct ApiParts {
    /// Who is believed.
    pub authenticator: Authenticator,
    /// What roles may do.
    pub rules: Rules,
    /// The memories.
    pub memory: Arc<Memory>,
    /// Bounds.
    pub limits: ApiLimits,
    /// The counters.
    pub metrics: Arc<MemoryMetrics>,
    /// The time.
    pub clock: SharedClock,
    /// When it ends.
    pub stopping: Stopping,
}

/// The state of every route.
#[derive(Clone)]
pub struct AppState(Arc<Shared>);

/// The parts, and what counts against their bounds.
pub struct Shared {
    parts: ApiParts,
    pub(super) requests: Arc<Semaphore>,
    pub(super) streams: Arc<Semaphore>,
    pub(super) requests_of_tenants: Arc<Shares>,
    pub(super) streams_of_tenants: Arc<Shares>,
    pub(super) answers_of_tenants: Arc<Shares>,
}

impl AppState {
    /// The state of a service that is made of these parts.
    pub fn new(parts: ApiParts) -> Self {
        Self(Arc::new(Shared {
            requests: Arc::new(Semaphore::new(parts.limits.requests_at_once)),
            streams: Arc::new(Semaphore::new(parts.limits.streams_at_once)),
            requests_of_tenants: Shares::of(parts.limits.requests_at_once),
            streams_of_tenants: Shares::of(parts.limits.streams_at_once),
            answers_of_tenants: Shares::of(parts.limits.answer_bytes),
            parts,
        }))
    }
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Deref for Shared {
    type Target = ApiParts;

    fn deref(&self) -> &ApiParts {
        &self.parts
    }
}

/// Tells when the process has been asked to end.
#[derive(Clone, Debug)]
pub struct Stopping(watch::Receiver<bool>);

impl Stopping {
    /// A signal that has not been given, and what gives it by sending `true`.
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it begins.
    pub async fn begun(mut self) {
        // The sender is gone only when the process is.
        let _ = self.0.wait_for(|stopping| *stopping).await;
    }
}
