//! Opening one tenant's file: whether it is ours, whose it is, which form it has.
//!
//! The settings follow "Defense Against The Dark Arts" (sqlite.org/security.html): no symbolic
//! link anywhere on the way, nothing attached, no extension, a schema that is not trusted. SQLite
//! is built so that a name beginning with `file:` is a URI; ours begin with `/`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::error::OpenError;
use super::metadata;
use crate::tenant::TenantId;

/// Says in the file's head that it is ours: "FabM".
const APPLICATION_ID: i32 = 0x4661_624d;

/// How long a statement waits for another process, a backup tool for instance.
const BUSY: Duration = Duration::from_millis(600);

/// What leads from each form of a database to the next. `user_version` counts those that were
/// done. INVARIANT: a step that was released is never edited; what is to change is another step.
const STEPS: [&str; 1] = [include_str!("schema/001-entries.sql")];

/// The latest form.
const FORM: u32 = STEPS.len() as u32;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Writing,
    Reading,
}

/// A database file, known to be the tenant's and of the latest form.
#[derive(Clone, Debug)]
pub(super) struct Database {
    path: PathBuf,
    tenant: TenantId,
    /// Most bytes of the file. Quotas are below it; this is what holds when they do not.
    most_bytes: u64,
}

impl Database {
    /// Brings the file at `path`, which may be empty, to the latest form. Answers the connection
    /// for writing as well.
    pub(super) fn prepare(
        path: &Path,
        tenant: &TenantId,
        most_bytes: u64,
    ) -> Result<(Self, Connection), OpenError> {
        let database = Self {
            path: path.to_owned(),
            tenant: tenant.clone(),
            most_bytes,
        };
        let mut connection = open(path)?;
        database.check_application(&connection)?;
        let mode: String = connection
            .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
            .map_err(|source| database.told(source))?;
        if mode != "wal" {
            return Err(OpenError::NoWriteAhead(database.path));
        }
        database.migrate(&mut connection)?;
        database.check_tenant(&connection)?;
        database.set(&connection, Purpose::Writing)?;
        Ok((database, connection))
    }

    /// One more connection, for reading.
    pub(super) fn connect(&self) -> Result<Connection, OpenError> {
        let connection = open(&self.path)?;
        self.check_application(&connection)?;
        self.check_tenant(&connection)?;
        self.set(&connection, Purpose::Reading)?;
        Ok(connection)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a file that was opened from elsewhere is a database of the tenant that this version
    /// can read. It is not changed.
    pub(super) fn check(
        connection: &Connection,
        path: &Path,
        tenant: &TenantId,
    ) -> Result<(), OpenError> {
        let database = Self {
            path: path.to_owned(),
            tenant: tenant.clone(),
            most_bytes: 0,
        };
        let told = |source| database.told(source);
        if application(connection).map_err(told)?.0 != APPLICATION_ID {
            return Err(OpenError::Foreign(database.path));
        }
        let found = form(connection).map_err(told)?;
        if found > FORM {
            return Err(database.newer(found));
        }
        database.check_tenant(connection)
    }

    fn set(&self, connection: &Connection, purpose: Purpose) -> Result<(), OpenError> {
        let set = || {
            // A write is answered once it would survive a power cut.
            connection.pragma_update(None, "synchronous", "full")?;
            // What was deleted is not to be read out of free pages.
            connection.pragma_update(None, "secure_delete", true)?;
            connection.pragma_update(None, "foreign_keys", true)?;
            connection.pragma_update(None, "cache_size", -1_024)?;
            connection.pragma_update(None, "temp_store", "memory")?;
            // A large change leaves no large log behind.
            connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
            let page: u64 = connection
                .pragma_query_value(None, "page_size", |row| row.get(0))
                .map(i64::cast_unsigned)?;
            let pages = (self.most_bytes / page.max(512)).clamp(1, u64::from(u32::MAX - 1));
            connection.pragma_update_and_check(
                None,
                "max_page_count",
                pages.cast_signed(),
                |_row| Ok(()),
            )?;
            connection.set_prepared_statement_cache_capacity(64);
            metadata::register(connection)?;
            if purpose == Purpose::Reading {
                connection.pragma_update(None, "query_only", true)?;
            }
            Ok(())
        };
        set().map_err(|source| self.told(source))
    }

    /// Asked before anything is written to the file.
    fn check_application(&self, connection: &Connection) -> Result<(), OpenError> {
        match application(connection).map_err(|source| self.told(source))? {
            (APPLICATION_ID, _) | (0, 0) => Ok(()),
            _ => Err(OpenError::Foreign(self.path.clone())),
        }
    }

    /// A file of another tenant may have been put here by mistake.
    fn check_tenant(&self, connection: &Connection) -> Result<(), OpenError> {
        let found: String = connection
            .query_row("SELECT id FROM tenant", [], |row| row.get(0))
            .map_err(|source| self.told(source))?;
        if found == self.tenant.as_str() {
            Ok(())
        } else {
            Err(OpenError::OtherTenant {
                path: self.path.clone(),
                found,
                expected: self.tenant.clone(),
            })
        }
    }

    fn migrate(&self, connection: &mut Connection) -> Result<(), OpenError> {
        let told = |source| self.told(source);
        let done = form(connection).map_err(told)?;
        if done == FORM {
            return Ok(());
        }
        if done > 0 {
            // Asked before anything is written to the file.
            self.check_tenant(connection)?;
        }
        let Some(steps) = STEPS.get(done as usize..) else {
            return Err(self.newer(done));
        };
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(told)?;
        for step in steps {
            transaction.execute_batch(step).map_err(told)?;
        }
        if done == 0 {
            transaction
                .execute(
                    "INSERT INTO tenant (id) VALUES (?1)",
                    [self.tenant.as_str()],
                )
                .map_err(told)?;
        }
        transaction
            .pragma_update(None, "application_id", APPLICATION_ID)
            .map_err(told)?;
        transaction
            .pragma_update(None, "user_version", FORM)
            .map_err(told)?;
        transaction.commit().map_err(told)
    }

    fn newer(&self, found: u32) -> OpenError {
        OpenError::Newer {
            path: self.path.clone(),
            found,
            known: FORM,
        }
    }

    fn told(&self, source: rusqlite::Error) -> OpenError {
        OpenError::sqlite(&self.path, source)
    }
}

/// Opens what is there; makes nothing.
pub(super) fn open(path: &Path) -> Result<Connection, OpenError> {
    open_as(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

/// Opens what an operator names, and does not change it.
pub(super) fn open_to_copy(path: &Path) -> Result<Connection, OpenError> {
    open_as(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

fn open_as(path: &Path, access: OpenFlags) -> Result<Connection, OpenError> {
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
        connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        Ok(connection)
    };
    open().map_err(|source| OpenError::sqlite(path, source))
}

/// Whether a file says that it is ours, and how many things it holds.
fn application(connection: &Connection) -> rusqlite::Result<(i32, i64)> {
    connection.query_row(
        "SELECT application_id, (SELECT count(*) FROM sqlite_schema) FROM pragma_application_id()",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

fn form(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}
