//! Lists: what of an answer the caller may see, cut out of its bytes.
//!
//! A list is read in two passes. [`Listing`] finds the items and what each one says of its owner, so
//! that all of them can be looked up at once; told which ones stay, it writes the answer without the
//! others. Bytes that stay are the backend's own, to the last blank.
//!
//! What can't be told apart is not passed on: an item whose id or tenant is missing, ambiguous or no
//! plain value leaves; a body in which the list itself can't be found for certain is a
//! [`ListFault`], and the answer is refused. Names that stand twice decide nothing elsewhere, so they
//! are looked at only on the way to what decides.
//!
//! **Totals.** A backend counts everybody's items. Taking off what left this page would still tell
//! how many stand on the others, and so would saying the exact number wherever a page holds all that
//! the backend counts: a search that one thing of another's matches would be told from one that
//! nothing matches. So the number of things the caller owns is said ([`Listing::total`]). It is too
//! high for a list that is filtered by more than its owner, and no other tenant can move it.
//!
//! **Cursors.** Where a page names its first and last item ([`ListShape::first`],
//! [`ListShape::last`]), it names the first and last that stay, so that the next page is asked for
//! behind an item the caller knows. Which pages have to be fetched so that none comes back empty
//! while the backend has more is decided in [`paging`].

pub mod events;
pub mod fields;
pub mod paging;
mod scan;
mod write;

use std::borrow::Cow;

use bytes::Bytes;

use crate::inspect::json::JsonFault;
use crate::tenant::TenantId;

/// Most items of one answer. Each costs some thirty bytes besides the answer itself.
pub const MAX_ITEMS: usize = 250_000;

/// Where a list's parts stand in its answer. Pointers are lists of unescaped reference tokens
/// (RFC 6901 section 3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListShape {
    /// The array of items; no token: the whole answer is the array. `*` stands for every element of
    /// an array, so that there may be several lists.
    pub items: Vec<String>,
    /// The id within an item; no token: the item is its id. `None`: items are known by their tenant.
    pub id: Option<Vec<String>>,
    /// The tenant within an item. An item that names another one leaves.
    pub tenant: Option<Vec<String>>,
    /// Numbers that count items.
    pub totals: Vec<Vec<String>>,
    /// The id of the first item, as a cursor.
    pub first: Option<Vec<String>>,
    /// The id of the last item, as a cursor.
    pub last: Option<Vec<String>>,
    /// Whether the backend has more, a boolean.
    pub has_more: Option<Vec<String>>,
}

/// What has to be known before it is clear whether an item stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing<'page> {
    /// It leaves: it names another tenant, or nothing that could be looked up.
    Leaves,
    /// It stays: it names the caller's tenant, and the list knows items by nothing else.
    Stays,
    /// It stays if the thing with this id is the caller's.
    Owned(Cow<'page, str>),
}

/// One answer that was read as a list.
#[derive(Clone, Debug)]
pub struct Listing {
    body: Bytes,
    form: Form,
    judged_by_tenant: bool,
    judged_by_id: bool,
    items: Vec<Item>,
    arrays: Vec<Array>,
    totals: Vec<Span>,
    first: Vec<Span>,
    last: Vec<Span>,
    has_more: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Arrays within a JSON text.
    Arrays,
    /// One item a line.
    Lines,
    /// The whole is one item.
    Lone,
}

/// A stretch of the body: where it begins and where it ends. Bodies are smaller than 4 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    start: u32,
    end: u32,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    span: Span,
    id: Option<Span>,
    tenant: Option<Span>,
}

/// One array: what is between its brackets, and the first of its items. The next array's first item
/// is the end of them.
#[derive(Clone, Copy, Debug)]
struct Array {
    inside: Span,
    first_item: usize,
}

impl Listing {
    /// Reads a JSON answer.
    ///
    /// # Errors
    /// The list can't be found in it for certain.
    pub fn of_json(shape: &ListShape, body: Bytes) -> Result<Self, ListFault> {
        scan::document(shape, body)
    }

    /// Reads an answer of one JSON item a line (`application/x-ndjson`, `application/jsonl`).
    /// Lines without anything on them are none.
    ///
    /// # Errors
    /// A line is not JSON.
    pub fn of_lines(shape: &ListShape, body: Bytes) -> Result<Self, ListFault> {
        scan::lines(shape, body)
    }

