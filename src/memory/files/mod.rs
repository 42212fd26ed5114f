//! Files: the commands of Anthropic's memory tool (`memory_20250818`) on the caller's own namespace.
//!
//! A model that was trained on the tool knows its answers by heart, so they are worded as
//! Anthropic's own implementation words them (`BetaLocalFilesystemMemoryTool` of the `anthropic`
//! package for Python, 2.12.0). A file is an [`Entry`](super::Entry) of
//! [`Area::Files`](super::Area::Files): its directories are the path of its address, its name is the
//! key, its text the content. Directories are what paths have in common; none is ever empty. Each
//! write of a file is a version of its entry, and names the version it goes by: of two writers at
//! once the second looks again.
//!
//! That no file stands where a directory is, or below a file, is looked at before a write and not
//! bound to it. Two writers at once can so make `/memories/a` and `/memories/a/b`. Nothing is lost:
//! each is read by its path, and a `delete` or `rename` of `/memories/a` takes the file first.

mod command;
mod listing;
mod looking;
mod moving;
mod path;
mod text;
mod tool;

pub use command::{Command, CommandError};
pub use path::{FilePath, PathError, ROOT};
pub use tool::{Done, FileTool, ToolError};
