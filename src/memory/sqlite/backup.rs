//! Copies of one tenant's database: to carry away, to put back, and to leave behind what was
//! erased. Nothing of another tenant is in them.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use rusqlite::Connection;
use rusqlite::backup::Backup;
use rusqlite::limits::Limit;

use super::database::{self, Database};
use super::error::OpenError;
use super::root::{Root, remove_database};
use crate::tenant::TenantId;

/// Copies a tenant's database below `root`, as it is at this moment, into a file at `target` that is
/// not there yet, whether or not another process serves from the folder: its writes go on and are
/// not in the copy. The copy is looked over before it counts as one. `false` if the tenant has no
/// database.
///
/// # Errors
/// The database can't be read, is another tenant's or damaged, or the file can't be written; then
/// there is none.
pub fn backup_beside(root: &Path, tenant: &TenantId, target: &Path) -> Result<bool, OpenError> {
    let Some(source) = Root::beside(root)?.find(tenant)? else {
        return Ok(false);
    };
    copy_checked(tenant, &source, &absolute(target)?)?;
    Ok(true)
}

/// Copies the database at `source` to `target`, and answers only if it is whole and the tenant's.
pub(super) fn copy_checked(
    tenant: &TenantId,
    source: &Path,
    target: &Path,
) -> Result<(), OpenError> {
    let source = absolute(source)?;
    let from = database::open_to_copy(&source)?;
    Database::check(&from, &source, tenant)?;
    make_file(target)?;
    let copied = copy_into(&from, target).and_then(|()| {
        let copy = database::open(target)?;
        whole(&copy, &source)
    });
    if copied.is_err() {
        let _left = remove_database(target);
    }
    copied
}

/// Writes what the database at `source` holds into a new one at `target`, and nothing of what it
/// held: pages keep stale copies of rows that were moved, which `secure_delete` does not reach.
pub(super) fn rewrite(source: &Path, target: &Path) -> Result<(), OpenError> {
    let told = |error| OpenError::sqlite(source, error);
    let from = database::open(source)?;
    // It attaches what it writes.
    from.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 1)
        .map_err(told)?;
    make_file(target)?;
    let name = target.to_string_lossy();
    let written = from
        .execute("VACUUM INTO ?1", [&name])
        .map_err(told)
        .and_then(|_rows| {
            let file = File::open(target).and_then(|file| file.sync_all());
            file.map_err(|error| OpenError::file(target, error))
        });
    if written.is_err() {
        let _left = remove_database(target);
    }
    written
}

fn copy_into(from: &Connection, target: &Path) -> Result<(), OpenError> {
    let told = |source| OpenError::sqlite(target, source);
    let mut to = database::open(target)?;
    {
        let backup = Backup::new(from, &mut to).map_err(told)?;
        // All at once is as of one moment; page by page it would begin anew with every write.
        backup.step(-1).map_err(told)?;
    }
    // One file, that can be carried away without a log.
    to.pragma_update_and_check(None, "journal_mode", "delete", |_row| Ok(()))
        .map_err(told)
}

fn whole(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let finding: String = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|source| OpenError::sqlite(path, source))?;
    if finding == "ok" {
        return Ok(());
    }
    Err(OpenError::Damaged {
        path: path.to_owned(),
        finding,
    })
}

/// A name that SQLite takes for no URI, and whose directory is no link any more.
fn absolute(path: &Path) -> Result<PathBuf, OpenError> {
    let refused = |source| OpenError::file(path, source);
    let name = path
        .file_name()
        .ok_or_else(|| refused(io::ErrorKind::InvalidFilename.into()))?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    Ok(parent.canonicalize().map_err(refused)?.join(name))
}

fn make_file(path: &Path) -> Result<(), OpenError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(path)
        .map(drop)
        .map_err(|source| OpenError::file(path, source))
}
