//! What a line of an import says.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::identity::namespace::encoded;
use crate::memory::export::FORMAT;
use crate::memory::wanted::SET_BY_SERVICE;
use crate::memory::{Address, Area, Fields, MemoryError, Wanted};

/// Members that tell whose an entry was. They are read over: it becomes the importer's.
const WHOSE: [&str; 4] = ["scope", "owner", "tenant", "user"];

/// A line, by what it is.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    /// The first of an export.
    Head {
        /// The namespace that was exported.
        namespace: String,
    },
    /// The last of an export.
    End,
    /// An earlier version of an entry.
    EarlierVersion,
    /// An entry.
    Entry(Box<Item>),
}

/// An entry of a file.
#[derive(Debug, PartialEq)]
pub(super) struct Item {
    /// Its id there.
    pub(super) id: Option<String>,
    /// Its namespace there.
    pub(super) namespace: Option<String>,
    /// Where its copy stands.
    pub(super) address: Address,
    /// Its contents.
    pub(super) fields: Fields,
    /// When it was created; never later than now.
    pub(super) created_at: Option<Timestamp>,
}

/// Reads the line of this number; `source` is the namespace that the file's first line names.
pub(super) fn read_line(
    number: u64,
    members: Map<String, Value>,
    source: &str,
    now: Timestamp,
) -> Result<Line, MemoryError> {
    if let Some(format) = members.get("format") {
        return framing(number, format, &members);
    }
    if members.contains_key("version_of") {
        return Ok(Line::EarlierVersion);
    }
    let item = item(members, source, now)?;
    Ok(Line::Entry(Box::new(item)))
}

fn framing(number: u64, format: &Value, members: &Map<String, Value>) -> Result<Line, MemoryError> {
    if format != FORMAT {
        let reason = format!("only `{FORMAT}` can be read");
        return Err(MemoryError::invalid("format", reason));
    }
    if members.get("end") == Some(&Value::Bool(true)) {
        return Ok(Line::End);
    }
    match members.get("namespace").and_then(Value::as_str) {
        Some(namespace) if number == 1 => Ok(Line::Head {
            namespace: namespace.to_owned(),
        }),
        Some(_) => Err(MemoryError::invalid(
            "format",
            "it belongs in the first line",
        )),
        None => Err(MemoryError::invalid("namespace", "a text")),
    }
}

fn item(
    mut members: Map<String, Value>,
    source: &str,
    now: Timestamp,
) -> Result<Item, MemoryError> {
    let id = text(&mut members, "id")?;
    let namespace = text(&mut members, "namespace")?;
    let path = text(&mut members, "path")?.unwrap_or_default();
    let area = area(text(&mut members, "area")?.as_deref())?;
    let created_at = match text(&mut members, "created_at")? {
        Some(text) => Some(time(&text)?.min(now)),
        None => None,
    };
    for name in SET_BY_SERVICE.iter().chain(&WHOSE) {
        members.remove(*name);
    }
    let empty = members.get("content").and_then(Value::as_str) == Some("");
    let wanted = match (area, empty) {
        // A file, or an item that is not searched, can be empty.
        (Area::Files | Area::Items, true) => {
            members.insert("content".to_owned(), " ".into());
            let mut wanted = Wanted::read(members)?;
            wanted.fields.content.clear();
            wanted
        }
        _ => Wanted::read(members)?,
    };
    judge_path(area, &path)?;
    let key = match (wanted.new_key(), area) {
        (Some(key), _) => key,
        (None, Area::Memories) => {
            let from = namespace.as_deref().unwrap_or(source);
            marker(from, id.as_deref(), &wanted.fields)
        }
        (None, Area::Items | Area::Files) => {
            return Err(MemoryError::invalid("key", "items and files have one"));
        }
    };
    Ok(Item {
        id,
        namespace,
        address: Address {
            area,
            path,
            key: Some(key),
        },
        fields: wanted.fields,
        created_at,
    })
}

/// The key of a memory that had none: the same whenever the same entry is imported.
fn marker(namespace: &str, id: Option<&str>, fields: &Fields) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(namespace.len() as u64).to_le_bytes());
    hasher.update(namespace.as_bytes());
    match id {
        Some(id) => hasher.update(id.as_bytes()),
        None => hasher.update(&fields.digest()),
    };
    let digest = hasher.finalize().to_hex();
    let short: String = digest.chars().take(32).collect();
    format!("imported:{short}")
}

fn text(
    members: &mut Map<String, Value>,
    name: &'static str,
) -> Result<Option<String>, MemoryError> {
    match members.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(MemoryError::invalid(name, "a text")),
    }
}

fn area(name: Option<&str>) -> Result<Area, MemoryError> {
    let Some(name) = name else {
        return Ok(Area::Memories);
    };
    let mut areas = Area::ALL.into_iter();
    let found = areas.find(|area| area.as_str() == name);
    found.ok_or_else(|| MemoryError::invalid("area", "`memories`, `items` or `files`"))
}

