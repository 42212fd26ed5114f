//! Servers that would not keep tenants apart are not served with.

use fabric_gate::memory::postgres::{OpenError, PoolSettings, PostgresStore};

use crate::postgres_server::TestDatabase;

async fn open(url: &str) -> Result<PostgresStore, OpenError> {
    PostgresStore::open(&url.parse().unwrap(), PoolSettings::default()).await
}

async fn refusal(url: &str) -> String {
    match open(url).await {
        Ok(_) => "it is served with".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_role_that_could_pass_row_security_by_is_refused() {
    let database = TestDatabase::make().await;
    let app = "IN ROLE fabric_memory_app";
    for (attributes, said) in [
        ("SUPERUSER".to_owned(), "is a superuser or has BYPASSRLS"),
        (
            format!("BYPASSRLS {app}"),
            "is a superuser or has BYPASSRLS",
        ),
        (
            format!("{app}, fabric_memory_owner"),
            "owner of fabric_memory.entries",
        ),
        (
            format!("NOINHERIT {app}, fabric_memory_owner"),
            "owner of the schema",
        ),
        (
            format!("{app}, pg_execute_server_program"),
            "pg_execute_server_program",
        ),
        (
            format!("{app}, pg_read_server_files"),
            "pg_read_server_files",
        ),
        (format!("CREATEROLE {app}"), "NOCREATEROLE"),
        (format!("REPLICATION {app}"), "NOREPLICATION"),
        (String::new(), "GRANT fabric_memory_app"),
    ] {
        let role = database.role(&attributes).await;
        let error = refusal(&database.url_as(&role)).await;
        assert!(error.contains(said), "`{attributes}`: {error}");
    }
    let bypass = database.role("BYPASSRLS").await;
    let member = database.role(&format!("{app}, {bypass}")).await;
    let error = refusal(&database.url_as(&member)).await;
    assert!(
        error.contains(&format!("a member of `{bypass}`")),
        "{error}"
    );
    // The twin.
    let plain = database.role(app).await;
    assert!(open(&database.url_as(&plain)).await.is_ok());
}

#[tokio::test]
async fn tables_that_would_not_keep_tenants_apart_are_refused() {
    let database = TestDatabase::make().await;
    let admin = database.superuser().await;
    let policy = "tenant = nullif(current_setting('app.tenant', true), '')";
    let made_again = format!(
        "CREATE POLICY one_tenant ON fabric_memory.versions USING ({policy}) WITH CHECK ({policy})"
    );
    let entries = "fabric_memory.entries";
    for (harm, remedy, said) in [
        (
            format!("ALTER TABLE {entries} NO FORCE ROW LEVEL SECURITY"),
            format!("ALTER TABLE {entries} FORCE ROW LEVEL SECURITY"),
            "fabric_memory.entries is not enabled and forced",
        ),
        (
            format!("ALTER TABLE {entries} DISABLE ROW LEVEL SECURITY"),
            format!("ALTER TABLE {entries} ENABLE ROW LEVEL SECURITY"),
            "fabric_memory.entries is not enabled and forced",
        ),
        (
            "DROP POLICY one_tenant ON fabric_memory.versions".to_owned(),
            made_again.clone(),
            "the policies of fabric_memory.versions",
        ),
        (
            "ALTER POLICY one_tenant ON fabric_memory.versions USING (true)".to_owned(),
            format!("ALTER POLICY one_tenant ON fabric_memory.versions USING ({policy})"),
            "the policies of fabric_memory.versions",
        ),
        (
            "ALTER POLICY one_tenant ON fabric_memory.versions WITH CHECK (true)".to_owned(),
            format!("ALTER POLICY one_tenant ON fabric_memory.versions WITH CHECK ({policy})"),
            "the policies of fabric_memory.versions",
        ),
        (
            format!(
                "DROP POLICY one_tenant ON fabric_memory.versions; \
                 CREATE POLICY one_tenant ON fabric_memory.versions USING ({policy})"
            ),
            format!("DROP POLICY one_tenant ON fabric_memory.versions; {made_again}"),
            "the policies of fabric_memory.versions",
        ),
        (
            format!("CREATE POLICY wider ON {entries} FOR SELECT USING (true)"),
            format!("DROP POLICY wider ON {entries}"),
            "the policies of fabric_memory.entries",
        ),
        (
            "CREATE TABLE fabric_memory.extra (tenant text)".to_owned(),
            "DROP TABLE fabric_memory.extra".to_owned(),
            "fabric_memory.extra is not enabled and forced",
        ),
        (
            format!("CREATE VIEW fabric_memory.peek AS SELECT * FROM {entries}"),
            "DROP VIEW fabric_memory.peek".to_owned(),
            "fabric_memory.peek is no table",
        ),
        (
            format!("CREATE MATERIALIZED VIEW fabric_memory.kept AS SELECT * FROM {entries}"),
            "DROP MATERIALIZED VIEW fabric_memory.kept".to_owned(),
            "fabric_memory.kept is no table",
        ),
        (
            "CREATE SEQUENCE fabric_memory.counter".to_owned(),
            "DROP SEQUENCE fabric_memory.counter".to_owned(),
            "fabric_memory.counter is no table",
        ),
        (
            "CREATE FUNCTION fabric_memory.above() RETURNS int LANGUAGE sql SECURITY DEFINER AS \
             'SELECT 1'"
                .to_owned(),
            "DROP FUNCTION fabric_memory.above()".to_owned(),
            "fabric_memory.above can run beside the policies",
        ),
        (
            format!("GRANT TRUNCATE ON {entries} TO fabric_memory_app"),
            format!("REVOKE TRUNCATE ON {entries} FROM fabric_memory_app"),
            "may truncate",
        ),
        (
            format!("ALTER DATABASE {} SET app.tenant = 'acme'", database.name()),
            format!("ALTER DATABASE {} RESET app.tenant", database.name()),
            "a tenant is set where none was named",
        ),
        (
            "ALTER TABLE fabric_memory.postings RENAME TO elsewhere".to_owned(),
            "ALTER TABLE fabric_memory.elsewhere RENAME TO postings".to_owned(),
            "fabric_memory.postings is missing",
        ),
    ] {
        admin.batch_execute(&harm).await.unwrap();
        let error = refusal(&database.url()).await;
        assert!(error.contains(said), "{harm}: {error}");
        admin.batch_execute(&remedy).await.unwrap();
        let again = open(&database.url()).await;
        assert!(again.is_ok(), "{remedy}: {:?}", again.err());
    }
}

#[tokio::test]
async fn a_database_without_tables_is_refused_with_the_command_to_run() {
    let database = TestDatabase::empty().await;
    let error = refusal(&database.admin_url()).await;
    // Of a superuser the role is the first thing that is wrong, but not what to mend first.
    assert!(error.contains("run `fabric-memory migrate`"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_to_be() {
    let error = refusal("postgres:///memory?host=/nonexistent&user=app").await;
    assert!(error.contains("can't be used"), "{error}");
}
