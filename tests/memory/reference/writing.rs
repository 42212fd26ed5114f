//! What a change does, one at a time.

use fabric_gate::clock::Timestamp;
use fabric_gate::identity::UserId;
use fabric_gate::memory::{
    Address, Change, Entry, EntryId, Expected, Fields, Outcome, Owner, Quotas, Version, Writable,
    WriteErrorKind,
};

use super::{Row, Tenant};

/// When an entry with these fields that is written now is forgotten.
pub(super) fn expiry(fields: &Fields, at: Timestamp) -> Option<Timestamp> {
    let seconds = fields.ttl_seconds?;
    Some(at.plus_seconds(i64::try_from(seconds).unwrap_or(i64::MAX)))
}

impl Row {
    pub(super) fn expired(&self, at: Timestamp) -> bool {
        self.entry.expires_at.is_some_and(|end| end <= at)
    }

    /// The next version, with what the entry is by now.
    fn write(&mut self, author: &UserId, quotas: &Quotas, at: Timestamp) -> Outcome {
        let entry = &mut self.entry;
        entry.version += 1;
        entry.author = Some(author.as_str().to_owned());
        entry.updated_at = at;
        entry.expires_at = expiry(&entry.fields, at);
        self.versions.push(version_of(entry));
        let kept = quotas.versions.max(1) as usize;
        let excess = self.versions.len().saturating_sub(kept);
        self.versions.drain(..excess);
        Outcome::Updated(self.entry.clone())
    }
}

impl Tenant {
    /// The row of this id, if `to` may change it.
    pub(super) fn writable(
        &mut self,
        to: &Writable,
        id: EntryId,
        at: Timestamp,
    ) -> Option<&mut Row> {
        self.rows
            .iter_mut()
            .find(|row| row.entry.id == id && may_change(row, to, at))
    }

    /// Makes one change of a write; where it fails the whole write is thrown away.
    pub(super) fn apply(
        &mut self,
        to: &Writable,
        change: Change,
        quotas: &Quotas,
        at: Timestamp,
    ) -> Result<Outcome, WriteErrorKind> {
        let owner = to.namespace().owner();
        let before = (self.usage(None), self.usage(Some(owner)));
        if let Change::Create { fields, .. }
        | Change::Put { fields, .. }
        | Change::Replace { fields, .. } = &change
            && fields.confidentiality > to.clearance()
        {
            return Err(WriteErrorKind::Clearance);
        }
        let outcome = match change {
            Change::Create {
                address,
                fields,
                created_at,
            } => self.create(to, address, fields, created_at, at)?,
            Change::Put {
                address,
                fields,
                expected,
            } => self.put(to, address, fields, &expected, quotas, at)?,
            Change::Replace {
                id,
                fields,
                key,
                expected,
            } => {
                let row = self.expected(to, id, &expected, at)?;
                let mut address = row.entry.address.clone();
                row.entry.fields = fields;
                if let Some(key) = key {
                    address.key = key;
                }
                self.place(to, id, address, at)?;
                self.written(to, id, quotas, at)?
            }
            Change::Move {
                id,
                address,
                expected,
            } => {
                self.expected(to, id, &expected, at)?;
                self.place(to, id, address, at)?;
                self.written(to, id, quotas, at)?
            }
            Change::Delete { id, expected } => {
                self.expected(to, id, &expected, at)?;
                self.rows.retain(|row| row.entry.id != id);
                Outcome::Deleted(id)
            }
        };
        let after = (self.usage(None), self.usage(Some(owner)));
        within(quotas, owner, before, after)?;
        Ok(outcome)
    }

