//! Opening the file: where it is, whether it is ours, which form it has.
//!
//! The settings follow "Defense Against The Dark Arts" (sqlite.org/security.html): no URI names, no
//! symbolic link in the place of the file, nothing attached, a schema that is not trusted.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

/// Says in the file's head that it is ours: "FabG".
const APPLICATION_ID: i32 = 0x4661_6247;

/// How long a statement waits for another process. Shorter than what a caller waits.
const BUSY: Duration = Duration::from_millis(600);

/// How long opening the file waits for others that open it. No caller waits for that.
const OPENING: Duration = Duration::from_secs(5);

/// How long until SQLite is asked again where it does not wait by itself.
const ASK_AGAIN: Duration = Duration::from_millis(5);

/// What leads from each form of the database to the next. `user_version` counts those that were
/// done. INVARIANT: a step that was released is never edited; what is to change is another step.
const STEPS: [&str; 2] = [
    include_str!("schema/001-owners.sql"),
    include_str!("schema/002-settings.sql"),
];

/// The latest form.
const FORM: u32 = STEPS.len() as u32;

/// The database can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its directory or the file itself.
    #[error("`{}` can't be opened: {source}", path.display())]
    File {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is another thing in its place.
    #[error("`{}` is not a database of the gate: name another file in [state] url", .0.display())]
    Foreign(PathBuf),
    /// A later version of the gate wrote it.
    #[error(
        "`{}` has form {found} and this version knows {known}: start the version that wrote it, or restore a backup",
        path.display()
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its form.
        found: u32,
        /// The latest that is known.
        known: u32,
    },
    /// The file system gives no shared memory to it, a network one for instance.
    #[error("`{}` can't be written ahead (WAL): put it on a local disk", .0.display())]
    NoWriteAhead(PathBuf),
    /// SQLite can't.
    #[error("`{}` can't be used: {source}; {}", path.display(), remedy(source))]
    Sqlite {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Writing,
    Reading,
}

/// The database file, known to be ours and of the latest form.
#[derive(Clone, Debug)]
pub(super) struct Database {
    path: PathBuf,
}

impl Database {
    /// Makes the file if there is none, and brings it to the latest form.
    pub(super) fn prepare(path: &Path) -> Result<Self, OpenError> {
        let path = place(path)?;
        make_file(&path)?;
        let database = Self { path };
        let mut connection = database.open().map_err(|source| database.told(source))?;
        connection
            .busy_timeout(OPENING)
            .map_err(|source| database.told(source))?;
        database.check_application(&connection)?;
        let mode = write_ahead(&connection).map_err(|source| database.told(source))?;
        if mode != "wal" {
            return Err(OpenError::NoWriteAhead(database.path));
        }
        database.migrate(&mut connection)?;
        Ok(database)
    }

    /// One more connection.
    pub(super) fn connect(&self, purpose: Purpose) -> Result<Connection, OpenError> {
        let connect = || {
            let connection = self.open()?;
            // A claim is answered once it would survive a power cut.
            connection.pragma_update(None, "synchronous", "full")?;
            // Who was erased is not to be read out of free pages.
            connection.pragma_update(None, "secure_delete", true)?;
            connection.pragma_update(None, "foreign_keys", true)?;
            connection.pragma_update(None, "cache_size", -16_384)?;
            // A large change leaves no large log behind.
            connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
            connection.set_prepared_statement_cache_capacity(64);
            if purpose == Purpose::Reading {
                connection.pragma_update(None, "query_only", true)?;
            }
            Ok(connection)
        };
        connect().map_err(|source| self.told(source))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
        connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        Ok(connection)
    }

    /// Asked before anything is written to the file.
    fn check_application(&self, connection: &Connection) -> Result<(), OpenError> {
        let (application, objects) = connection
            .query_row(
                "SELECT application_id, (SELECT count(*) FROM sqlite_schema) \
                 FROM pragma_application_id()",
                [],
                |row| Ok((row.get::<_, i32>(0)?, row.get::<_, i64>(1)?)),
            )
            .map_err(|source| self.told(source))?;
        match (application, objects) {
            (APPLICATION_ID, _) | (0, 0) => Ok(()),
            _ => Err(OpenError::Foreign(self.path.clone())),
        }
    }

    fn migrate(&self, connection: &mut Connection) -> Result<(), OpenError> {
        let told = |source| self.told(source);
        // Not under a lock first: another process may be writing for long.
        if form(connection).map_err(told)? == FORM {
            return Ok(());
        }
        // Of two processes that start at once, the second finds the work done.
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(told)?;
        let done = form(&transaction).map_err(told)?;
        let Some(steps) = STEPS.get(done as usize..) else {
            return Err(OpenError::Newer {
                path: self.path.clone(),
                found: done,
                known: FORM,
            });
        };
        for step in steps {
            transaction.execute_batch(step).map_err(told)?;
        }
        transaction
            .pragma_update(None, "application_id", APPLICATION_ID)
            .map_err(told)?;
        transaction
            .pragma_update(None, "user_version", FORM)
            .map_err(told)?;
        transaction.commit().map_err(told)
    }

    fn told(&self, source: rusqlite::Error) -> OpenError {
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => OpenError::Foreign(self.path.clone()),
            _ => OpenError::Sqlite {
                path: self.path.clone(),
                source,
            },
        }
    }
}

fn form(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// What an operator can do about it.
pub(super) fn remedy(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "free space on its disk",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            "make it, and the directory it is in, writable for this process"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "end the other program that holds it locked"
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "put it aside and restore a backup"
        }
        Some(ErrorCode::SystemIoFailure) => "look at the health of its disk",
        Some(_) | None => "see the message",
    }
}

/// Where the file is once links of its directory are followed. The directory is the operator's to
/// link; a link in place of the file itself is refused by SQLite.
fn place(path: &Path) -> Result<PathBuf, OpenError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let refused = |source| OpenError::File {
        path: path.to_owned(),
        source,
    };
    let name = path
        .file_name()
        .ok_or_else(|| refused(io::ErrorKind::InvalidFilename.into()))?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(parent)
        .map_err(refused)?;
    Ok(parent.canonicalize().map_err(refused)?.join(name))
}

/// SQLite would make the file readable for everybody; what it makes beside it takes the same mode.
fn make_file(path: &Path) -> Result<(), OpenError> {
    let refused = |source| OpenError::File {
        path: path.to_owned(),
        source,
    };
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Ok(_made) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(refused(error)),
    }
    let kept = path.symlink_metadata().map_err(refused)?;
    if kept.is_symlink() {
        let message = "it is a symbolic link; name the file it leads to";
        return Err(refused(io::Error::other(message)));
    }
    if kept.is_file() && kept.permissions().mode() & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "the state can be read or written by other users of this machine");
    }
    Ok(())
}
/// Switches to write-ahead logging and answers the mode that holds. Of several processes that open a
/// new file at once all but one may be told at once that it is busy: SQLite waits for nobody where two
/// hold what each other wants (<https://sqlite.org/c3ref/busy_handler.html>). So it is asked again.
fn write_ahead(connection: &Connection) -> rusqlite::Result<String> {
    let given_up = Instant::now() + OPENING;
    loop {
        let asked =
            connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0));
        match asked {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && Instant::now() < given_up =>
            {
                std::thread::sleep(ASK_AGAIN);
            }
            done => return done,
        }
    }
}
