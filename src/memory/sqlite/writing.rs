//! Changes of one namespace, in one transaction.

use rusqlite::{Connection, params};

use super::jobs::Undone;
use super::letting_go;
use super::rows::{self, Kept};
use super::scope::{self, Place};
use super::usage::Usage;
use super::words;
use crate::clock::Timestamp;
use crate::memory::{
    Address, Change, Entry, EntryId, Expected, Fields, Outcome, Quotas, Writable, WriteError,
    WriteErrorKind,
};

/// Why a change is not made.
type Why = Undone<WriteErrorKind>;

/// Makes all changes, or none: the caller goes back to where it was on an error.
pub(super) fn write(
    connection: &Connection,
    to: &Writable,
    changes: &[Change],
    quotas: &Quotas,
    at: Timestamp,
) -> Result<Vec<Outcome>, Undone<WriteError>> {
    let owner = to.namespace().owner().clone();
    let number = scope::number_for_writing(connection, &owner)?;
    let place = Place { number, owner };
    let usage = Usage::read(connection, &place)?;
    let mut writing = Writing {
        connection,
        to,
        place,
        quotas,
        at,
        before: usage.clone(),
        usage,
    };
    let mut outcomes = Vec::with_capacity(changes.len());
    for (index, change) in changes.iter().enumerate() {
        let made = writing.make(change).map_err(|why| match why {
            Undone::Refused(kind) => Undone::Refused(WriteError { index, kind }),
            Undone::Failed(error) => Undone::Failed(error),
        });
        outcomes.push(made?);
    }
    writing.usage.write(connection, &writing.place)?;
    Ok(outcomes)
}

struct Writing<'a> {
    connection: &'a Connection,
    to: &'a Writable,
    place: Place,
    quotas: &'a Quotas,
    at: Timestamp,
    usage: Usage,
    /// What there was before this change.
    before: Usage,
}

