//! What keeps entries.

use std::fmt;

use async_trait::async_trait;

use super::{
    Address, Area, Change, Embedding, Entry, EntryId, Filter, Namespace, Outcome, Oversight, Owner,
    Page, PathFilter, PruneRule, Reach, TenantErasure, TenantScope, UserErasure, Version, Writable,
};
use crate::clock::Timestamp;

/// Keeps entries durably. What was acknowledged is there after any crash of the process.
///
/// Every method works in one tenant, the one its first argument was made for. An entry outside the
/// reach, above its clearance or past its expiry is not there, for every method alike. `at` is now.
/// A future that is dropped leaves no transaction behind; its write has happened whole or not.
#[async_trait]
pub trait MemoryStore: fmt::Debug + Send + Sync {
    /// Makes all changes or none, in order, and answers one outcome for each. Of an entry at most
    /// [`Quotas::versions`] versions are kept.
    ///
    /// # Errors
    /// The first change that can't be made, and why.
    async fn write(
        &self,
        to: &Writable,
        changes: Vec<Change>,
        quotas: &Quotas,
        at: Timestamp,
    ) -> Result<Vec<Outcome>, WriteError>;

    /// The entry of this id, in whatever area.
    ///
    /// # Errors
    /// The store can't say.
    async fn get(
        &self,
        of: &Reach,
        id: EntryId,
        at: Timestamp,
    ) -> Result<Option<Entry>, StoreError>;

    /// The entries at this address, at most one in each namespace of the reach, the user's own
    /// first.
    ///
    /// # Errors
    /// The store can't say.
    async fn find(
        &self,
        of: &Reach,
        address: &Address,
        at: Timestamp,
    ) -> Result<Vec<Entry>, StoreError>;

    /// A page of the entries that fit.
    ///
    /// # Errors
    /// The store can't say.
    async fn list(
        &self,
        of: &Reach,
        filter: &Filter,
        page: &Page,
        at: Timestamp,
    ) -> Result<Vec<Entry>, StoreError>;

    /// The versions of an entry that are kept, last first, the present one included; versions above
    /// the clearance are left out. `None` if the entry is not there.
    ///
    /// # Errors
    /// The store can't say.
    async fn history(
        &self,
        of: &Reach,
        id: EntryId,
        at: Timestamp,
    ) -> Result<Option<Vec<Version>>, StoreError>;

    /// The `limit` best entries that fit and hold at least one of the terms
    /// (`search::terms::query_terms`), with their scores (`search::bm25::Scorer::score`), best
    /// first, equal scores by id. The statistics are those of each entry's own namespace alone.
    ///
    /// # Errors
    /// The store can't say.
    async fn by_text(
        &self,
        of: &Reach,
        filter: &Filter,
        terms: &[String],
        limit: u32,
        at: Timestamp,
    ) -> Result<Vec<Scored>, StoreError>;

    /// The `limit` entries that fit and whose embeddings are nearest, with their cosines, best
    /// first, equal ones by id. A namespace whose embeddings have another number of dimensions has
    /// none that fit.
    ///
    /// # Errors
    /// The store can't say.
    async fn by_vector(
        &self,
        of: &Reach,
        filter: &Filter,
        embedding: &Embedding,
        limit: u32,
        at: Timestamp,
    ) -> Result<Vec<Scored>, StoreError>;

    /// How many dimensions the embeddings of a namespace have, if it has any.
    ///
    /// # Errors
    /// The store can't say.
    async fn dimensions(&self, of: &Reach) -> Result<Vec<(Owner, usize)>, StoreError>;

    /// The different paths of an area that fit, by bytes.
    ///
    /// # Errors
    /// The store can't say.
    async fn paths(
        &self,
        of: &Reach,
        area: Area,
        paths: &PathFilter,
        at: Timestamp,
    ) -> Result<Vec<String>, StoreError>;

    /// The partitions there are, by owner (own first), agent and session.
    ///
    /// # Errors
    /// The store can't say.
    async fn partitions(&self, of: &Reach, at: Timestamp) -> Result<Vec<Partition>, StoreError>;

    /// What each namespace of the reach holds, one for each, whether or not it holds anything. The
    /// caller's own is counted whole, for its quotas are; of shared memory counts what the caller may
    /// see.
    ///
    /// # Errors
    /// The store can't say.
    async fn usage(&self, of: &Reach) -> Result<Vec<NamespaceUse>, StoreError>;

    /// Who in the tenant has a namespace that something was ever written into, in no order.
    ///
    /// # Errors
    /// The store can't say.
    async fn owners(&self, over: &Oversight) -> Result<Vec<Owner>, StoreError>;

    /// Counts a recall of each of these entries of the tenant. It changes no version.
    ///
    /// # Errors
    /// The store can't do it.
    async fn touch(
        &self,
        tenant: &TenantScope,
        recalled: &[(EntryId, Timestamp)],
    ) -> Result<(), StoreError>;

    /// Moves the expiry of these entries of the reach that have a lifetime to `at` plus that
    /// lifetime. It changes no version.
    ///
    /// # Errors
    /// The store can't do it.
    async fn refresh(
        &self,
        of: &Writable,
        ids: &[EntryId],
        at: Timestamp,
    ) -> Result<(), StoreError>;

