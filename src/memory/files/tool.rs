//! Runs the commands.

use super::Command;
use super::listing::Listing;
use super::looking::{MAX_FILES, absent, parsed};
use super::text::{self, Unreplaced};
use crate::memory::{
    Caller, Change, Confidentiality, Entry, Expected, Fields, Memory, MemoryError, WriteErrorKind,
};

/// How often a command is carried out anew when another writer was faster.
pub(super) const ATTEMPTS: usize = 8;

/// The tool in the hands of one caller. It sees the caller's own namespace and nothing else.
#[derive(Debug)]
pub struct FileTool<'a> {
    pub(super) memory: &'a Memory,
    pub(super) caller: &'a Caller,
}

/// A command that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// What the model is told.
    pub content: String,
    /// How many files were written or moved.
    pub written: u64,
    /// How many files were deleted.
    pub deleted: u64,
}

/// Why a command is not carried out.
#[derive(Debug)]
pub enum ToolError {
    /// Something for the model to mend; the text tells it what.
    Told(String),
    /// The service can't do its part.
    Failed(MemoryError),
}

impl From<MemoryError> for ToolError {
    fn from(error: MemoryError) -> Self {
        match error.for_agent() {
            Some(text) => Self::Told(text),
            None => Self::Failed(error),
        }
    }
}

impl Done {
    pub(super) fn new(content: String, written: u64) -> Self {
        Self {
            content,
            written,
            deleted: 0,
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
    pub async fn run(&self, command: &Command) -> Result<Done, ToolError> {
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
        self.file_at(&parsed(path)?, path).await
    }

    async fn view(&self, text: &str, range: Option<&[i64]>) -> Result<Done, ToolError> {
        let path = parsed(text)?;
        if let Some(file) = self.found(path.address()).await? {
            return Ok(Done::new(shown(text, &file.fields.content, range)?, 0));
        }
        let (files, all) = self.below(&path).await?;
        if files.is_empty() && !path.is_root() {
            return Err(absent(text));
        }
        let mut listing = Listing::default();
        for file in &files {
            let names: Vec<&str> = file.names.iter().map(String::as_str).collect();
            listing.add(&names, file.bytes);
        }
        let mut lines = listing.text(&path.to_string());
        if !all {
            lines.push_str(&format!("\n(only the first {MAX_FILES} files are listed)"));
        }
        Ok(Done::new(lines, 0))
    }

    async fn create(&self, text: &str, content: &str) -> Result<Done, ToolError> {
        let path = parsed(text)?;
        let exists = || ToolError::Told(format!("File {text} already exists"));
        let address = path.address().ok_or_else(exists)?;
        self.judge_place(&path, text).await?;
        if self.is_directory(&path).await? {
            return Err(exists());
        }
        let fields = Fields {
            // What nobody says anything of is internal, or less if the caller may not see that.
            confidentiality: Confidentiality::default().min(self.caller.clearance()),
            ..Fields::new(content)
        };
        let change = Change::Put {
            address,
            fields,
            expected: Expected::Absent,
        };
        match self.memory.write(&self.caller.own(), vec![change]).await {
            Ok(_) => Ok(Done::new(
                format!("File created successfully at: {text}"),
                1,
            )),
            Err(error) if is_outpaced(&error) => Err(exists()),
            Err(error) => Err(error.into()),
        }
    }

    async fn replace(&self, path: &str, old: &str, new: &str) -> Result<Done, ToolError> {
        let edited = self.edit(path, |content| {
            let (changed, snippet) = text::replaced(content, old, new)
                .map_err(|why| ToolError::Told(unreplaced(&why, path, old)))?;
            let told = format!(
                "The memory file has been edited. Here is the snippet showing the change (with line numbers):\n{snippet}"
            );
            Ok((changed, told))
        });
        edited.await
    }

    async fn insert(&self, path: &str, after: i64, more: &str) -> Result<Done, ToolError> {
        let edited = self.edit(path, |content| {
            let changed = text::inserted(content, after, more).map_err(|lines| {
                ToolError::Told(format!(
                    "Invalid `insert_line` parameter: {after}. It should be within the range [0, {lines}]."
                ))
            })?;
            Ok((changed, format!("The file {path} has been edited.")))
        });
        edited.await
    }

    /// Changes the content of a file as `change` says; another writer in between makes it look
    /// again.
    async fn edit(
        &self,
        text: &str,
        change: impl Fn(&str) -> Result<(String, String), ToolError>,
    ) -> Result<Done, ToolError> {
        let path = parsed(text)?;
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
                Ok(_) => return Ok(Done::new(told, 1)),
                Err(error) if is_outpaced(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(MemoryError::Contended.into())
    }
}

pub(super) fn told(text: &str) -> ToolError {
    ToolError::Told(text.to_owned())
}

/// Whether something else stands there than what was seen, or nothing any more.
pub(super) fn is_outpaced(error: &MemoryError) -> bool {
    matches!(error, MemoryError::NotFound)
        || matches!(error, MemoryError::Write(error) if matches!(error.kind, WriteErrorKind::Precondition(_)))
}

pub(super) fn is_taken(error: &MemoryError) -> bool {
    matches!(error, MemoryError::Write(error) if matches!(error.kind, WriteErrorKind::Taken))
}

fn unreplaced(why: &Unreplaced, path: &str, old: &str) -> String {
    match why {
        Unreplaced::Absent => format!(
            "No replacement was performed, old_str `{old}` did not appear verbatim in {path}."
        ),
        Unreplaced::Ambiguous { lines, more } => {
            let lines: Vec<_> = lines.iter().map(usize::to_string).collect();
            let more = if *more { ", …" } else { "" };
            format!(
                "No replacement was performed. Multiple occurrences of old_str `{old}` in lines: {}{more}. Please ensure it is unique",
                lines.join(", ")
            )
        }
    }
}

fn shown(path: &str, content: &str, range: Option<&[i64]>) -> Result<String, ToolError> {
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
