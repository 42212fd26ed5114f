//! The one who tells: claims warnings, has them recorded, and delivers their messages.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::delivery::{Courier, wait_before};
use super::told::{Claim, Due, Told};
use super::{Warning, Warnings};
use crate::clock::{SharedClock, Timestamp};
use crate::identity::webhook::WebhookTarget;
use crate::telemetry::Metrics;

/// How often messages are looked for that another process left behind.
const LOOK: Duration = Duration::from_secs(30);
/// How often keys of windows that are over are forgotten.
const FORGET: Duration = Duration::from_secs(3_600);
/// Age from which a message is no news any more, in seconds: 3 days.
const STALE_SECONDS: i64 = 3 * 86_400;

/// What the worker needs of others.
pub struct WarningEnds {
    /// Has a warning recorded. Called once for each.
    pub record: Box<dyn Fn(&Warning) + Send + Sync>,
    /// Where messages go at present; `None` if nobody is to be written to.
    pub target: Box<dyn Fn() -> Option<Arc<WebhookTarget>> + Send + Sync>,
}

/// Tells of warnings until the process ends.
pub struct WarningWorker {
    told: Arc<Told>,
    courier: Courier,
    clock: SharedClock,
    metrics: Arc<Metrics>,
    ends: WarningEnds,
}

/// The worker can't be had.
#[derive(Debug, thiserror::Error)]
pub enum WarningsUnusable {
    /// The folder can't be made.
    #[error("the folder of alerts can't be used")]
    Folder(#[from] io::Error),
    /// No requests can be made.
    #[error("alerts can't be sent")]
    Client(#[from] reqwest::Error),
}

impl WarningWorker {
    /// A worker that remembers in `directory` what was told.
    ///
    /// # Errors
    /// See [`WarningsUnusable`].
    pub fn open(
        directory: &Path,
        clock: SharedClock,
        metrics: Arc<Metrics>,
        ends: WarningEnds,
    ) -> Result<Self, WarningsUnusable> {
        Ok(Self {
            told: Arc::new(Told::open(directory)?),
            courier: Courier::new()?,
            clock,
            metrics,
            ends,
        })
    }

    /// Tells of what is handed to `warnings`, and delivers what waits in the folder. Messages that a
    /// killed process left are delivered by the next one, under the same id.
    pub async fn run(self, warnings: Arc<Warnings>) {
        let more = Notify::new();
        tokio::join!(self.tell(&warnings, &more), self.deliver(&more));
    }

    async fn tell(&self, warnings: &Warnings, more: &Notify) {
        let Some(mut queue) = warnings.take_queue() else {
            tracing::error!("two workers tell of warnings");
            return;
        };
        let mut dropped = 0;
        while let Some(warning) = queue.recv().await {
            self.tell_of(warning, more).await;
            let total = warnings.dropped();
            self.metrics.alerts("dropped", total - dropped);
            dropped = total;
        }
    }

    async fn tell_of(&self, warning: Warning, more: &Notify) {
        let deliver = (self.ends.target)().is_some();
        let told = Arc::clone(&self.told);
        let claimed = tokio::task::spawn_blocking(move || {
            let claim = told.claim(&warning, deliver);
            (warning, claim)
        });
        let Ok((warning, claim)) = claimed.await else {
            return;
        };
        match claim {
            Ok(Claim::Told) => {}
            Ok(Claim::Ours) => {
                self.record(&warning);
                more.notify_one();
            }
            Ok(Claim::OursWithoutMessage) => {
                self.record(&warning);
                self.metrics.alerts("dropped", 1);
            }
            Ok(Claim::Full) => {
                tracing::error!(
                    ?warning,
                    "too many warnings are remembered to tell of this one"
                );
                self.metrics.alerts("dropped", 1);
            }
            // Told perhaps twice, and not perhaps never.
            Err(error) => {
                tracing::error!(%error, "what was told of ceilings can't be remembered");
                self.record(&warning);
                self.metrics.alerts("dropped", u64::from(deliver));
            }
        }
    }

    fn record(&self, warning: &Warning) {
        self.metrics.ceiling_warning(warning);
        (self.ends.record)(warning);
    }

    async fn deliver(&self, more: &Notify) {
        let mut attempts: HashMap<String, (usize, Instant)> = HashMap::new();
        let mut forget_at = Instant::now();
        loop {
            if Instant::now() >= forget_at {
                forget_at = Instant::now() + FORGET;
                if let Err(error) = self.told.forget(self.clock.now()) {
                    tracing::error!(%error, "warnings of windows that are over can't be forgotten");
                }
            }
            match self.told.waiting() {
                Ok(keys) => {
                    attempts.retain(|key, _| keys.contains(key));
                    for key in keys {
                        self.deliver_one(&key, &mut attempts).await;
                    }
                }
                Err(error) => tracing::error!(%error, "alerts that wait can't be read"),
            }
            let now = Instant::now();
            let next = attempts.values().map(|(_, at)| *at).min();
            let pause = next.map_or(LOOK, |at| at.saturating_duration_since(now).min(LOOK));
            tokio::select! {
                () = more.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn deliver_one(&self, key: &str, attempts: &mut HashMap<String, (usize, Instant)>) {
        let made = match attempts.get(key) {
            Some((_, at)) if *at > Instant::now() => return,
            Some((made, _)) => *made,
            None => 0,
        };
        // Kept for when a receiver is configured again, until it is stale.
        let target = (self.ends.target)();
        let due = match self.told.take(key) {
            Ok(Some(due)) => due,
            Ok(None) => return,
            Err(error) => {
                tracing::error!(key, %error, "an alert can't be read");
                return;
            }
        };
        let now = self.clock.now();
        if is_stale(&due, now) {
            self.give_up(due, "it is too old");
            return;
        }
        let Some(target) = target else {
            return;
        };
        match self
            .courier
            .send(&target, &due.key, &due.message, now)
            .await
        {
            Ok(()) => {
                self.metrics.alerts("delivered", 1);
                attempts.remove(key);
                if let Err(error) = due.done() {
                    tracing::error!(key, %error, "a delivered alert can't be removed");
                }
            }
            Err(error) if error.is_final() => self.give_up(due, "the receiver wants no more"),
            Err(error) => {
                self.metrics.alerts("failed", 1);
                let made = made + 1;
                tracing::warn!(key, made, %error, "an alert was not taken");
                match wait_before(made) {
                    Some(wait) => {
                        attempts.insert(key.to_owned(), (made, Instant::now() + wait));
                    }
                    None => self.give_up(due, "every attempt failed"),
                }
            }
        }
    }

    fn give_up(&self, due: Due, reason: &str) {
        tracing::error!(
            key = due.key,
            message = due.message,
            reason,
            "an alert is given up"
        );
        self.metrics.alerts("given_up", 1);
        if let Err(error) = due.done() {
            tracing::error!(%error, "an alert that is given up can't be removed");
        }
    }
}

fn is_stale(due: &Due, now: Timestamp) -> bool {
    due.since.plus_seconds(STALE_SECONDS) < now
}

#[cfg(test)]
mod tests;
