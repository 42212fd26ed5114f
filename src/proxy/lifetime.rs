//! How long an answer may go on.
//!
//! One timer, one watch on the policy and one on what loses its owner per open stream. They only say
//! when to ask [`Gate::standing`] and [`Gate::still_held`] again, which is where it is decided.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use pingora::http::RequestHeader;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

use super::carrier;
use crate::clock::Timestamp;
use crate::decision::{Denial, Refusal};
use crate::pipeline::{Admission, Gate, OpenAnswer, Opened, Trail};
use crate::telemetry::OpenStream;

/// Longest sleep until the clock is looked at again: it may be set forward.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Pause before owners are asked for again that nobody could tell.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// A look at the owners.
type Look = Pin<Box<dyn Future<Output = Result<(), Refusal>> + Send>>;

/// One admitted request whose answer goes on, counted as an open stream.
pub(super) struct Lifetime {
    gate: Arc<Gate>,
    admission: Arc<Admission>,
    method: Method,
    target: String,
    installed: watch::Receiver<()>,
    /// When to judge again; at once in the beginning. Kept from one wait to the next, as most end
    /// because a piece of the answer came.
    timer: Pin<Box<Sleep>>,
    /// Tells when something has lost its owner.
    removals: watch::Receiver<()>,
    /// The look at the owners that is under way. Kept likewise, or pieces that come quickly would
    /// never let it end.
    look: Option<Look>,
    _open: OpenStream,
    _listed: Opened,
}

impl Lifetime {
    /// The lifetime of the answer to this request.
    pub(super) fn of(
        gate: &Arc<Gate>,
        admission: &Arc<Admission>,
        trail: &Trail,
        head: &RequestHeader,
    ) -> Self {
        let tenant = admission.principal().map(|principal| principal.tenant());
        let removals = gate.registry().removals();
        Self {
            removals,
            look: look(gate, admission),
            installed: gate.installations(),
            gate: Arc::clone(gate),
            admission: Arc::clone(admission),
            method: head.method.clone(),
            target: carrier::target_of(head).unwrap_or_default().to_owned(),
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            _open: gate.metrics().open_stream(tenant),
            _listed: gate.open_answers().open(OpenAnswer {
                admission: Arc::clone(admission),
                request_id: *trail.request_id(),
                since: trail.received(),
            }),
        }
    }

    /// Returns once the answer must end, and why. Nothing is lost when it is dropped and asked anew.
    pub(super) async fn ended(&mut self) -> Denial {
        loop {
            tokio::select! {
                biased;
                // The gate outlives its streams; a watch without a sender can't happen, and would
                // leave the timer to judge.
                Ok(()) = self.installed.changed() => {}
                Ok(()) = self.removals.changed() => {
                    self.look = look(&self.gate, &self.admission);
                    continue;
                }
                () = &mut self.timer => {}
                looked = looked(&mut self.look) => {
                    self.look = None;
                    match looked {
                        Ok(()) => {}
                        Err(Refusal::Denied(denial)) => return denial,
                        Err(Refusal::Failed(_)) => self.look = look_later(&self.gate, &self.admission),
                    }
                    continue;
                }
            }
            match self
                .gate
                .standing(&self.admission, &self.method, &self.target)
            {
                Ok(until) => {
                    let next = Instant::now() + self.rest(until);
                    self.timer.as_mut().reset(next);
                }
                Err(denial) => return denial,
            }
        }
    }

    fn rest(&self, until: Option<Timestamp>) -> Duration {
        let rest = until.map_or(LOOK_AGAIN, |until| {
            let micros = until
                .as_micros()
                .saturating_sub(self.gate.now().as_micros());
            Duration::from_micros(u64::try_from(micros).unwrap_or(0))
        });
        // A timer may fire a moment early; without a pause it would then spin to the end.
        rest.clamp(Duration::from_millis(1), LOOK_AGAIN)
    }
}

/// Asks whose the things of a request are. What it deletes itself it may go on about.
fn look(gate: &Arc<Gate>, admission: &Arc<Admission>) -> Option<Look> {
    look_after(Duration::ZERO, gate, admission)
}

fn look_later(gate: &Arc<Gate>, admission: &Arc<Admission>) -> Option<Look> {
    look_after(ASK_AGAIN, gate, admission)
}

fn look_after(pause: Duration, gate: &Arc<Gate>, admission: &Arc<Admission>) -> Option<Look> {
    if !admission.route().names_resources() || admission.deletes() {
        return None;
    }
    let (gate, admission) = (Arc::clone(gate), Arc::clone(admission));
    Some(Box::pin(async move {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        gate.still_held(&admission).await
    }))
}

/// What a look under way finds.
async fn looked(look: &mut Option<Look>) -> Result<(), Refusal> {
    match look {
        Some(look) => look.await,
        None => std::future::pending().await,
    }
}
