//! Runs the commands.

use super::listing::Listing;
use super::text::{self, Unreplaced};
use super::{Command, FilePath, PathError};
use crate::memory::{
    Address, Area, Caller, Change, Confidentiality, Entry, Expected, Fields, Filter, Memory,
    MemoryError, Order, Page, PathFilter, Scope, WriteErrorKind,
};

/// Most files that one command lists, deletes or moves.
const MAX_FILES: usize = 1000;

/// How often an edit is made anew when another writer was faster.
const ATTEMPTS: usize = 8;

/// The tool in the hands of one caller. It sees the caller's own namespace and nothing else.
#[derive(Debug)]
pub struct FileTool<'a> {
    memory: &'a Memory,
    caller: &'a Caller,
}

/// Why a command is not carried out.
#[derive(Debug)]
pub enum ToolError {
    /// Something for the model to mend; the text tells it what.
    Told(String),
    /// The service can't do its part.
    Failed(MemoryError),
}

impl From<PathError> for ToolError {
    fn from(error: PathError) -> Self {
        Self::Told(error.to_string())
    }
}

impl From<MemoryError> for ToolError {
    fn from(error: MemoryError) -> Self {
        match error {
            MemoryError::Store(_) => Self::Failed(error),
            MemoryError::Write(error) if matches!(error.kind, WriteErrorKind::Quota { .. }) => {
                Self::Told(format!("{}; delete what is not needed", error.kind))
            }
            MemoryError::Write(error) => Self::Told(error.kind.to_string()),
            MemoryError::Invalid { .. }
            | MemoryError::TooLarge { .. }
            | MemoryError::NotFound
            | MemoryError::Role(_)
            | MemoryError::Contended => Self::Told(error.to_string()),
        }
    }
}

impl<'a> FileTool<'a> {
    /// The tool for `caller`.
    pub fn new(memory: &'a Memory, caller: &'a Caller) -> Self {
        Self { memory, caller }
    }

    /// Carries out a command and answers what the model is told.
    ///
    /// # Errors
    /// It can't be carried out.
    pub async fn run(&self, command: &Command) -> Result<String, ToolError> {
        match command {
            Command::View { path, view_range } => self.view(path, view_range.as_deref()).await,
            Command::Create { path, file_text } => self.create(path, file_text).await,
            Command::StrReplace {
                path,
                old_str,
                new_str,
            } => self.replace(path, old_str, new_str).await,
            Command::Insert {
                path,
                insert_line,
                insert_text,
            } => self.insert(path, *insert_line, insert_text).await,
            Command::Delete { path } => self.delete(path).await,
            Command::Rename { old_path, new_path } => self.rename(old_path, new_path).await,
        }
    }

    /// The file of this path.
    ///
    /// # Errors
    /// There is none, or the path is none.
    pub async fn file(&self, path: &str) -> Result<Entry, ToolError> {
        self.file_at(&FilePath::parse(path)?, path).await
    }

    async fn view(&self, text: &str, range: Option<&[i64]>) -> Result<String, ToolError> {
        let path = FilePath::parse(text)?;
        if let Some(file) = self.found(path.address()).await? {
            return shown(&path, &file.fields.content, range);
        }
        let (files, all) = self.below(&path).await?;
        if files.is_empty() && !path.is_root() {
            return Err(absent(text));
        }
        let mut listing = Listing::default();
        for file in &files {
            if let Some(names) = names_below(&path, &file.address) {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                listing.add(&names, file.fields.content.len() as u64);
            }
        }
        let mut lines = listing.text(&path.to_string());
        if !all {
            lines.push_str(&format!("\n(only the first {MAX_FILES} files are listed)"));
        }
        Ok(lines)
    }

    async fn create(&self, text: &str, content: &str) -> Result<String, ToolError> {
        let path = FilePath::parse(text)?;
        let exists = || ToolError::Told(format!("File {text} already exists"));
        let address = path.address().ok_or_else(exists)?;
        self.judge_place(&path, text).await?;
        let change = Change::Put {
            address,
            fields: self.fields(content),
            expected: Expected::Absent,
        };
        match self.memory.write(&self.caller.own(), vec![change]).await {
            Ok(_) => Ok(format!("File created successfully at: {text}")),
            Err(error) if outpaced(&error) => Err(exists()),
            Err(error) => Err(error.into()),
        }
    }

