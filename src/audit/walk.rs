//! Every record of the log in the order it was written, checked on its way.

use super::chain::{Link, Problem};
use super::export::ExportError;
use super::files;
use super::keys::LogKeys;
use super::lines::{Line, Lines};
use super::settings::Settings;

/// Where a record stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    pub(super) lineage: u32,
    pub(super) seq: u64,
}

/// Shows every record, lineage by lineage, oldest first. The log may be in use.
///
/// # Errors
/// A file can't be read, a record is not as it was written, or `visit` fails.
pub(super) fn walk(
    settings: &Settings,
    keys: &LogKeys,
    mut visit: impl FnMut(Position, &[u8]) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    for (lineage, paths) in files::list(&settings.directory)? {
        let last = paths.last().cloned();
        for path in paths {
            let growing = last.as_ref() == Some(&path);
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

fn checked<'line>(line: &'line [u8], keys: &LogKeys) -> Result<Link<'line>, Problem> {
    let link = Link::parse(line).ok_or(Problem::Malformed)?;
    link.check(keys)?;
    Ok(link)
}
