//! How well an entry fits a text.

use std::collections::BTreeMap;

use fabric_gate::memory::Entry;

/// The terms of an entry and how often each occurs.
fn terms_of(entry: &Entry) -> BTreeMap<String, u32> {
    let text = entry.fields.searchable().to_lowercase();
    let mut counts = BTreeMap::new();
    for word in text.split(|it: char| !it.is_alphanumeric()) {
        if !word.is_empty() {
            *counts.entry(word.to_owned()).or_default() += 1;
        }
    }
    counts
}

/// Okapi BM25 with k1 = 1.2 and b = 0.75, the namespace being all there is; `None` without a term
/// in common.
pub(super) fn bm25<'a>(
    entry: &Entry,
    namespace: impl Iterator<Item = &'a Entry>,
    terms: &[String],
) -> Option<f64> {
    let length = |counts: &BTreeMap<String, u32>| f64::from(counts.values().sum::<u32>());
    let documents: Vec<_> = namespace.map(terms_of).collect();
    let count = documents.len() as f64;
    let average = documents.iter().map(length).sum::<f64>() / count;
    let own = terms_of(entry);
    let mut score = None;
    for term in terms {
        let Some(often) = own.get(term) else {
            continue;
        };
        let having = documents.iter().filter(|it| it.contains_key(term)).count() as f64;
        let weight = (1.0 + (count - having + 0.5) / (having + 0.5)).ln();
        let often = f64::from(*often);
        let norm = 1.2 * (1.0 - 0.75 + 0.75 * length(&own) / average);
        *score.get_or_insert(0.0) += weight * often * 2.2 / (often + norm);
    }
    score
}
