//! Connections, and transactions in the name of one tenant.
//!
//! Row-level security goes by the setting `app.tenant`, and a setting of a session would outlive the
//! request that made it: on a connection that is used again, the next request would read the
//! tenant's rows. So the tenant is set for one transaction only, by its first statement, and
//! [`Sessions::begin`] is the only way to a connection. Without a tenant the tables are empty.
//!
//! No statement is prepared under a name and no setting outlives its transaction, so a pooler in
//! transaction mode can be in between, and no plan that was made for one role or tenant is run for
//! another (CVE-2016-2193, CVE-2023-2455, CVE-2024-10976).

use std::time::Duration;

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, Timeouts,
};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{CancelToken, NoTls, Row, RowStream};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::{of_driver, of_pool};
use super::shares::{Shares, Turn};
use super::url::{PostgresUrl, Tls};
use super::{OpenError, tls};
use crate::memory::{StoreError, StoreErrorKind};
use crate::tenant::TenantId;

/// First statement of every transaction. INVARIANT: the last argument of each is `true`, "local".
const NAME_TENANT: &str = "SELECT pg_catalog.set_config('app.tenant', $1, true), \
     pg_catalog.set_config('search_path', 'pg_catalog', true), \
     pg_catalog.set_config('statement_timeout', $2, true), \
     pg_catalog.set_config('lock_timeout', $3, true), \
     pg_catalog.set_config('idle_in_transaction_session_timeout', $4, true)";

/// Asked of each connection before it is used again.
const IS_CLEAN: &str =
    "SELECT coalesce(pg_catalog.current_setting('app.tenant', true), '') = '' AS clean";

/// How many connections there are, and how long anything may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// Most connections. Of these one tenant has at most half at a time, and one for writing.
    pub connections: usize,
    /// Longest wait for a connection.
    pub wait: Duration,
    /// Longest run of one statement.
    pub statement: Duration,
    /// Longest wait for a row that another transaction writes.
    pub lock: Duration,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            connections: 16,
            wait: Duration::from_secs(3),
            statement: Duration::from_secs(15),
            lock: Duration::from_secs(5),
        }
    }
}

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Sees one state of the database throughout, and can't write.
    Reading,
    /// Waits its turn among the tenant's writers.
    Writing,
}

/// How connections are encrypted, for those that cancel a statement as well.
#[derive(Clone)]
pub(super) enum Connector {
    Plain,
    Encrypted(MakeRustlsConnect),
}

impl Connector {
    pub(super) fn of(url: &PostgresUrl) -> Result<Self, OpenError> {
        Ok(match url.tls() {
            Tls::Off => Self::Plain,
            Tls::Verified(roots) => Self::Encrypted(tls::connector(roots.as_deref())?),
        })
    }

    async fn cancel(&self, token: &CancelToken) {
        // If it can't be cancelled, its time limit ends it.
        let _ = match self {
            Self::Plain => token.cancel_query(NoTls).await,
            Self::Encrypted(connector) => token.cancel_query(connector.clone()).await,
        };
    }
}

/// The connections of one server.
pub(super) struct Sessions {
    pool: Pool,
    connector: Connector,
    shares: Shares,
    settings: PoolSettings,
}

impl Sessions {
    /// Connections that are there, those of them that are used, and who waits for one.
    pub(super) fn in_use(&self) -> [(&'static str, u64); 3] {
        let pool = self.pool.status();
        let used = pool.size.saturating_sub(pool.available);
        [
            ("connections", pool.size as u64),
            ("connections_used", used as u64),
            ("connections_waited_for", pool.waiting as u64),
        ]
    }

    pub(super) fn new(url: &PostgresUrl, settings: PoolSettings) -> Result<Self, OpenError> {
        let connector = Connector::of(url)?;
        let config = url.config()?;
        // Every connection was asked whether it is clean before it came back.
        let how = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = match &connector {
            Connector::Plain => Manager::from_config(config, NoTls, how),
            Connector::Encrypted(tls) => Manager::from_config(config, tls.clone(), how),
        };
        let connections = settings.connections.max(2);
        let pool = Pool::builder(manager)
            .max_size(connections)
            .timeouts(Timeouts {
                wait: Some(settings.wait),
                create: Some(settings.wait),
                recycle: Some(settings.wait),
            })
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| OpenError::Pool(error.to_string()))?;
        Ok(Self {
            pool,
            connector,
            shares: Shares::new(connections / 2, settings.wait),
            settings,
        })
    }

    /// A transaction in the name of `tenant`. End it by [`Transaction::end`].
    pub(super) async fn begin(
        &self,
        tenant: &TenantId,
        mode: Mode,
    ) -> Result<Transaction, StoreError> {
        let turn = self.shares.turn(tenant, mode).await?;
        self.begin_as(tenant.as_str(), mode, Some(turn)).await
    }

    /// A transaction that sees no row of any tenant.
    pub(super) async fn begin_for_nobody(&self) -> Result<Transaction, StoreError> {
        self.begin_as("", Mode::Reading, None).await
    }

