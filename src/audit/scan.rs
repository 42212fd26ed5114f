//! Every line of a log, or of one file of it, as it stands: for questions that are no proof. Nothing
//! is verified on the way; `verify` and `export` do that.

use std::io;
use std::path::Path;

use super::files;
use super::filter::{Facets, Filter, Matcher};
use super::lines::{Line, Lines};

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Lines that were shown.
    pub shown: u64,
    /// Lines that are no record: cut short by a crash, or of something else than a log.
    pub unreadable: u64,
}

/// Shows every record that fits the filter, file by file, oldest first in each. `path` is the folder
/// of a log, or a file of records, one a line.
///
/// # Errors
/// A file can't be read.
pub fn scan(path: &Path, filter: &Filter, mut visit: impl FnMut(&[u8])) -> io::Result<Scanned> {
    let matcher = Matcher::new(filter);
    let mut scanned = Scanned::default();
    let paths = match path.is_dir() {
        true => {
            let lineages = files::list(path)?.into_values();
            lineages.flatten().map(|file| file.path).collect()
        }
        false => vec![path.to_owned()],
    };
    for path in paths {
        let mut lines = Lines::open(&path)?;
        while let Some(line) = lines.next()? {
            let Line::Whole(line) = line else {
                scanned.unreadable += 1;
                continue;
            };
            match Facets::of(line) {
                Some(facets) if matcher.matches(&facets) => {
                    scanned.shown += 1;
                    visit(line);
                }
                Some(_) => {}
                None => scanned.unreadable += 1,
            }
        }
    }
    Ok(scanned)
}
