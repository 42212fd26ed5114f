//! The page on PostgreSQL, followed on a real server: what it says to run is run, in its order, and
//! the service serves as the role that it makes.

use std::fs;

use futures_util::TryStreamExt;
use tokio_postgres::{Client, NoTls};

use crate::memory_process::{MemoryProcess, command};
use crate::pages::{Block, blocks_of, root};
use crate::postgres_server::TestServer;

const PAGE: &str = "docs/memory/postgres.md";

/// What the page leaves to its reader.
const PASSWORD: &str = "correct horse battery staple";

type Who = (&'static str, &'static str, &'static [&'static str]);
const ALICE: Who = ("acme", "alice", &[]);
const STRANGER: Who = ("globex", "alice", &[]);

fn blocks(heading: &str, infos: &[&str]) -> Vec<Block> {
    let all = blocks_of(&root().join(PAGE)).into_iter();
    all.filter(|block| block.heading == heading && infos.contains(&block.info.as_str()))
        .collect()
}

/// The statements of a block, one by one as a terminal sends them, without the remarks behind them.
fn statements(block: &Block) -> Vec<String> {
    let text = block.text.replace('…', PASSWORD);
    let lines: Vec<&str> = text
        .lines()
        .map(|line| line.split(" -- ").next().unwrap_or_default())
        .map(str::trim_end)
        .collect();
    let text = lines.join("\n");
    let each = text.split(';').map(str::trim).filter(|it| !it.is_empty());
    each.map(str::to_owned).collect()
}

/// From then on the server lets the role in by its password alone.
async fn ask_for_the_password(server: &TestServer) {
    let rules = "local all memory_service scram-sha-256\nlocal all all trust\n";
    fs::write(server.folder().join("data/pg_hba.conf"), rules).unwrap();
    let admin = server.superuser("postgres").await;
    admin
        .batch_execute("SELECT pg_reload_conf()")
        .await
        .unwrap();
}

/// The URL that the page writes, on this server.
fn here(server: &TestServer, role: &str, password: Option<&str>) -> String {
    let mut url: url::Url = server.url(role, "memory").parse().unwrap();
    if let Some(password) = password {
        url.query_pairs_mut().append_pair("password", password);
    }
    url.to_string().replace('+', "%20")
}

/// The `[store]` of the page's configuration, with this server in it. The service's URL, which has a
/// password, is in a file, as the page says.
fn store(server: &TestServer, folder: &std::path::Path) -> String {
    let shown = blocks("Memories in PostgreSQL", &["toml memory"]);
    let (_, store) = shown[0].text.split_once("[store]").unwrap();
    let file = folder.join("store-url");
    fs::write(&file, here(server, "memory_service", Some(PASSWORD))).unwrap();
    let mut text = format!("[store]{store}");
    for (role, real) in [
        ("memory_service", format!("file:{}", file.display())),
        ("postgres", here(server, "postgres", None)),
    ] {
        let known = format!("postgres://{role}@db.example:5432/memory");
        assert!(text.contains(&known), "the page names {known}: {text}");
        text = text.replace(&known, &real);
    }
    text
}

/// Logs in with that password.
async fn log_in(server: &TestServer, password: &str) -> Result<Client, tokio_postgres::Error> {
    let url = here(server, "memory_service", Some(password));
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

#[tokio::test]
async fn the_service_serves_from_a_server_that_was_set_up_as_its_page_says() {
    let server = TestServer::own(&[]).await;
    let admin = server.superuser("postgres").await;
    let builder = MemoryProcess::builder();
    let store = store(&server, builder.folder());
    // The command looks at the store alone.
    let keys = "[identity]\nassertion_jwks_url = \"http://127.0.0.1:9/jwks.json\"\n";
    fs::write(
        builder.folder().join("memory.toml"),
        format!("{keys}{store}"),
    )
    .unwrap();

    let steps = blocks("Setting it up", &["sql", "sh migrate"]);
    let infos: Vec<&str> = steps.iter().map(|step| step.info.as_str()).collect();
    assert_eq!(infos, ["sql", "sh migrate", "sql"]);
    for (number, step) in steps.iter().enumerate() {
        if number == 2 {
            let early = MemoryProcess::builder().extra(&store).try_start().await;
            let (_, told) = early.err().expect("it serves without the last step");
            assert!(told.contains("fabric_memory"), "{told}");
        }
        if step.info == "sql" {
            for statement in statements(step) {
                admin.batch_execute(&statement).await.unwrap();
            }
            continue;
        }
        ask_for_the_password(&server).await;
        for line in step.text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(words[0], "fabric-memory");
            let done = command(builder.folder(), &words[1..]).output().unwrap();
            let told = String::from_utf8_lossy(&done.stderr);
            assert!(done.status.success(), "{line}: {told}");
        }
    }

    let service = builder.extra(&store).start().await;
    let body = br#"{"content":"acme-canary"}"#;
    let kept = service.ask_as(ALICE, "POST", "/v1/memories", body).await;
    assert_eq!(kept.status, 201, "{}", kept.text());
    let kept = kept.json();
    let target = format!("/v1/memories/{}", kept["id"].as_str().unwrap());
    let read = service.ask_as(ALICE, "GET", &target, b"").await;
    assert_eq!(read.status, 200);
    assert!(read.text().contains("acme-canary"));
    let foreign = service.ask_as(STRANGER, "GET", &target, b"").await;
    assert_eq!(foreign.status, 404);
    let body = br#"{"content":"globex-canary"}"#;
    let other = service.ask_as(STRANGER, "POST", "/v1/memories", body).await;
    assert_eq!(other.status, 201);

    let wrong = log_in(&server, "another").await;
    assert!(wrong.is_err(), "the password of the page is what lets in");
    let client = log_in(&server, PASSWORD).await.unwrap();
    let mut copied = String::new();
    for statement in blocks("Backup", &["sql"]).iter().flat_map(statements) {
        if statement.starts_with("COPY") {
            let out = client.copy_out(&statement).await.unwrap();
            let chunks: Vec<_> = out.try_collect().await.unwrap();
            copied.push_str(&String::from_utf8(chunks.concat()).unwrap());
        } else {
            client.batch_execute(&statement).await.unwrap();
        }
    }
    assert!(copied.contains("acme-canary"), "{copied}");
    assert!(!copied.contains("globex-canary"), "{copied}");
}
