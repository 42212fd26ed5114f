//! Raw SQL as the service's own role: what a defect of ours could do at worst.

use tokio_postgres::Client;

use super::{TABLES, alice_of, fill, store, texts};
use crate::postgres_server::TestDatabase;

/// Names a tenant for the session, as no code of the service does.
async fn name_tenant(client: &Client, tenant: &str) {
    let sql = "SELECT set_config('app.tenant', $1, false)";
    client.query_one(sql, &[&tenant]).await.unwrap();
}

async fn count(client: &Client, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM fabric_memory.{table}");
    client.query_one(&sql, &[]).await.unwrap().get(0)
}

/// A database in which `acme` and `globex` have rows in every table.
async fn two_tenants() -> TestDatabase {
    let database = TestDatabase::make().await;
    let store = store(&database).await;
    fill(&store, &alice_of("acme"), "acmecanary").await;
    fill(&store, &alice_of("globex"), "globexcanary").await;
    let admin = database.superuser().await;
    admin.batch_execute("ANALYZE").await.unwrap();
    database
}

#[tokio::test]
async fn without_a_tenant_every_table_is_empty_and_with_one_it_holds_that_tenants_rows() {
    let database = two_tenants().await;
    let client = database.service().await;
    for table in TABLES {
        assert_eq!(count(&client, table).await, 0, "{table} with no tenant");
    }
    // What a transaction leaves behind is an empty setting, not none.
    client
        .batch_execute("BEGIN; SET LOCAL app.tenant = 'acme'; COMMIT")
        .await
        .unwrap();
    for table in TABLES {
        assert_eq!(
            count(&client, table).await,
            0,
            "{table} after a transaction"
        );
    }
    name_tenant(&client, "acme").await;
    for table in TABLES {
        let own = count(&client, table).await;
        assert!(own > 0, "{table} holds nothing of acme");
        let sql = format!("SELECT count(*) FROM fabric_memory.{table} WHERE tenant <> 'acme'");
        let others: i64 = client.query_one(&sql, &[]).await.unwrap().get(0);
        assert_eq!(others, 0, "{table} shows acme another tenant");
    }
}

#[tokio::test]
async fn without_a_tenant_nothing_is_inserted_and_with_one_nothing_for_another() {
    let database = two_tenants().await;
    let client = database.service().await;
    let insert = |tenant: &str| {
        format!(
            "INSERT INTO fabric_memory.counters (tenant, owner) VALUES ('{tenant}', 'u:mallory')"
        )
    };
    for tenant in ["acme", ""] {
        let refused = client.batch_execute(&insert(tenant)).await.unwrap_err();
        let said = refused.as_db_error().unwrap().message().to_owned();
        assert!(said.contains("row-level security"), "{tenant}: {said}");
    }
    name_tenant(&client, "acme").await;
    client.batch_execute(&insert("acme")).await.unwrap();
    assert!(client.batch_execute(&insert("globex")).await.is_err());
}

