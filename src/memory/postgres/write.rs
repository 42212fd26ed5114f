//! Writing: all changes or none, in order, under the tenant's lock.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::ledger::{Counts, Ledger, WHOLE, remove};
use super::rows::{Arguments, ENTRY, entry, owner_name, place, unsigned, uuid, value};
use super::session::{Argument, Transaction};
use super::stored::{Stored, insert, replace};
use crate::clock::Timestamp;
use crate::memory::{
    Address, Change, Entry, EntryId, Expected, Fields, Namespace, Outcome, Owner, Quotas,
    StoreError, Writable, WriteError, WriteErrorKind,
};

/// One write under way.
struct Writer<'a> {
    transaction: &'a Transaction,
    to: &'a Writable,
    owner: String,
    namespaces: [Namespace; 1],
    quotas: &'a Quotas,
    at: Timestamp,
    ledger: Ledger,
}

pub(super) async fn write(
    transaction: &Transaction,
    to: &Writable,
    changes: Vec<Change>,
    quotas: &Quotas,
    at: Timestamp,
) -> Result<Vec<Outcome>, WriteError> {
    let ours = |error: StoreError| WriteError {
        index: 0,
        kind: error.into(),
    };
    let owner = owner_name(to.namespace().owner());
    let tenant = to.namespace().tenant().as_str();
    let ledger = Ledger::lock(transaction, tenant, std::slice::from_ref(&owner))
        .await
        .map_err(ours)?;
    let mut writer = Writer {
        transaction,
        to,
        owner,
        namespaces: [to.namespace().clone()],
        quotas,
        at,
        ledger,
    };
    let is_user = matches!(to.namespace().owner(), Owner::User(_));
    let mut outcomes = Vec::with_capacity(changes.len());
    for (index, change) in changes.into_iter().enumerate() {
        let before = [writer.ledger.of(WHOLE), writer.ledger.of(&writer.owner)];
        let outcome = writer.make(change).await;
        let outcome = outcome.and_then(|outcome| {
            let within = writer
                .ledger
                .within(quotas, &writer.owner, is_user, &before);
            within.map(|()| outcome)
        });
        outcomes.push(outcome.map_err(|kind| WriteError { index, kind })?);
    }
    writer.ledger.save(transaction).await.map_err(ours)?;
    Ok(outcomes)
}

/// An entry that was found, and what its columns beside it say.
struct Found {
    entry: Entry,
    digest: Vec<u8>,
    bytes: u64,
    length: Option<i32>,
}