impl Writing<'_> {
    fn make(&mut self, change: &Change) -> Result<Outcome, Why> {
        if let Change::Create { fields, .. }
        | Change::Put { fields, .. }
        | Change::Replace { fields, .. } = change
            && fields.confidentiality > self.to.clearance()
        {
            return Err(Undone::Refused(WriteErrorKind::Clearance));
        }
        self.before = self.usage.clone();
        match change {
            Change::Create {
                address,
                fields,
                created_at,
            } => match self.at_address(address)? {
                None => self.create(address, fields, *created_at),
                Some(kept) if self.sees(&kept) && kept.created_as == fields.digest() => {
                    Ok(Outcome::Existed(kept.entry))
                }
                Some(_taken) => Err(Undone::Refused(WriteErrorKind::Taken)),
            },
            Change::Put {
                address,
                fields,
                expected,
            } => match self.at_address(address)? {
                None => {
                    if matches!(expected, Expected::Present | Expected::Versions(_)) {
                        return Err(Undone::Refused(WriteErrorKind::Precondition(None)));
                    }
                    self.create(address, fields, None)
                }
                Some(kept) if self.sees(&kept) => {
                    meets(&kept, expected)?;
                    let address = kept.entry.address.clone();
                    self.update(kept, fields, &address)
                }
                Some(_hidden) => Err(Undone::Refused(WriteErrorKind::Taken)),
            },
            Change::Replace {
                id,
                fields,
                key,
                expected,
            } => {
                let kept = self.found(*id, expected)?;
                let mut address = kept.entry.address.clone();
                if let Some(key) = key {
                    address.key.clone_from(key);
                }
                self.update(kept, fields, &address)
            }
            Change::Move {
                id,
                address,
                expected,
            } => {
                let kept = self.found(*id, expected)?;
                if kept.entry.address.area != address.area {
                    return Err(Undone::Refused(WriteErrorKind::Missing));
                }
                let fields = kept.entry.fields.clone();
                self.update(kept, &fields, address)
            }
            Change::Delete { id, expected } => {
                let kept = self.found(*id, expected)?;
                letting_go::remove(self.connection, &self.place, &kept.body(), &mut self.usage)?;
                Ok(Outcome::Deleted(*id))
            }
        }
    }

    fn create(
        &mut self,
        address: &Address,
        fields: &Fields,
        created_at: Option<Timestamp>,
    ) -> Result<Outcome, Why> {
        self.fits_dimensions(None, fields)?;
        let bytes = fields.bytes() + address.row_bytes();
        self.grow(1, bytes.cast_signed())?;
        let created_at = created_at.unwrap_or(self.at);
        let entry = Entry {
            id: EntryId::mint(),
            owner: self.place.owner.clone(),
            address: address.clone(),
            fields: fields.clone(),
            version: 1,
            author: Some(self.to.author().to_string()),
            created_at,
            updated_at: self.at,
            last_accessed: created_at,
            access_count: 0,
            expires_at: self.expiry(fields),
        };
        let terms = words::of(fields);
        let mut kept = Kept {
            number: 0,
            entry,
            bytes,
            length: terms.length,
            created_as: fields.digest(),
        };
        kept.number = insert(self.connection, &self.place, &kept)?;
        words::insert(self.connection, &self.place, kept.number, &terms)?;
        self.insert_tags(&kept)?;
        self.insert_vector(&kept)?;
        self.usage.terms += i64::from(terms.length);
        Ok(Outcome::Created(kept.entry))
    }

    fn update(&mut self, old: Kept, fields: &Fields, address: &Address) -> Result<Outcome, Why> {
        if old.entry.address != *address && self.is_taken(address, old.number)? {
            return Err(Undone::Refused(WriteErrorKind::Taken));
        }
        self.fits_dimensions(Some(&old), fields)?;
        let bytes = fields.bytes() + address.row_bytes();
        let versions = i64::from(self.quotas.versions.max(1));
        let version = old.entry.version + 1;
        let keeps = versions > 1;
        let forgotten = forgotten(
            self.connection,
            old.number,
            version.cast_signed() - versions,
        )?;
        let before = if keeps { 0 } else { old.bytes.cast_signed() };
        self.grow(0, bytes.cast_signed() - before - forgotten)?;
        if keeps {
            rows::keep_version(self.connection, &old)?;
        }
        let mut kept = Kept {
            bytes,
            ..old.clone()
        };
        kept.entry.fields = fields.clone();
        kept.entry.address = address.clone();
        kept.entry.version = version;
        kept.entry.author = Some(self.to.author().to_string());
        kept.entry.updated_at = self.at;
        kept.entry.expires_at = self.expiry(fields);
        if old.entry.fields.searchable() != fields.searchable() {
            let terms = words::of(fields);
            words::remove(self.connection, old.number, old.length)?;
            words::insert(self.connection, &self.place, old.number, &terms)?;
            self.usage.terms += i64::from(terms.length) - i64::from(old.length);
            kept.length = terms.length;
        }
        if old.entry.fields.tags != fields.tags {
            letting_go::remove_tags(self.connection, &self.place, old.number)?;
            self.insert_tags(&kept)?;
        }
        if old.entry.fields.embedding != fields.embedding {
            letting_go::remove_vector(self.connection, &self.place, old.number, &mut self.usage)?;
            self.insert_vector(&kept)?;
        }
        update(self.connection, &kept)?;
        Ok(Outcome::Updated(kept.entry))
    }

    /// What stands at the address, seen or not. What has expired there goes.
    fn at_address(&mut self, address: &Address) -> Result<Option<Kept>, Why> {
        let Some(key) = &address.key else {
            return Ok(None);
        };
        let area = address.area.number();
        let kept = rows::one(
            self.connection,
            &self.place,
            "e.owner = ?1 AND e.area = ?2 AND e.path = ?3 AND e.key = ?4",
            params![self.place.number, area, address.path, key],
        )?;
        match kept {
            Some(kept) if self.is_over(&kept) => {
                letting_go::remove(self.connection, &self.place, &kept.body(), &mut self.usage)?;
                Ok(None)
            }
            kept => Ok(kept),
        }
    }

    fn is_taken(&mut self, address: &Address, by_other_than: i64) -> Result<bool, Why> {
        let there = self.at_address(address)?;
        Ok(there.is_some_and(|kept| kept.number != by_other_than))
    }

    /// The entry of this id as it has to be before a change.
    fn found(&self, id: EntryId, expected: &Expected) -> Result<Kept, Why> {
        let kept = rows::one(
            self.connection,
            &self.place,
            "e.id = ?1 AND e.owner = ?2",
            params![id.as_bytes(), self.place.number],
        )?;
        let kept = kept
            .filter(|kept| self.sees(kept) && !self.is_over(kept))
            .ok_or(Undone::Refused(WriteErrorKind::Missing))?;
        meets(&kept, expected)?;
        Ok(kept)
    }

    fn sees(&self, kept: &Kept) -> bool {
        kept.entry.fields.confidentiality <= self.to.clearance()
    }

    fn is_over(&self, kept: &Kept) -> bool {
        kept.entry.expires_at.is_some_and(|over| over <= self.at)
    }

    /// All vectors of a namespace have one number of dimensions; the only one may change it.
    fn fits_dimensions(&self, old: Option<&Kept>, fields: &Fields) -> Result<(), Why> {
        let Some(vector) = &fields.embedding else {
            return Ok(());
        };
        let own = old.is_some_and(|old| old.entry.fields.embedding.is_some());
        let others = self.usage.vectors - i64::from(own);
        let expected = usize::try_from(self.usage.dimensions).unwrap_or_default();
        let given = vector.dimensions();
        if others == 0 || given == expected {
            Ok(())
        } else {
            Err(Undone::Refused(WriteErrorKind::Dimensions {
                expected,
                given,
            }))
        }
    }

    /// Counts what is to be added, if there is room for it.
    fn grow(&mut self, entries: i64, bytes: i64) -> Result<(), Why> {
        self.usage.add(entries, bytes);
        self.usage
            .judge(&self.before, &self.place.owner, self.quotas)
            .map_err(Undone::Refused)
    }

    fn expiry(&self, fields: &Fields) -> Option<Timestamp> {
        fields.ttl_seconds.map(|seconds| {
            self.at
                .plus_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
        })
    }

    fn insert_tags(&self, kept: &Kept) -> rusqlite::Result<()> {
        let mut insert = self
            .connection
            .prepare_cached("INSERT OR IGNORE INTO tags VALUES (?1, ?2, ?3)")?;
        for tag in &kept.entry.fields.tags {
            insert.execute(params![self.place.number, tag, kept.number])?;
        }
        Ok(())
    }

    fn insert_vector(&mut self, kept: &Kept) -> rusqlite::Result<()> {
        let Some(vector) = &kept.entry.fields.embedding else {
            return Ok(());
        };
        self.connection
            .prepare_cached("INSERT INTO vectors VALUES (?1, ?2)")?
            .execute(params![
                rows::place_of(self.place.number, kept.number),
                vector.to_bytes()
            ])?;
        self.usage.vectors += 1;
        self.usage.dimensions = i64::try_from(vector.dimensions()).unwrap_or(i64::MAX);
        Ok(())
    }
}

