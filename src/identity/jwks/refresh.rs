//! The task that does all the fetching of one key set.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::fetch::{FetchError, Fetched, Fetcher};
use super::file::{self, FileStamp};
use super::key_set::Shared;
use crate::identity::settings::KeySource;

/// The first pause after a failure; it doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_millis(250);

/// Keeps one key set up to date until it is aborted.
pub(super) struct Refresher {
    shared: Arc<Shared>,
    fetcher: Fetcher,
    failures: u32,
    stamp: Option<FileStamp>,
}

impl Refresher {
    pub(super) fn new(shared: Arc<Shared>, fetcher: Fetcher) -> Self {
        Self {
            shared,
            fetcher,
            failures: 0,
            stamp: None,
        }
    }

    pub(super) async fn run(mut self) {
        let mut due = Instant::now();
        let mut demand_permitted = due;
        loop {
            let demanded = tokio::select! {
                () = sleep_until(due) => false,
                () = demand_after(&self.shared, demand_permitted) => true,
            };
            if demanded {
                demand_permitted = Instant::now() + self.shared.settings.unknown_kid_cooldown;
            }
            let pause = match self.shared.source.clone() {
                KeySource::Url(url) => {
                    let fetcher = self.fetcher.clone();
                    self.fetch(fetcher.key_set(&url)).await
                }
                KeySource::Discovery(issuer) => {
                    let fetcher = self.fetcher.clone();
                    self.fetch(fetcher.discovered_key_set(&issuer)).await
                }
                KeySource::File(path) => {
                    let stamp = file::stamp(&path).await;
                    if !demanded && stamp.is_some() && stamp == self.stamp {
                        self.shared.confirm();
                        self.shared.settings.file_poll
                    } else {
                        let read = async {
                            let keys = file::read(&path).await?;
                            Ok(Fetched {
                                keys,
                                max_age: None,
                            })
                        };
                        self.fetch(read).await;
                        // Taken before reading, and only if that went well: a file that was still
                        // being written is read again.
                        self.stamp = stamp.filter(|_| self.failures == 0);
                        self.shared.settings.file_poll
                    }
                }
            };
            due = Instant::now() + pause;
        }
    }

    /// Does one fetch and answers how long to pause after it.
    async fn fetch(
        &mut self,
        fetch: impl Future<Output = Result<Fetched, FetchError>>,
    ) -> Duration {
        let number = self.shared.begin();
        let outcome = fetch.await;
        let pause = match outcome {
            Ok(fetched) => {
                if self.failures > 0 {
                    tracing::info!(source = ?self.shared.source, "the issuer's keys can be had again");
                }
                self.failures = 0;
                self.shared.replace(fetched.keys);
                self.lifetime(fetched.max_age)
            }
            Err(error) => {
                if self.failures == 0 {
                    let reason = reason(&error);
                    tracing::warn!(source = ?self.shared.source, %reason, "the issuer's keys can't be had");
                }
                self.shared.counters.count_failure();
                self.failures = self.failures.saturating_add(1);
                self.backoff()
            }
        };
        self.shared.end(number);
        pause
    }

    /// Four fifths of the set's lifetime, less up to a tenth, so that the next set is there before
    /// this one ends and replicas do not ask in step.
    fn lifetime(&self, max_age: Option<Duration>) -> Duration {
        let settings = &self.shared.settings;
        let (least, most) = settings.lifetime_bounds;
        let lifetime = max_age
            .unwrap_or(settings.default_lifetime)
            .clamp(least, most);
        lifetime.mul_f64(0.8 - 0.1 * random_fraction())
    }

    fn backoff(&self) -> Duration {
        let settings = &self.shared.settings;
        let most = if self.shared.has_keys() {
            settings.retry_with_keys
        } else {
            settings.retry_without_keys
        };
        let doublings = self.failures.saturating_sub(1).min(16);
        let pause = FIRST_RETRY.saturating_mul(1 << doublings).min(most);
        pause.mul_f64(1.0 - 0.25 * random_fraction())
    }
}

/// Completes when a request asks for a fetch and the cool-down permits it.
async fn demand_after(shared: &Shared, permitted: Instant) {
    sleep_until(permitted).await;
    shared.demanded().await;
}

/// A number from 0 to 1 for spreading things out.
fn random_fraction() -> f64 {
    let mut bytes = [0; 2];
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => f64::from(u16::from_ne_bytes(bytes)) / f64::from(u16::MAX),
        Err(_) => 0.5,
    }
}

/// An error with its causes, on one line.
fn reason(error: &FetchError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
