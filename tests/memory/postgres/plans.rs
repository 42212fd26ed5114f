//! Which indexes a query can use under row security: only operators that are leakproof come before
//! the policy. With sequential scans discouraged, a plan without an index condition says that none
//! could be used.

use super::{alice_of, fill, store};
use crate::postgres_server::TestDatabase;

async fn plan(client: &tokio_postgres::Client, sql: &str) -> String {
    let rows = client.query(&format!("EXPLAIN {sql}"), &[]).await.unwrap();
    let lines: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    lines.join("\n")
}

#[tokio::test]
async fn the_indexes_serve_a_role_under_row_security_and_one_over_text_search_would_not() {
    let database = TestDatabase::make().await;
    fill(&store(&database).await, &alice_of("acme"), "canary").await;
    let admin = database.superuser().await;
    admin
        .batch_execute(
            "INSERT INTO fabric_memory.postings SELECT 'acme', 'u:alice', 't' || n, \
                 gen_random_uuid(), 1, 1 FROM generate_series(1, 5000) AS n; \
             ANALYZE fabric_memory.postings; \
             CREATE INDEX by_words ON fabric_memory.entries \
             USING gin (to_tsvector('simple', fields))",
        )
        .await
        .unwrap();
    let client = database.service().await;
    client
        .batch_execute("SET enable_seqscan = off; SET app.tenant = 'acme'")
        .await
        .unwrap();
    let whose = "tenant = 'acme' AND owner = 'u:alice'";
    for (sql, index, condition) in [
        (
            format!("SELECT 1 FROM fabric_memory.postings WHERE {whose} AND term = ANY('{{a,b}}')"),
            "postings_pkey",
            "term = ANY",
        ),
        (
            format!(
                "SELECT 1 FROM fabric_memory.entries WHERE {whose} AND area = 0::smallint \
                 AND (created_at, id) < (5, '00000000-0000-0000-0000-000000000000'::uuid) \
                 ORDER BY created_at DESC, id DESC LIMIT 5"
            ),
            "entries_newest",
            "ROW(created_at, id) <",
        ),
        (
            format!("SELECT 1 FROM fabric_memory.entries WHERE {whose} AND bot = 'b'"),
            "entries_by_agent",
            "bot = 'b'",
        ),
        (
            format!(
                "SELECT 1 FROM fabric_memory.entries WHERE {whose} AND area = 1::smallint \
                 AND area <> 0 AND branch >= 'a/' AND branch < 'b'"
            ),
            "entries_by_branch",
            "branch >= 'a/'",
        ),
        (
            "SELECT 1 FROM fabric_memory.entries WHERE tenant = 'acme' AND expires_at <= 5"
                .to_owned(),
            "entries_expiring",
            "expires_at <= 5",
        ),
    ] {
        let plan = plan(&client, &sql).await;
        let used = plan.contains(index)
            && plan
                .lines()
                .any(|line| line.contains("Index Cond") && line.contains(condition));
        assert!(used, "{index} is not used by `{condition}`:\n{plan}");
    }
    let words = "to_tsvector('simple', fields) @@ to_tsquery('simple', 'canary')";
    let sql = format!("SELECT 1 FROM fabric_memory.entries WHERE {words}");
    assert!(!plan(&client, &sql).await.contains("by_words"));
    // The twin: without row security the same index is used.
    let admin_plan = {
        admin
            .batch_execute("SET enable_seqscan = off")
            .await
            .unwrap();
        plan(&admin, &sql).await
    };
    assert!(admin_plan.contains("by_words"), "{admin_plan}");
}
