//! An entry as its rows: itself, its terms and its vector.

use tokio_postgres::types::Type;

use super::ledger::Counts;
use super::read::optional;
use super::rows::{Arguments, column, json, place, signed, uuid};
use super::session::Transaction;
use crate::memory::search::terms::{IndexTerms, index_terms};
use crate::memory::{Address, Entry, Fields, StoreError};

/// What the rows of an entry hold that its fields do not say.
pub(super) struct Stored {
    place: Option<Vec<u8>>,
    digest: Vec<u8>,
    json: String,
    terms: IndexTerms,
    bytes: u64,
    dimensions: Option<usize>,
}

impl Stored {
    pub(super) fn new(address: &Address, fields: &Fields) -> Self {
        // The vector has a table of its own.
        let without = Fields {
            embedding: None,
            ..fields.clone()
        };
        Self {
            place: place(address),
            digest: fields.digest().to_vec(),
            // A map of strings, numbers and lists always has a JSON form.
            json: serde_json::to_string(&without).unwrap_or_default(),
            terms: index_terms(&fields.searchable()),
            bytes: fields.bytes() + address.row_bytes(),
            dimensions: fields.embedding.as_ref().map(|it| it.dimensions()),
        }
    }

    /// What it adds to its namespace.
    pub(super) fn counts(&self) -> Counts {
        Counts {
            entries: 1,
            bytes: self.bytes,
            length: self.terms.length.into(),
            vectors: u64::from(self.dimensions.is_some()),
            dimensions: self.dimensions,
        }
    }
}

/// The columns that both a new entry and a new version set, `$4` and on.
const COLUMNS: &str = "path, key, place, fields, version, author, updated_at, expires_at, ttl, \
     bytes, rank, agent, session, category, tags, memory_type, importance, strength, metadata";

/// Their values, and after them those of terms, frequencies, length and vector.
fn arguments(tenant: &str, owner: &str, entry: &Entry, stored: &Stored) -> Arguments {
    let fields = &entry.fields;
    let count = |number: u64| signed(number);
    let metadata = (!fields.metadata.is_empty())
        .then(|| json(&serde_json::Value::Object(fields.metadata.clone())));
    let tags: Vec<String> = fields
        .tags
        .iter()
        .map(|tag| column(tag).into_owned())
        .collect();
    let (terms, frequencies): (Vec<String>, Vec<i32>) = stored
        .terms
        .counts
        .iter()
        .map(|(term, count)| (term.clone(), i32::try_from(*count).unwrap_or(i32::MAX)))
        .unzip();
    let vector = fields.embedding.as_ref().map(|it| it.as_slice().to_vec());
    let mut all = Arguments::default();
    all.add(tenant.to_owned(), Type::TEXT);
    all.add(owner.to_owned(), Type::TEXT);
    all.add(uuid(entry.id), Type::UUID);
    all.add(column(&entry.address.path).into_owned(), Type::TEXT);
    all.add(optional(entry.address.key.as_deref()), Type::TEXT);
    all.add(stored.place.clone(), Type::BYTEA);
    all.add(stored.json.clone(), Type::TEXT);
    all.add(count(entry.version), Type::INT8);
    all.add(entry.author.clone(), Type::TEXT);
    all.add(entry.updated_at.as_micros(), Type::INT8);
    all.add(entry.expires_at.map(|at| at.as_micros()), Type::INT8);
    all.add(fields.ttl_seconds.map(count), Type::INT8);
    all.add(count(stored.bytes), Type::INT8);
    all.add(i16::from(fields.confidentiality.rank()), Type::INT2);
    all.add(optional(fields.agent.as_deref()), Type::TEXT);
    all.add(optional(fields.session.as_deref()), Type::TEXT);
    all.add(optional(fields.category.as_deref()), Type::TEXT);
    all.add(tags, Type::TEXT_ARRAY);
    all.add(fields.memory_type.as_str(), Type::TEXT);
    all.add(i16::from(fields.importance.get()), Type::INT2);
    all.add(fields.strength, Type::FLOAT8);
    all.add(metadata, Type::JSONB);
    // From `$23` on, as `INDEX` counts.
    all.add(terms, Type::TEXT_ARRAY);
    all.add(frequencies, Type::INT4_ARRAY);
    all.add(
        i32::try_from(stored.terms.length).unwrap_or(i32::MAX),
        Type::INT4,
    );
    all.add(vector, Type::FLOAT4_ARRAY);
    all
}

