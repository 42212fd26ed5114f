//! A key set in a file, read again when the file is another one.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

use tokio::io::AsyncReadExt;

use super::document::{KeySetUnusable, Keys};
use super::fetch::{FetchError, MAX_BODY};

/// What tells one state of a file from another: a rename or a swapped link changes the inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileStamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: Option<SystemTime>,
}

/// The stamp of the file behind `path`, links followed.
pub(super) async fn stamp(path: &Path) -> Option<FileStamp> {
    let metadata = tokio::fs::metadata(path).await.ok()?;
    Some(FileStamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        length: metadata.len(),
        modified: metadata.modified().ok(),
    })
}

/// Reads the key set.
pub(super) async fn read(path: &Path) -> Result<Keys, FetchError> {
    let file = tokio::fs::File::open(path).await?;
    let mut body = Vec::new();
    let limit = u64::try_from(MAX_BODY)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    file.take(limit).read_to_end(&mut body).await?;
    if body.len() > MAX_BODY {
        return Err(FetchError::TooLarge);
    }
    Keys::parse(&body).map_err(KeySetUnusable::into)
}
