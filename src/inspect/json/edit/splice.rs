//! Where a document changes, and what stands between elements that go.

use std::ops::Range;

/// Replacements in the order of the document.
#[derive(Default)]
pub(super) struct Splices(Vec<(Range<usize>, String)>);

impl Splices {
    /// Puts `text` in place of the bytes of `range`, which begins at or behind the end of the last.
    pub(super) fn replace(&mut self, range: Range<usize>, text: String) {
        self.0.push((range, text));
    }

    /// The changed document; nothing when there is no change.
    pub(super) fn apply(self, document: &[u8]) -> Option<Vec<u8>> {
        if self.0.is_empty() {
            return None;
        }
        let grown: usize = self.0.iter().map(|(_, text)| text.len()).sum();
        let mut changed = Vec::with_capacity(document.len() + grown);
        let mut copied = 0;
        for (range, text) in self.0 {
            changed.extend_from_slice(document.get(copied..range.start).unwrap_or_default());
            changed.extend_from_slice(text.as_bytes());
            copied = range.end;
        }
        changed.extend_from_slice(document.get(copied..).unwrap_or_default());
        Some(changed)
    }
}

/// What has to go with the elements that go from one container: one comma each.
#[derive(Default)]
pub(super) struct Gaps {
    /// End of the last element that stays.
    kept: Option<usize>,
    /// What goes at the beginning of the container: it ends where the first that stays begins.
    leading: Option<Range<usize>>,
}

impl Gaps {
    /// The element that begins at `start` stays.
    pub(super) fn keep(&mut self, start: usize, splices: &mut Splices) {
        if let Some(leading) = self.leading.take() {
            splices.replace(leading.start..start, String::new());
        }
    }

    /// An element that stays ends here.
    pub(super) fn kept_to(&mut self, end: usize) {
        self.kept = Some(end);
    }

    /// The element goes, with the comma before it or, at the beginning, the one behind it.
    pub(super) fn remove(&mut self, comma: usize, start: usize, end: usize, splices: &mut Splices) {
        if self.kept.is_some() {
            splices.replace(comma..end, String::new());
        } else {
            let begins = self.leading.as_ref().map_or(start, |leading| leading.start);
            self.leading = Some(begins..end);
        }
    }

    /// The container is over.
    pub(super) fn close(&mut self, splices: &mut Splices) {
        if let Some(leading) = self.leading.take() {
            splices.replace(leading, String::new());
        }
    }

    /// End of the last element that stays.
    pub(super) fn end(&self) -> Option<usize> {
        self.kept
    }
}
