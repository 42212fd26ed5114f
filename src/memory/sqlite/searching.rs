//! The best entries by text or by vector.
//!
//! First every entry is scored that the index names, then the best are looked at, some at a time,
//! for whether they fit the filter: an order that is decided before the filter can't tell of what
//! the filter hides, and entries that fit are never crowded out by ones that do not.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

use rusqlite::{Connection, params_from_iter};

use super::reading::places;
use super::rows::{self, COLUMNS, place_of};
use super::scope::{Place, Where};
use super::usage::Usage;
use super::words;
use crate::clock::Timestamp;
use crate::memory::search::bm25::{Scorer, Statistics};
use crate::memory::search::vector::Direction;
use crate::memory::{Embedding, Filter, Reach, Scored};

/// Most occurrences of terms that one search weighs. Past it, the terms that are in the most
/// entries find nothing and weigh nothing; the rarest term always does.
const MOST_POSTINGS: u64 = 2_000_000;

/// Fewest entries that are looked at together.
const FEWEST: usize = 64;

/// An entry with a score, in one of the places.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    score: f64,
    place: usize,
    entry: i64,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score)
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Candidate {}

/// The best entries that hold at least one of the terms.
pub(super) fn by_text(
    connection: &Connection,
    of: &Reach,
    filter: &Filter,
    terms: &[String],
    limit: u32,
    at: Timestamp,
) -> rusqlite::Result<Vec<Scored>> {
    let places = places(connection, of)?;
    let mut candidates = Vec::new();
    for (index, place) in places.iter().enumerate() {
        score_texts(connection, place, index, terms, &mut candidates)?;
    }
    let all = Where::fitting(filter, of.clearance(), at);
    best(connection, &places, &all, candidates, limit)
}

/// The entries whose vectors are nearest.
pub(super) fn by_vector(
    connection: &Connection,
    of: &Reach,
    filter: &Filter,
    embedding: &Embedding,
    limit: u32,
    at: Timestamp,
) -> rusqlite::Result<Vec<Scored>> {
    let places = places(connection, of)?;
    let direction = Direction::of(embedding);
    let mut candidates = Vec::new();
    let mut read = connection
        .prepare_cached("SELECT place, vector FROM vectors WHERE place >= ?1 AND place < ?2")?;
    for (index, place) in places.iter().enumerate() {
        let from = place_of(place.number, 0);
        let mut rows = read.query([from, place_of(place.number + 1, 0)])?;
        while let Some(row) = rows.next()? {
            let vector = row.get_ref(1)?.as_blob()?;
            if let Some(score) = direction.cosine_to_bytes(vector) {
                candidates.push(Candidate {
                    score,
                    place: index,
                    entry: row.get::<_, i64>(0)? - from,
                });
            }
        }
    }
    let all = Where::fitting(filter, of.clearance(), at);
    best(connection, &places, &all, candidates, limit)
}

/// One term in one entry.
struct Posting {
    row: i64,
    term: usize,
    count: u32,
}

fn score_texts(
    connection: &Connection,
    place: &Place,
    index: usize,
    terms: &[String],
    candidates: &mut Vec<Candidate>,
) -> rusqlite::Result<()> {
    let usage = Usage::read(connection, place)?;
    let mut statistics = Statistics {
        documents: usage.entries.cast_unsigned(),
        total_length: usage.terms.cast_unsigned(),
        frequencies: HashMap::with_capacity(terms.len()),
    };
    let mut rare_first = Vec::with_capacity(terms.len());
    for (number, term) in terms.iter().enumerate() {
        let (entries, occurrences) = frequency(connection, place, term)?;
        if entries > 0 {
            statistics.frequencies.insert(term.clone(), entries);
            rare_first.push((occurrences, number, term));
        }
    }
    rare_first.sort_unstable();
    let mut postings = Vec::new();
    let mut weighed = 0;
    for (occurrences, number, term) in rare_first {
        weighed += occurrences;
        if weighed > MOST_POSTINGS && !postings.is_empty() {
            break;
        }
        read_postings(connection, place, term, number, &mut postings)?;
    }
    postings.sort_unstable_by_key(|posting| (posting.row, posting.term));
    let scorer = Scorer::new(&statistics, terms.iter().map(String::as_str));
    for of_one in postings.chunk_by(|one, other| one.row == other.row) {
        let Some(first) = of_one.first() else {
            continue;
        };
        let (entry, length) = words::unpacked(first.row);
        let counts = of_one
            .iter()
            .filter_map(|posting| Some((terms.get(posting.term)?.as_str(), posting.count)));
        candidates.push(Candidate {
            score: scorer.score(length, counts),
            place: index,
            entry,
        });
    }
    Ok(())
}

