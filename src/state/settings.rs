//! What tenants chose for their models, in the same database.

use async_trait::async_trait;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::sqlite::SqliteStore;
use crate::budget::models::settings::{Chosen, LlmSettingsStore, News, Seen};
use crate::clock::Timestamp;
use crate::decision::StateUnavailable;
use crate::tenant::TenantId;

#[async_trait]
impl LlmSettingsStore for SqliteStore {
    async fn news(&self, since: Seen) -> Result<News, StateUnavailable> {
        self.engine
            .read(move |connection| news(connection, since))
            .await
    }

    async fn replace(&self, chosen: Chosen) -> Result<Option<u64>, StateUnavailable> {
        self.engine
            .write(move |connection| replace(connection, &chosen))
            .await
    }

    async fn forget(&self, tenant: TenantId) -> Result<bool, StateUnavailable> {
        let forgotten = self
            .engine
            .write(move |connection| forget(connection, &tenant))
            .await?;
        self.engine.empty_log();
        Ok(forgotten)
    }
}

/// INVARIANT: the counters before the rows. What is committed in between is told of next time, once
/// more at worst.
pub(super) fn news(connection: &Connection, since: Seen) -> rusqlite::Result<News> {
    let seen = connection
        .prepare_cached("SELECT last, forgotten FROM llm_changes")?
        .query_row([], |row| {
            Ok(Seen {
                change: row.get::<_, i64>(0)?.cast_unsigned(),
                forgotten: row.get::<_, i64>(1)?.cast_unsigned(),
            })
        })?;
    let is_all = seen.forgotten != since.forgotten;
    let after = if is_all { 0 } else { since.change };
    let mut rows = connection.prepare_cached(
        "SELECT tenant, settings, chosen_by, chosen_at, change FROM llm_settings \
         WHERE change > ?1 ORDER BY change",
    )?;
    let chosen = rows.query_map([after.cast_signed()], chosen)?;
    Ok(News {
        chosen: chosen.collect::<Result<_, _>>()?,
        is_all,
        seen,
    })
}

fn replace(connection: &Connection, chosen: &Chosen) -> rusqlite::Result<Option<u64>> {
    let tenant = chosen.tenant.as_str();
    let there = connection
        .prepare_cached("SELECT change FROM llm_settings WHERE tenant = ?1")?
        .query_row([tenant], |row| row.get::<_, i64>(0))
        .optional()?;
    if there.unwrap_or(0) != chosen.change.cast_signed() {
        return Ok(None);
    }
    let change = connection
        .prepare_cached("UPDATE llm_changes SET last = last + 1 RETURNING last")?
        .query_row([], |row| row.get::<_, i64>(0))?;
    connection
        .prepare_cached("INSERT OR REPLACE INTO llm_settings VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![
            tenant,
            chosen.settings,
            &*chosen.by,
            chosen.at.as_micros(),
            change,
        ])?;
    Ok(Some(change.cast_unsigned()))
}

fn forget(connection: &Connection, tenant: &TenantId) -> rusqlite::Result<bool> {
    let gone = connection
        .prepare_cached("DELETE FROM llm_settings WHERE tenant = ?1")?
        .execute([tenant.as_str()])?;
    if gone > 0 {
        connection.execute("UPDATE llm_changes SET forgotten = forgotten + 1", [])?;
    }
    Ok(gone > 0)
}

fn chosen(row: &Row<'_>) -> rusqlite::Result<Chosen> {
    let tenant = TenantId::kept(row.get_ref(0)?.as_str()?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error))
    })?;
    Ok(Chosen {
        tenant,
        settings: row.get(1)?,
        by: row.get_ref(2)?.as_str()?.into(),
        at: Timestamp::from_micros(row.get(3)?),
        change: row.get::<_, i64>(4)?.cast_unsigned(),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rusqlite::Connection;

    use super::*;

    fn open(directory: &Path) -> SqliteStore {
        SqliteStore::open(&directory.join("gate.db")).unwrap()
    }

    fn choice(tenant: &str, settings: &str, change: u64) -> Chosen {
        Chosen {
            tenant: tenant.parse().unwrap(),
            settings: settings.to_owned(),
            by: "user:alice".into(),
            at: Timestamp::from_micros(1_234_567),
            change,
        }
    }

    #[tokio::test]
    async fn a_choice_is_there_after_the_store_was_closed() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        let change = store.replace(choice("acme", "{}", 0)).await.unwrap();
        drop(store);
        let news = open(directory.path()).news(Seen::default()).await.unwrap();
        assert_eq!(news.chosen, [choice("acme", "{}", change.unwrap())]);
        assert!(!news.is_all);
    }

    #[tokio::test]
    async fn of_two_that_change_what_they_both_read_one_has_to_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) = (open(directory.path()), open(directory.path()));
        assert_eq!(one.replace(choice("acme", "{}", 0)).await, Ok(Some(1)));
        assert_eq!(other.replace(choice("acme", "{}", 0)).await, Ok(None));
        assert_eq!(other.replace(choice("acme", "{}", 1)).await, Ok(Some(2)));
        assert_eq!(one.replace(choice("globex", "{}", 0)).await, Ok(Some(3)));
    }

    #[tokio::test]
    async fn another_process_is_told_of_what_changed_and_of_all_once_one_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) = (open(directory.path()), open(directory.path()));
        for tenant in ["acme", "globex"] {
            one.replace(choice(tenant, "{}", 0)).await.unwrap();
        }
        let first = other.news(Seen::default()).await.unwrap();
        assert_eq!(first.chosen.len(), 2);
        one.replace(choice("acme", "{\"default\":\"x\"}", 1))
            .await
            .unwrap();
        let second = other.news(first.seen).await.unwrap();
        assert_eq!(second.chosen, [choice("acme", "{\"default\":\"x\"}", 3)]);
        assert!(!second.is_all);
        assert_eq!(one.forget("acme".parse().unwrap()).await, Ok(true));
        assert_eq!(one.forget("acme".parse().unwrap()).await, Ok(false));
        let third = other.news(second.seen).await.unwrap();
        assert!(third.is_all);
        assert_eq!(third.chosen, [choice("globex", "{}", 2)]);
        let fourth = other.news(third.seen).await.unwrap();
        assert_eq!((fourth.is_all, fourth.chosen), (false, Vec::new()));
    }

    #[tokio::test]
    async fn a_database_of_the_first_form_is_brought_to_this_one_with_its_owners() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("gate.db");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(include_str!("schema/001-owners.sql"))
            .unwrap();
        connection
            .pragma_update(None, "application_id", 0x4661_6247)
            .unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        connection
            .execute_batch("INSERT INTO owners VALUES (1, 'acme', 'alice')")
            .unwrap();
        drop(connection);
        let store = open(directory.path());
        assert_eq!(store.replace(choice("acme", "{}", 0)).await, Ok(Some(1)));
        drop(store);
        let connection = Connection::open(&path).unwrap();
        let owners: i64 = connection
            .query_row("SELECT count(*) FROM owners", [], |row| row.get(0))
            .unwrap();
        assert_eq!(owners, 1);
    }
}