    async fn replace(&self, path: &str, old: &str, new: &str) -> Result<String, ToolError> {
        let snippet = self.edit(path, |content| {
            text::replaced(content, old, new).map_err(|why| {
                ToolError::Told(match why {
                    Unreplaced::Absent => format!(
                        "No replacement was performed, old_str `{old}` did not appear verbatim in {path}."
                    ),
                    Unreplaced::Ambiguous(lines) => {
                        let lines: Vec<_> = lines.iter().map(usize::to_string).collect();
                        format!(
                            "No replacement was performed. Multiple occurrences of old_str `{old}` in lines: {}. Please ensure it is unique",
                            lines.join(", ")
                        )
                    }
                })
            })
        });
        let snippet = snippet.await?;
        Ok(format!(
            "The memory file has been edited. Here is the snippet showing the change (with line numbers):\n{snippet}"
        ))
    }

    async fn insert(&self, path: &str, after: i64, more: &str) -> Result<String, ToolError> {
        let edited = self.edit(path, |content| {
            let changed = text::inserted(content, after, more).map_err(|lines| {
                ToolError::Told(format!(
                    "Invalid `insert_line` parameter: {after}. It should be within the range [0, {lines}]."
                ))
            })?;
            Ok((changed, String::new()))
        });
        edited.await?;
        Ok(format!("The file {path} has been edited."))
    }

    async fn delete(&self, text: &str) -> Result<String, ToolError> {
        let path = FilePath::parse(text)?;
        if path.is_root() {
            return Err(told("Cannot delete the /memories directory itself"));
        }
        let doomed = match self.found(path.address()).await? {
            Some(file) => vec![file],
            None => self.whole_directory(&path).await?,
        };
        if doomed.is_empty() {
            return Err(ToolError::Told(format!("The path {text} does not exist")));
        }
        let changes = doomed.iter().map(|file| Change::Delete {
            id: file.id,
            expected: Expected::Anything,
        });
        self.memory
            .write(&self.caller.own(), changes.collect())
            .await?;
        Ok(format!("Successfully deleted {text}"))
    }

    async fn rename(&self, from: &str, to: &str) -> Result<String, ToolError> {
        let (old, new) = (FilePath::parse(from)?, FilePath::parse(to)?);
        if old.is_root() {
            return Err(told("Cannot rename the /memories directory itself"));
        }
        let taken = || ToolError::Told(format!("The destination {to} already exists"));
        let target = new.address().ok_or_else(taken)?;
        self.judge_place(&new, to).await?;
        if self.found(Some(target.clone())).await?.is_some() {
            return Err(taken());
        }
        let changes = match self.found(old.address()).await? {
            Some(file) => vec![moved(&file, target)],
            None => self.moved_directory(&old, &new).await?,
        };
        if changes.is_empty() {
            return Err(ToolError::Told(format!("The path {from} does not exist")));
        }
        match self.memory.write(&self.caller.own(), changes).await {
            Ok(_) => Ok(format!("Successfully renamed {from} to {to}")),
            Err(error) if is_taken(&error) => Err(taken()),
            Err(error) => Err(error.into()),
        }
    }

    async fn moved_directory(
        &self,
        old: &FilePath,
        new: &FilePath,
    ) -> Result<Vec<Change>, ToolError> {
        let (from, to) = (old.directory(), new.directory());
        if to.starts_with(&from) {
            return Err(told("Cannot rename a directory into itself"));
        }
        let files = self.whole_directory(old).await?;
        let changes = files.iter().map(|file| {
            let rest = file.address.path.strip_prefix(&from).unwrap_or_default();
            let address = Address {
                path: format!("{to}{rest}"),
                ..file.address.clone()
            };
            moved(file, address)
        });
        Ok(changes.collect())
    }

    /// Refuses a new file whose place is a directory, or whose directory is a file.
    async fn judge_place(&self, path: &FilePath, text: &str) -> Result<(), ToolError> {
        for above in path.above() {
            if self.found(Some(above)).await?.is_some() {
                let why = format!("{text} is below a file, which is no directory");
                return Err(ToolError::Told(why));
            }
        }
        let filter = self.filter(path.below());
        let page = Page::first(1);
        let reach = self.caller.reach(Scope::User);
        let listed = self.memory.store();
        let listed = listed.list(&reach, &filter, &page, self.memory.now());
        match listed.await.map_err(MemoryError::from)?.is_empty() {
            true => Ok(()),
            false => Err(ToolError::Told(format!(
                "The destination {text} already exists"
            ))),
        }
    }

