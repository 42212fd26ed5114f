//! The first pass: where the items are, and where each says whose it is.

use bytes::Bytes;

use super::{Array, Form, Item, ListFault, ListShape, Listing, MAX_ITEMS, Span};
use crate::inspect::json::{Cursor, JsonFault, array_index, same_but_for_case};

/// Reads a JSON text with arrays of items.
pub(super) fn document(shape: &ListShape, body: Bytes) -> Result<Listing, ListFault> {
    let mut reader = Reader::new(shape, &body, Form::Arrays)?;
    let mut ways = vec![(Part::Items, shape.items.as_slice())];
    ways.extend(shape.totals.iter().map(|way| (Part::Total, way.as_slice())));
    for (part, way) in [
        (Part::First, &shape.first),
        (Part::Last, &shape.last),
        (Part::HasMore, &shape.has_more),
    ] {
        ways.extend(way.iter().map(|way| (part, way.as_slice())));
    }
    reader.value(&ways)?;
    reader.end()?;
    if !reader.list_found {
        return Err(ListFault::NoList);
    }
    let page = reader.page;
    Ok(Listing { body, ..page })
}

/// Reads a JSON text that is one item.
pub(super) fn lone(shape: &ListShape, body: Bytes) -> Result<Listing, ListFault> {
    let mut reader = Reader::new(shape, &body, Form::Lone)?;
    reader.item()?;
    reader.end()?;
    let page = reader.page;
    Ok(Listing { body, ..page })
}

/// Reads one item a line.
pub(super) fn lines(shape: &ListShape, body: Bytes) -> Result<Listing, ListFault> {
    let mut page = Reader::new(shape, &body, Form::Lines)?.page;
    let mut start = 0;
    while start < body.len() {
        let ahead = body.get(start..).unwrap_or_default();
        let length = memchr::memchr(b'\n', ahead).map_or(ahead.len(), |end| end + 1);
        let line = ahead.get(..length).unwrap_or_default();
        if !line.iter().all(u8::is_ascii_whitespace) {
            let mut reader = Reader::new(shape, line, Form::Lines)?;
            reader.item()?;
            reader.end()?;
            for item in reader.page.items {
                if page.items.len() == MAX_ITEMS {
                    return Err(ListFault::TooLong);
                }
                page.items.push(Item {
                    span: Span::new(start, start + length),
                    id: item.id.map(|span| span.moved(start)),
                    tenant: item.tenant.map(|span| span.moved(start)),
                });
            }
        }
        start += length;
    }
    Ok(Listing { body, ..page })
}

/// What a pointer of the shape leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Items,
    Total,
    First,
    Last,
    HasMore,
}

/// What is left of the way to the id and to the tenant of an item.
type Ways<'shape> = [Option<&'shape [String]>; 2];

struct Reader<'read> {
    cursor: Cursor<'read>,
    ways: Ways<'read>,
    list_found: bool,
    /// What is found; its body is put in by whoever has it.
    page: Listing,
}

impl<'read> Reader<'read> {
    fn new(shape: &'read ListShape, text: &'read [u8], form: Form) -> Result<Self, ListFault> {
        if u32::try_from(text.len()).is_err() {
            return Err(ListFault::TooLong);
        }
        Ok(Self {
            cursor: Cursor::new(text)?,
            ways: [shape.id.as_deref(), shape.tenant.as_deref()],
            list_found: false,
            page: Listing {
                body: Bytes::new(),
                form,
                judged_by_tenant: shape.tenant.is_some(),
                judged_by_id: shape.id.is_some(),
                items: Vec::new(),
                arrays: Vec::new(),
                totals: Vec::new(),
                first: Vec::new(),
                last: Vec::new(),
                has_more: None,
            },
        })
    }

    fn end(&mut self) -> Result<(), ListFault> {
        if self.cursor.is_at_end() {
            Ok(())
        } else {
            Err(JsonFault::Syntax.into())
        }
    }

    /// A value outside of the items. Recursion is as deep as the longest pointer.
    fn value(&mut self, ways: &[(Part, &[String])]) -> Result<(), ListFault> {
        if let Some((part, _)) = ways.iter().find(|(_, way)| way.is_empty()) {
            return self.part(*part);
        }
        match self.cursor.peek()? {
            b'{' if !ways.is_empty() => self.object(ways),
            b'[' if !ways.is_empty() => self.array(ways),
            _ => {
                self.cursor.skip()?;
                Ok(())
            }
        }
    }

    fn object(&mut self, ways: &[(Part, &[String])]) -> Result<(), ListFault> {
        self.cursor.expect(b'{')?;
        let mut seen = Vec::new();
        let mut first = true;
        while self.cursor.another(first, b'}')? {
            first = false;
            let name = self.cursor.name()?;
            let mut inner = Vec::new();
            for (part, way) in ways {
                match way.split_first() {
                    Some((token, rest)) if *token == name => inner.push((*part, rest)),
                    Some((token, _)) if same_but_for_case(token, &name) => {
                        return Err(JsonFault::NameCase.into());
                    }
                    Some(_) | None => {}
                }
            }
            if !inner.is_empty() {
                if seen.contains(&name) {
                    return Err(JsonFault::DuplicateName.into());
                }
                seen.push(name);
            }
            self.value(&inner)?;
        }
        Ok(())
    }

