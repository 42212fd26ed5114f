//! Records for the admin API: newest first, page by page, in bounded memory.
//!
//! Each lineage is read backwards from where the last page ended; of their next records the newer
//! goes first. Records lie in the order they were written, which is by time but for a flush
//! interval or a stepped clock; reading stops once a record is an hour older than what is asked
//! for. `export` reads everything.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use super::backward::Backward;
use super::files::{self, LogPath};
use super::filter::{Facets, Filter, Matcher};
use crate::clock::Timestamp;

/// Most records of a page.
pub const LARGEST_PAGE: usize = 1000;
/// Most bytes that are read for one page; a page may be short, or empty, and still have a next.
const MOST_READ: u64 = 256 << 20;
/// How far records may lie out of order of time.
const SLACK_SECONDS: i64 = 3600;

/// One page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Lines of the log as they are, without line breaks.
    pub records: Vec<String>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<String>,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The cursor is none that a page gave.
    #[error("the cursor is not valid")]
    Cursor,
    /// The log can't be read.
    #[error("the audit log in `{}` can't be read", directory.display())]
    Io {
        /// The folder.
        directory: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The newest records that match, at most `limit` (1 to [`LARGEST_PAGE`]), or those that follow a
/// cursor. Reads files: not for a thread that serves requests.
///
/// # Errors
/// A cursor that no page gave, or a file that can't be read.
pub fn query(
    directory: impl Into<PathBuf>,
    filter: &Filter,
    limit: usize,
    cursor: Option<&str>,
) -> Result<Page, QueryError> {
    let directory = directory.into();
    let places = match cursor {
        Some(text) => Some(parse_cursor(text).ok_or(QueryError::Cursor)?),
        None => None,
    };
    read_page(&directory, filter, limit.clamp(1, LARGEST_PAGE), places)
        .map_err(|source| QueryError::Io { directory, source })
}

/// Lineage to file number and the offset in it before which reading goes on.
type Places = BTreeMap<u32, (u64, u64)>;

fn read_page(
    directory: &std::path::Path,
    filter: &Filter,
    limit: usize,
    places: Option<Places>,
) -> io::Result<Page> {
    let matcher = Matcher::new(filter);
    let oldest = filter
        .since
        .map(|since| since.plus_seconds(-SLACK_SECONDS).to_string());
    let mut readers = Vec::new();
    for (lineage, paths) in files::list(directory)? {
        let place = match &places {
            Some(places) => match places.get(&lineage) {
                Some(place) => Some(*place),
                None => continue,
            },
            None => None,
        };
        let mut reader = Reader::new(lineage, paths, place);
        reader.skip_newer_than(filter.until)?;
        reader.advance()?;
        readers.push(reader);
    }

    let mut page = Page::default();
    let mut read = 0;
    while page.records.len() < limit && read < MOST_READ {
        let Some(reader) = readers
            .iter_mut()
            .filter(|reader| reader.next.is_some())
            .max_by(|one, other| one.time().cmp(&other.time()))
        else {
            return Ok(page);
        };
        let Some(found) = reader.next.take() else {
            return Ok(page);
        };
        read += found.line.len() as u64;
        if oldest.as_ref().is_some_and(|oldest| found.ts < *oldest) {
            reader.finish();
            continue;
        }
        let matched = Facets::of(&found.line).is_some_and(|facets| matcher.matches(&facets));
        if matched {
            page.records
                .push(String::from_utf8_lossy(&found.line).into_owned());
        }
        reader.place = Some(found.place);
        reader.advance()?;
    }
    page.next = cursor_of(&readers);
    Ok(page)
}

/// One lineage on its way back.
struct Reader {
    lineage: u32,
    /// Files that were not begun, oldest first.
    paths: Vec<LogPath>,
    open: Option<(u64, Backward)>,
    place: Option<(u64, u64)>,
    next: Option<Found>,
}

struct Found {
    ts: String,
    line: Vec<u8>,
    place: (u64, u64),
}

impl Reader {
    fn new(lineage: u32, mut paths: Vec<LogPath>, place: Option<(u64, u64)>) -> Self {
        if let Some((number, _)) = place {
            paths.retain(|path| path.number <= number);
        }
        Self {
            lineage,
            paths,
            open: None,
            place,
            next: None,
        }
    }

    /// Passes over files whose first record is newer than anything asked for.
    fn skip_newer_than(&mut self, until: Option<Timestamp>) -> io::Result<()> {
        let Some(until) = until else {
            return Ok(());
        };
        let newest = until.plus_seconds(SLACK_SECONDS).to_string();
        while let Some(path) = self.paths.last() {
            let mut lines = super::lines::Lines::open(&path.path)?;
            let newer = match lines.next()? {
                Some(super::lines::Line::Whole(line)) => {
                    Facets::of(line).is_some_and(|facets| *facets.ts > *newest)
                }
                Some(_) | None => false,
            };
            if !newer {
                return Ok(());
            }
            self.paths.pop();
        }
        Ok(())
    }

    fn advance(&mut self) -> io::Result<()> {
        loop {
            if let Some((number, file)) = &mut self.open {
                if let Some((offset, line)) = file.next()? {
                    let ts =
                        Facets::of(&line).map_or_else(String::new, |facets| facets.ts.to_owned());
                    self.next = Some(Found {
                        ts,
                        line,
                        place: (*number, offset),
                    });
                    return Ok(());
                }
                self.open = None;
            }
            let Some(path) = self.paths.pop() else {
                return Ok(());
            };
            let end = match self.place {
                Some((number, offset)) if number == path.number => Some(offset),
                Some(_) | None => None,
            };
            self.open = Some((path.number, Backward::open(&path.path, end)?));
        }
    }

    fn finish(&mut self) {
        self.next = None;
        self.open = None;
        self.paths.clear();
    }

    fn time(&self) -> Option<&str> {
        self.next.as_ref().map(|found| found.ts.as_str())
    }
}

fn cursor_of(readers: &[Reader]) -> Option<String> {
    let places: Vec<_> = readers
        .iter()
        .filter_map(|reader| {
            let found = reader.next.as_ref()?;
            // The next page begins with the record that was read ahead: before the end of it.
            let (number, offset) = found.place;
            let end = offset + found.line.len() as u64 + 1;
            Some(format!("{}-{number}-{end}", reader.lineage))
        })
        .collect();
    (!places.is_empty()).then(|| places.join("."))
}

fn parse_cursor(text: &str) -> Option<Places> {
    text.split('.')
        .map(|place| {
            let (lineage, rest) = place.split_once('-')?;
            let (number, end) = rest.split_once('-')?;
            Some((
                lineage.parse().ok()?,
                (number.parse().ok()?, end.parse().ok()?),
            ))
        })
        .collect()
}