impl Writer<'_> {
    async fn make(&mut self, change: Change) -> Result<Outcome, WriteErrorKind> {
        match change {
            Change::Create {
                address,
                fields,
                created_at,
            } => {
                self.cleared(&fields)?;
                match self.standing(&address).await? {
                    None => self.create(address, fields, created_at).await,
                    Some(found) if self.sees(&found.entry) && found.digest == fields.digest() => {
                        Ok(Outcome::Existed(found.entry))
                    }
                    Some(_) => Err(WriteErrorKind::Taken),
                }
            }
            Change::Put {
                address,
                fields,
                expected,
            } => {
                self.cleared(&fields)?;
                let may_make = matches!(expected, Expected::Anything | Expected::Absent);
                match self.standing(&address).await? {
                    Some(found) if self.sees(&found.entry) => {
                        holds(&expected, found.entry.version)?;
                        self.update(found, address, Some(fields)).await
                    }
                    Some(_) | None if !may_make => Err(WriteErrorKind::Precondition(None)),
                    Some(_hidden) => Err(WriteErrorKind::Taken),
                    None => self.create(address, fields, None).await,
                }
            }
            Change::Replace {
                id,
                fields,
                key,
                expected,
            } => {
                self.cleared(&fields)?;
                let found = self.visible(id).await?;
                holds(&expected, found.entry.version)?;
                let mut address = found.entry.address.clone();
                if let Some(key) = key {
                    address.key = key;
                    self.free_for(&address, id).await?;
                }
                self.update(found, address, Some(fields)).await
            }
            Change::Move {
                id,
                address,
                expected,
            } => {
                let found = self.visible(id).await?;
                if found.entry.address.area != address.area {
                    return Err(WriteErrorKind::Missing);
                }
                holds(&expected, found.entry.version)?;
                self.free_for(&address, id).await?;
                self.update(found, address, None).await
            }
            Change::Delete { id, expected } => {
                let found = self.visible(id).await?;
                holds(&expected, found.entry.version)?;
                self.remove(id).await?;
                Ok(Outcome::Deleted(id))
            }
        }
    }

    fn cleared(&self, fields: &Fields) -> Result<(), WriteErrorKind> {
        match fields.confidentiality <= self.to.clearance() {
            true => Ok(()),
            false => Err(WriteErrorKind::Clearance),
        }
    }

    fn sees(&self, entry: &Entry) -> bool {
        entry.fields.confidentiality <= self.to.clearance()
    }

    /// The entry of this id, if the caller may write it.
    async fn visible(&mut self, id: EntryId) -> Result<Found, WriteErrorKind> {
        let id = uuid(id);
        let found = self.look("e.id = $3", (&id, Type::UUID)).await?;
        match found {
            Some(found) if self.sees(&found.entry) && !self.has_expired(&found.entry) => Ok(found),
            Some(_) | None => Err(WriteErrorKind::Missing),
        }
    }

    /// What stands at an address. What has expired does not, and is removed.
    async fn standing(&mut self, address: &Address) -> Result<Option<Found>, WriteErrorKind> {
        let Some(place) = place(address) else {
            return Ok(None);
        };
        let condition = format!("e.area = {} AND e.place = $3", address.area.number());
        let found = self.look(&condition, (&place, Type::BYTEA)).await?;
        match found {
            Some(found) if self.has_expired(&found.entry) => {
                self.remove(found.entry.id).await?;
                Ok(None)
            }
            found => Ok(found),
        }
    }

    /// Whether `address` is free for the entry `id` to stand at.
    async fn free_for(&mut self, address: &Address, id: EntryId) -> Result<(), WriteErrorKind> {
        match self.standing(address).await? {
            Some(found) if found.entry.id != id => Err(WriteErrorKind::Taken),
            Some(_) | None => Ok(()),
        }
    }

    fn has_expired(&self, entry: &Entry) -> bool {
        entry.expires_at.is_some_and(|expiry| expiry <= self.at)
    }

    async fn look(
        &self,
        condition: &str,
        argument: Argument<'_>,
    ) -> Result<Option<Found>, StoreError> {
        let sql = format!(
            "SELECT {ENTRY}, e.digest, e.bytes, (SELECT d.length FROM fabric_memory.documents d \
                 WHERE d.tenant = e.tenant AND d.entry = e.id) AS length \
             FROM fabric_memory.entries e WHERE e.tenant = $1 AND e.owner = $2 AND {condition}"
        );
        let tenant = self.tenant();
        let arguments: [Argument<'_>; 3] =
            [(&tenant, Type::TEXT), (&self.owner, Type::TEXT), argument];
        let rows = self.transaction.query(&sql, &arguments).await?;
        let found = |row: &Row| {
            Ok(Found {
                entry: entry(row, &self.namespaces)?,
                digest: value(row, "digest")?,
                bytes: unsigned(value(row, "bytes")?),
                length: value(row, "length")?,
            })
        };
        rows.first().map(found).transpose()
    }

    async fn create(
        &mut self,
        address: Address,
        fields: Fields,
        created_at: Option<Timestamp>,
    ) -> Result<Outcome, WriteErrorKind> {
        let stored = Stored::new(&address, &fields);
        let come = stored.counts();
        self.fits(&come)?;
        let created_at = created_at.unwrap_or(self.at);
        let entry = Entry {
            id: EntryId::mint(),
            owner: self.to.namespace().owner().clone(),
            address,
            version: 1,
            author: Some(self.to.author().as_str().to_owned()),
            created_at,
            updated_at: self.at,
            last_accessed: created_at,
            access_count: 0,
            expires_at: expiry(&fields, self.at),
            fields,
        };
        self.ledger.change(&self.owner, &come, &Counts::default());
        insert(
            self.transaction,
            self.tenant(),
            &self.owner,
            &entry,
            &stored,
        )
        .await?;
        Ok(Outcome::Created(entry))
    }

    async fn update(
        &mut self,
        found: Found,
        address: Address,
        fields: Option<Fields>,
    ) -> Result<Outcome, WriteErrorKind> {
        let before = found.entry;
        let gone = Counts {
            entries: 1,
            bytes: found.bytes,
            length: found.length.map_or(0, |length| unsigned(length.into())),
            vectors: u64::from(before.fields.embedding.is_some()),
            dimensions: None,
        };
        let version = before.version + 1;
        let fields = fields.unwrap_or_else(|| before.fields.clone());
        let stored = Stored::new(&address, &fields);
        let come = stored.counts();
        self.ledger.change(&self.owner, &Counts::default(), &gone);
        self.fits(&come)?;
        let kept = self.keep(&before, version).await?;
        let [mut come, dropped] = [come, kept.dropped];
        come.bytes += if kept.is_kept { found.bytes } else { 0 };
        self.ledger.change(&self.owner, &come, &dropped);
        let entry = Entry {
            version,
            address,
            author: Some(self.to.author().as_str().to_owned()),
            updated_at: self.at,
            expires_at: expiry(&fields, self.at),
            fields,
            ..before
        };
        replace(
            self.transaction,
            self.tenant(),
            &self.owner,
            &entry,
            &stored,
        )
        .await?;
        Ok(Outcome::Updated(entry))
    }

    /// Puts the present version of an entry among its old ones, and lets go of the oldest.
    async fn keep(&self, before: &Entry, version: u64) -> Result<Kept, StoreError> {
        let mut arguments = Arguments::default();
        arguments.add(self.tenant().to_owned(), Type::TEXT);
        arguments.add(uuid(before.id), Type::UUID);
        let is_kept = self.quotas.versions > 1;
        if is_kept {
            let sql = "INSERT INTO fabric_memory.versions (tenant, owner, entry, version, area, \
                 path, key, fields, embedding, author, at, bytes, rank) \
                 SELECT e.tenant, e.owner, e.id, e.version, e.area, e.path, e.key, e.fields, \
                     (SELECT v.vector FROM fabric_memory.embeddings v WHERE v.tenant = e.tenant \
                      AND v.owner = e.owner AND v.entry = e.id), e.author, e.updated_at, e.bytes, \
                     e.rank \
                 FROM fabric_memory.entries e WHERE e.tenant = $1 AND e.id = $2";
            self.transaction.execute(sql, &arguments.list()).await?;
        }
        let oldest = version.saturating_sub(u64::from(self.quotas.versions.max(1)) - 1);
        arguments.add(super::rows::signed(oldest), Type::INT8);
        let sql = "WITH dropped AS (DELETE FROM fabric_memory.versions v \
             WHERE v.tenant = $1 AND v.entry = $2 AND v.version < $3 RETURNING v.bytes) \
             SELECT coalesce(sum(bytes), 0)::bigint AS bytes FROM dropped";
        let row = self.transaction.query_one(sql, &arguments.list()).await?;
        let dropped = Counts {
            bytes: unsigned(value(&row, "bytes")?),
            ..Counts::default()
        };
        Ok(Kept { is_kept, dropped })
    }

    async fn remove(&mut self, id: EntryId) -> Result<(), StoreError> {
        let tenant = self.to.namespace().tenant().as_str();
        for (owner, gone) in remove(self.transaction, tenant, &[uuid(id)]).await? {
            self.ledger.change(&owner, &Counts::default(), &gone);
        }
        Ok(())
    }

    /// Whether an embedding has as many dimensions as the namespace's others.
    fn fits(&self, come: &Counts) -> Result<(), WriteErrorKind> {
        let expected = self.ledger.of(&self.owner).dimensions;
        match (expected, come.dimensions) {
            (Some(expected), Some(given)) if expected != given => {
                Err(WriteErrorKind::Dimensions { expected, given })
            }
            _ => Ok(()),
        }
    }

    fn tenant(&self) -> &str {
        self.to.namespace().tenant().as_str()
    }
}

/// What became of an entry's versions.
struct Kept {
    is_kept: bool,
    dropped: Counts,
}

fn holds(expected: &Expected, version: u64) -> Result<(), WriteErrorKind> {
    let holds = match expected {
        Expected::Anything | Expected::Present => true,
        Expected::Absent => false,
        Expected::Versions(versions) => versions.contains(&version),
    };
    match holds {
        true => Ok(()),
        false => Err(WriteErrorKind::Precondition(Some(version))),
    }
}

/// When an entry of these fields, written now, is forgotten.
fn expiry(fields: &Fields, at: Timestamp) -> Option<Timestamp> {
    let seconds = i64::try_from(fields.ttl_seconds?).unwrap_or(i64::MAX);
    let micros = seconds.saturating_mul(1_000_000);
    Some(Timestamp::from_micros(
        at.as_micros().saturating_add(micros),
    ))
}