/// The rows beside an entry's own.
const INDEX: &str = "
    documents AS (
        INSERT INTO fabric_memory.documents (tenant, owner, entry, terms, length)
        SELECT $1, $2, $3, $23, $25 WHERE cardinality($23) > 0
    ), postings AS (
        INSERT INTO fabric_memory.postings (tenant, owner, term, entry, frequency, length)
        SELECT $1, $2, t.term, $3, t.frequency, $25 FROM unnest($23, $24) AS t(term, frequency)
    ), vectors AS (
        INSERT INTO fabric_memory.embeddings (tenant, owner, entry, vector)
        SELECT $1, $2, $3, $26 WHERE $26 IS NOT NULL
    )";

/// Writes a new entry.
pub(super) async fn insert(
    transaction: &Transaction,
    tenant: &str,
    owner: &str,
    entry: &Entry,
    stored: &Stored,
) -> Result<(), StoreError> {
    let mut arguments = arguments(tenant, owner, entry, stored);
    let values: Vec<String> = (4..=22).map(|number| format!("${number}")).collect();
    let area = arguments.add(entry.address.area.number(), Type::INT2);
    let digest = arguments.add(stored.digest.clone(), Type::BYTEA);
    let created = arguments.add(entry.created_at.as_micros(), Type::INT8);
    let accessed = arguments.add(entry.last_accessed.as_micros(), Type::INT8);
    let sql = format!(
        "WITH entry AS ( \
             INSERT INTO fabric_memory.entries (tenant, owner, id, {COLUMNS}, area, digest, \
                 created_at, last_accessed, access_count) \
             VALUES ($1, $2, $3, {}, {area}, {digest}, {created}, {accessed}, 0) \
         ), {INDEX} SELECT 1",
        values.join(", ")
    );
    transaction.query(&sql, &arguments.list()).await?;
    Ok(())
}

/// Writes a new version of an entry over the present one.
pub(super) async fn replace(
    transaction: &Transaction,
    tenant: &str,
    owner: &str,
    entry: &Entry,
    stored: &Stored,
) -> Result<(), StoreError> {
    // First, since what one statement removes and inserts under one key is a conflict.
    let clear = "WITH documents AS ( \
             DELETE FROM fabric_memory.documents d WHERE d.tenant = $1 AND d.entry = $3 \
             RETURNING d.terms \
         ), postings AS ( \
             DELETE FROM fabric_memory.postings p \
             USING (SELECT unnest(d.terms) AS term FROM documents d) t \
             WHERE p.tenant = $1 AND p.owner = $2 AND p.term = t.term AND p.entry = $3 \
         ) DELETE FROM fabric_memory.embeddings v \
             WHERE v.tenant = $1 AND v.owner = $2 AND v.entry = $3";
    let id = uuid(entry.id);
    let keys: [super::session::Argument<'_>; 3] = [
        (&tenant, Type::TEXT),
        (&owner, Type::TEXT),
        (&id, Type::UUID),
    ];
    transaction.execute(clear, &keys).await?;
    let arguments = arguments(tenant, owner, entry, stored);
    let values: Vec<String> = (4..=22).map(|number| format!("${number}")).collect();
    let sql = format!(
        "WITH entry AS ( \
             UPDATE fabric_memory.entries e SET ({COLUMNS}) = ({}) \
             WHERE e.tenant = $1 AND e.owner = $2 AND e.id = $3 \
         ), {INDEX} SELECT 1",
        values.join(", ")
    );
    transaction.query(&sql, &arguments.list()).await?;
    Ok(())
}
