//! Reading JSON Lines into a namespace, line by line, as they come.
//!
//! Nothing in a file names what it becomes: each entry gets an id of its own, the importer is its
//! author, and it goes into the namespace the importer asked for. Where a file's entries name each
//! other, the copies do; every other id is kept as the text it is.
//!
//! Lines are written in chunks, each all or none. An import stops at the first chunk with a line
//! that can't be taken, tells which, and how far it got. It can be repeated: an entry without a key
//! gets one that its namespace and id in the file give, so that nothing is imported twice.

mod line;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::editing::writable_scope;
use super::{
    Caller, Change, Entry, EntryId, Expected, Fields, Memory, MemoryError, Outcome, Reach, Scope,
    Writable, WriteErrorKind,
};
use line::{Item, Line, read_line};

/// Most lines of a chunk.
const CHUNK: usize = 500;

/// Bytes of entries at which a chunk is full.
const CHUNK_BYTES: u64 = 4 * 1024 * 1024;

/// Most refused lines that are told.
const MOST_REFUSED: usize = 100;

/// Entries whose links are rewritten in one write.
const LINKED: usize = 50;

/// How lines are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportRules {
    /// Take what was exported from another tenant.
    pub foreign: bool,
    /// Judge every line and write none. Keys that are taken and quotas are not judged.
    pub dry_run: bool,
}

/// How far an import got.
#[derive(Debug, Default)]
pub struct ImportReport {
    /// The last line that was read.
    pub lines: u64,
    /// The last line of which it and all before it are imported.
    pub imported_through: u64,
    /// Entries made; of a dry run those that would be tried.
    pub created: u64,
    /// Entries that an earlier import had made.
    pub existed: u64,
    /// Lines of earlier versions, which are not imported.
    pub skipped: u64,
    /// Entries that could not be made to name the copies of those they named.
    pub unlinked: u64,
    /// The lines that can't be taken, at most 100, and why.
    pub refused: Vec<RefusedLine>,
    /// Whether the export's last line was read.
    pub complete: bool,
}

/// A line that can't be taken.
#[derive(Debug)]
pub struct RefusedLine {
    /// Its number, from 1.
    pub line: u64,
    /// Why.
    pub error: MemoryError,
}

/// An import under way.
#[derive(Debug)]
pub struct Import {
    memory: Arc<Memory>,
    to: Writable,
    reach: Reach,
    rules: ImportRules,
    source: String,
    chunk: Vec<Pending>,
    chunk_lines: usize,
    chunk_bytes: u64,
    ids: HashMap<String, EntryId>,
    linked: Vec<EntryId>,
    stopped: bool,
    report: ImportReport,
}

/// An entry that is still to be written.
#[derive(Debug)]
struct Pending {
    line: u64,
    item: Item,
}

impl Import {
    /// An import into the caller's own memory, or into shared memory.
    ///
    /// # Errors
    /// The caller has none of the roles for shared memory.
    pub fn new(
        memory: Arc<Memory>,
        caller: &Caller,
        scope: Option<Scope>,
        rules: ImportRules,
    ) -> Result<Self, MemoryError> {
        let to = writable_scope(caller, scope)?;
        let reach = caller.reach(scope.unwrap_or(Scope::User));
        Ok(Self::into(memory, to, reach, rules))
    }

    /// An import into a namespace; `reach` reads the same one.
    pub(super) fn into(
        memory: Arc<Memory>,
        to: Writable,
        reach: Reach,
        rules: ImportRules,
    ) -> Self {
        Self {
            memory,
            to,
            reach,
            rules,
            source: String::new(),
            chunk: Vec::new(),
            chunk_lines: 0,
            chunk_bytes: 0,
            ids: HashMap::new(),
            linked: Vec::new(),
            stopped: false,
            report: ImportReport::default(),
        }
    }

