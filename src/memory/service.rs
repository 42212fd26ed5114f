//! The service behind every door: REST, LangGraph's store, MCP and files all call it, so that each
//! bound, role and quota is enforced in one place.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::recalls::Recalls;
use super::tending::Seen;
use super::{
    Bounds, Change, Entry, MemoryStore, Outcome, Quotas, RoleRequired, StoreError, StoreErrorKind,
    Writable, WriteError, WriteErrorKind,
};
use crate::clock::{SharedClock, Timestamp};

/// The memories of all tenants, as callers use them.
#[derive(Debug)]
pub struct Memory {
    store: Arc<dyn MemoryStore>,
    quotas: Quotas,
    bounds: Bounds,
    clock: SharedClock,
    recalls: Recalls,
    seen: Seen,
    untended: AtomicU64,
}

/// Why something asked of the service is not done. All of it but [`MemoryError::Store`] is the
/// caller's to mend, and names no other caller's data.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// A part of the input is not what it has to be.
    #[error("`{field}`: {reason}")]
    Invalid {
        /// The member, as in the caller's JSON.
        field: &'static str,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// An entry is larger than [`Bounds::entry_bytes`].
    #[error("an entry has at most {limit} bytes, this has {given}")]
    TooLarge {
        /// The bound.
        limit: u64,
        /// The entry's size.
        given: u64,
    },
    /// There is no such entry for the caller.
    #[error("there is no such entry")]
    NotFound,
    /// The caller lacks a role.
    #[error(transparent)]
    Role(#[from] RoleRequired),
    /// A change can't be made.
    #[error(transparent)]
    Write(WriteError),
    /// Other writers changed the entry each time before this change could be made.
    #[error("others keep changing the entry; try again")]
    Contended,
    /// The store can't do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MemoryError {
    /// A part of the input is not what it has to be.
    pub fn invalid(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Invalid {
            field,
            reason: reason.into(),
        }
    }

    pub(super) fn of_write(index: usize, kind: WriteErrorKind) -> Self {
        WriteError { index, kind }.into()
    }

    /// Whether the entry had another version by the time it was written.
    pub(super) fn is_outpaced(&self) -> bool {
        matches!(
            self,
            Self::Write(WriteError {
                kind: WriteErrorKind::Precondition(_),
                ..
            })
        )
    }
}

impl From<WriteError> for MemoryError {
    fn from(error: WriteError) -> Self {
        match error.kind {
            WriteErrorKind::Store(error) => Self::Store(error),
            WriteErrorKind::Missing => Self::NotFound,
            WriteErrorKind::Precondition(_)
            | WriteErrorKind::Taken
            | WriteErrorKind::Clearance
            | WriteErrorKind::Dimensions { .. }
            | WriteErrorKind::Quota { .. } => Self::Write(error),
        }
    }
}

impl Memory {
    /// The service over `store`.
    pub fn new(
        store: Arc<dyn MemoryStore>,
        quotas: Quotas,
        bounds: Bounds,
        clock: SharedClock,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            quotas,
            bounds,
            clock,
            recalls: Recalls::default(),
            seen: Seen::default(),
            untended: AtomicU64::new(0),
        })
    }

    /// What keeps the entries. Its readings take a [`Reach`](super::Reach) and need nothing else;
    /// writings go through [`Memory::write`].
    pub fn store(&self) -> &dyn MemoryStore {
        self.store.as_ref()
    }

    /// What a tenant and its users may keep.
    pub fn quotas(&self) -> &Quotas {
        &self.quotas
    }

    /// What is taken in.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn recalls(&self) -> &Recalls {
        &self.recalls
    }

    /// How often the work beside the requests could not be done since the process began.
    pub fn untended(&self) -> u64 {
        self.untended.load(Ordering::Relaxed)
    }

    pub(super) fn failed_to_tend(&self) {
        self.untended.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Makes all changes or none. Tags are kept without order and repetition.
    ///
    /// # Errors
    /// A change has fields or an address that are out of bounds, or fields above the caller's
    /// clearance, or can't be made.
    pub async fn write(
        &self,
        to: &Writable,
        mut changes: Vec<Change>,
    ) -> Result<Vec<Outcome>, MemoryError> {
        for (index, change) in changes.iter_mut().enumerate() {
            self.judge(to, index, change)?;
        }
        let written = self.store.write(to, changes, &self.quotas, self.now());
        Ok(written.await?)
    }

    /// Makes one change.
    ///
    /// # Errors
    /// As [`Memory::write`].
    pub async fn write_one(&self, to: &Writable, change: Change) -> Result<Outcome, MemoryError> {
        let outcomes = self.write(to, vec![change]).await?;
        let unanswered = || StoreError::new(StoreErrorKind::Unavailable, "a write has no outcome");
        Ok(outcomes.into_iter().next().ok_or_else(unanswered)?)
    }

    pub(super) fn judge(
        &self,
        to: &Writable,
        index: usize,
        change: &mut Change,
    ) -> Result<(), MemoryError> {
        match &*change {
            Change::Create { address, .. }
            | Change::Put { address, .. }
            | Change::Move { address, .. } => self.bounds.judge_address(address)?,
            Change::Replace { key, .. } => {
                if let Some(Some(key)) = key {
                    self.bounds.judge_name("key", key)?;
                }
            }
            Change::Delete { .. } => {}
        }
        let (Change::Create { fields, .. }
        | Change::Put { fields, .. }
        | Change::Replace { fields, .. }) = change
        else {
            return Ok(());
        };
        self.bounds.judge(fields)?;
        if fields.confidentiality > to.clearance() {
            return Err(MemoryError::of_write(index, WriteErrorKind::Clearance));
        }
        fields.tags.sort_unstable();
        fields.tags.dedup();
        Ok(())
    }
}

impl Outcome {
    /// The entry as it is.
    ///
    /// # Errors
    /// It is gone.
    pub fn entry(self) -> Result<Entry, MemoryError> {
        match self {
            Self::Created(entry) | Self::Existed(entry) | Self::Updated(entry) => Ok(entry),
            Self::Deleted(_) => Err(MemoryError::NotFound),
        }
    }
}
