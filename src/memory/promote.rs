//! From a user's own memory into the one all of the tenant read.

use super::{
    Address, Caller, Change, Entry, EntryId, Memory, MemoryError, Outcome, Owner, Scope,
    WriteErrorKind,
};

impl Memory {
    /// Copies a memory of the caller's own into shared memory; the original stays. The copy has all
    /// of its contents, confidentiality included, the promoter as author and the original's id among
    /// its sources, where the last of as many as there may be gives way to it: the original still
    /// names that one. It is made once: promoted again, the copy that is there is answered. A memory
    /// that is shared already is its own copy.
    ///
    /// # Errors
    /// There is no such memory for the caller, which comes first; the caller lacks the role for
    /// shared memory; or the copy can't be written.
    pub async fn promote(&self, caller: &Caller, id: EntryId) -> Result<Outcome, MemoryError> {
        let original = self.read(&caller.reach(Scope::All), id).await?;
        let to = caller.shared()?;
        if original.owner == Owner::Shared {
            return Ok(Outcome::Existed(original));
        }
        let source = id.to_string();
        // The key is what makes a promotion repeatable.
        let address = Address::memory(Some(format!("promoted:{source}")));
        let mut fields = original.fields;
        if !fields.source_ids.contains(&source) {
            let others = self.bounds().names.saturating_sub(1);
            fields.source_ids.truncate(others);
            fields.source_ids.push(source.clone());
        }
        let change = Change::Create {
            address: address.clone(),
            fields,
            created_at: None,
        };
        match self.write_one(&to, change).await {
            // The original has changed since its first promotion.
            Err(MemoryError::Write(error)) if matches!(error.kind, WriteErrorKind::Taken) => {
                let reach = caller.reach(Scope::Shared);
                let found = self.store().find(&reach, &address, self.now()).await?;
                match found.into_iter().find(|entry| is_copy(entry, &source)) {
                    Some(entry) => Ok(Outcome::Existed(entry)),
                    None => Err(error.into()),
                }
            }
            made => made,
        }
    }
}

/// Whether it is what a promotion made, and not somebody's entry with a key that looks like it.
fn is_copy(entry: &Entry, source: &str) -> bool {
    entry.fields.source_ids.iter().any(|id| id == source)
}