    /// Takes the next line, by its number from 1: the members of its object, or what is wrong with
    /// its text. `Break` means that no further line is wanted.
    pub async fn line(
        &mut self,
        number: u64,
        members: Result<Map<String, Value>, MemoryError>,
    ) -> ControlFlow<()> {
        self.report.lines = number;
        self.chunk_lines += 1;
        let read = members.and_then(|members| self.judge(number, members));
        match read {
            Ok(Line::Head { namespace }) => self.source = namespace,
            Ok(Line::End) => self.report.complete = true,
            Ok(Line::EarlierVersion) => self.report.skipped += 1,
            Ok(Line::Entry(item)) => {
                self.chunk_bytes += item.fields.bytes();
                self.chunk.push(Pending {
                    line: number,
                    item: *item,
                });
            }
            Err(error) => self.refuse(number, error),
        }
        if self.chunk_lines >= CHUNK || self.chunk_bytes >= CHUNK_BYTES {
            self.flush().await;
        }
        match self.stopped {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    /// Writes what is left and makes the copies name each other.
    pub async fn finish(mut self) -> ImportReport {
        if !self.stopped {
            self.flush().await;
        }
        if !self.stopped {
            let linked = std::mem::take(&mut self.linked);
            for ids in linked.chunks(LINKED) {
                if let Err(error) = self.link(ids).await {
                    tracing::warn!(%error, "imported entries can't be made to name each other");
                    self.report.unlinked += ids.len() as u64;
                }
            }
        }
        self.report
    }

    fn judge(&self, number: u64, members: Map<String, Value>) -> Result<Line, MemoryError> {
        let line = read_line(number, members, &self.source, self.memory.now())?;
        let namespace = match &line {
            Line::Head { namespace } => Some(namespace),
            Line::Entry(item) => item.namespace.as_ref(),
            Line::End | Line::EarlierVersion => None,
        };
        let own = format!("tenant:{}:", self.to.namespace().tenant());
        if namespace.is_some_and(|it| !it.starts_with(&own)) && !self.rules.foreign {
            let reason = "it is another tenant's; `?foreign=true` takes it all the same";
            return Err(MemoryError::invalid("namespace", reason));
        }
        if namespace.is_some_and(|it| it.len() > self.memory.bounds().path_bytes) {
            return Err(MemoryError::invalid("namespace", "a shorter text"));
        }
        if let Line::Entry(item) = &line {
            // It is remembered until the import ends.
            if let Some(id) = &item.id {
                self.memory.bounds().judge_name("id", id)?;
            }
            self.memory.bounds().judge(&item.fields)?;
            self.memory.bounds().judge_address(&item.address)?;
            if item.fields.confidentiality > self.to.clearance() {
                return Err(MemoryError::of_write(0, WriteErrorKind::Clearance));
            }
        }
        Ok(line)
    }

    fn refuse(&mut self, line: u64, error: MemoryError) {
        if self.report.refused.len() < MOST_REFUSED {
            self.report.refused.push(RefusedLine { line, error });
        }
    }

    async fn flush(&mut self) {
        let chunk = std::mem::take(&mut self.chunk);
        self.chunk_lines = 0;
        self.chunk_bytes = 0;
        if self.rules.dry_run {
            self.report.created += chunk.len() as u64;
            return;
        }
        if !self.report.refused.is_empty() {
            self.stopped = true;
            return;
        }
        let through = self.report.lines;
        let first = chunk.first().map_or(through, |pending| pending.line);
        let (sources, changes): (Vec<_>, Vec<_>) = chunk.into_iter().map(Pending::split).unzip();
        let written = match changes.is_empty() {
            true => Ok(Vec::new()),
            false => self.memory.write(&self.to, changes).await,
        };
        match written {
            Ok(outcomes) => {
                for (source, outcome) in sources.into_iter().zip(outcomes) {
                    self.made(source, outcome);
                }
                self.report.imported_through = through;
            }
            Err(error) => {
                self.stopped = true;
                let line = match &error {
                    MemoryError::Write(error) => sources.get(error.index).map(|it| it.line),
                    _ => None,
                };
                let line = line.unwrap_or(first);
                self.report.refused.push(RefusedLine { line, error });
            }
        }
    }

    fn made(&mut self, source: Source, outcome: Outcome) {
        let entry = match outcome {
            Outcome::Existed(entry) => {
                self.report.existed += 1;
                entry
            }
            Outcome::Created(entry) | Outcome::Updated(entry) => {
                self.report.created += 1;
                entry
            }
            Outcome::Deleted(_) => return,
        };
        if !entry.fields.related_ids.is_empty() || !entry.fields.source_ids.is_empty() {
            self.linked.push(entry.id);
        }
        if let Some(id) = source.id {
            self.ids.insert(id, entry.id);
        }
    }

    async fn link(&self, ids: &[EntryId]) -> Result<(), MemoryError> {
        let mut changes = Vec::new();
        for id in ids {
            let entry = self.memory.store().get(&self.reach, *id, self.memory.now());
            changes.extend(entry.await?.and_then(|entry| self.linking(entry)));
        }
        if !changes.is_empty() {
            self.memory.write(&self.to, changes).await?;
        }
        Ok(())
    }

    /// The change that makes an entry name copies, if it names any of the originals.
    fn linking(&self, entry: Entry) -> Option<Change> {
        let mut fields: Fields = entry.fields;
        let mut changed = false;
        let names = fields.related_ids.iter_mut().chain(&mut fields.source_ids);
        for name in names {
            if let Some(copy) = self.ids.get(name.as_str()) {
                *name = copy.to_string();
                changed = true;
            }
        }
        changed.then_some(Change::Replace {
            id: entry.id,
            fields,
            key: None,
            expected: Expected::Versions(vec![entry.version]),
        })
    }
}

/// Where an entry stood in the file.
struct Source {
    line: u64,
    id: Option<String>,
}

impl Pending {
    fn split(self) -> (Source, Change) {
        let source = Source {
            line: self.line,
            id: self.item.id,
        };
        let change = Change::Create {
            address: self.item.address,
            fields: self.item.fields,
            created_at: self.item.created_at,
        };
        (source, change)
    }
}
