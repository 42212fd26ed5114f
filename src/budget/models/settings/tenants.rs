//! Every tenant's choice in memory, and the way of a change into the store and back.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Mutex;

use super::store::{Chosen, LlmSettingsStore, News, Seen};
use super::{LlmPatch, LlmSettings, ModelPolicy, SettingsError, document};
use crate::clock::Timestamp;
use crate::decision::StateUnavailable;
use crate::tenant::TenantId;

/// How often it is looked for what another process has changed.
const LOOK: Duration = Duration::from_millis(400);

/// How often a change is tried that another one came before.
const TRIES: usize = 8;

/// The settings of all tenants.
pub struct TenantSettings {
    store: Arc<dyn LlmSettingsStore>,
    known: RwLock<HashMap<TenantId, Arc<Known>>>,
    seen: Mutex<Seen>,
}

/// One tenant's choice, read.
#[derive(Debug)]
struct Known {
    chosen: Chosen,
    settings: LlmSettings,
}

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// The settings would not be sound.
    #[error(transparent)]
    Refused(#[from] SettingsError),
    /// They are not any more what the caller goes by (RFC 9110 section 13.1.1).
    #[error("the settings are not those that If-Match names any more: read them again")]
    Precondition,
    /// The store can't say or can't keep them.
    #[error(transparent)]
    Unavailable(#[from] StateUnavailable),
}

/// What is known of a tenant, and the settings that a patch makes of it.
type Changed = (Option<Arc<Known>>, LlmSettings);

impl TenantSettings {
    /// The settings in `store`, none of them known before [`TenantSettings::refresh`].
    pub fn new(store: Arc<dyn LlmSettingsStore>) -> Arc<Self> {
        Arc::new(Self {
            store,
            known: RwLock::default(),
            seen: Mutex::default(),
        })
    }

    /// The policy that holds for a tenant whose files say `files`.
    pub fn narrow(&self, tenant: &TenantId, files: &Arc<ModelPolicy>) -> Arc<ModelPolicy> {
        match self.known(tenant) {
            Some(known) => Arc::new(known.settings.narrow(files)),
            None => Arc::clone(files),
        }
    }

    /// What is shown of a tenant's settings; see [`document()`].
    pub fn document(&self, tenant: &TenantId, files: &ModelPolicy) -> String {
        match self.known(tenant) {
            Some(known) => document(tenant, files, &known.settings, Some(&known.chosen)),
            None => document(tenant, files, &LlmSettings::default(), None),
        }
    }

    /// Changes a tenant's settings where `condition` holds of the document before, and answers the
    /// document after once the change is durable. `None`: the patch changes nothing.
    ///
    /// # Errors
    /// See [`ChangeError`]; nothing is changed.
    pub async fn change(
        &self,
        tenant: &TenantId,
        files: &ModelPolicy,
        patch: &LlmPatch,
        condition: impl Fn(&str) -> bool,
        (by, at): (&str, Timestamp),
    ) -> Result<Option<String>, ChangeError> {
        for _ in 0..TRIES {
            // Another process may have changed them just now.
            self.refresh().await?;
            let (known, after) = match self.after(tenant, files, patch, &condition)? {
                Some(changed) => changed,
                None => return Ok(None),
            };
            let chosen = Chosen {
                tenant: tenant.clone(),
                settings: after.to_text(),
                by: by.into(),
                at,
                change: known.map_or(0, |known| known.chosen.change),
            };
            if let Some(change) = self.store.replace(chosen.clone()).await? {
                self.learn(Chosen { change, ..chosen });
                return Ok(Some(self.document(tenant, files)));
            }
        }
        Err(StateUnavailable::Busy.into())
    }

    /// Whether [`TenantSettings::change`] would be let, as far as is known in memory.
    ///
    /// # Errors
    /// As there.
    pub fn weigh(
        &self,
        tenant: &TenantId,
        files: &ModelPolicy,
        patch: &LlmPatch,
        condition: impl Fn(&str) -> bool,
    ) -> Result<(), ChangeError> {
        self.after(tenant, files, patch, &condition).map(|_| ())
    }

    /// What is known of a tenant, and what a patch makes of it; `None` where it changes nothing.
    fn after(
        &self,
        tenant: &TenantId,
        files: &ModelPolicy,
        patch: &LlmPatch,
        condition: &dyn Fn(&str) -> bool,
    ) -> Result<Option<Changed>, ChangeError> {
        if !condition(&self.document(tenant, files)) {
            return Err(ChangeError::Precondition);
        }
        let known = self.known(tenant);
        let before = known.as_ref().map(|known| known.settings.clone());
        let before = before.unwrap_or_default();
        let after = patch.over(&before);
        after.check(files)?;
        Ok((after != before).then_some((known, after)))
    }

    /// Forgets what a tenant chose. Answers whether there was anything.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn forget(&self, tenant: &TenantId) -> Result<bool, StateUnavailable> {
        let was_there = self.store.forget(tenant.clone()).await?;
        self.refresh().await?;
        Ok(was_there)
    }

    /// Learns what was changed by anybody.
    ///
    /// # Errors
    /// The store is unavailable; what was known stays.
    pub async fn refresh(&self) -> Result<(), StateUnavailable> {
        let mut seen = self.seen.lock().await;
        let news = self.store.news(*seen).await?;
        *seen = news.seen;
        if news.is_all {
            self.forget_others(&news);
        }
        for chosen in news.chosen {
            self.learn(chosen);
        }
        Ok(())
    }

    /// Learns what other processes change, for as long as somebody polls it.
    pub async fn keep_up(self: Arc<Self>) {
        let mut fails = false;
        loop {
            tokio::time::sleep(LOOK).await;
            let refreshed = self.refresh().await;
            if let Err(StateUnavailable::Closed) = refreshed {
                return;
            }
            if let (Err(error), false) = (&refreshed, fails) {
                tracing::error!(%error, "what tenants chose for their models can't be read; the last known holds");
            }
            fails = refreshed.is_err();
        }
    }

    fn known(&self, tenant: &TenantId) -> Option<Arc<Known>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(tenant).cloned()
    }

    /// Keeps a choice unless a later one is known.
    fn learn(&self, chosen: Chosen) {
        let settings = LlmSettings::from_text(&chosen.settings).unwrap_or_else(|error| {
            tracing::error!(tenant = %chosen.tenant, %error, "what the tenant chose for its models can't be read; it may use none until it is chosen anew");
            LlmSettings::closed()
        });
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let later = known
            .get(&chosen.tenant)
            .is_some_and(|known| known.chosen.change > chosen.change);
        if !later {
            let tenant = chosen.tenant.clone();
            known.insert(tenant, Arc::new(Known { chosen, settings }));
        }
    }

    /// Forgets those that are not in the store any more.
    fn forget_others(&self, news: &News) {
        let kept: HashMap<&TenantId, u64> = news
            .chosen
            .iter()
            .map(|chosen| (&chosen.tenant, chosen.change))
            .collect();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|tenant, known| {
            kept.contains_key(tenant) || known.chosen.change > news.seen.change
        });
    }
}

impl fmt::Debug for TenantSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        write!(formatter, "TenantSettings({} tenants)", known.len())
    }
}

#[cfg(test)]
mod tests;