    /// Lets go of the memories (of [`Area::Memories`]) of one namespace that fit the rule. Answers
    /// how many, and the first [`PruneRule::MAX_IDS`] ids.
    ///
    /// # Errors
    /// The store can't do it.
    async fn prune(
        &self,
        of: &Writable,
        rule: &PruneRule,
        at: Timestamp,
    ) -> Result<(u64, Vec<EntryId>), StoreError>;

    /// Removes up to `limit` entries of the tenant that have expired; answers how many.
    ///
    /// # Errors
    /// The store can't do it.
    async fn sweep(
        &self,
        tenant: &TenantScope,
        limit: u32,
        at: Timestamp,
    ) -> Result<u64, StoreError>;

    /// Removes everything of a tenant.
    ///
    /// # Errors
    /// The store can't do it.
    async fn erase_tenant(&self, right: &TenantErasure) -> Result<Erased, StoreError>;

    /// Removes a user's namespace, and the user's name from what it wrote into shared memory.
    ///
    /// # Errors
    /// The store can't do it.
    async fn erase_user(&self, right: &UserErasure) -> Result<Erased, StoreError>;

    /// Whether the store serves.
    ///
    /// # Errors
    /// Why it does not.
    async fn ready(&self) -> Result<(), StoreError>;

    /// What it has in use at this moment, each with its name in metrics.
    fn in_use(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    /// Ends what is under way and lets go of everything.
    async fn close(&self);
}

/// What a tenant and its users may keep. `None` is no bound. Versions of an entry that are kept
/// count as bytes, not as entries. Shared memory counts for the tenant alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Bytes of a tenant ([`Fields::bytes`](super::Fields::bytes) and [`Address::row_bytes`]).
    pub tenant_bytes: Option<u64>,
    /// Entries of a tenant.
    pub tenant_entries: Option<u64>,
    /// Bytes of a user.
    pub user_bytes: Option<u64>,
    /// Entries of a user.
    pub user_entries: Option<u64>,
    /// Most versions kept of an entry, the present one included; at least 1.
    pub versions: u32,
}

/// An entry and how well it fits.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// The entry.
    pub entry: Entry,
    /// Its score; what it means depends on who gave it.
    pub score: f64,
}

/// A part of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Whose.
    pub owner: Owner,
    /// Which agent's, if one is named.
    pub agent: Option<String>,
    /// Which session's, if one is named.
    pub session: Option<String>,
    /// How many memories it holds that the caller may see.
    pub entries: u64,
}

/// What a namespace holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceUse {
    /// Which.
    pub namespace: Namespace,
    /// Entries of all areas, expired ones included until they are removed.
    pub entries: u64,
    /// Their bytes and those of their versions, as quotas count them.
    pub bytes: u64,
}

/// What was erased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Entries.
    pub entries: u64,
    /// Bytes, as quotas count them.
    pub bytes: u64,
    /// Versions of shared memory that named the user and no longer do.
    pub anonymised: u64,
}

/// A store can't do its part. It is our fault, and the caller learns no more than that.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{kind}: {detail}")]
pub struct StoreError {
    /// What kind.
    pub kind: StoreErrorKind,
    /// For the log; it may name files and hosts, never contents or passwords.
    pub detail: String,
}

impl StoreError {
    /// An error of this kind; `detail` is for the log.
    pub fn new(kind: StoreErrorKind, detail: impl fmt::Display) -> Self {
        Self {
            kind,
            detail: detail.to_string(),
        }
    }
}

/// Why a store can't do its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreErrorKind {
    /// It can't be reached, or its disk is full.
    #[error("the store is not available")]
    Unavailable,
    /// It did not answer in time.
    #[error("the store did not answer in time")]
    TimedOut,
    /// More is asked of it than it takes on.
    #[error("the store has too much to do")]
    Overloaded,
    /// What it holds can't be read or is another tenant's.
    #[error("the tenant's data can't be read")]
    Damaged,
    /// It would not isolate tenants as it has to.
    #[error("the store does not isolate tenants")]
    NotIsolating,
}

/// A change that can't be made, so none was.
#[derive(Clone, Debug, thiserror::Error)]
#[error("change {index}: {kind}")]
pub struct WriteError {
    /// The position of the change, from 0.
    pub index: usize,
    /// Why.
    pub kind: WriteErrorKind,
}

/// Why a change can't be made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WriteErrorKind {
    /// There is no such entry.
    #[error("there is no such entry")]
    Missing,
    /// The entry is not at an expected version; `Some` says at which it is.
    #[error("the entry is at another version")]
    Precondition(Option<u64>),
    /// Another entry has that key or place.
    #[error("another entry has that key")]
    Taken,
    /// The fields are above the caller's clearance.
    #[error("the entry would be above the caller's clearance")]
    Clearance,
    /// The namespace's embeddings have `expected` dimensions, not `given`.
    #[error("embeddings of this namespace have {expected} dimensions, not {given}")]
    Dimensions {
        /// As many as the others have.
        expected: usize,
        /// As many as this has.
        given: usize,
    },
    /// A quota would be passed.
    #[error("the quota {quota} of {limit} would be passed")]
    Quota {
        /// Its key in `[quotas]`, such as `entries_per_user`.
        quota: &'static str,
        /// Its value.
        limit: u64,
    },
    /// The store can't do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}
