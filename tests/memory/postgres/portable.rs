//! One tenant's rows taken out and put back, by the service's role under row security.

use futures_util::{SinkExt, TryStreamExt};
use tokio_postgres::Client;

use super::{TABLES, alice_of, fill, store, texts};
use crate::postgres_server::TestDatabase;

/// The columns that can be written: a generated one is made again.
async fn columns(client: &Client, table: &str) -> String {
    let sql = "SELECT string_agg(quote_ident(attname), ',' ORDER BY attnum) FROM pg_attribute \
         WHERE attrelid = $1::text::regclass AND attnum > 0 AND attgenerated = ''";
    let name = format!("fabric_memory.{table}");
    client.query_one(sql, &[&name]).await.unwrap().get(0)
}

async fn back_up(database: &TestDatabase, tenant: &str) -> Vec<(&'static str, Vec<u8>)> {
    let client = database.service().await;
    client
        .batch_execute(&format!(
            "BEGIN READ ONLY; SET LOCAL app.tenant = '{tenant}'"
        ))
        .await
        .unwrap();
    let mut archive = Vec::new();
    for table in TABLES {
        let columns = columns(&client, table).await;
        let sql = format!("COPY (SELECT {columns} FROM fabric_memory.{table}) TO STDOUT");
        let out = client.copy_out(&sql).await.unwrap();
        let chunks: Vec<_> = out.try_collect().await.unwrap();
        archive.push((table, chunks.concat()));
    }
    archive
}

async fn restore(
    database: &TestDatabase,
    tenant: &str,
    archive: Vec<(&'static str, Vec<u8>)>,
) -> Result<(), tokio_postgres::Error> {
    let client = database.service().await;
    client
        .batch_execute(&format!("BEGIN; SET LOCAL app.tenant = '{tenant}'"))
        .await?;
    for (table, rows) in archive {
        let columns = columns(&client, table).await;
        // COPY FROM is not possible under row security: through a table of the session's own.
        client
            .batch_execute(&format!(
                "CREATE TEMP TABLE back_{table} ON COMMIT DROP AS \
                 SELECT {columns} FROM fabric_memory.{table} WHERE false"
            ))
            .await?;
        let sink = client
            .copy_in::<_, bytes::Bytes>(&format!("COPY back_{table} FROM STDIN"))
            .await?;
        let mut sink = std::pin::pin!(sink);
        sink.send(rows.into()).await?;
        sink.finish().await?;
        client
            .batch_execute(&format!(
                "INSERT INTO fabric_memory.{table} ({columns}) SELECT {columns} FROM back_{table}"
            ))
            .await?;
    }
    client.batch_execute("COMMIT").await
}

#[tokio::test]
async fn a_backup_of_one_tenant_holds_no_byte_of_another_and_comes_back_whole() {
    let database = TestDatabase::make().await;
    let (acme, globex) = (alice_of("acme"), alice_of("globex"));
    {
        let store = store(&database).await;
        fill(&store, &acme, "acmecanary").await;
        fill(&store, &globex, "globexcanary").await;
    }
    let archive = back_up(&database, "acme").await;
    for (table, rows) in &archive {
        let text = String::from_utf8_lossy(rows);
        assert!(text.contains("acme"), "{table} was not backed up");
        assert!(!text.contains("globex"), "{table}: {text}");
    }
    let elsewhere = TestDatabase::make().await;
    restore(&elsewhere, "acme", archive.clone()).await.unwrap();
    let restored = store(&elsewhere).await;
    let here = store(&database).await;
    assert_eq!(texts(&restored, &acme).await, texts(&here, &acme).await);
    assert_eq!(texts(&restored, &acme).await, ["after acmecanary"]);
    assert!(texts(&restored, &globex).await.is_empty());
    // In another tenant's name nothing of it comes back.
    let refused = restore(&elsewhere, "initech", archive).await.unwrap_err();
    let said = refused.as_db_error().unwrap().message().to_owned();
    assert!(said.contains("row-level security"), "{said}");
}
