//! Finding entries by terms and by vectors.
//!
//! Both look at the namespaces of the reach and nothing else. There is no index over the vectors of
//! all tenants: an approximate one (HNSW, IVFFlat) walks through everybody's, so what one tenant
//! finds would depend on what others keep. Within a namespace the scan is exact, in the server if
//! pgvector is installed there, else here.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;

use futures_core::Stream;
use tokio_postgres::types::Type;

use super::error::of_driver;
use super::narrow::{filtered, visible};
use super::read::{entries, reached};
use super::rows::{ENTRY, damaged, entry, id, uuids, value};
use super::session::Transaction;
use crate::clock::Timestamp;
use crate::memory::search::top::Top;
use crate::memory::search::vector::Direction;
use crate::memory::{Embedding, EntryId, Filter, Reach, Scored, StoreError};

/// The scores of a namespace's entries by `memory::search::bm25`, in SQL; a test holds the two
/// against each other. The parts of a sum are in the order of their size, so that entries that fit
/// alike have the same score to the last bit.
const SCORES: &str = "
    WITH hits AS MATERIALIZED (
        SELECT p.owner, p.term, p.entry, p.frequency::float8 AS count, p.length::float8 AS length
        FROM fabric_memory.postings p
        WHERE p.tenant = $1 AND p.owner = ANY($2) AND p.term = ANY($3)
    ), frequencies AS (
        SELECT h.owner, h.term, count(*)::float8 AS documents FROM hits h GROUP BY h.owner, h.term
    ), odds AS (
        SELECT c.owner, t.term, greatest(c.total_length, 1)::float8 / greatest(c.entries, 1) AS average,
            c.entries::float8 AS entries, least(coalesce(h.documents, 0), c.entries) AS documents
        FROM fabric_memory.counters c CROSS JOIN unnest($3) AS t(term)
        LEFT JOIN frequencies h ON h.owner = c.owner AND h.term = t.term
        WHERE c.tenant = $1 AND c.owner = ANY($2)
    ), weights AS (
        SELECT o.owner, o.term, o.average,
            ln(1 + (o.entries - o.documents + 0.5::float8) / (o.documents + 0.5::float8)) AS weight
        FROM odds o
    ), totals AS (
        SELECT w.owner, sum(w.weight ORDER BY w.weight) AS weight FROM weights w GROUP BY w.owner
    ), parts AS (
        SELECT h.owner, h.entry, w.weight * h.count
            / (h.count + 1.2::float8 * (0.25::float8 + 0.75::float8 * h.length / w.average)) AS part
        FROM hits h JOIN weights w ON w.owner = h.owner AND w.term = h.term
    ), sums AS (
        SELECT p.owner, p.entry, sum(p.part ORDER BY p.part) AS sum
        FROM parts p GROUP BY p.owner, p.entry
    ), scores AS (
        SELECT s.owner, s.entry, least(s.sum / t.weight, 1) AS score
        FROM sums s JOIN totals t ON t.owner = s.owner
    )";

pub(super) async fn by_text(
    transaction: &Transaction,
    of: &Reach,
    filter: &Filter,
    terms: &[String],
    limit: u32,
    at: Timestamp,
) -> Result<Vec<Scored>, StoreError> {
    let mut arguments = reached(of);
    arguments.add(terms.to_vec(), Type::TEXT_ARRAY);
    let visible = visible(&mut arguments, of.clearance(), at);
    let filtered = filtered(&mut arguments, filter);
    let limit = arguments.add(i64::from(limit), Type::INT8);
    let sql = format!(
        "{SCORES} SELECT {ENTRY}, s.score FROM scores s \
         JOIN fabric_memory.entries e ON e.tenant = $1 AND e.owner = s.owner AND e.id = s.entry \
         WHERE {visible} AND {filtered} ORDER BY s.score DESC, e.id LIMIT {limit}"
    );
    let namespaces = of.namespaces();
    let rows = transaction.query(&sql, &arguments.list()).await?;
    rows.iter()
        .map(|row| {
            Ok(Scored {
                entry: entry(row, &namespaces)?,
                score: value(row, "score")?,
            })
        })
        .collect()
}

