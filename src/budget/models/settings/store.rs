//! What the settings ask of a store.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::decision::StateUnavailable;
use crate::tenant::TenantId;

/// One tenant's choice, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Whose.
    pub tenant: TenantId,
    /// The choice, as [`super::LlmSettings::to_text`] writes it.
    pub settings: String,
    /// Who chose.
    pub by: Arc<str>,
    /// When.
    pub at: Timestamp,
    /// The number of this change, larger than that of every change before it. 0 where nothing was
    /// ever chosen.
    pub change: u64,
}

/// How far somebody has seen the changes of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The number of the last change.
    pub change: u64,
    /// How many tenants were forgotten.
    pub forgotten: u64,
}

/// What happened since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// What was changed; all that there is, where somebody was forgotten.
    pub chosen: Vec<Chosen>,
    /// Whether `chosen` is all there is.
    pub is_all: bool,
    /// How far that goes.
    pub seen: Seen,
}

/// Keeps each tenant's choice. Another process may work on the same store.
///
/// Every method ends within a second or answers that the store is unavailable.
#[async_trait]
pub trait LlmSettingsStore: Debug + Send + Sync {
    /// What was changed by anybody since.
    async fn news(&self, since: Seen) -> Result<News, StateUnavailable>;

    /// Keeps a choice in place of the one that `chosen.change` counts, and answers the number of the
    /// change once it is durable. `None`: there is another one in its place.
    async fn replace(&self, chosen: Chosen) -> Result<Option<u64>, StateUnavailable>;

    /// Forgets a tenant's choice. Answers whether there was one.
    async fn forget(&self, tenant: TenantId) -> Result<bool, StateUnavailable>;
}
