//! The service behind every door: REST, LangGraph's store, MCP and files all call it, so that each
//! bound, role and quota is enforced in one place.

use std::sync::Arc;

use super::{
    Change, Fields, MemoryStore, Outcome, Quotas, RoleRequired, StoreError, Writable, WriteError,
    WriteErrorKind,
};
use crate::clock::{SharedClock, Timestamp};

/// Sizes of what is taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Most bytes of one entry ([`Fields::bytes`]).
    pub entry_bytes: u64,
    /// Most bytes of a name: agent, session, category, key, a tag, a keyword, an id.
    pub name_bytes: usize,
    /// Most tags, keywords, related ids and source ids, of each.
    pub names: usize,
    /// Longest lifetime in seconds.
    pub ttl_seconds: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            entry_bytes: 256 * 1024,
            name_bytes: 512,
            names: 100,
            ttl_seconds: 10 * 366 * 86_400,
        }
    }
}

/// The memories of all tenants, as callers use them.
#[derive(Debug)]
pub struct Memory {
    store: Arc<dyn MemoryStore>,
    quotas: Quotas,
    bounds: Bounds,
    clock: SharedClock,
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
    /// The store can't do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
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
        })
    }

    /// What keeps the entries. Its readings take a [`Reach`](super::Reach) and need nothing else;
    /// writings go through [`Memory::write`].
    pub fn store(&self) -> &dyn MemoryStore {
        self.store.as_ref()
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Makes all changes or none.
    ///
    /// # Errors
    /// A change has fields that are out of bounds or above the caller's clearance, or can't be made.
    pub async fn write(
        &self,
        to: &Writable,
        changes: Vec<Change>,
    ) -> Result<Vec<Outcome>, MemoryError> {
        for (index, change) in changes.iter().enumerate() {
            let (Change::Create { fields, .. }
            | Change::Put { fields, .. }
            | Change::Replace { fields, .. }) = change
            else {
                continue;
            };
            self.bounds.judge(fields)?;
            if fields.confidentiality > to.clearance() {
                let kind = WriteErrorKind::Clearance;
                return Err(WriteError { index, kind }.into());
            }
        }
        let written = self.store.write(to, changes, &self.quotas, self.now());
        Ok(written.await?)
    }
}

impl Bounds {
    /// Whether the fields are within the bounds.
    ///
    /// # Errors
    /// The first that is not.
    pub fn judge(&self, fields: &Fields) -> Result<(), MemoryError> {
        let given = fields.bytes();
        if given > self.entry_bytes {
            let limit = self.entry_bytes;
            return Err(MemoryError::TooLarge { limit, given });
        }
        let single = [
            ("agent", &fields.agent),
            ("session", &fields.session),
            ("category", &fields.category),
        ];
        for (field, name) in single {
            if let Some(name) = name {
                self.judge_name(field, name)?;
            }
        }
        let lists = [
            ("tags", &fields.tags),
            ("keywords", &fields.keywords),
            ("related_ids", &fields.related_ids),
            ("source_ids", &fields.source_ids),
        ];
        for (field, names) in lists {
            if names.len() > self.names {
                let reason = format!("at most {} of them", self.names);
                return Err(MemoryError::Invalid { field, reason });
            }
            for name in names {
                self.judge_name(field, name)?;
            }
        }
        if !(0.0..=1.0).contains(&fields.strength) {
            let reason = "a number from 0 to 1".to_owned();
            let field = "strength";
            return Err(MemoryError::Invalid { field, reason });
        }
        match fields.ttl_seconds {
            Some(seconds) if seconds == 0 || seconds > self.ttl_seconds => {
                let reason = format!("1 to {} seconds", self.ttl_seconds);
                let field = "ttl_seconds";
                Err(MemoryError::Invalid { field, reason })
            }
            _ => Ok(()),
        }
    }

    /// Whether a name (an agent, a key, a tag) is one: not empty, not too long, no NUL, which
    /// PostgreSQL can't keep.
    ///
    /// # Errors
    /// It is none.
    pub fn judge_name(&self, field: &'static str, name: &str) -> Result<(), MemoryError> {
        if !name.is_empty() && name.len() <= self.name_bytes && !name.contains('\0') {
            return Ok(());
        }
        let reason = format!("1 to {} bytes of text without NUL", self.name_bytes);
        Err(MemoryError::Invalid { field, reason })
    }
}
