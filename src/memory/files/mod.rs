//! Files: the commands of Anthropic's memory tool (`memory_20250818`) on the caller's own namespace.
//!
//! A model that was trained on the tool knows its answers by heart, so they are worded as
//! Anthropic's own implementation words them (`BetaLocalFilesystemMemoryTool` of the `anthropic`
//! package for Python, 2.12.0). A file is an [`Entry`](super::Entry) of
//! [`Area::Files`](super::Area::Files): its directories are the path of its address, its name is the
//! key, its text the content. Directories are what paths have in common; none is ever empty. Each
//! write of a file is a version of its entry.

mod command;
mod listing;
mod path;
mod text;
mod tool;

pub use command::{Command, CommandError};
pub use path::{FilePath, PathError, ROOT};
pub use tool::{FileTool, ToolError};
