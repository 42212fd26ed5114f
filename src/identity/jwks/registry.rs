//! All key sets in use, one per source.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::runtime::Handle;

use super::fetch::Fetcher;
use super::key_set::{KeySet, Shared};
use super::refresh::Refresher;
use super::settings::JwksSettings;
use super::status::KeySetStatus;
use crate::clock::SharedClock;
use crate::identity::settings::KeySource;

/// Hands out key sets, so that issuers and policy generations that name one source share one set.
#[derive(Debug)]
pub struct KeySetRegistry {
    runtime: Handle,
    /// `None`: no key is ever fetched.
    fetcher: Option<Fetcher>,
    settings: JwksSettings,
    clock: SharedClock,
    sets: Mutex<HashMap<KeySource, Weak<KeySet>>>,
}

/// Why there can be no registry.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The HTTP client can't be made, usually for want of root certificates.
    #[error("the HTTP client for key sets can't be set up")]
    Client(#[source] reqwest::Error),
}

impl KeySetRegistry {
    /// A registry whose fetches run on `runtime`; those who verify may be on any other.
    ///
    /// # Errors
    /// The system's root certificates can't be loaded.
    pub fn new(
        runtime: Handle,
        settings: JwksSettings,
        clock: SharedClock,
    ) -> Result<Arc<Self>, RegistryError> {
        Ok(Arc::new(Self {
            runtime,
            fetcher: Some(Fetcher::new(&settings).map_err(RegistryError::Client)?),
            settings,
            clock,
            sets: Mutex::new(HashMap::new()),
        }))
    }

    /// A registry that has no keys and fetches none: for a gate whose callers are only supposed.
    pub fn offline(runtime: Handle, clock: SharedClock) -> Arc<Self> {
        Arc::new(Self {
            runtime,
            fetcher: None,
            settings: JwksSettings::default(),
            clock,
            sets: Mutex::new(HashMap::new()),
        })
    }

    /// The key set of a source. The first call begins to fetch it; when the last holder lets go of
    /// it, it ends.
    pub fn key_set(&self, source: &KeySource) -> Arc<KeySet> {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        sets.retain(|_, set| set.strong_count() > 0);
        if let Some(set) = sets.get(source).and_then(Weak::upgrade) {
            return set;
        }
        let set = self.begin(source);
        sets.insert(source.clone(), Arc::downgrade(&set));
        set
    }

    /// How every set in use stands.
    pub fn statuses(&self) -> Vec<(KeySource, KeySetStatus)> {
        let sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        sets.iter()
            .filter_map(|(source, set)| Some((source.clone(), set.upgrade()?.status())))
            .collect()
    }

    fn begin(&self, source: &KeySource) -> Arc<KeySet> {
        let shared = Arc::new(Shared::new(
            source.clone(),
            self.settings.clone(),
            Arc::clone(&self.clock),
        ));
        let task = match &self.fetcher {
            Some(fetcher) => {
                let refresher = Refresher::new(Arc::clone(&shared), fetcher.clone());
                self.runtime.spawn(refresher.run())
            }
            None => self.runtime.spawn(std::future::ready(())),
        };
        Arc::new(KeySet::new(shared, task.abort_handle()))
    }
}
