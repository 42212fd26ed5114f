//! The last records, and those that come.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::export::ExportFormat;
use super::files;
use super::filter::{Facets, Filter, Matcher};
use super::query::{QueryError, query};

/// Writes the last `count` records that match, oldest first; then, as long as `more` answers true,
/// what has come since it was asked before. `more` is the place to wait. As JSON Lines there is no
/// signed line at the end: a tail has none.
///
/// # Errors
/// The log can't be read, or `out` not written.
pub fn tail(
    directory: &Path,
    filter: &Filter,
    count: usize,
    format: ExportFormat,
    out: &mut impl Write,
    mut more: impl FnMut() -> bool,
) -> Result<(), QueryError> {
    let io_error = |source| QueryError::Io {
        directory: directory.to_owned(),
        source,
    };
    let mut ends = Ends::now(directory).map_err(io_error)?;
    let page = query(directory, filter, count, None)?;
    format.begin(out).map_err(io_error)?;
    for record in page.records.iter().rev() {
        format.record(record.as_bytes(), out).map_err(io_error)?;
    }
    let matcher = Matcher::new(filter);
    while more() {
        ends.copy_new(directory, &matcher, format, out)
            .map_err(io_error)?;
        out.flush().map_err(io_error)?;
    }
    Ok(())
}

/// How far each file was read.
struct Ends(std::collections::BTreeMap<(u32, u64), u64>);

impl Ends {
    fn now(directory: &Path) -> io::Result<Self> {
        let mut ends = std::collections::BTreeMap::new();
        for file in files::list(directory)?.into_values().flatten() {
            let length = std::fs::metadata(&file.path)?.len();
            ends.insert((file.lineage, file.number), length);
        }
        Ok(Self(ends))
    }

    fn copy_new(
        &mut self,
        directory: &Path,
        matcher: &Matcher,
        format: ExportFormat,
        out: &mut impl Write,
    ) -> io::Result<()> {
        for file in files::list(directory)?.into_values().flatten() {
            let end = self.0.entry((file.lineage, file.number)).or_insert(0);
            let mut reader = File::open(&file.path)?;
            reader.seek(SeekFrom::Start(*end))?;
            let mut added = Vec::new();
            reader.read_to_end(&mut added)?;
            for line in added.split_inclusive(|byte| *byte == b'\n') {
                let Some(record) = line.strip_suffix(b"\n") else {
                    break;
                };
                *end += line.len() as u64;
                if Facets::of(record).is_some_and(|facets| matcher.matches(&facets)) {
                    format.record(record, out)?;
                }
            }
        }
        Ok(())
    }
}