/// `pgvector` is the schema of the extension, if it is installed.
pub(super) async fn by_vector(
    transaction: &Transaction,
    pgvector: Option<&str>,
    (of, filter): (&Reach, &Filter),
    embedding: &Embedding,
    limit: u32,
    at: Timestamp,
) -> Result<Vec<Scored>, StoreError> {
    let nearest = match pgvector {
        Some(schema) => {
            in_the_server(transaction, schema, (of, filter), embedding, limit, at).await?
        }
        None => here(transaction, (of, filter), embedding, limit, at).await?,
    };
    let ids: Vec<EntryId> = nearest.iter().map(|(id, _)| *id).collect();
    let mut arguments = reached(of);
    let wanted = arguments.add(uuids(&ids), Type::UUID_ARRAY);
    let sql = format!(
        "SELECT {ENTRY} FROM fabric_memory.entries e \
         WHERE e.tenant = $1 AND e.owner = ANY($2) AND e.id = ANY({wanted})"
    );
    let found = entries(transaction, &sql, &arguments, of).await?;
    let mut found: HashMap<EntryId, _> = found.into_iter().map(|one| (one.id, one)).collect();
    let scored = nearest.into_iter().filter_map(|(id, score)| {
        let entry = found.remove(&id)?;
        Some(Scored { entry, score })
    });
    Ok(scored.collect())
}

async fn here(
    transaction: &Transaction,
    (of, filter): (&Reach, &Filter),
    embedding: &Embedding,
    limit: u32,
    at: Timestamp,
) -> Result<Vec<(EntryId, f64)>, StoreError> {
    let mut arguments = reached(of);
    let condition = narrowed(&mut arguments, (of, filter), embedding, at);
    let sql = format!("SELECT e.id, v.vector {condition}");
    let direction = Direction::of(embedding);
    let mut top = Top::new(usize::try_from(limit).unwrap_or(usize::MAX));
    let mut rows = pin!(transaction.stream(&sql, &arguments.list()).await?);
    while let Some(row) = poll_fn(|context| rows.as_mut().poll_next(context)).await {
        let row = row.map_err(|error| of_driver(&error))?;
        let other = Embedding::new(value(&row, "vector")?).map_err(damaged)?;
        if let Some(cosine) = direction.cosine(&other) {
            top.offer(cosine, id(value(&row, "id")?));
        }
    }
    Ok(top.into_best_first())
}

/// How many more than wanted are taken from the server, whose sums differ from ours in the last
/// digits, before they are put in order.
const MARGIN: u32 = 32;

async fn in_the_server(
    transaction: &Transaction,
    schema: &str,
    (of, filter): (&Reach, &Filter),
    embedding: &Embedding,
    limit: u32,
    at: Timestamp,
) -> Result<Vec<(EntryId, f64)>, StoreError> {
    let mut arguments = reached(of);
    let condition = narrowed(&mut arguments, (of, filter), embedding, at);
    let wanted = arguments.add(embedding.as_slice().to_vec(), Type::FLOAT4_ARRAY);
    let dimensions = arguments.add(dimensions(embedding), Type::INT4);
    let most = arguments.add(i64::from(limit.saturating_add(MARGIN)), Type::INT8);
    let schema = quoted(schema);
    let sql = format!(
        "SELECT e.id, v.vector {condition} \
         ORDER BY CASE WHEN cardinality(v.vector) = {dimensions} \
             THEN v.vector::{schema}.vector OPERATOR({schema}.<=>) {wanted}::{schema}.vector END, \
             e.id LIMIT {most}"
    );
    let direction = Direction::of(embedding);
    let mut top = Top::new(usize::try_from(limit).unwrap_or(usize::MAX));
    for row in transaction.query(&sql, &arguments.list()).await? {
        let other = Embedding::new(value(&row, "vector")?).map_err(damaged)?;
        if let Some(cosine) = direction.cosine(&other) {
            top.offer(cosine, id(value(&row, "id")?));
        }
    }
    Ok(top.into_best_first())
}

/// The entries that fit and that have vectors of the right size.
fn narrowed(
    arguments: &mut super::rows::Arguments,
    (of, filter): (&Reach, &Filter),
    embedding: &Embedding,
    at: Timestamp,
) -> String {
    let visible = visible(arguments, of.clearance(), at);
    let filtered = filtered(arguments, filter);
    let dimensions = arguments.add(dimensions(embedding), Type::INT4);
    format!(
        "FROM fabric_memory.counters c \
         JOIN fabric_memory.embeddings v ON v.tenant = $1 AND v.owner = c.owner \
         JOIN fabric_memory.entries e ON e.tenant = $1 AND e.owner = v.owner AND e.id = v.entry \
         WHERE c.tenant = $1 AND c.owner = ANY($2) AND c.dimensions = {dimensions} \
         AND {visible} AND {filtered}"
    )
}

fn dimensions(embedding: &Embedding) -> i32 {
    i32::try_from(embedding.dimensions()).unwrap_or(i32::MAX)
}

/// A name as SQL writes one.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
