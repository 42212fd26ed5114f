//! Making the roles and tables, and bringing them to the latest version.
//!
//! Done by an operator's command with a login that may create roles, never by the serving process,
//! whose role owns nothing. Of several at once the others wait and find the work done. A step runs
//! in a transaction of its own and only adds; what it makes superfluous is taken away by a later
//! one, once no service of the version before runs.

use tokio_postgres::{Client, NoTls};

use super::session::Connector;
use super::url::{PostgresUrl, told};
use super::{MINIMUM, OpenError};

/// What makes the roles and the schema.
const ROLES: &str = include_str!("schema/roles.sql");

/// What leads from each version to the next.
const STEPS: [&str; 1] = [include_str!("schema/001.sql")];

/// The version of the tables that this version of the service makes.
pub const SCHEMA_VERSION: u32 = STEPS.len() as u32;

/// Held while tables are made: any number that nobody else takes.
const LOCK: i64 = 0x4661_6247_4D65_6D30;

/// How long a step waits for a table that is in use. Whoever waits behind it for the same table
/// waits as long.
const LOCK_TIMEOUT: &str = "SET lock_timeout = '5s'";

/// What a migration did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The version that was found; 0 is none.
    pub from: u32,
    /// The version that is there.
    pub to: u32,
}

/// Makes the roles, the schema and the tables, or brings them to the latest version.
///
/// `admin` logs in as a role that may create roles and be what it created: a superuser, or one with
/// `CREATEROLE` that is a member of `fabric_memory_owner`, and that may create in the database.
///
/// # Errors
/// The server can't be reached, is too old, or refuses; or it has a later version than this knows.
/// The steps before the one that failed are done.
pub async fn migrate(admin: &PostgresUrl) -> Result<Migrated, OpenError> {
    migrate_by(admin, &STEPS).await
}

async fn migrate_by(admin: &PostgresUrl, steps: &[&str]) -> Result<Migrated, OpenError> {
    let client = connect(admin).await?;
    let refused = |error: tokio_postgres::Error| OpenError::Migration(told(&error));
    check_server(&client).await?;
    client
        .batch_execute("SET search_path = pg_catalog")
        .await
        .map_err(refused)?;
    // Of the session: it is given back with the connection, however this ends.
    client
        .query_one("SELECT pg_advisory_lock($1)", &[&LOCK])
        .await
        .map_err(refused)?;
    client.batch_execute(LOCK_TIMEOUT).await.map_err(refused)?;
    let from = version(&client).await?;
    let known = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    let Some(missing) = steps.get(from as usize..) else {
        return Err(OpenError::Newer { found: from, known });
    };
    if from == 0 {
        client.batch_execute(ROLES).await.map_err(refused)?;
    }
    for (step, number) in missing.iter().zip(from + 1..) {
        let sql = format!(
            "BEGIN; SET LOCAL ROLE fabric_memory_owner; {step}; \
             CREATE OR REPLACE FUNCTION fabric_memory.schema_version() RETURNS integer \
             LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT {number}'; COMMIT"
        );
        if let Err(error) = client.batch_execute(&sql).await {
            // Closing the connection rolls back as well; the reason is what matters.
            let _ = client.batch_execute("ROLLBACK").await;
            return Err(refused(error));
        }
    }
    Ok(Migrated { from, to: known })
}

/// The version of the tables; 0 if there are none.
pub(super) async fn version(client: &Client) -> Result<u32, OpenError> {
    let refused = |error: tokio_postgres::Error| OpenError::Migration(told(&error));
    let there = client
        .query_one(
            "SELECT to_regprocedure('fabric_memory.schema_version()') IS NOT NULL",
            &[],
        )
        .await
        .map_err(refused)?;
    if !there.try_get::<_, bool>(0).map_err(refused)? {
        return Ok(0);
    }
    let row = client
        .query_one("SELECT fabric_memory.schema_version()", &[])
        .await
        .map_err(refused)?;
    let number: i32 = row.try_get(0).map_err(refused)?;
    Ok(u32::try_from(number).unwrap_or_default())
}

async fn check_server(client: &Client) -> Result<(), OpenError> {
    let refused = |error: tokio_postgres::Error| OpenError::Migration(told(&error));
    let row = client
        .query_one("SELECT current_setting('server_version_num')::integer", &[])
        .await
        .map_err(refused)?;
    let number: i32 = row.try_get(0).map_err(refused)?;
    Ok(MINIMUM.check(number)?)
}

async fn connect(url: &PostgresUrl) -> Result<Client, OpenError> {
    let config = url.config()?;
    let refused = |error: tokio_postgres::Error| OpenError::Unreachable(told(&error));
    match Connector::of(url)? {
        Connector::Plain => {
            let (client, connection) = config.connect(NoTls).await.map_err(refused)?;
            tokio::spawn(connection);
            Ok(client)
        }
        Connector::Encrypted(tls) => {
            let (client, connection) = config.connect(tls).await.map_err(refused)?;
            tokio::spawn(connection);
            Ok(client)
        }
    }
}
