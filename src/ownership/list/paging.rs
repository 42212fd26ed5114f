//! Pages: which ones the gate has to ask for, so that leaving items out ends no iterator early.
//!
//! Clients stop at an empty page, whatever it says of more. So a page from which everything left is
//! not passed on while the backend has more ([`Follow`]): the gate asks for the next one itself,
//! behind the last item of the page that it does not pass on.
//!
//! Places counted from the beginning (`offset`) count everybody's items, and what stands at one would
//! tell how many of others stand before it. So the caller's offset is one among his own items, and the
//! gate reads the backend's list from its beginning until his page is full ([`Window`]).
//!
//! Both are bounded. Beyond the bound the answer is refused: an empty page would be taken for the
//! end, which is a lie, and a cursor into the middle would name somebody else's item.

use bytes::Bytes;

use super::{ListFault, Listing};

/// Asks on behind pages from which everything left.
#[derive(Clone, Debug)]
pub struct Follow {
    pages_left: u32,
    asked_after: Option<String>,
}

/// What to do with a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Pass it on.
    Answer,
    /// Ask for the page behind this item instead.
    AskAfter(String),
    /// Refuse: the bound is reached, or the page does not say where the next one begins.
    GiveUp,
}

impl Follow {
    /// Follows at most `pages` pages.
    pub fn new(pages: u32) -> Self {
        Self {
            pages_left: pages,
            asked_after: None,
        }
    }

    /// What to do with `page`, of which `kept` items stay.
    pub fn next(&mut self, page: &Listing, kept: usize) -> Next {
        if kept > 0 || page.has_more() != Some(true) {
            return Next::Answer;
        }
        let Some(after) = page.last_id().map(std::borrow::Cow::into_owned) else {
            return Next::GiveUp;
        };
        if self.pages_left == 0 || self.asked_after.as_ref() == Some(&after) {
            return Next::GiveUp;
        }
        self.pages_left -= 1;
        self.asked_after = Some(after.clone());
        Next::AskAfter(after)
    }
}

/// A page of the caller's own items, put together from the backend's.
#[derive(Clone, Debug)]
pub struct Window {
    skip: u64,
    wanted: Option<usize>,
    is_limited: bool,
    seen: u64,
    own: u64,
    pages_left: u32,
    bytes_left: usize,
    items: Vec<Bytes>,
}

/// How a window stands after a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Ask for the page at this offset.
    AskAt(u64),
    /// It is complete. `own` is the exact number of the caller's items where the backend's list was
    /// read to its end.
    Complete {
        /// All of the caller's items, if they are known to be all.
        own: Option<u64>,
    },
    /// The bound is reached.
    GiveUp,
}

impl Window {
    /// `limit` of the caller's own items from the `offset`th on; without a limit as many as the
    /// backend's first page has. At most `pages` further pages are read, and `bytes` of items held.
    pub fn new(offset: u64, limit: Option<usize>, pages: u32, bytes: usize) -> Self {
        Self {
            skip: offset,
            wanted: limit,
            is_limited: limit.is_some(),
            seen: 0,
            own: 0,
            pages_left: pages,
            bytes_left: bytes,
            items: Vec::new(),
        }
    }

    /// Takes what stays of a page. `said` is what the backend counts, where it says it. A short
    /// page is not taken for the last: backends give fewer items than were asked for.
    pub fn take(&mut self, page: &Listing, keep: &[bool], said: Option<u64>) -> Progress {
        let wanted = *self.wanted.get_or_insert(page.len());
        for item in page.kept_items(keep) {
            if self.own >= self.skip && self.items.len() < wanted {
                let Some(left) = self.bytes_left.checked_sub(item.len()) else {
                    return Progress::GiveUp;
                };
                self.bytes_left = left;
                // A copy, so that the page need not be held with it.
                self.items.push(Bytes::copy_from_slice(item));
            }
            self.own += 1;
        }
        self.seen += page.len() as u64;
        let full = self.items.len() == wanted;
        if page.is_empty() || said.is_some_and(|said| self.seen >= said) {
            // Whether something of another's stands behind a full page is nobody's to know.
            let own = (!full || !self.is_limited).then_some(self.own);
            return Progress::Complete { own };
        }
        if full {
            return Progress::Complete { own: None };
        }
        if self.pages_left == 0 {
            return Progress::GiveUp;
        }
        self.pages_left -= 1;
        Progress::AskAt(self.seen)
    }

    /// The answer: `page` (the last one taken) with the window's items for its own.
    ///
    /// # Errors
    /// The page has more than one list, or none, or a total that is no number.
    pub fn answer(&self, page: &Listing, total: u64) -> Result<Bytes, ListFault> {
        page.with_items(&self.items, total)
    }
}

#[cfg(test)]
mod tests;