    /// Reads a JSON text that is a list or one item of it.
    ///
    /// # Errors
    /// It is not JSON, or ambiguous.
    pub fn of_either(shape: &ListShape, body: Bytes) -> Result<Self, ListFault> {
        match scan::document(shape, body.clone()) {
            Err(ListFault::NoList | ListFault::NotAList) => scan::lone(shape, body),
            read => read,
        }
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether the answer says that the backend has more; `None` where it does not say.
    pub fn has_more(&self) -> Option<bool> {
        self.has_more
    }

    /// What decides of each item, in their order.
    pub fn standings<'page>(
        &'page self,
        own: &'page TenantId,
    ) -> impl Iterator<Item = Standing<'page>> {
        self.items.iter().map(move |item| self.standing(item, own))
    }

    fn standing(&self, item: &Item, own: &TenantId) -> Standing<'_> {
        if self.judged_by_tenant {
            let tenant = item.tenant.and_then(|span| self.plain(span));
            if tenant.as_deref() != Some(own.as_str()) {
                return Standing::Leaves;
            }
        }
        if !self.judged_by_id {
            return if self.judged_by_tenant {
                Standing::Stays
            } else {
                Standing::Leaves
            };
        }
        match item.id.and_then(|span| self.plain(span)) {
            Some(id) if !id.is_empty() => Standing::Owned(id),
            Some(_) | None => Standing::Leaves,
        }
    }

    /// The number that may be said for a total: `kept` items of this page stay, `owned` things of
    /// this kind are known to be the caller's.
    pub fn total(kept: usize, owned: u64) -> u64 {
        owned.max(kept as u64)
    }

    /// What the body says the total is, where it says a number.
    pub fn total_said(&self) -> Option<u64> {
        let total = self.totals.first()?;
        self.plain(*total)?.parse().ok()
    }

    /// Whether the body says a total.
    pub fn says_total(&self) -> bool {
        !self.totals.is_empty()
    }

    /// The id of each item, in their order; `None` where it has none.
    pub fn ids(&self) -> impl Iterator<Item = Option<Cow<'_, str>>> {
        self.items
            .iter()
            .map(|item| item.id.and_then(|span| self.plain(span)))
    }

    /// The id of the last item, whether it stays or leaves: where the backend's next page begins.
    pub fn last_id(&self) -> Option<Cow<'_, str>> {
        self.items
            .last()
            .and_then(|item| item.id)
            .and_then(|span| self.plain(span))
    }

    /// The answer without the items that do not stay; `None` where the answer was one item, and
    /// it leaves. `keep` says of each item whether it stays; one it says nothing of leaves.
    ///
    /// # Errors
    /// A total is no number, or the places to write to overlap.
    pub fn rewritten(&self, keep: &[bool], total: u64) -> Result<Option<Bytes>, ListFault> {
        write::rewritten(self, keep, total)
    }

    /// The bytes of each item that stays.
    pub fn kept_items<'page>(
        &'page self,
        keep: &'page [bool],
    ) -> impl Iterator<Item = &'page [u8]> {
        self.items
            .iter()
            .zip(keep)
            .filter(|(_, keep)| **keep)
            .map(|(item, _)| self.bytes(item.span))
    }

    /// The answer with `items` in the place of its own.
    ///
    /// # Errors
    /// It has no list or several, or a total that is no number.
    pub fn with_items(&self, items: &[Bytes], total: u64) -> Result<Bytes, ListFault> {
        write::with_items(self, items, total)
    }

    /// What stands at `span`, if it can be the name of something: a string, or a whole number in
    /// plain digits.
    fn plain(&self, span: Span) -> Option<Cow<'_, str>> {
        let text = std::str::from_utf8(self.bytes(span)).ok()?;
        match text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
        {
            Some(inside) => crate::inspect::json::unescape(inside.as_bytes()).ok(),
            None => {
                // `1`, `1.0` and `1e0` are one id to some backends and three to others.
                let digits = text.bytes().all(|byte| byte.is_ascii_digit());
                digits.then_some(Cow::Borrowed(text))
            }
        }
    }

    fn bytes(&self, span: Span) -> &[u8] {
        self.body
            .get(span.start as usize..span.end as usize)
            .unwrap_or_default()
    }
}

/// Why an answer can't be passed on as a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListFault {
    /// It is no JSON, or ambiguous.
    #[error(transparent)]
    Json(#[from] JsonFault),
    /// There is nothing where the list should be.
    #[error("the list is not where the route says")]
    NoList,
    /// Something else is where the list should be.
    #[error("what stands where the route says is no list")]
    NotAList,
    /// It has more items than [`MAX_ITEMS`], or 4 GiB of them.
    #[error("the list is too long")]
    TooLong,
    /// A total is no number, or a place is to be written twice.
    #[error("what the route says counts the items is no number")]
    NoNumber,
}

#[cfg(test)]
mod tests;
