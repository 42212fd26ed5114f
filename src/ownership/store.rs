//! What the registry asks of a store.
//!
//! A store keeps one row per resource and forgets none on its own. What it answers is what is on
//! disk: a taking that was answered survives the process. Another process may work on the same
//! store, so nothing but the store itself knows that an id is free.

use std::fmt::{self, Debug};

use async_trait::async_trait;

use super::cache::Invalidation;
use super::resource::{Owner, Ownership, ResourceKey};
use crate::clock::Timestamp;
use crate::decision::StateUnavailable;
use crate::identity::UserId;
use crate::tenant::TenantId;

/// A day, counted from 1970-01-01 in UTC. Uses are remembered by the day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(u32);

impl Day {
    /// The day with this count.
    pub const fn new(count: u32) -> Self {
        Self(count)
    }

    /// The day in which `time` is.
    pub fn of(time: Timestamp) -> Self {
        Self(u32::try_from(time.as_seconds().div_euclid(86_400)).unwrap_or(0))
    }

    /// The count.
    pub const fn count(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Day {
    /// As RFC 3339 writes a date.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let midnight = Timestamp::from_seconds(i64::from(self.0) * 86_400).to_string();
        formatter.write_str(midnight.split('T').next().unwrap_or_default())
    }
}

/// What a store knows of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// No row.
    Unknown,
    /// A row without owner.
    Retired,
    /// A row with an owner, who used it that day for the last time that was written down.
    Owned(Owner, Day),
}

impl From<Held> for Ownership {
    fn from(held: Held) -> Self {
        match held {
            Held::Unknown => Self::Unknown,
            Held::Retired => Self::Retired,
            Held::Owned(owner, _) => Self::Owned(owner),
        }
    }
}

/// On what ground somebody becomes an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taking {
    /// A caller chose the ids: all of them become its own, or none does. One that belongs to
    /// another tenant or is retired prevents it.
    Claimed,
    /// A backend made them: each that is not owned becomes the caller's, retired ones too.
    Minted,
}

/// One row, as it is shown to an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// What.
    pub key: ResourceKey,
    /// Whose.
    pub owner: Owner,
    /// Since when, to the second.
    pub since: Timestamp,
    /// The day of its last use.
    pub used: Day,
}

/// After which row a page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its owner in the tenant.
    pub user: UserId,
    /// Its key.
    pub key: ResourceKey,
}

/// Which rows of a tenant are asked for.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Whose.
    pub tenant: TenantId,
    /// Of one kind only.
    pub kind: Option<Box<str>>,
    /// Those after this one.
    pub after: Option<Place>,
    /// At most so many.
    pub limit: usize,
}

/// Which rows are counted.
#[derive(Clone, Debug)]
pub struct Counted {
    /// Whose.
    pub tenant: TenantId,
    /// Of one user of the tenant only.
    pub user: Option<UserId>,
    /// On which backend.
    pub upstream: Box<str>,
    /// Of which kind.
    pub kind: Box<str>,
}

/// How far a sweep over all rows came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    /// How many owners were forgotten.
    pub retired: u64,
    /// Where to go on; `None` at the end.
    pub next: Option<ResourceKey>,
}

/// Where owners are kept.
///
/// Every method ends within a second or answers that the store is unavailable. What removes owners
/// takes an [`Invalidation`] along and drops it as is said there.
#[async_trait]
pub trait OwnershipStore: Debug + Send + Sync {
    /// What is known of each key, in their order.
    async fn find(&self, keys: Vec<ResourceKey>) -> Result<Vec<Held>, StateUnavailable>;

    /// Makes owners; see [`Taking`]. Answers what is known of each key afterwards, in their order,
    /// once that is durable.
    async fn take(
        &self,
        wanted: Vec<(ResourceKey, Owner)>,
        taking: Taking,
        at: Timestamp,
    ) -> Result<Vec<Ownership>, StateUnavailable>;

    /// Forgets a resource that `by` owns; it is unknown afterwards. Answers whether there was one.
    async fn release(
        &self,
        key: ResourceKey,
        by: TenantId,
        done: Invalidation,
    ) -> Result<bool, StateUnavailable>;

    /// Writes down on which day each was used.
    async fn used(&self, uses: Vec<(ResourceKey, Day)>) -> Result<(), StateUnavailable>;

    /// Retires some resources of the tenant; answers how many, and 0 once none is left.
    async fn retire_tenant(
        &self,
        tenant: TenantId,
        done: Invalidation,
    ) -> Result<u64, StateUnavailable>;

    /// Retires what was last used before that day, among some rows behind `after`.
    async fn retire_unused(
        &self,
        before: Day,
        after: Option<ResourceKey>,
        done: Invalidation,
    ) -> Result<Swept, StateUnavailable>;

    /// Rows of a tenant in the store's own order.
    async fn page(&self, selection: Selection) -> Result<Vec<Resource>, StateUnavailable>;

    /// How many rows there are.
    async fn count(&self, counted: Counted) -> Result<u64, StateUnavailable>;

    /// A number that grows when another process has taken an owner away. Costs nothing to ask, and
    /// tells of it within a second.
    fn removals_elsewhere(&self) -> u64;

    /// Whether it can be read and written.
    async fn probe(&self) -> Result<(), StateUnavailable>;

    /// Ends it, waiting for what was taken on. Everything is unavailable afterwards.
    fn close(&self);
}
