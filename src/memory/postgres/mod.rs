//! The store for several replicas: PostgreSQL, with row-level security forced.
//!
//! One schema, `fabric_memory`; in every table the tenant is the first column of every key. The
//! service's role owns nothing, may bypass nothing and names the tenant anew in each transaction, so
//! a query that forgot its condition would find nothing but the caller's own tenant, and one with no
//! tenant nothing at all. [`PostgresStore::open`] refuses to serve where that is not so, and
//! [`MemoryStore::ready`] looks again from time to time.
//!
//! Every key holds the tenant, so that the tables can be distributed by it, as with Citus:
//!
//! ```sql
//! SELECT create_distributed_table('fabric_memory.counters', 'tenant');
//! SELECT create_distributed_table('fabric_memory.entries', 'tenant', colocate_with => 'fabric_memory.counters');
//! -- and so on for versions, documents, postings and embeddings
//! ```

mod check;
mod error;
mod ledger;
mod migrate;
mod narrow;
mod read;
mod rows;
mod search;
mod session;
mod shares;
mod stored;
mod tls;
mod upkeep;
mod url;
mod write;

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use async_trait::async_trait;

pub use self::check::{Findings, TooOld};
use self::check::{MINIMUM, Verdict};
pub use self::migrate::{Migrated, SCHEMA_VERSION, migrate};
pub use self::session::PoolSettings;
use self::session::{Mode, Sessions};
pub use self::url::{PostgresUrl, PostgresUrlError};
use super::{
    Address, Area, Change, Embedding, Entry, EntryId, Erased, Filter, MemoryStore, NamespaceUse,
    Outcome, Oversight, Owner, Page, Partition, PathFilter, PruneRule, Quotas, Reach, Scored,
    StoreError, StoreErrorKind, TenantErasure, TenantScope, UserErasure, Version, Writable,
    WriteError, WriteErrorKind,
};
use crate::clock::Timestamp;