    fn array(&mut self, ways: &[(Part, &[String])]) -> Result<(), ListFault> {
        self.cursor.expect(b'[')?;
        let every = |way: &[String]| way.first().is_some_and(|token| token == "*");
        // No element, no list in it: that is an answer too.
        self.list_found |= ways
            .iter()
            .any(|(part, way)| *part == Part::Items && every(way));
        let mut at = 0;
        while self.cursor.another(at == 0, b']')? {
            let inner: Vec<_> = ways
                .iter()
                .filter_map(|(part, way)| {
                    let (token, rest) = way.split_first()?;
                    (token == "*" || array_index(token) == Some(at)).then_some((*part, rest))
                })
                .collect();
            self.value(&inner)?;
            at += 1;
        }
        Ok(())
    }

    fn part(&mut self, part: Part) -> Result<(), ListFault> {
        if part == Part::Items {
            return self.items();
        }
        let first = self.cursor.peek()?;
        let span = Span::from(self.cursor.skip()?);
        match part {
            Part::Items => {}
            Part::Total if first == b'n' => {}
            Part::Total => self.page.totals.push(span),
            Part::First => self.page.first.push(span),
            Part::Last => self.page.last.push(span),
            Part::HasMore => self.page.has_more = Some(first == b't'),
        }
        Ok(())
    }

    fn items(&mut self) -> Result<(), ListFault> {
        match self.cursor.peek()? {
            b'[' => {}
            // What a Go program writes for a list without items.
            b'n' => {
                self.cursor.skip()?;
                self.list_found = true;
                return Ok(());
            }
            _ => return Err(ListFault::NotAList),
        }
        self.list_found = true;
        self.cursor.expect(b'[')?;
        let start = self.cursor.at();
        let first_item = self.page.items.len();
        while self
            .cursor
            .another(self.page.items.len() == first_item, b']')?
        {
            self.item()?;
        }
        self.page.arrays.push(Array {
            inside: Span::new(start, self.cursor.at() - 1),
            first_item,
        });
        Ok(())
    }

    fn item(&mut self) -> Result<(), ListFault> {
        if self.page.items.len() == MAX_ITEMS {
            return Err(ListFault::TooLong);
        }
        self.cursor.peek()?;
        let start = self.cursor.at();
        let mut found = Found::default();
        self.within(self.ways, &mut found)?;
        let [id, tenant] = if found.ambiguous {
            [None, None]
        } else {
            found.spans
        };
        let span = Span::new(start, self.cursor.at());
        self.page.items.push(Item { span, id, tenant });
        Ok(())
    }

    /// A value of an item, or the item itself. An ambiguous one is read to its end all the same.
    fn within(&mut self, ways: Ways<'_>, found: &mut Found) -> Result<(), ListFault> {
        let here = ways.map(|way| way.is_some_and(<[String]>::is_empty));
        if here != [false, false] || ways == [None, None] {
            let span = Span::from(self.cursor.skip()?);
            for (place, here) in found.spans.iter_mut().zip(here) {
                if here {
                    *place = Some(span);
                }
            }
            return Ok(());
        }
        match self.cursor.peek()? {
            b'{' => self.members(ways, found),
            b'[' => self.elements(ways, found),
            _ => {
                self.cursor.skip()?;
                Ok(())
            }
        }
    }

    fn members(&mut self, ways: Ways<'_>, found: &mut Found) -> Result<(), ListFault> {
        self.cursor.expect(b'{')?;
        let mut seen = [false, false];
        let mut first = true;
        while self.cursor.another(first, b'}')? {
            first = false;
            let name = self.cursor.name()?;
            let mut inner = [None, None];
            for ((way, seen), inner) in ways.iter().zip(&mut seen).zip(&mut inner) {
                match way.and_then(<[String]>::split_first) {
                    Some((token, rest)) if *token == name => {
                        found.ambiguous |= *seen;
                        *seen = true;
                        *inner = Some(rest);
                    }
                    Some((token, _)) => found.ambiguous |= same_but_for_case(token, &name),
                    None => {}
                }
            }
            self.within(inner, found)?;
        }
        Ok(())
    }

    fn elements(&mut self, ways: Ways<'_>, found: &mut Found) -> Result<(), ListFault> {
        self.cursor.expect(b'[')?;
        let mut at = 0;
        while self.cursor.another(at == 0, b']')? {
            let inner = ways.map(|way| {
                let (token, rest) = way?.split_first()?;
                (array_index(token) == Some(at)).then_some(rest)
            });
            self.within(inner, found)?;
            at += 1;
        }
        Ok(())
    }
}

/// What an item says of itself.
#[derive(Default)]
struct Found {
    spans: [Option<Span>; 2],
    ambiguous: bool,
}

impl Span {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "no text longer than 4 GiB is read"
    )]
    fn new(start: usize, end: usize) -> Self {
        Self {
            start: start as u32,
            end: end as u32,
        }
    }

    fn moved(self, by: usize) -> Self {
        Self::new(self.start as usize + by, self.end as usize + by)
    }
}

impl From<std::ops::Range<usize>> for Span {
    fn from(range: std::ops::Range<usize>) -> Self {
        Self::new(range.start, range.end)
    }
}
