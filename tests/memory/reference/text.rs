//! How well an entry fits a text.

use std::collections::BTreeMap;

use fabric_gate::memory::Entry;
use fabric_gate::memory::search::terms::index_terms;

/// The terms of an entry and how often each occurs.
fn terms_of(entry: &Entry) -> BTreeMap<String, u32> {
    let terms = index_terms(&entry.fields.searchable());
    terms.counts.into_iter().collect()
}

/// Okapi BM25 with k1 = 1.2 and b = 0.75 as a share of the most it could be, the namespace being
/// all there is; `None` without a term in common.
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
    let (mut score, mut most, mut found) = (0.0, 0.0, false);
    for term in terms {
        let having = documents.iter().filter(|it| it.contains_key(term)).count() as f64;
        let weight = ((count - having + 0.5) / (having + 0.5)).ln_1p();
        most += weight;
        if let Some(often) = own.get(term) {
            let often = f64::from(*often);
            let norm = 1.2 * (1.0 - 0.75 + 0.75 * length(&own) / average);
            score += weight * often / (often + norm);
            found = true;
        }
    }
    found.then_some(score / most)
}
