//! `list`: what a route says about answers that name many.

use std::sync::Arc;

use http::HeaderName;

use super::extractor;
use super::ownership::{access, form};
use crate::ownership::list::ListShape;
use crate::policy::document::reader::Fields;
use crate::policy::document::values;
use crate::policy::problem::ProblemKind;
use crate::policy::{Extractor, ListRule, Paging};

/// Reads the table.
pub(super) fn list(table: &Fields<'_>) -> Option<ListRule> {
    table.require("kind");
    table.require("items");
    let kind = table.parsed("kind", values::name);
    let items = table.parsed("items", items_pointer);
    let inside = |key: &'static str| {
        let pointer = table.parsed(key, |text| {
            let items = items.as_ref().map(|items| items.value.as_slice());
            item_pointer(text, items.unwrap_or_default())
        });
        pointer.map(|pointer| pointer.value)
    };
    let beside = |key: &'static str| {
        let pointer = table.parsed(key, envelope_pointer);
        pointer.map(|pointer| pointer.value)
    };
    let shape = ListShape {
        id: inside("id"),
        tenant: inside("tenant"),
        first: beside("first"),
        last: beside("last"),
        has_more: beside("has_more"),
        ..ListShape::default()
    };
    if !table.has("id") && !table.has("tenant") {
        table.report().add(
            table.place(),
            ProblemKind::Missing,
            "an item is told by its `id`, by the `tenant` it names, or both",
        );
    }
    let (totals, total_fields) = totals(table);
    let shape = ListShape {
        items: items?.value,
        totals,
        ..shape
    };
    refuse_overlaps(table, &shape);
    let paging = paging(table, &shape);
    Some(ListRule {
        form: form(table),
        access: access(table),
        kind: kind?.value,
        shape,
        total_fields,
        paging,
    })
}

/// Most pages the gate asks for unless the route says otherwise.
pub(in crate::policy::document) const PAGES: u64 = 20;

/// How pages follow each other: `after` with `has_more`, or `offset` with `limit`.
fn paging(table: &Fields<'_>, shape: &ListShape) -> Option<Paging> {
    let refuse = |message: &str| {
        table
            .report()
            .add(table.place(), ProblemKind::Conflict, message);
    };
    let name = |key: &'static str| table.parsed(key, query_parameter).map(|name| name.value);
    let (after, offset, limit) = (name("after"), name("offset"), name("limit"));
    let page = table.integer("page", 1..=100_000);
    let pages = table.integer("pages", 1..=1_000).unwrap_or(PAGES);
    let pages = u32::try_from(pages).unwrap_or(u32::MAX);
    if after.is_some() != shape.has_more.is_some() {
        refuse("`after` asks for the page behind an item while `has_more` says that there is one");
    }
    if offset.is_some() != limit.is_some() {
        refuse("`offset` and `limit` go together");
    }
    match (after, offset.zip(limit)) {
        (Some(_), Some(_)) => {
            refuse("pages follow by `after` or by `offset`");
            None
        }
        (Some(after), None) => {
            if shape.id.is_none() {
                refuse("`after` names an item, so items need an `id`");
            }
            Some(Paging::After { after, pages })
        }
        (None, Some((offset, limit))) => {
            if shape.first.is_some() || shape.last.is_some() {
                refuse("pages by `offset` name no `first` and `last`");
            }
            Some(Paging::Offset {
                offset,
                limit,
                page,
                pages,
            })
        }
        (None, None) => None,
    }
}

/// `query:after`.
fn query_parameter(text: &str) -> Result<Arc<str>, values::ValueError> {
    match text.strip_prefix("query:") {
        Some(name) if !name.is_empty() => Ok(name.into()),
        Some(_) | None => Err(values::ValueError::Parameter),
    }
}

/// Where the answer says how many there are: in its body, and in its fields.
fn totals(table: &Fields<'_>) -> (Vec<Vec<String>>, Vec<HeaderName>) {
    let mut in_body = Vec::new();
    let mut in_fields = Vec::new();
    for text in table.one_or_more("total") {
        let Some(total) = extractor(table, text) else {
            continue;
        };
        match total.value {
            Extractor::Body(pointer) => in_body.push(pointer),
            Extractor::Header(name) => in_fields.extend(name.parse::<HeaderName>()),
            Extractor::Path(_)
            | Extractor::Query(_)
            | Extractor::Form(_)
            | Extractor::Event(_)
            | Extractor::Message(_)
            | Extractor::Claim(_) => table.report().add(
                &total.place,
                ProblemKind::BadValue,
                "a total is at `body:/json/pointer` or `header:NAME`",
            ),
        }
    }
    (in_body, in_fields)
}

/// No place is written twice, and none inside of the items.
fn refuse_overlaps(table: &Fields<'_>, shape: &ListShape) {
    let mut places: Vec<&[String]> = vec![&shape.items];
    let others = shape.totals.iter().chain(&shape.first).chain(&shape.last);
    for place in others {
        if places
            .iter()
            .any(|other| other.starts_with(place) || place.starts_with(other))
        {
            table.report().add(
                table.place(),
                ProblemKind::Conflict,
                format!(
                    "`/{}` is inside of another place of the list",
                    place.join("/")
                ),
            );
        }
        places.push(place);
    }
}

/// `body:/last_id`.
fn envelope_pointer(text: &str) -> Result<Vec<String>, values::ValueError> {
    match values::extractor(text)? {
        Extractor::Body(pointer) => Ok(pointer),
        Extractor::Path(_)
        | Extractor::Query(_)
        | Extractor::Header(_)
        | Extractor::Form(_)
        | Extractor::Event(_)
        | Extractor::Message(_)
        | Extractor::Claim(_) => Err(values::ValueError::Envelope),
    }
}

/// `body:/tasks`, or `body:` for an answer that is the array itself.
fn items_pointer(text: &str) -> Result<Vec<String>, values::ValueError> {
    match text.strip_prefix("body:") {
        Some("") => Ok(Vec::new()),
        Some(pointer) => values::pointer(pointer),
        None => Err(values::ValueError::Items),
    }
}

/// `/id`, `body:/id`, or the whole way `body:/tasks/*/id`; `body:` alone is the item itself.
fn item_pointer(text: &str, items: &[String]) -> Result<Vec<String>, values::ValueError> {
    let text = text.strip_prefix("body:").unwrap_or(text);
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let pointer = values::pointer(text)?;
    let inside = pointer
        .strip_prefix(items)
        .and_then(|rest| rest.split_first())
        .filter(|(element, _)| *element == "*")
        .map(|(_, inside)| inside.to_vec());
    Ok(inside.unwrap_or(pointer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<String> {
        text.split_terminator('/').map(str::to_owned).collect()
    }

    #[test]
    fn the_pointer_of_an_item_is_taken_from_the_item_or_the_whole_answer() {
        let items = tokens("data/tasks");
        for text in [
            "/id",
            "body:/id",
            "body:/data/tasks/*/id",
            "/data/tasks/*/id",
        ] {
            assert_eq!(item_pointer(text, &items).unwrap(), ["id"], "{text}");
        }
        assert_eq!(item_pointer("body:", &items).unwrap(), tokens(""));
        assert_eq!(item_pointer("/task/id", &items).unwrap(), ["task", "id"]);
        assert!(item_pointer("id", &items).is_err());
    }

    #[test]
    fn an_answer_that_is_the_array_itself_has_an_empty_pointer() {
        assert_eq!(items_pointer("body:").unwrap(), tokens(""));
        assert_eq!(items_pointer("body:/tasks").unwrap(), ["tasks"]);
        assert!(items_pointer("/tasks").is_err());
    }
}
