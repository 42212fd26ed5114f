//! A namespace as JSON Lines, page by page while it is being sent.
//!
//! The first line says the format and the namespace, the last one how many entries there were, so
//! that a file that was cut is told from one that is whole. In between each entry has a line, and
//! with its history one more for each earlier version: no line grows with the number of versions.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use super::document::{EntryDocument, Names, VersionDocument};
use super::{Area, Entry, Filter, Memory, Page, Position, Reach, StoreError};

/// The format's name in the first and the last line.
pub const FORMAT: &str = "fabric-memory/1";

/// Entries read at once.
const PAGE: u32 = 100;

/// An export under way.
#[derive(Debug)]
pub struct Export {
    memory: Arc<Memory>,
    reach: Reach,
    names: Names,
    history: bool,
    at: Step,
    entries: u64,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Head,
    Page(Area, Option<Position>),
    Tail,
    Done,
}

/// A line for an entry.
#[derive(Serialize)]
struct EntryLine<'entry> {
    area: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    path: &'entry str,
    #[serde(flatten)]
    entry: EntryDocument<'entry>,
}

/// A line for an earlier version of the entry before it.
#[derive(Serialize)]
struct VersionLine<'entry> {
    version_of: String,
    #[serde(flatten)]
    version: VersionDocument<'entry>,
}

impl Export {
    /// An export of what this reach reads; with earlier versions if `history`.
    pub fn new(memory: Arc<Memory>, reach: Reach, history: bool) -> Self {
        let names = Names::of(&reach);
        Self {
            memory,
            reach,
            names,
            history,
            at: Step::Head,
            entries: 0,
        }
    }

    /// How many entries were written.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// The next lines, each ended by a line feed; `None` after the last.
    ///
    /// # Errors
    /// The store can't say. The export has no last line then.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        loop {
            let lines = match self.at {
                Step::Head => {
                    self.at = Step::Page(Area::Memories, None);
                    self.head()
                }
                Step::Page(area, after) => self.page(area, after).await?,
                Step::Tail => {
                    self.at = Step::Done;
                    line(&json!({ "format": FORMAT, "end": true, "entries": self.entries }))
                }
                Step::Done => return Ok(None),
            };
            if !lines.is_empty() {
                return Ok(Some(lines));
            }
        }
    }

    fn head(&self) -> Vec<u8> {
        let namespaces = self.reach.namespaces();
        let namespace = namespaces.first().map(ToString::to_string);
        line(&json!({
            "format": FORMAT,
            "namespace": namespace,
            "exported_at": self.memory.now().to_string(),
            "history": self.history,
        }))
    }

    async fn page(&mut self, area: Area, after: Option<Position>) -> Result<Vec<u8>, StoreError> {
        let page = Page {
            after,
            ..Page::first(PAGE)
        };
        let filter = Filter::all(area);
        let now = self.memory.now();
        let store = self.memory.store();
        let entries = store.list(&self.reach, &filter, &page, now).await?;
        self.at = match (entries.last(), following(area)) {
            (Some(last), _) => {
                let created_at = last.created_at;
                let id = last.id;
                Step::Page(area, Some(Position { created_at, id }))
            }
            (None, Some(area)) => Step::Page(area, None),
            (None, None) => Step::Tail,
        };
        let mut lines = Vec::new();
        for entry in &entries {
            self.entries += 1;
            lines.append(&mut line(&EntryLine {
                area: area.as_str(),
                path: &entry.address.path,
                entry: EntryDocument::new(entry, &self.names, true),
            }));
            if self.history {
                self.versions(entry, &mut lines).await?;
            }
        }
        Ok(lines)
    }

    async fn versions(&self, entry: &Entry, lines: &mut Vec<u8>) -> Result<(), StoreError> {
        let store = self.memory.store();
        let versions = store.history(&self.reach, entry.id, self.memory.now());
        let earlier = versions.await?.unwrap_or_default();
        for version in earlier.iter().filter(|it| it.version < entry.version) {
            lines.append(&mut line(&VersionLine {
                version_of: entry.id.to_string(),
                version: VersionDocument::new(version, true),
            }));
        }
        Ok(())
    }
}

fn following(area: Area) -> Option<Area> {
    let mut areas = Area::ALL.into_iter().skip_while(|it| *it != area);
    areas.nth(1)
}

fn line(document: &impl Serialize) -> Vec<u8> {
    // Texts, numbers and lists of them always have a JSON form.
    let mut line = serde_json::to_vec(document).unwrap_or_default();
    line.push(b'\n');
    line
}
