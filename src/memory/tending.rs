//! What is done in the background: counting recalls, and removing what has expired.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Caller, Memory, TenantScope};

/// How often recalls are counted.
const COUNTED_EVERY: Duration = Duration::from_secs(1);

/// How often what has expired is removed from the tenants that were seen since.
const SWEPT_EVERY: Duration = Duration::from_secs(60);

/// Most entries removed in one step, so that a tenant's writers never wait long.
const STEP: u32 = 500;

/// Most steps of a tenant at a time.
const STEPS: usize = 20;

/// Most tenants remembered between two rounds; the others' expired entries are not there for anybody
/// either, and are removed after they call again.
const MOST: usize = 10_000;

/// The tenants that called since the last round.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<HashSet<TenantScope>>);

impl Seen {
    fn add(&self, tenant: TenantScope) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() < MOST {
            seen.insert(tenant);
        }
    }

    fn take(&self) -> HashSet<TenantScope> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *seen)
    }
}

impl Memory {
    /// Notes that a caller's tenant is in use, so that it is looked after.
    pub fn saw(&self, caller: &Caller) {
        self.seen().add(caller.tenant_scope());
    }

    /// Removes what has expired from the tenants that were seen; answers how many entries. A tenant
    /// that can't be swept keeps nobody else's from being.
    pub async fn sweep(&self) -> u64 {
        let mut removed = 0;
        for tenant in self.seen().take() {
            for _ in 0..STEPS {
                match self.store().sweep(&tenant, STEP, self.now()).await {
                    Ok(step) => {
                        removed += step;
                        if step < u64::from(STEP) {
                            break;
                        }
                    }
                    Err(error) => {
                        self.failed_to_tend();
                        tracing::warn!(%error, tenant = %tenant.tenant(), "a tenant can't be swept");
                        break;
                    }
                }
            }
        }
        removed
    }

    /// Counts recalls and sweeps until `stop` ends, and counts once more then.
    pub async fn tend(self: Arc<Self>, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        let mut counting = tokio::time::interval(COUNTED_EVERY);
        let mut sweeping = tokio::time::interval(SWEPT_EVERY);
        // A round that took long is followed by a pause, not by those that were missed.
        counting.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        sweeping.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = &mut stop => break,
                _ = counting.tick() => self.count().await,
                _ = sweeping.tick() => {
                    let removed = self.sweep().await;
                    if removed > 0 {
                        tracing::debug!(removed, "removed what had expired");
                    }
                }
            }
        }
        self.count().await;
    }

    async fn count(&self) {
        if let Err(error) = self.count_recalls().await {
            self.failed_to_tend();
            tracing::warn!(%error, "recalls can't be counted");
        }
    }
}