/// How often the server is looked at anew.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// The store can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// What names the server.
    #[error(transparent)]
    Url(#[from] PostgresUrlError),
    /// TLS can't be set up.
    #[error("TLS can't be set up: {0}")]
    Tls(#[source] rustls::Error),
    /// The file of certificates.
    #[error("the certificates of `sslrootcert={}` can't be read: {why}", path.display())]
    Roots {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The pool can't be made.
    #[error("the pool can't be made: {0}")]
    Pool(String),
    /// Nobody answers, or not us.
    #[error("PostgreSQL can't be used: {0}")]
    Unreachable(String),
    /// The server has known holes.
    #[error(transparent)]
    TooOld(#[from] TooOld),
    /// There are no tables, or older ones.
    #[error(
        "the tables are at version {found} and this service needs {needed}: run `fabric-memory migrate` with a URL that may create roles and tables"
    )]
    Unmigrated {
        /// Their version; 0 is none.
        found: u32,
        /// The version this service needs at least.
        needed: u32,
    },
    /// A later service migrated.
    #[error("the tables are at version {found} and this command knows {known}: run a later one")]
    Newer {
        /// Their version.
        found: u32,
        /// The latest that is known.
        known: u32,
    },
    /// A step was refused.
    #[error("the migration failed and changed nothing more: {0}")]
    Migration(String),
    /// Tenants would see each other's memories.
    #[error("PostgreSQL would not keep tenants apart: {0}")]
    NotIsolating(Findings),
}

/// Entries in PostgreSQL.
#[derive(Debug)]
pub struct PostgresStore {
    sessions: Sessions,
    /// The schema of pgvector, where it is installed.
    pgvector: Option<String>,
    looked: Mutex<Option<Instant>>,
}

impl PostgresStore {
    /// Connects, and looks whether the server keeps tenants apart for the role that logs in.
    ///
    /// # Errors
    /// It can't be reached, it is too old, not migrated, or would not keep tenants apart; the text
    /// says what to do.
    pub async fn open(url: &PostgresUrl, settings: PoolSettings) -> Result<Self, OpenError> {
        let sessions = Sessions::new(url, settings)?;
        let unreachable = |error: StoreError| OpenError::Unreachable(error.detail);
        let transaction = sessions.begin_for_nobody().await.map_err(unreachable)?;
        let verdict = check::look(&transaction).await;
        let verdict = transaction.end(verdict).await.map_err(unreachable)?;
        opened(verdict)?;
        let transaction = sessions.begin_for_nobody().await.map_err(unreachable)?;
        let pgvector = pgvector(&transaction).await;
        let pgvector = transaction.end(pgvector).await.map_err(unreachable)?;
        Ok(Self {
            sessions,
            pgvector,
            looked: Mutex::new(Some(Instant::now())),
        })
    }

    /// Whether vectors are compared in the server.
    pub fn has_pgvector(&self) -> bool {
        self.pgvector.is_some()
    }
}

fn opened(verdict: Verdict) -> Result<(), OpenError> {
    let needed = SCHEMA_VERSION;
    match verdict {
        Verdict::Isolating => Ok(()),
        Verdict::TooOld(old) => Err(old.into()),
        Verdict::Unmigrated => Err(OpenError::Unmigrated { found: 0, needed }),
        Verdict::Older(found) => Err(OpenError::Unmigrated { found, needed }),
        Verdict::Unsafe(findings) => Err(OpenError::NotIsolating(findings)),
    }
}

/// Where the extension is that compares vectors, if this role may use it.
async fn pgvector(transaction: &session::Transaction) -> Result<Option<String>, StoreError> {
    let sql = "SELECT n.nspname::text AS name FROM pg_extension x \
         JOIN pg_namespace n ON n.oid = x.extnamespace \
         WHERE x.extname = 'vector' AND has_schema_privilege(n.oid, 'USAGE')";
    let rows = transaction.query(sql, &[]).await?;
    rows.first().map(|row| rows::value(row, "name")).transpose()
}

/// Runs `$work` in a transaction of `$tenant` that reads or writes, and ends it.
macro_rules! within {
    ($self:ident, $tenant:expr, $mode:expr, |$transaction:ident| $work:expr) => {{
        let $transaction = $self.sessions.begin($tenant, $mode).await?;
        let outcome = $work.await;
        $transaction.end(outcome).await
    }};
}

#[async_trait]
impl MemoryStore for PostgresStore {
    async fn write(
        &self,
        to: &Writable,
        changes: Vec<Change>,
        quotas: &Quotas,
        at: Timestamp,
    ) -> Result<Vec<Outcome>, WriteError> {
        within!(
            self,
            to.namespace().tenant(),
            Mode::Writing,
            |transaction| { write::write(&transaction, to, changes, quotas, at) }
        )
    }

    async fn get(
        &self,
        of: &Reach,
        id: EntryId,
        at: Timestamp,
    ) -> Result<Option<Entry>, StoreError> {
        within!(self, of.tenant(), Mode::Reading, |transaction| read::get(
            &transaction,
            of,
            id,
            at
        ))
    }

    async fn find(
        &self,
        of: &Reach,
        address: &Address,
        at: Timestamp,
    ) -> Result<Vec<Entry>, StoreError> {
        within!(self, of.tenant(), Mode::Reading, |transaction| read::find(
            &transaction,
            of,
            address,
            at
        ))
    }

    async fn list(
        &self,
        of: &Reach,
        filter: &Filter,
        page: &Page,
        at: Timestamp,
    ) -> Result<Vec<Entry>, StoreError> {
        within!(self, of.tenant(), Mode::Reading, |transaction| read::list(
            &transaction,
            of,
            filter,
            page,
            at
        ))
    }

    async fn history(
        &self,
        of: &Reach,
        id: EntryId,
        at: Timestamp,
    ) -> Result<Option<Vec<Version>>, StoreError> {
        within!(self, of.tenant(), Mode::Reading, |transaction| {
            read::history(&transaction, of, id, at)
        })
    }

    async fn by_text(
        &self,
        of: &Reach,
        filter: &Filter,
        terms: &[String],
        limit: u32,
        at: Timestamp,
    ) -> Result<Vec<Scored>, StoreError> {
        within!(self, of.tenant(), Mode::Reading, |transaction| {
            search::by_text(&transaction, of, filter, terms, limit, at)
        })
    }

    async fn by_vector(
        &self,
        of: &Reach,
        filter: &Filter,
        embedding: &Embedding,
        limit: u32,
        at: Timestamp,
    ) -> Result<Vec<Scored>, StoreError> {
        let pgvector = self.pgvector.as_deref();
        within!(self, of.tenant(), Mode::Reading, |transaction| {
            search::by_vector(&transaction, pgvector, (of, filter), embedding, limit, at)
        })
    }

    async fn dimensions(&self, of: &Reach) -> Result<Vec<(Owner, usize)>, StoreError> {
        within!(self, of.tenant(), Mode::Reading, |transaction| {
            read::dimensions(&transaction, of)
        })
    }

    async fn paths(
        &self,
        of: &Reach,
        area: Area,
        paths: &PathFilter,
        at: Timestamp,
    ) -> Result<Vec<String>, StoreError> {
        within!(self, of.tenant(), Mode::Reading, |transaction| read::paths(
            &transaction,
            of,
            area,
            paths,
            at
        ))
    }

    async fn partitions(&self, of: &Reach, at: Timestamp) -> Result<Vec<Partition>, StoreError> {
        within!(self, of.tenant(), Mode::Reading, |transaction| {
            read::partitions(&transaction, of, at)
        })
    }

    async fn usage(&self, of: &Reach) -> Result<Vec<NamespaceUse>, StoreError> {
        within!(self, of.tenant(), Mode::Reading, |transaction| read::usage(
            &transaction,
            of
        ))
    }

    async fn owners(&self, over: &Oversight) -> Result<Vec<Owner>, StoreError> {
        within!(self, over.tenant(), Mode::Reading, |transaction| {
            read::owners(&transaction, over)
        })
    }

    async fn touch(
        &self,
        tenant: &TenantScope,
        recalled: &[(EntryId, Timestamp)],
    ) -> Result<(), StoreError> {
        within!(self, tenant.tenant(), Mode::Writing, |transaction| {
            upkeep::touch(&transaction, tenant, recalled)
        })
    }

    async fn refresh(
        &self,
        of: &Writable,
        ids: &[EntryId],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        within!(
            self,
            of.namespace().tenant(),
            Mode::Writing,
            |transaction| { upkeep::refresh(&transaction, of, ids, at) }
        )
    }

    async fn prune(
        &self,
        of: &Writable,
        rule: &PruneRule,
        at: Timestamp,
    ) -> Result<(u64, Vec<EntryId>), StoreError> {
        within!(
            self,
            of.namespace().tenant(),
            Mode::Writing,
            |transaction| { upkeep::prune(&transaction, of, rule, at) }
        )
    }

    async fn sweep(
        &self,
        tenant: &TenantScope,
        limit: u32,
        at: Timestamp,
    ) -> Result<u64, StoreError> {
        within!(self, tenant.tenant(), Mode::Writing, |transaction| {
            upkeep::sweep(&transaction, tenant, limit, at)
        })
    }

    async fn erase_tenant(&self, right: &TenantErasure) -> Result<Erased, StoreError> {
        within!(self, right.tenant(), Mode::Writing, |transaction| {
            upkeep::erase_tenant(&transaction, right)
        })
    }

    async fn erase_user(&self, right: &UserErasure) -> Result<Erased, StoreError> {
        within!(self, right.tenant(), Mode::Writing, |transaction| {
            upkeep::erase_user(&transaction, right)
        })
    }

    /// Looks whether the server answers, and every [`LOOK_AGAIN`] whether it still keeps tenants
    /// apart.
    async fn ready(&self) -> Result<(), StoreError> {
        let transaction = self.sessions.begin_for_nobody().await?;
        let is_due = self.looked.lock().map_or(true, |looked| {
            looked.is_none_or(|at| at.elapsed() >= LOOK_AGAIN)
        });
        if !is_due {
            return transaction.end(Ok(())).await;
        }
        let verdict = check::look(&transaction).await;
        let verdict = transaction.end(verdict).await?;
        let outcome =
            opened(verdict).map_err(|error| StoreError::new(StoreErrorKind::NotIsolating, error));
        if let Ok(mut looked) = self.looked.lock() {
            // What was found wrong is looked at each time, until it is right.
            *looked = outcome.is_ok().then(Instant::now);
        }
        outcome
    }

    fn in_use(&self) -> Vec<(&'static str, u64)> {
        self.sessions.in_use().to_vec()
    }

    async fn close(&self) {
        self.sessions.close();
    }
}

impl From<StoreError> for WriteError {
    fn from(error: StoreError) -> Self {
        Self {
            index: 0,
            kind: WriteErrorKind::Store(error),
        }
    }
}