fn time(text: &str) -> Result<Timestamp, MemoryError> {
    let time: jiff::Timestamp = text.parse().map_err(|_error| {
        MemoryError::invalid(
            "created_at",
            "an RFC 3339 time such as 2026-01-31T12:00:00Z",
        )
    })?;
    Ok(Timestamp::from_micros(time.as_microsecond()))
}

/// A path is one that the service would have written: labels in their one encoding, each closed.
fn judge_path(area: Area, path: &str) -> Result<(), MemoryError> {
    let labels = match path.strip_suffix('/') {
        Some(labels) => labels.split('/').all(is_label),
        None => path.is_empty(),
    };
    if labels && (area != Area::Memories || path.is_empty()) {
        return Ok(());
    }
    let reason = "labels, each percent-encoded and closed by `/`; memories have none";
    Err(MemoryError::invalid("path", reason))
}

fn is_label(text: &str) -> bool {
    let decoded = percent_decode_str(text).decode_utf8();
    !text.is_empty() && decoded.is_ok_and(|label| encoded(&label) == text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000_000);

    fn read(number: u64, line: Value) -> Result<Line, String> {
        let members = line.as_object().unwrap().clone();
        read_line(number, members, "tenant:acme:user:al:", NOW).map_err(|it| it.to_string())
    }

    fn item_of(line: Value) -> Item {
        match read(2, line.clone()) {
            Ok(Line::Entry(item)) => *item,
            other => panic!("{line} is {other:?}"),
        }
    }

    #[test]
    fn whose_an_entry_was_is_read_over_and_when_it_was_made_is_kept_up_to_now() {
        let item = item_of(json!({
            "id": "1", "content": "x", "tenant": "globex", "user": "bob", "owner": "bob",
            "scope": "shared", "author": "bob", "version": 9, "access_count": 4,
            "created_at": "2001-01-01T00:00:00Z",
        }));
        assert_eq!(item.fields, Fields::new("x"));
        assert_eq!(item.created_at, Some(Timestamp::from_seconds(978_307_200)));
        let later = item_of(json!({ "content": "x", "created_at": "2999-01-01T00:00:00Z" }));
        assert_eq!(later.created_at, Some(NOW));
    }

    #[test]
    fn an_entry_without_a_key_gets_the_same_one_each_time_and_no_other_entry_has_it() {
        let key = |line| item_of(line).address.key.unwrap();
        let first = key(json!({ "id": "1", "content": "x" }));
        assert_eq!(first, key(json!({ "id": "1", "content": "changed" })));
        assert_ne!(first, key(json!({ "id": "2", "content": "x" })));
        let elsewhere = json!({ "id": "1", "content": "x", "namespace": "tenant:acme:user:bo:" });
        assert_ne!(first, key(elsewhere));
        assert_eq!(
            key(json!({ "content": "x" })),
            key(json!({ "content": "x" }))
        );
        assert_ne!(
            key(json!({ "content": "x" })),
            key(json!({ "content": "y" }))
        );
        assert_eq!(key(json!({ "content": "x", "key": "k" })), "k");
    }

    #[test]
    fn lines_that_frame_an_export_are_told_from_entries() {
        let head = json!({ "format": FORMAT, "namespace": "tenant:acme:user:al:" });
        assert!(matches!(read(1, head.clone()), Ok(Line::Head { .. })));
        assert!(read(2, head).is_err(), "a file has one namespace");
        let end = json!({ "format": FORMAT, "end": true });
        assert_eq!(read(9, end), Ok(Line::End));
        assert!(read(1, json!({ "format": "fabric-memory/2" })).is_err());
        let version = json!({ "version_of": "1", "content": "x" });
        assert_eq!(read(3, version), Ok(Line::EarlierVersion));
    }

    #[test]
    fn what_can_not_stand_in_its_area_is_refused() {
        for (line, right) in [
            (json!({ "content": "", "area": "files", "key": "a" }), true),
            (json!({ "content": "", "area": "memories" }), false),
            (json!({ "content": "x", "area": "files" }), false),
            (json!({ "content": "x", "area": "secrets" }), false),
            (json!({ "content": "x", "area": 1 }), false),
            (json!({ "content": "x", "path": "a/" }), false),
            (
                json!({ "content": "x", "area": "items", "key": "k", "path": "a/b%20c/" }),
                true,
            ),
            (
                json!({ "content": "x", "area": "items", "key": "k", "path": "a" }),
                false,
            ),
            (
                json!({ "content": "x", "area": "items", "key": "k", "path": "/" }),
                false,
            ),
            (
                json!({ "content": "x", "area": "items", "key": "k", "path": "b c/" }),
                false,
            ),
            (
                json!({ "content": "x", "area": "items", "key": "k", "path": "%61/" }),
                false,
            ),
            (json!({ "content": "x", "created_at": "yesterday" }), false),
            (json!({ "content": "x", "colour": "red" }), false),
        ] {
            assert_eq!(read(2, line.clone()).is_ok(), right, "{line}");
        }
    }
}
