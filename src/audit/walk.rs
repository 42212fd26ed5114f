//! Every record of the log in the order it was written, checked on its way.

use std::io;
use std::path::Path;

use super::chain::{Link, Problem};
use super::export::ExportError;
use super::files;
use super::filter::Facets;
use super::keys::LogKeys;
use super::lines::{Line, Lines};
use super::settings::Settings;
use crate::clock::Timestamp;

/// Where a record stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    pub(super) lineage: u32,
    pub(super) seq: u64,
}

/// How far records may lie out of order of time, in seconds: two days. A request is recorded when it
/// has ended, under the time at which it arrived.
const SLACK: i64 = 2 * 86_400;

/// Shows every record, lineage by lineage, oldest first. The log may be in use. With `since`, files
/// are passed over that end before it; the others are shown from their first record on.
///
/// # Errors
/// A file can't be read, a record is not as it was written, or `visit` fails.
pub(super) fn walk(
    settings: &Settings,
    keys: &LogKeys,
    since: Option<Timestamp>,
    mut visit: impl FnMut(Position, &[u8]) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let oldest = since.map(|since| since.plus_seconds(-SLACK).to_string());
    for (lineage, paths) in files::list(&settings.directory)? {
        let last = paths.last().cloned();
        let mut following = paths.iter().skip(1);
        for path in &paths {
            let next = following.next();
            if let (Some(oldest), Some(next)) = (&oldest, next)
                && begins_before(&next.path, oldest)?
            {
                continue;
            }
            let growing = last.as_ref() == Some(path);
            let mut lines = Lines::open(&path.path)?;
            while let Some(line) = lines.next()? {
                let checked = match line {
                    Line::Whole(line) => checked(line, keys).map(|link| (line, link.seq)),
                    // The end of a file that is being written, or was when its process was killed.
                    Line::Torn if growing => break,
                    Line::Torn | Line::TooLong => Err(Problem::Malformed),
                };
                match checked {
                    Ok((line, seq)) => visit(Position { lineage, seq }, line)?,
                    Err(problem) => {
                        return Err(ExportError::Bad {
                            file: path.path.clone(),
                            line: lines.count(),
                            problem,
                        });
                    }
                }
            }
        }
    }
    Ok(())
}

/// Whether the first record of a file is older: then all of the file before it is.
fn begins_before(path: &Path, oldest: &str) -> io::Result<bool> {
    match Lines::open(path)?.next()? {
        Some(Line::Whole(line)) => Ok(Facets::of(line).is_some_and(|facets| facets.ts < oldest)),
        Some(Line::Torn | Line::TooLong) | None => Ok(false),
    }
}

fn checked<'line>(line: &'line [u8], keys: &LogKeys) -> Result<Link<'line>, Problem> {
    let link = Link::parse(line).ok_or(Problem::Malformed)?;
    link.check(keys)?;
    Ok(link)
}