    /// Changes the content of a file as `change` says; another writer in between makes it look
    /// again.
    async fn edit(
        &self,
        text: &str,
        change: impl Fn(&str) -> Result<(String, String), ToolError>,
    ) -> Result<String, ToolError> {
        let path = FilePath::parse(text)?;
        for _ in 0..ATTEMPTS {
            let file = self.file_at(&path, text).await?;
            let (content, told) = change(&file.fields.content)?;
            let replaced = Change::Replace {
                id: file.id,
                fields: Fields {
                    content,
                    ..file.fields
                },
                key: None,
                expected: Expected::Versions(vec![file.version]),
            };
            match self.memory.write(&self.caller.own(), vec![replaced]).await {
                Ok(_) => return Ok(told),
                Err(error) if outpaced(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(MemoryError::Contended.into())
    }

    async fn file_at(&self, path: &FilePath, text: &str) -> Result<Entry, ToolError> {
        if let Some(file) = self.found(path.address()).await? {
            return Ok(file);
        }
        let (files, _) = self.below(path).await?;
        Err(match files.is_empty() && !path.is_root() {
            true => absent(text),
            false => ToolError::Told(format!("The path {text} is not a file.")),
        })
    }

    async fn found(&self, address: Option<Address>) -> Result<Option<Entry>, ToolError> {
        let Some(address) = address else {
            return Ok(None);
        };
        let reach = self.caller.reach(Scope::User);
        let found = self.memory.store();
        let found = found.find(&reach, &address, self.memory.now()).await;
        Ok(found.map_err(MemoryError::from)?.into_iter().next())
    }

    /// The files below a directory, and whether these are all.
    async fn below(&self, path: &FilePath) -> Result<(Vec<Entry>, bool), ToolError> {
        let reach = self.caller.reach(Scope::User);
        let page = Page {
            order: Order::ByAddress,
            after: None,
            skip: 0,
            limit: MAX_FILES as u32 + 1,
        };
        let filter = self.filter(path.below());
        let listed = self.memory.store();
        let listed = listed.list(&reach, &filter, &page, self.memory.now()).await;
        let mut files = listed.map_err(MemoryError::from)?;
        let all = files.len() <= MAX_FILES;
        files.truncate(MAX_FILES);
        Ok((files, all))
    }

    async fn whole_directory(&self, path: &FilePath) -> Result<Vec<Entry>, ToolError> {
        match self.below(path).await? {
            (files, true) => Ok(files),
            (_, false) => Err(ToolError::Told(format!(
                "The directory has more than {MAX_FILES} files; take one of its directories at a time"
            ))),
        }
    }

    fn filter(&self, path: PathFilter) -> Filter {
        Filter {
            path,
            ..Filter::all(Area::Files)
        }
    }

    /// Fields of a new file. It is as confidential as what nobody says anything of, or less if the
    /// caller may not see that.
    fn fields(&self, content: &str) -> Fields {
        Fields {
            confidentiality: Confidentiality::default().min(self.caller.clearance()),
            ..Fields::new(content)
        }
    }
}

fn moved(file: &Entry, address: Address) -> Change {
    Change::Move {
        id: file.id,
        address,
        expected: Expected::Versions(vec![file.version]),
    }
}

fn told(text: &str) -> ToolError {
    ToolError::Told(text.to_owned())
}

fn absent(text: &str) -> ToolError {
    ToolError::Told(format!(
        "The path {text} does not exist. Please provide a valid path."
    ))
}

fn outpaced(error: &MemoryError) -> bool {
    matches!(error, MemoryError::Write(error) if matches!(error.kind, WriteErrorKind::Precondition(_)))
}

fn is_taken(error: &MemoryError) -> bool {
    matches!(error, MemoryError::Write(error) if matches!(error.kind, WriteErrorKind::Taken))
}

/// A file's names from the directory on, its own last.
fn names_below(directory: &FilePath, address: &Address) -> Option<Vec<String>> {
    let rest = address.path.strip_prefix(&directory.directory())?;
    let mut names = Vec::new();
    for label in rest.split_terminator('/') {
        let name = percent_encoding::percent_decode_str(label).decode_utf8();
        names.push(name.ok()?.into_owned());
    }
    names.push(address.key.clone()?);
    Some(names)
}

fn shown(path: &FilePath, content: &str, range: Option<&[i64]>) -> Result<String, ToolError> {
    let lines = content.split('\n').count();
    if lines > text::MAX_LINES {
        return Err(ToolError::Told(format!(
            "File {path} exceeds maximum line limit of 999,999 lines."
        )));
    }
    let (from, to) = match range {
        None | Some([]) => (1, None),
        Some(&[from, to]) => {
            let from = usize::try_from(from).unwrap_or(1).max(1);
            (from, usize::try_from(to).ok())
        }
        Some(_) => return Err(told("`view_range` is two line numbers: [first, last]")),
    };
    let numbered = text::numbered(content, from, to);
    Ok(format!(
        "Here's the content of {path} with line numbers:\n{numbered}"
    ))
}
