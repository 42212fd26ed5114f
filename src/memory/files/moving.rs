//! Commands about a file or a whole directory, each one write.

use super::looking::parsed;
use super::tool::{ATTEMPTS, Done, FileTool, ToolError, is_outpaced, is_taken, told};
use super::{FilePath, PathError};
use crate::memory::{Change, EntryId, Expected, MemoryError};

impl FileTool<'_> {
    pub(super) async fn delete(&self, text: &str) -> Result<Done, ToolError> {
        let path = parsed(text)?;
        if path.is_root() {
            return Err(told("Cannot delete the /memories directory itself"));
        }
        for _ in 0..ATTEMPTS {
            let changes: Vec<Change> = self
                .standing(&path, text)
                .await?
                .into_iter()
                .map(|(id, version, _)| Change::Delete {
                    id,
                    expected: Expected::Versions(vec![version]),
                })
                .collect();
            let deleted = changes.len() as u64;
            match self.memory.write(&self.caller.own(), changes).await {
                Ok(_) => {
                    let content = format!("Successfully deleted {text}");
                    return Ok(Done {
                        content,
                        written: 0,
                        deleted,
                    });
                }
                Err(error) if is_outpaced(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(MemoryError::Contended.into())
    }

    pub(super) async fn rename(&self, from: &str, to: &str) -> Result<Done, ToolError> {
        let (old, new) = (parsed(from)?, parsed(to)?);
        if old.is_root() {
            return Err(told("Cannot rename the /memories directory itself"));
        }
        let taken = || ToolError::Told(format!("The destination {to} already exists"));
        for _ in 0..ATTEMPTS {
            let is_taken_now = new.is_root()
                || self.found(new.address()).await?.is_some()
                || self.is_directory(&new).await?;
            if is_taken_now {
                return Err(taken());
            }
            self.judge_place(&new, to).await?;
            let standing = self.standing(&old, from).await?;
            if standing.iter().any(|(_, _, names)| !names.is_empty()) && new.is_below(&old) {
                return Err(told("Cannot rename a directory into itself"));
            }
            let changes = moves(standing, &new)?;
            let written = changes.len() as u64;
            match self.memory.write(&self.caller.own(), changes).await {
                Ok(_) => {
                    let content = format!("Successfully renamed {from} to {to}");
                    return Ok(Done::new(content, written));
                }
                Err(error) if is_taken(&error) => return Err(taken()),
                Err(error) if is_outpaced(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(MemoryError::Contended.into())
    }

    /// The file at a path, or those below it: id, version and the names that lead to it from there.
    async fn standing(&self, path: &FilePath, text: &str) -> Result<Vec<Standing>, ToolError> {
        if let Some(file) = self.found(path.address()).await? {
            return Ok(vec![(file.id, file.version, Vec::new())]);
        }
        let files = self.whole_directory(path).await?;
        if files.is_empty() {
            return Err(ToolError::Told(format!("The path {text} does not exist")));
        }
        let files = files.into_iter();
        Ok(files
            .map(|file| (file.id, file.version, file.names))
            .collect())
    }
}

type Standing = (EntryId, u64, Vec<String>);

/// Each file to where it is below `new`, the file itself to `new`.
fn moves(standing: Vec<Standing>, new: &FilePath) -> Result<Vec<Change>, ToolError> {
    let longer =
        |why: PathError| told(&format!("A path below the directory would be wrong: {why}"));
    let changes = standing.into_iter().filter_map(|(id, version, names)| {
        let address = match new.join(&names) {
            Ok(path) => path.address()?,
            Err(why) => return Some(Err(longer(why))),
        };
        Some(Ok(Change::Move {
            id,
            address,
            expected: Expected::Versions(vec![version]),
        }))
    });
    changes.collect()
}
