//! What stands where.

use super::tool::{FileTool, ToolError, told};
use super::{FilePath, PathError};
use crate::memory::{Address, Area, Entry, EntryId, Filter, MemoryError, Order, Page, Scope};

/// Most files that one command lists, deletes or moves.
pub(super) const MAX_FILES: usize = 1000;

/// Files whose texts are held at once while a directory is looked at.
const AT_ONCE: u32 = 32;

/// A file of a directory, without its text.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) id: EntryId,
    pub(super) version: u64,
    /// The names that lead to it from the directory.
    pub(super) names: Vec<String>,
    pub(super) bytes: u64,
}

/// Reads a path as a model wrote it.
pub(super) fn parsed(text: &str) -> Result<FilePath, ToolError> {
    FilePath::parse(text).map_err(|why: PathError| ToolError::Told(why.told(text)))
}

/// What the tool says of a path at which nothing is, and asks for another.
pub(super) fn absent(text: &str) -> ToolError {
    ToolError::Told(format!(
        "The path {text} does not exist. Please provide a valid path."
    ))
}

impl FileTool<'_> {
    /// The file at this path.
    pub(super) async fn file_at(&self, path: &FilePath, text: &str) -> Result<Entry, ToolError> {
        if let Some(file) = self.found(path.address()).await? {
            return Ok(file);
        }
        Err(match path.is_root() || self.is_directory(path).await? {
            true => ToolError::Told(format!("The path {text} is not a file.")),
            false => absent(text),
        })
    }

    pub(super) async fn found(&self, address: Option<Address>) -> Result<Option<Entry>, ToolError> {
        let Some(address) = address else {
            return Ok(None);
        };
        let reach = self.caller.reach(Scope::User);
        let found = self.memory.store();
        let found = found.find(&reach, &address, self.memory.now()).await;
        Ok(found.map_err(MemoryError::from)?.into_iter().next())
    }

    /// The files below a directory, by path, and whether these are all.
    pub(super) async fn below(&self, path: &FilePath) -> Result<(Vec<Found>, bool), ToolError> {
        let mut files = Vec::new();
        while files.len() <= MAX_FILES {
            let page = self.page(path, files.len() as u32, AT_ONCE).await?;
            let is_last = page.len() < AT_ONCE as usize;
            files.extend(page.into_iter().filter_map(|entry| {
                Some(Found {
                    id: entry.id,
                    version: entry.version,
                    names: path.names_to(&entry.address)?,
                    bytes: entry.fields.content.len() as u64,
                })
            }));
            if is_last {
                break;
            }
        }
        let all = files.len() <= MAX_FILES;
        files.truncate(MAX_FILES);
        Ok((files, all))
    }

    /// All files below a directory, for a command that is about all of them.
    pub(super) async fn whole_directory(&self, path: &FilePath) -> Result<Vec<Found>, ToolError> {
        match self.below(path).await? {
            (files, true) => Ok(files),
            (_, false) => Err(ToolError::Told(format!(
                "The directory has more than {MAX_FILES} files; take one of its directories at a time"
            ))),
        }
    }

    pub(super) async fn is_directory(&self, path: &FilePath) -> Result<bool, ToolError> {
        Ok(!self.page(path, 0, 1).await?.is_empty())
    }

    /// Refuses a place whose directory is a file.
    pub(super) async fn judge_place(&self, path: &FilePath, text: &str) -> Result<(), ToolError> {
        for above in path.above() {
            if self.found(Some(above)).await?.is_some() {
                return Err(told(&format!(
                    "{text} is below a file, which is no directory"
                )));
            }
        }
        Ok(())
    }

    async fn page(&self, path: &FilePath, skip: u32, limit: u32) -> Result<Vec<Entry>, ToolError> {
        let reach = self.caller.reach(Scope::User);
        let filter = Filter {
            path: path.below(),
            ..Filter::all(Area::Files)
        };
        let page = Page {
            order: Order::ByAddress,
            after: None,
            skip,
            limit,
        };
        let listed = self.memory.store();
        let listed = listed.list(&reach, &filter, &page, self.memory.now());
        Ok(listed.await.map_err(MemoryError::from)?)
    }
}
