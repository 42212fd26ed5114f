//! Several changes to one namespace, all or none.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::editing::{ATTEMPTS, judge_scope, patching, writable_scope};
use super::{
    Address, Area, Caller, Change, Entry, EntryId, Expected, Filter, Memory, MemoryError, Outcome,
    Owner, Page, Reach, Scope, Wanted, Writable,
};

/// Most operations at once.
pub const MOST_OPERATIONS: usize = 500;

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// A new memory.
    Create(Wanted),
    /// The memory with this key, whether or not there is one.
    PutKey(String, Wanted),
    /// All contents of a memory.
    Put(EntryId, Wanted, Expected),
    /// Some contents of a memory (RFC 7396).
    Patch(EntryId, Map<String, Value>, Expected),
    /// A memory is let go of.
    Delete(EntryId, Expected),
}

/// Why none of the operations was done.
#[derive(Debug, thiserror::Error)]
#[error("operation {index}: {error}")]
pub struct BulkError {
    /// The position of the operation that can't be done, from 0.
    pub index: usize,
    /// Why.
    #[source]
    pub error: MemoryError,
}

impl Operation {
    /// The memory it names, which has to be there.
    fn id(&self) -> Option<EntryId> {
        match self {
            Self::Create(_) | Self::PutKey(..) => None,
            Self::Put(id, ..) | Self::Patch(id, ..) | Self::Delete(id, _) => Some(*id),
        }
    }

    /// Whether it can be computed anew when another writer was faster.
    fn is_open(&self) -> bool {
        matches!(self, Self::Patch(_, _, Expected::Anything))
    }
}

impl Memory {
    /// Does all operations or none, in order, in one scope. Each memory is named once at most.
    ///
    /// # Errors
    /// The caller lacks the role for the scope (as of the first operation), or the first operation
    /// that can't be done.
    pub async fn bulk(
        &self,
        caller: &Caller,
        scope: Scope,
        operations: &[Operation],
    ) -> Result<Vec<Outcome>, BulkError> {
        let to = writable_scope(caller, Some(scope)).map_err(of_first)?;
        let reach = caller.reach(scope);
        judge_ids(operations)?;
        for _ in 0..ATTEMPTS {
            let entries = self.named(&reach, operations).await.map_err(of_first)?;
            let changes = self.changes(&to, operations, entries)?;
            let error = match self.write(&to, changes).await {
                Ok(outcomes) => return Ok(outcomes),
                Err(error) => error,
            };
            let index = match &error {
                MemoryError::Write(error) => error.index,
                _ => 0,
            };
            let again = operations.get(index).is_some_and(Operation::is_open);
            if !(again && error.is_outpaced()) {
                return Err(BulkError { index, error });
            }
        }
        Err(of_first(MemoryError::Contended))
    }

    /// The memories that the operations name and that are there.
    async fn named(
        &self,
        reach: &Reach,
        operations: &[Operation],
    ) -> Result<HashMap<EntryId, Entry>, MemoryError> {
        let ids: Vec<EntryId> = operations.iter().filter_map(Operation::id).collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let page = Page::first(u32::try_from(ids.len()).unwrap_or(u32::MAX));
        let filter = Filter {
            ids: Some(ids),
            ..Filter::all(Area::Memories)
        };
        let entries = self.store().list(reach, &filter, &page, self.now()).await?;
        Ok(entries.into_iter().map(|entry| (entry.id, entry)).collect())
    }

    fn changes(
        &self,
        to: &Writable,
        operations: &[Operation],
        mut entries: HashMap<EntryId, Entry>,
    ) -> Result<Vec<Change>, BulkError> {
        let mut changes = Vec::with_capacity(operations.len());
        for (index, operation) in operations.iter().enumerate() {
            let entry = operation.id().map(|id| entries.remove(&id));
            let change = match entry {
                Some(None) => Err(MemoryError::NotFound),
                Some(Some(entry)) => changing(operation, entry),
                None => creating(operation, to.namespace().owner()),
            };
            let change = change.and_then(|mut change| {
                self.judge(to, index, &mut change)?;
                Ok(change)
            });
            changes.push(change.map_err(|error| BulkError { index, error })?);
        }
        Ok(changes)
    }
}

/// The change of an operation that names no memory.
fn creating(operation: &Operation, owner: &Owner) -> Result<Change, MemoryError> {
    match operation {
        Operation::Create(wanted) => {
            judge_scope(wanted.scope, owner)?;
            Ok(Change::Create {
                address: Address::memory(wanted.new_key()),
                fields: wanted.fields.clone(),
                created_at: None,
            })
        }
        Operation::PutKey(key, wanted) => {
            judge_scope(wanted.scope, owner)?;
            Ok(Change::Put {
                address: Address::memory(Some(key.clone())),
                fields: wanted.fields.clone(),
                expected: Expected::Anything,
            })
        }
        Operation::Put(..) | Operation::Patch(..) | Operation::Delete(..) => {
            Err(MemoryError::NotFound)
        }
    }
}

/// The change of an operation to the memory it names.
fn changing(operation: &Operation, entry: Entry) -> Result<Change, MemoryError> {
    match operation {
        Operation::Put(id, wanted, expected) => {
            judge_scope(wanted.scope, &entry.owner)?;
            Ok(Change::Replace {
                id: *id,
                fields: wanted.fields.clone(),
                key: wanted.key.clone(),
                expected: expected.clone(),
            })
        }
        Operation::Patch(_, patch, expected) => {
            expected.judge(&entry)?;
            patching(entry, patch)
        }
        Operation::Delete(id, expected) => Ok(Change::Delete {
            id: *id,
            expected: expected.clone(),
        }),
        Operation::Create(_) | Operation::PutKey(..) => Err(MemoryError::NotFound),
    }
}

/// A second change to one memory would go by what the first one made of it, which nobody has read.
fn judge_ids(operations: &[Operation]) -> Result<(), BulkError> {
    let mut named = HashSet::new();
    for (index, operation) in operations.iter().enumerate() {
        if operation.id().is_some_and(|id| !named.insert(id)) {
            let error = MemoryError::invalid("id", "each memory is named once at most");
            return Err(BulkError { index, error });
        }
    }
    Ok(())
}

fn of_first(error: MemoryError) -> BulkError {
    BulkError { index: 0, error }
}
