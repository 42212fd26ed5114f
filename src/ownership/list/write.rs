//! The second pass: the answer with cuts in it, and numbers and cursors in place of others.

use bytes::{Bytes, BytesMut};

use super::{Form, ListFault, Listing, Span};

/// Bytes that are replaced, by nothing where they are cut out.
struct Edit<'page> {
    at: Span,
    by: Replacement<'page>,
}

enum Replacement<'page> {
    Nothing,
    Bytes(&'page [u8]),
    Number { digits: u64, quoted: bool },
}

pub(super) fn rewritten(
    page: &Listing,
    keep: &[bool],
    total: u64,
) -> Result<Option<Bytes>, ListFault> {
    let stays = |index: usize| keep.get(index).copied().unwrap_or(false);
    let mut edits = match page.form {
        Form::Arrays => cuts_in_arrays(page, stays),
        Form::Lines => cuts_of_lines(page, stays),
        Form::Lone if stays(0) => Vec::new(),
        Form::Lone => return Ok(None),
    };
    for at in &page.totals {
        edits.push(Edit {
            at: *at,
            by: number(page, *at, total)?,
        });
    }
    let mut staying = page
        .items
        .iter()
        .enumerate()
        .filter(|(index, _)| stays(*index))
        .map(|(_, item)| item);
    let first = staying.clone().next();
    let last = staying.next_back();
    for (places, item) in [(&page.first, first), (&page.last, last)] {
        let by = item
            .and_then(|item| item.id)
            .map_or(&b"null"[..], |id| page.bytes(id));
        edits.extend(places.iter().map(|at| Edit {
            at: *at,
            by: Replacement::Bytes(by),
        }));
    }
    if edits.is_empty() {
        return Ok(Some(page.body.clone()));
    }
    edits.sort_by_key(|edit| edit.at.start);
    applied(&page.body, &edits).map(Some)
}

pub(super) fn with_items(page: &Listing, items: &[Bytes], total: u64) -> Result<Bytes, ListFault> {
    let [array] = page.arrays.as_slice() else {
        // `null` for a list without items: there is none to put in either.
        return match (page.arrays.is_empty(), items.is_empty()) {
            (true, true) => rewritten(page, &[], total).map(Option::unwrap_or_default),
            _ => Err(ListFault::NoList),
        };
    };
    let joined = items.join(&b","[..]);
    let mut edits = vec![Edit {
        at: array.inside,
        by: Replacement::Bytes(&joined),
    }];
    for at in &page.totals {
        edits.push(Edit {
            at: *at,
            by: number(page, *at, total)?,
        });
    }
    edits.sort_by_key(|edit| edit.at.start);
    applied(&page.body, &edits)
}

fn applied(body: &Bytes, edits: &[Edit<'_>]) -> Result<Bytes, ListFault> {
    let mut written = BytesMut::with_capacity(body.len());
    let mut from = 0;
    for edit in edits {
        let untouched = body
            .get(from..edit.at.start as usize)
            .ok_or(ListFault::NoNumber)?;
        written.extend_from_slice(untouched);
        match edit.by {
            Replacement::Nothing => {}
            Replacement::Bytes(bytes) => written.extend_from_slice(bytes),
            Replacement::Number { digits, quoted } => {
                let quote = if quoted { "\"" } else { "" };
                written.extend_from_slice(format!("{quote}{digits}{quote}").as_bytes());
            }
        }
        from = edit.at.end as usize;
    }
    written.extend_from_slice(body.get(from..).unwrap_or_default());
    Ok(written.freeze())
}

/// One cut for each run of items that leave. The comma before them goes with them; where they are
/// the first of their array, the one behind them.
fn cuts_in_arrays<'page>(page: &'page Listing, stays: impl Fn(usize) -> bool) -> Vec<Edit<'page>> {
    let mut cuts = Vec::new();
    for (index, array) in page.arrays.iter().enumerate() {
        let end = page
            .arrays
            .get(index + 1)
            .map_or(page.items.len(), |next| next.first_item);
        let items = page.items.get(array.first_item..end).unwrap_or_default();
        let mut at = 0;
        let mut before = None;
        while let Some(item) = items.get(at) {
            if stays(array.first_item + at) {
                before = Some(item.span.end);
                at += 1;
                continue;
            }
            let start = item.span.start;
            let mut stop = item.span.end;
            while let Some(leaving) = items.get(at) {
                if stays(array.first_item + at) {
                    break;
                }
                stop = leaving.span.end;
                at += 1;
            }
            let cut = match (before, items.get(at)) {
                (Some(before), _) => Span {
                    start: before,
                    end: stop,
                },
                (None, Some(behind)) => Span {
                    start,
                    end: behind.span.start,
                },
                (None, None) => array.inside,
            };
            cuts.push(Edit {
                at: cut,
                by: Replacement::Nothing,
            });
        }
    }
    cuts
}

fn cuts_of_lines<'page>(page: &'page Listing, stays: impl Fn(usize) -> bool) -> Vec<Edit<'page>> {
    page.items
        .iter()
        .enumerate()
        .filter(|(index, _)| !stays(*index))
        .map(|(_, item)| Edit {
            at: item.span,
            by: Replacement::Nothing,
        })
        .collect()
}

/// A total in the place of another: a number, or a string of digits where that stood there.
fn number<'page>(
    page: &'page Listing,
    at: Span,
    total: u64,
) -> Result<Replacement<'page>, ListFault> {
    let was = page.plain(at).ok_or(ListFault::NoNumber)?;
    if was.parse::<u64>().is_err() {
        return Err(ListFault::NoNumber);
    }
    Ok(Replacement::Number {
        digits: total,
        quoted: page.bytes(at).starts_with(b"\""),
    })
}