/// RFC 9110 section 13.1, for an entry that is there.
fn meets(kept: &Kept, expected: &Expected) -> Result<(), Why> {
    let version = kept.entry.version;
    let met = match expected {
        Expected::Anything | Expected::Present => true,
        Expected::Absent => false,
        Expected::Versions(versions) => versions.contains(&version),
    };
    match met {
        true => Ok(()),
        false => Err(Undone::Refused(WriteErrorKind::Precondition(Some(version)))),
    }
}

/// Lets go of the versions up to this one; their bytes.
fn forgotten(connection: &Connection, entry: i64, up_to: i64) -> rusqlite::Result<i64> {
    let mut remove = connection.prepare_cached(
        "DELETE FROM versions WHERE entry = ?1 AND version <= ?2 RETURNING bytes",
    )?;
    let bytes = remove.query_map([entry, up_to], |row| row.get::<_, i64>(0))?;
    bytes.sum()
}

fn insert(connection: &Connection, place: &Place, kept: &Kept) -> rusqlite::Result<i64> {
    let (entry, fields) = (&kept.entry, &kept.entry.fields);
    connection
        .prepare_cached(
            "INSERT INTO entries VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, \
             ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30)",
        )?
        .insert(params![
            entry.id.as_bytes(),
            place.number,
            entry.address.area.number(),
            entry.address.path,
            entry.address.key,
            fields.content,
            fields.agent,
            fields.session,
            fields.category,
            rows::text(&fields.tags)?,
            rows::text(&fields.keywords)?,
            fields.summary,
            fields.importance.get(),
            fields.memory_type.as_str(),
            fields.strength,
            rows::text(&fields.related_ids)?,
            rows::text(&fields.source_ids)?,
            rows::text(&fields.metadata)?,
            fields.confidentiality.rank(),
            fields.ttl_seconds.map(u64::cast_signed),
            entry.version.cast_signed(),
            entry.author,
            entry.created_at.as_micros(),
            entry.updated_at.as_micros(),
            entry.last_accessed.as_micros(),
            entry.access_count.cast_signed(),
            entry.expires_at.map(Timestamp::as_micros),
            kept.created_as,
            kept.bytes.cast_signed(),
            kept.length,
        ])
}

fn update(connection: &Connection, kept: &Kept) -> rusqlite::Result<()> {
    let (entry, fields) = (&kept.entry, &kept.entry.fields);
    connection
        .prepare_cached(
            "UPDATE entries SET path = ?2, key = ?3, content = ?4, agent = ?5, session = ?6, \
             category = ?7, tags = ?8, keywords = ?9, summary = ?10, importance = ?11, \
             memory_type = ?12, strength = ?13, related_ids = ?14, source_ids = ?15, \
             metadata = ?16, confidentiality = ?17, ttl_seconds = ?18, version = ?19, \
             author = ?20, updated_at = ?21, expires_at = ?22, bytes = ?23, length = ?24 \
             WHERE entry = ?1",
        )?
        .execute(params![
            kept.number,
            entry.address.path,
            entry.address.key,
            fields.content,
            fields.agent,
            fields.session,
            fields.category,
            rows::text(&fields.tags)?,
            rows::text(&fields.keywords)?,
            fields.summary,
            fields.importance.get(),
            fields.memory_type.as_str(),
            fields.strength,
            rows::text(&fields.related_ids)?,
            rows::text(&fields.source_ids)?,
            rows::text(&fields.metadata)?,
            fields.confidentiality.rank(),
            fields.ttl_seconds.map(u64::cast_signed),
            entry.version.cast_signed(),
            entry.author,
            entry.updated_at.as_micros(),
            entry.expires_at.map(Timestamp::as_micros),
            kept.bytes.cast_signed(),
            kept.length,
        ])?;
    Ok(())
}
