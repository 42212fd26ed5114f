//! Creating and changing single memories, for every door alike.

use serde_json::{Map, Value};

use super::patch::patched;
use super::{
    Address, Area, Caller, Change, Entry, EntryId, Expected, Memory, MemoryError, Outcome, Owner,
    Reach, Scope, Wanted, Writable, WriteErrorKind,
};

/// How often a change that was computed from what was read is computed anew when another writer was
/// faster and the caller did not say which version it goes by.
pub(super) const ATTEMPTS: usize = 16;

/// The caller's right to write what belongs to this owner in its tenant.
///
/// # Errors
/// It is shared memory and the caller has none of the roles for it.
pub fn writable(caller: &Caller, owner: &Owner) -> Result<Writable, MemoryError> {
    match owner {
        Owner::User(_) => Ok(caller.own()),
        Owner::Shared => Ok(caller.shared()?),
    }
}

/// The caller's right to write into the scope it names: its own unless it says `shared`.
///
/// # Errors
/// The caller has none of the roles for shared memory.
pub fn writable_scope(caller: &Caller, scope: Option<Scope>) -> Result<Writable, MemoryError> {
    match scope {
        None | Some(Scope::User) => Ok(caller.own()),
        Some(Scope::Shared) => Ok(caller.shared()?),
        Some(Scope::All) => Err(MemoryError::invalid("scope", "`user` or `shared`")),
    }
}

impl Memory {
    /// The memory of this id.
    ///
    /// # Errors
    /// There is none for the caller, or the store can't say.
    pub async fn read(&self, of: &Reach, id: EntryId) -> Result<Entry, MemoryError> {
        match self.store().get(of, id, self.now()).await? {
            Some(entry) if entry.address.area == Area::Memories => Ok(entry),
            _ => Err(MemoryError::NotFound),
        }
    }

    /// A new memory; with a key it can be asked for again without a second one being made.
    ///
    /// # Errors
    /// It is out of bounds, the caller lacks the role, or it can't be written.
    pub async fn create(&self, caller: &Caller, wanted: Wanted) -> Result<Outcome, MemoryError> {
        let to = writable_scope(caller, wanted.scope)?;
        let change = Change::Create {
            address: Address::memory(wanted.new_key()),
            fields: wanted.fields,
            created_at: None,
        };
        self.write_one(&to, change).await
    }

    /// All contents of a memory. Its key stays unless another is wanted.
    ///
    /// # Errors
    /// There is no such memory for the caller, which comes before everything else; the caller lacks
    /// the role; it is not at an expected version; or it can't be written.
    pub async fn replace(
        &self,
        caller: &Caller,
        id: EntryId,
        wanted: Wanted,
        expected: Expected,
    ) -> Result<Entry, MemoryError> {
        let entry = self.read(&caller.reach(Scope::All), id).await?;
        let to = writable(caller, &entry.owner)?;
        judge_scope(wanted.scope, &entry.owner)?;
        let change = Change::Replace {
            id,
            fields: wanted.fields,
            key: wanted.key,
            expected,
        };
        self.write_one(&to, change).await?.entry()
    }

    /// Some contents of a memory, as a merge patch (RFC 7396). Where the caller does not say which
    /// version it goes by, the patch is applied to the last one, whoever else writes.
    ///
    /// # Errors
    /// As [`Memory::replace`]; and [`MemoryError::Contended`] if other writers were faster too often.
    pub async fn patch(
        &self,
        caller: &Caller,
        id: EntryId,
        patch: &Map<String, Value>,
        expected: Expected,
    ) -> Result<Entry, MemoryError> {
        for _ in 0..ATTEMPTS {
            let entry = self.read(&caller.reach(Scope::All), id).await?;
            let to = writable(caller, &entry.owner)?;
            expected.judge(&entry)?;
            let change = patching(entry, patch)?;
            match self.write_one(&to, change).await {
                Ok(outcome) => return outcome.entry(),
                Err(error) if error.is_outpaced() && expected.is_open() => {}
                Err(error) => return Err(error),
            }
        }
        Err(MemoryError::Contended)
    }

    /// Lets go of a memory and its history.
    ///
    /// # Errors
    /// As [`Memory::replace`].
    pub async fn delete(
        &self,
        caller: &Caller,
        id: EntryId,
        expected: Expected,
    ) -> Result<(), MemoryError> {
        let entry = self.read(&caller.reach(Scope::All), id).await?;
        let to = writable(caller, &entry.owner)?;
        self.write_one(&to, Change::Delete { id, expected }).await?;
        Ok(())
    }
}

/// The change that a patch is for the entry as it was read.
pub(super) fn patching(entry: Entry, patch: &Map<String, Value>) -> Result<Change, MemoryError> {
    let wanted = patched(entry.fields, patch)?;
    judge_scope(wanted.scope, &entry.owner)?;
    Ok(Change::Replace {
        id: entry.id,
        fields: wanted.fields,
        key: wanted.key,
        expected: Expected::Versions(vec![entry.version]),
    })
}

/// An entry stays where it is: a scope that is said has to be its own.
pub(super) fn judge_scope(said: Option<Scope>, owner: &Owner) -> Result<(), MemoryError> {
    let stays = match (said, owner) {
        (None, _) | (Some(Scope::User), Owner::User(_)) | (Some(Scope::Shared), Owner::Shared) => {
            true
        }
        (Some(_), _) => false,
    };
    if stays {
        return Ok(());
    }
    let reason = "an entry stays in its scope; promote copies one into shared memory";
    Err(MemoryError::invalid("scope", reason))
}

impl Expected {
    /// Whether an entry that was read is what has to be there.
    ///
    /// # Errors
    /// It is not.
    pub fn judge(&self, entry: &Entry) -> Result<(), MemoryError> {
        let holds = match self {
            Self::Anything | Self::Present => true,
            Self::Absent => false,
            Self::Versions(versions) => versions.contains(&entry.version),
        };
        match holds {
            true => Ok(()),
            false => Err(MemoryError::of_write(
                0,
                WriteErrorKind::Precondition(Some(entry.version)),
            )),
        }
    }

    /// Whether any version will do.
    fn is_open(&self) -> bool {
        matches!(self, Self::Anything | Self::Present)
    }
}