/// In how many entries of the namespace the term is, and how often in all.
fn frequency(connection: &Connection, place: &Place, term: &str) -> rusqlite::Result<(u64, u64)> {
    let mut read = connection.prepare_cached("SELECT doc, cnt FROM word_rows WHERE term = ?1")?;
    let mut rows = read.query([words::term_of(place, term)])?;
    match rows.next()? {
        Some(row) => Ok((
            row.get::<_, i64>(0)?.cast_unsigned(),
            row.get::<_, i64>(1)?.cast_unsigned(),
        )),
        None => Ok((0, 0)),
    }
}

fn read_postings(
    connection: &Connection,
    place: &Place,
    term: &str,
    number: usize,
    postings: &mut Vec<Posting>,
) -> rusqlite::Result<()> {
    let mut read = connection.prepare_cached("SELECT doc FROM word_instances WHERE term = ?1")?;
    let mut rows = read.query([words::term_of(place, term)])?;
    let first = postings.len();
    while let Some(row) = rows.next()? {
        let row = row.get(0)?;
        // The occurrences of one entry follow each other.
        match postings.get_mut(first..).and_then(<[Posting]>::last_mut) {
            Some(last) if last.row == row => last.count = last.count.saturating_add(1),
            Some(_) | None => postings.push(Posting {
                row,
                term: number,
                count: 1,
            }),
        }
    }
    Ok(())
}

/// The best candidates that fit, best first, equal ones by id.
fn best(
    connection: &Connection,
    places: &[Place],
    all: &Where,
    candidates: Vec<Candidate>,
    limit: u32,
) -> rusqlite::Result<Vec<Scored>> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut candidates = BinaryHeap::from(candidates);
    let mut together = limit.saturating_mul(2).max(FEWEST);
    let mut found = Vec::new();
    while found.len() < limit && !candidates.is_empty() {
        let chosen = taken(&mut candidates, together);
        let mut fitting = Vec::new();
        for (index, place) in places.iter().enumerate() {
            let scores: HashMap<i64, f64> = chosen
                .iter()
                .filter(|candidate| candidate.place == index)
                .map(|candidate| (candidate.entry, candidate.score))
                .collect();
            if !scores.is_empty() {
                fit(connection, place, all, &scores, &mut fitting)?;
            }
        }
        // No score is in two portions, so each comes whole and in order.
        fitting.sort_by(|one, other| {
            let by_score = other.score.total_cmp(&one.score);
            by_score.then_with(|| one.entry.id.cmp(&other.entry.id))
        });
        found.extend(fitting);
        together = together.saturating_mul(2).min(8_192);
    }
    found.truncate(limit);
    Ok(found)
}

/// The best that are left, with all that score as the last of them does.
fn taken(candidates: &mut BinaryHeap<Candidate>, count: usize) -> Vec<Candidate> {
    let mut chosen: Vec<Candidate> = Vec::with_capacity(count.min(candidates.len()));
    while let Some(next) = candidates.peek() {
        let equal = chosen.last().is_some_and(|last| last == next);
        if chosen.len() >= count && !equal {
            break;
        }
        chosen.extend(candidates.pop());
    }
    chosen
}

fn fit(
    connection: &Connection,
    place: &Place,
    all: &Where,
    scores: &HashMap<i64, f64>,
    fitting: &mut Vec<Scored>,
) -> rusqlite::Result<()> {
    let (conditions, values) = all.of(place);
    let numbers: Vec<i64> = scores.keys().copied().collect();
    // CROSS JOIN keeps this order: each is looked up by its number.
    let sql = format!(
        "SELECT {COLUMNS} FROM json_each(?) j CROSS JOIN entries e ON e.entry = j.value \
         LEFT JOIN vectors v ON v.place = (e.owner << 40) + e.entry WHERE {conditions}"
    );
    let numbers = rusqlite::types::Value::from(rows::text(&numbers)?);
    let mut read = connection.prepare_cached(&sql)?;
    let mut rows = read.query(params_from_iter(std::iter::once(numbers).chain(values)))?;
    while let Some(row) = rows.next()? {
        let kept = rows::entry(row, place)?;
        if let Some(score) = scores.get(&kept.number) {
            fitting.push(Scored {
                entry: kept.entry,
                score: *score,
            });
        }
    }
    Ok(())
}