/// Every way past row security that SECURITY 5.2 lists and that SQL alone can try.
#[tokio::test]
async fn every_known_way_past_row_security_is_shut() {
    let database = two_tenants().await;
    let client = database.service().await;
    name_tenant(&client, "acme").await;
    let refused = [
        (
            "moving a row away",
            "UPDATE fabric_memory.entries SET tenant = 'globex'",
        ),
        ("truncating", "TRUNCATE fabric_memory.entries"),
        (
            "switching row security off",
            "SET row_security = off; SELECT * FROM fabric_memory.entries",
        ),
        ("becoming the owner", "SET ROLE fabric_memory_owner"),
        (
            "disabling",
            "ALTER TABLE fabric_memory.entries DISABLE ROW LEVEL SECURITY",
        ),
        (
            "unforcing",
            "ALTER TABLE fabric_memory.entries NO FORCE ROW LEVEL SECURITY",
        ),
        (
            "another policy",
            "CREATE POLICY all_rows ON fabric_memory.entries USING (true)",
        ),
        (
            "dropping the policy",
            "DROP POLICY one_tenant ON fabric_memory.entries",
        ),
        (
            "a view",
            "CREATE VIEW fabric_memory.v AS SELECT * FROM fabric_memory.entries",
        ),
        (
            "a function",
            "CREATE FUNCTION fabric_memory.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        ),
        (
            "a trigger",
            "CREATE TRIGGER t BEFORE INSERT ON fabric_memory.entries EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        ),
        (
            "a reference",
            "CREATE TEMP TABLE r (tenant text, id uuid, FOREIGN KEY (tenant, id) REFERENCES fabric_memory.entries)",
        ),
        ("an index", "CREATE INDEX ON fabric_memory.entries (id)"),
        ("a file", "COPY fabric_memory.entries TO '/tmp/entries'"),
    ];
    for (way, sql) in refused {
        let outcome = client.batch_execute(sql).await;
        assert!(outcome.is_err(), "{way} is possible: {sql}");
        client
            .batch_execute("RESET row_security; RESET ROLE")
            .await
            .unwrap();
    }
    let silent = [
        (
            "reading another's rows",
            "SELECT 1 FROM fabric_memory.entries WHERE tenant = 'globex'",
        ),
        (
            "changing them",
            "UPDATE fabric_memory.entries SET bytes = 0 WHERE tenant = 'globex' RETURNING 1",
        ),
        (
            "deleting them",
            "DELETE FROM fabric_memory.entries WHERE tenant = 'globex' RETURNING 1",
        ),
        (
            "locking them",
            "SELECT 1 FROM fabric_memory.counters WHERE tenant = 'globex' FOR UPDATE",
        ),
        (
            "statistics",
            "SELECT 1 FROM pg_stats WHERE schemaname = 'fabric_memory' AND tablename <> 'none'",
        ),
        (
            "extended statistics",
            "SELECT 1 FROM pg_stats_ext WHERE schemaname = 'fabric_memory'",
        ),
        (
            "a sequence",
            "SELECT 1 FROM pg_class WHERE relkind = 'S' AND relnamespace = 'fabric_memory'::regnamespace",
        ),
        // A cheap function or a division is put before the policy if the planner may.
        (
            "an error as an oracle",
            "SELECT 1 FROM fabric_memory.entries WHERE 1 / (CASE WHEN fields LIKE '%globexcanary%' THEN 0 ELSE 1 END) = 0",
        ),
        (
            "a cast as an oracle",
            "SELECT 1 FROM fabric_memory.entries WHERE tenant = 'globex' AND agent::int = 1",
        ),
    ];
    for (way, sql) in silent {
        let rows = client
            .query(sql, &[])
            .await
            .unwrap_or_else(|error| panic!("{way}: {error}"));
        assert_eq!(rows.len(), 0, "{way} tells something: {sql}");
    }
    // The twins: what is one's own can be read, changed and locked.
    let own = "SELECT 1 FROM fabric_memory.counters WHERE tenant = 'acme' FOR UPDATE";
    assert_eq!(client.query(own, &[]).await.unwrap().len(), 2);
    assert_eq!(
        texts(&store(&database).await, &alice_of("globex"))
            .await
            .len(),
        1
    );
}

#[tokio::test]
async fn a_key_that_another_tenant_has_is_free() {
    let database = two_tenants().await;
    let client = database.service().await;
    name_tenant(&client, "acme").await;
    // The id and the place are globex's own; only under one tenant would they be taken.
    let admin = database.superuser().await;
    let theirs = admin
        .query_one(
            "SELECT id FROM fabric_memory.entries WHERE tenant = 'globex'",
            &[],
        )
        .await
        .unwrap();
    let id: uuid::Uuid = theirs.get(0);
    let copy = "INSERT INTO fabric_memory.entries SELECT tenant, 'u:other' AS owner, $1 AS id, area, \
         path, key, place, digest, fields, version, author, created_at, updated_at, last_accessed, \
         access_count, expires_at, ttl, bytes, rank, agent, session, category, tags, memory_type, \
         importance, strength, metadata FROM fabric_memory.entries";
    assert_eq!(client.execute(copy, &[&id]).await.unwrap(), 1);
    let twice = client.execute(copy, &[&id]).await.unwrap_err();
    assert_eq!(
        twice.code().unwrap().code(),
        "23505",
        "the tenant's own id is taken"
    );
}

#[tokio::test]
async fn copying_a_table_out_copies_the_tenants_rows_only() {
    use futures_util::TryStreamExt;
    let database = two_tenants().await;
    let client = database.service().await;
    name_tenant(&client, "acme").await;
    for table in TABLES {
        let sql = format!("COPY (SELECT * FROM fabric_memory.{table}) TO STDOUT");
        let out = client.copy_out(&sql).await.unwrap();
        let chunks: Vec<_> = out.try_collect().await.unwrap();
        let text = String::from_utf8(chunks.concat()).unwrap();
        assert!(text.contains("acme"), "{table}: {text}");
        assert!(!text.contains("globex"), "{table}: {text}");
    }
}