    fn create(
        &mut self,
        to: &Writable,
        address: Address,
        fields: Fields,
        created_at: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<Outcome, WriteErrorKind> {
        if let Some(there) = self.at(to, &address, at) {
            let same = there.created_with == fields.digest();
            return match same && may_change(there, to, at) {
                true => Ok(Outcome::Existed(there.entry.clone())),
                false => Err(WriteErrorKind::Taken),
            };
        }
        self.fits(to, None, &fields)?;
        let created_with = fields.digest();
        let created_at = created_at.unwrap_or(at);
        let entry = Entry {
            id: EntryId::mint(),
            owner: to.namespace().owner().clone(),
            address,
            expires_at: expiry(&fields, at),
            fields,
            version: 1,
            author: Some(to.author().as_str().to_owned()),
            created_at,
            updated_at: at,
            last_accessed: created_at,
            access_count: 0,
        };
        self.rows.push(Row {
            versions: vec![version_of(&entry)],
            entry: entry.clone(),
            created_with,
        });
        Ok(Outcome::Created(entry))
    }

    fn put(
        &mut self,
        to: &Writable,
        address: Address,
        fields: Fields,
        expected: &Expected,
        quotas: &Quotas,
        at: Timestamp,
    ) -> Result<Outcome, WriteErrorKind> {
        let there = self.at(to, &address, at);
        match there.filter(|row| may_change(row, to, at)) {
            Some(row) => {
                let id = row.entry.id;
                self.expected(to, id, expected, at)?.entry.fields = fields;
                self.written(to, id, quotas, at)
            }
            None => match expected {
                Expected::Anything | Expected::Absent => self.create(to, address, fields, None, at),
                Expected::Present | Expected::Versions(_) => {
                    Err(WriteErrorKind::Precondition(None))
                }
            },
        }
    }

    /// The row of this id, if it is there and as expected.
    fn expected(
        &mut self,
        to: &Writable,
        id: EntryId,
        expected: &Expected,
        at: Timestamp,
    ) -> Result<&mut Row, WriteErrorKind> {
        let row = self.writable(to, id, at).ok_or(WriteErrorKind::Missing)?;
        let version = row.entry.version;
        let holds = match expected {
            Expected::Anything | Expected::Present => true,
            Expected::Absent => false,
            Expected::Versions(versions) => versions.contains(&version),
        };
        match holds {
            true => Ok(row),
            false => Err(WriteErrorKind::Precondition(Some(version))),
        }
    }

    /// Puts the entry at an address that no other has.
    fn place(
        &mut self,
        to: &Writable,
        id: EntryId,
        address: Address,
        at: Timestamp,
    ) -> Result<(), WriteErrorKind> {
        if self
            .at(to, &address, at)
            .is_some_and(|row| row.entry.id != id)
        {
            return Err(WriteErrorKind::Taken);
        }
        let row = self.writable(to, id, at).ok_or(WriteErrorKind::Missing)?;
        row.entry.address = address;
        Ok(())
    }

    /// The entry whose fields or address were changed becomes its next version.
    fn written(
        &mut self,
        to: &Writable,
        id: EntryId,
        quotas: &Quotas,
        at: Timestamp,
    ) -> Result<Outcome, WriteErrorKind> {
        let row = self.rows.iter_mut().find(|row| row.entry.id == id);
        let row = row.ok_or(WriteErrorKind::Missing)?;
        let outcome = row.write(to.author(), quotas, at);
        let fields = row.entry.fields.clone();
        self.fits(to, Some(id), &fields)?;
        Ok(outcome)
    }

    /// What stands at the address; an expired entry there is removed.
    fn at(&mut self, to: &Writable, address: &Address, at: Timestamp) -> Option<&Row> {
        address.key.as_ref()?;
        let owner = to.namespace().owner();
        let stands = |row: &Row| row.entry.owner == *owner && row.entry.address == *address;
        self.rows.retain(|row| !(stands(row) && row.expired(at)));
        self.rows.iter().find(|row| stands(row))
    }

    /// Whether the embedding has as many dimensions as those of the namespace's other entries.
    fn fits(
        &self,
        to: &Writable,
        id: Option<EntryId>,
        fields: &Fields,
    ) -> Result<(), WriteErrorKind> {
        let given = fields.embedding.as_ref().map(|it| it.dimensions());
        match (given, self.dimensions(to.namespace().owner(), id)) {
            (Some(given), Some(expected)) if given != expected => {
                Err(WriteErrorKind::Dimensions { expected, given })
            }
            _ => Ok(()),
        }
    }

    /// The dimensions of the embeddings of a namespace, one entry left out.
    pub(super) fn dimensions(&self, owner: &Owner, but: Option<EntryId>) -> Option<usize> {
        let rows = self.rows.iter().filter(|row| row.entry.owner == *owner);
        rows.filter(|row| Some(row.entry.id) != but)
            .find_map(|row| row.entry.fields.embedding.as_ref())
            .map(|embedding| embedding.dimensions())
    }

    /// Takes a user's name from shared memory; answers from how many versions.
    pub(super) fn anonymise(&mut self, user: &UserId) -> u64 {
        let mut count = 0;
        for row in &mut self.rows {
            if row.entry.author.as_deref() == Some(user.as_str()) {
                row.entry.author = None;
            }
            for version in &mut row.versions {
                if version.author.as_deref() == Some(user.as_str()) {
                    version.author = None;
                    count += 1;
                }
            }
        }
        count
    }
}

fn may_change(row: &Row, to: &Writable, at: Timestamp) -> bool {
    row.entry.owner == *to.namespace().owner()
        && row.entry.fields.confidentiality <= to.clearance()
        && !row.expired(at)
}

fn version_of(entry: &Entry) -> Version {
    Version {
        version: entry.version,
        fields: entry.fields.clone(),
        address: entry.address.clone(),
        author: entry.author.clone(),
        at: entry.updated_at,
    }
}

/// Whether no bound is passed by what grew. What is above a bound already may shrink.
fn within(
    quotas: &Quotas,
    owner: &Owner,
    before: ((u64, u64), (u64, u64)),
    after: ((u64, u64), (u64, u64)),
) -> Result<(), WriteErrorKind> {
    let of_user = |quota: Option<u64>| quota.filter(|_| matches!(owner, Owner::User(_)));
    let bounds = [
        (
            "bytes_per_tenant",
            quotas.tenant_bytes,
            before.0.1,
            after.0.1,
        ),
        (
            "entries_per_tenant",
            quotas.tenant_entries,
            before.0.0,
            after.0.0,
        ),
        (
            "bytes_per_user",
            of_user(quotas.user_bytes),
            before.1.1,
            after.1.1,
        ),
        (
            "entries_per_user",
            of_user(quotas.user_entries),
            before.1.0,
            after.1.0,
        ),
    ];
    for (quota, limit, before, after) in bounds {
        if let Some(limit) = limit
            && after > limit
            && after > before
        {
            return Err(WriteErrorKind::Quota { quota, limit });
        }
    }
    Ok(())
}