    async fn begin_as(
        &self,
        tenant: &str,
        mode: Mode,
        turn: Option<Turn>,
    ) -> Result<Transaction, StoreError> {
        let mut turn = turn;
        // After a restart of the server every connection that was kept is broken, and not all of
        // them know it yet.
        let mut broken = 0;
        loop {
            let client = self.pool.get().await.map_err(|error| of_pool(&error))?;
            let transaction = Transaction {
                cancel: client.cancel_token(),
                connector: self.connector.clone(),
                client: Some(client),
                _turn: turn.take(),
            };
            match transaction.name_tenant(tenant, mode, &self.settings).await {
                Ok(()) => return Ok(transaction),
                Err(error) if error.is_closed() && broken <= self.settings.connections => {
                    broken += 1;
                    turn = transaction.give_up();
                }
                Err(error) => return Err(of_driver(&error)),
            }
        }
    }

    /// Lets go of all connections once those in use are given back.
    pub(super) fn close(&self) {
        self.pool.close();
    }
}

/// A value of a statement and its type.
pub(super) type Argument<'a> = (&'a (dyn ToSql + Sync), Type);

/// A transaction in the name of one tenant. One that is dropped before its end is cancelled, and its
/// connection is closed, not used again.
pub(super) struct Transaction {
    client: Option<Object>,
    cancel: CancelToken,
    connector: Connector,
    _turn: Option<Turn>,
}

impl Transaction {
    async fn name_tenant(
        &self,
        tenant: &str,
        mode: Mode,
        settings: &PoolSettings,
    ) -> Result<(), tokio_postgres::Error> {
        let Some(client) = &self.client else {
            return Ok(());
        };
        let begin = match mode {
            Mode::Reading => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Mode::Writing => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
        };
        let [statement, lock] =
            [settings.statement, settings.lock].map(|limit| limit.as_millis().to_string());
        let arguments: [Argument<'_>; 4] = [
            (&tenant, Type::TEXT),
            (&statement, Type::TEXT),
            (&lock, Type::TEXT),
            (&statement, Type::TEXT),
        ];
        // Both are sent at once: the server takes them in this order.
        tokio::try_join!(
            client.batch_execute(begin),
            client.query_typed_one(NAME_TENANT, &arguments),
        )?;
        Ok(())
    }

    /// The rows that a query gives.
    pub(super) async fn query(
        &self,
        sql: &str,
        arguments: &[Argument<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        let client = self.client()?;
        let rows = client.query_typed(sql, arguments).await;
        rows.map_err(|error| of_driver(&error))
    }

    /// The one row a query gives.
    pub(super) async fn query_one(
        &self,
        sql: &str,
        arguments: &[Argument<'_>],
    ) -> Result<Row, StoreError> {
        let client = self.client()?;
        let row = client.query_typed_one(sql, arguments).await;
        row.map_err(|error| of_driver(&error))
    }

    /// The rows of a query as they come, for more than memory should hold.
    pub(super) async fn stream(
        &self,
        sql: &str,
        arguments: &[Argument<'_>],
    ) -> Result<RowStream, StoreError> {
        let arguments = arguments.iter().map(|(value, of)| (*value, of.clone()));
        let rows = self.client()?.query_typed_raw(sql, arguments).await;
        rows.map_err(|error| of_driver(&error))
    }

    /// Runs a statement; answers how many rows it changed.
    pub(super) async fn execute(
        &self,
        sql: &str,
        arguments: &[Argument<'_>],
    ) -> Result<u64, StoreError> {
        let changed = self.client()?.execute_typed(sql, arguments).await;
        changed.map_err(|error| of_driver(&error))
    }

    /// Commits what came out well and rolls back what did not.
    ///
    /// INVARIANT: nothing goes on after a statement that failed. The server answers a `COMMIT` of a
    /// transaction that failed by rolling back, without an error.
    pub(super) async fn end<T, E: From<StoreError>>(
        mut self,
        outcome: Result<T, E>,
    ) -> Result<T, E> {
        let client = self.client()?;
        let end = if outcome.is_ok() {
            "COMMIT"
        } else {
            "ROLLBACK"
        };
        let (ended, reset, clean) = tokio::join!(
            client.batch_execute(end),
            client.batch_execute("RESET ALL"),
            client.query_typed_one(IS_CLEAN, &[]),
        );
        let is_clean =
            reset.is_ok() && clean.is_ok_and(|row| row.try_get::<_, bool>(0).unwrap_or_default());
        if ended.is_ok() && is_clean {
            // Back to the pool.
            self.client = None;
        } else if ended.is_ok() {
            tracing::error!("a connection to PostgreSQL names a tenant by itself and was closed");
        }
        if outcome.is_ok()
            && let Err(error) = ended
        {
            return Err(of_driver(&error).into());
        }
        outcome
    }

    /// Ends a transaction whose connection is broken.
    fn give_up(mut self) -> Option<Turn> {
        if let Some(client) = self.client.take() {
            drop(Object::take(client));
        }
        self._turn.take()
    }

    fn client(&self) -> Result<&Object, StoreError> {
        self.client
            .as_ref()
            .ok_or_else(|| StoreError::new(StoreErrorKind::Unavailable, "the transaction is over"))
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else {
            return;
        };
        // The connection leaves the pool: what it is doing is not known.
        let client = Object::take(client);
        if client.is_closed() {
            return;
        }
        let (connector, cancel) = (self.connector.clone(), self.cancel.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // A server notices a closed connection only when its statement is done.
            runtime.spawn(async move {
                connector.cancel(&cancel).await;
                drop(client);
            });
        }
    }
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Sessions")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl From<PoolError> for OpenError {
    fn from(error: PoolError) -> Self {
        Self::Pool(error.to_string())
    }
}
