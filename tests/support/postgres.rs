//! A real PostgreSQL server, and in it a database for each test.
//!
//! [`TestDatabase::make`] is what most tests want: a database of their own, migrated, on a server
//! that all tests of this checkout share. The first test that needs the server starts it; it ends by
//! itself seconds after the last one (`postgres.sh` beside this says how). [`TestServer::own`] is a
//! server for one test, which it may restart, kill or configure.
//!
//! `FABRIC_TEST_POSTGRES` names another server: a URL of a superuser who may do anything there.

#![allow(dead_code, reason = "a test binary uses a part of it")]

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fabric_gate::memory::postgres::{self, PostgresUrl};
use tokio_postgres::{Client, Config, NoTls};

/// Longest wait for a server to start, on a machine that builds at the same time.
const START: Duration = Duration::from_secs(90);

/// How long the shared server stays after its last test, for the next one.
const LINGER: u32 = 5;

/// What makes a server fast that nobody needs after a power cut.
const NO_DURABILITY: [&str; 3] = [
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
];

/// Databases of this process so far.
static MADE: AtomicU64 = AtomicU64::new(0);

/// A running server. It ends after this value and its like in other processes are gone.
pub struct TestServer {
    admin: String,
    folder: Option<PathBuf>,
    // INVARIANT: held for as long as the server is used. Its closing is what ends the server.
    _using: Option<File>,
}

impl TestServer {
    /// The server that all tests of this checkout share.
    ///
    /// # Panics
    /// It does not start; the message holds what it wrote.
    pub async fn shared() -> Self {
        if let Ok(url) = std::env::var("FABRIC_TEST_POSTGRES") {
            return Self {
                admin: url,
                folder: None,
                _using: None,
            };
        }
        // Two checkouts, and two users, have a server each.
        let checkout = blake3::hash(env!("CARGO_MANIFEST_DIR").as_bytes()).to_hex();
        let name = format!("fabric-postgres-{}-{}", user(), &checkout[..12]);
        let folder = std::env::temp_dir().join(name);
        match fs::create_dir(&folder) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => panic!("{}: {error}", folder.display()),
        }
        let using = start(&folder, LINGER, &NO_DURABILITY).await;
        Self {
            admin: url_of(&folder),
            folder: Some(folder),
            _using: Some(using),
        }
    }

    /// A server for this test alone, that writes to its disk as it does in production, with these
    /// settings (`name=value`) beside.
    pub async fn own(settings: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("fabric-pg-").tempdir();
        // Removed by the script, once the server in it has ended.
        let folder = folder.unwrap().keep();
        let using = start(&folder, 0, settings).await;
        Self {
            admin: url_of(&folder),
            folder: Some(folder),
            _using: Some(using),
        }
    }

    /// Where it is, beside its data.
    ///
    /// # Panics
    /// It is not ours.
    pub fn folder(&self) -> &Path {
        self.folder.as_deref().unwrap()
    }

    /// The URL of its superuser.
    pub fn admin_url(&self) -> &str {
        &self.admin
    }

    /// The URL of another role and database on it.
    pub fn url(&self, role: &str, database: &str) -> String {
        let mut url = url::Url::parse(&self.admin).unwrap();
        url.set_path(database);
        let others: Vec<(String, String)> = url
            .query_pairs()
            .filter(|(name, _)| name != "user")
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        url.query_pairs_mut()
            .clear()
            .extend_pairs(others)
            .append_pair("user", role);
        url.to_string()
    }

    /// A connection of the superuser to a database on it.
    pub async fn superuser(&self, database: &str) -> Client {
        connect(&self.url("postgres", database)).await
    }

    /// Restarts it the hard way: every connection breaks, what was not committed is lost.
    pub async fn crash_and_recover(&self) {
        let folder = self.folder.as_ref().unwrap();
        let postmaster = fs::read_to_string(folder.join("data/postmaster.pid")).unwrap();
        let before = postmaster.lines().next().unwrap().to_owned();
        signal(&before, nix::sys::signal::Signal::SIGKILL);
        // The script starts it again; the file of the old one goes when it does.
        let began = Instant::now();
        loop {
            let seen = fs::read_to_string(folder.join("data/postmaster.pid")).unwrap_or_default();
            let is_other = seen.lines().next().is_some_and(|pid| pid != before);
            if is_other && try_connect(&self.admin).await.is_some() {
                return;
            }
            assert!(began.elapsed() < START, "the server did not come back");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A database of one test, gone with it.
pub struct TestDatabase {
    server: TestServer,
    name: String,
}

impl TestDatabase {
    /// A migrated database on the shared server.
    pub async fn make() -> Self {
        Self::on(TestServer::shared().await).await
    }

    /// A migrated database on that server.
    pub async fn on(server: TestServer) -> Self {
        let template = template(&server).await;
        Self::copy(server, &template).await
    }

    /// An empty database on the shared server.
    pub async fn empty() -> Self {
        Self::copy(TestServer::shared().await, "template0").await
    }

    async fn copy(server: TestServer, template: &str) -> Self {
        let admin = server.superuser("postgres").await;
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", std::process::id());
        // A test that was killed leaves its database, and process ids come again.
        let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        admin.batch_execute(&drop).await.unwrap();
        let create = format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy");
        admin.batch_execute(&create).await.unwrap();
        Self { server, name }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server it is on.
    pub fn server(&self) -> &TestServer {
        &self.server
    }

    /// The URL the service is given.
    pub fn url(&self) -> String {
        self.url_as(SERVICE)
    }

    /// The URL of another role.
    pub fn url_as(&self, role: &str) -> String {
        self.server.url(role, &self.name)
    }

    /// The URL an operator gives to `fabric-memory migrate`.
    pub fn admin_url(&self) -> String {
        self.url_as("postgres")
    }

    /// A connection of the superuser.
    pub async fn superuser(&self) -> Client {
        connect(&self.admin_url()).await
    }

    /// A raw connection of the role the service logs in as, with no tenant set.
    pub async fn service(&self) -> Client {
        connect(&self.url()).await
    }

    /// A login role that is there for this test only, made by `CREATE ROLE name` and what follows.
    pub async fn role(&self, attributes: &str) -> String {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("role_{}_{number}", std::process::id());
        let admin = self.superuser().await;
        let create = format!("DROP ROLE IF EXISTS {name}; CREATE ROLE {name} LOGIN {attributes}");
        admin.batch_execute(&create).await.unwrap();
        name
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let admin = self.server.url("postgres", "postgres");
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // A runtime can't be waited for inside another; and a panic here would hide the test's own.
        let _ = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                if let Some(client) = try_connect(&admin).await {
                    let _ = client.batch_execute(&drop).await;
                }
            });
            std::io::Result::Ok(())
        })
        .join();
    }
}

/// The login role of the service in tests.
const SERVICE: &str = "fabric_test_service";

/// The name of a database that is migrated and that nobody writes to; made by whoever comes first.
async fn template(server: &TestServer) -> String {
    let name = format!("fabric_template_{}", postgres::SCHEMA_VERSION);
    let admin = server.superuser("postgres").await;
    admin
        .batch_execute("SELECT pg_advisory_lock(7301)")
        .await
        .unwrap();
    let found = admin
        .query_opt(
            "SELECT 1 FROM pg_database WHERE datname = $1 AND datistemplate",
            &[&name],
        )
        .await
        .unwrap();
    if found.is_none() {
        let create = format!("DROP DATABASE IF EXISTS {name}");
        admin.batch_execute(&create).await.unwrap();
        let create = format!("CREATE DATABASE {name} TEMPLATE template0");
        admin.batch_execute(&create).await.unwrap();
        let url: PostgresUrl = server.url("postgres", &name).parse().unwrap();
        postgres::migrate(&url).await.unwrap();
        let ready = format!(
            "DROP ROLE IF EXISTS {SERVICE}; \
             CREATE ROLE {SERVICE} LOGIN; \
             GRANT fabric_memory_app TO {SERVICE}; \
             ALTER DATABASE {name} IS_TEMPLATE true ALLOW_CONNECTIONS false"
        );
        admin.batch_execute(&ready).await.unwrap();
    }
    admin
        .batch_execute("SELECT pg_advisory_unlock(7301)")
        .await
        .unwrap();
    name
}

/// Starts the server of `folder` unless it runs, and holds it.
async fn start(folder: &Path, linger: u32, settings: &[&str]) -> File {
    let about = fs::symlink_metadata(folder).unwrap();
    assert!(about.is_dir(), "{} is no folder", folder.display());
    // The name can be guessed: what another user put there is not ours to run in.
    assert!(
        about.uid() == user() || user() == 0,
        "{} belongs to another user",
        folder.display()
    );
    fs::set_permissions(folder, Permissions::from_mode(0o700)).unwrap();
    let open = |name: &str| {
        let path = folder.join(name);
        File::options()
            .create(true)
            .append(true)
            .open(path)
            .unwrap()
    };
    let starting = open("start.lock");
    let using = open("users.lock");
    let (starting, using) = tokio::task::spawn_blocking(move || {
        starting.lock().unwrap();
        using.lock_shared().unwrap();
        (starting, using)
    })
    .await
    .unwrap();

    if !folder.join("ready").exists() || try_connect(&url_of(folder)).await.is_none() {
        let _ = fs::remove_file(folder.join("ready"));
        let _ = fs::remove_file(folder.join("failed"));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/postgres.sh");
        #[expect(
            clippy::zombie_processes,
            reason = "it outlives whoever starts it, and is waited for by its lock"
        )]
        let _script = Command::new(script)
            .arg(folder)
            .arg(linger.to_string())
            .args(settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Neither an interrupt at the terminal nor a runner that kills a test's group ends it.
            .process_group(0)
            .spawn()
            .unwrap();
        let began = Instant::now();
        while !folder.join("ready").exists() {
            if let Ok(reason) = fs::read_to_string(folder.join("failed")) {
                panic!("no PostgreSQL for tests: {reason}");
            }
            assert!(began.elapsed() < START, "PostgreSQL did not start");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    drop(starting);
    using
}

/// Who runs the tests.
fn user() -> u32 {
    fs::metadata("/proc/self").unwrap().uid()
}

fn url_of(folder: &Path) -> String {
    let mut url = url::Url::parse("postgres:///postgres").unwrap();
    url.query_pairs_mut()
        .append_pair("host", folder.to_str().unwrap())
        .append_pair("user", "postgres");
    url.to_string()
}

async fn connect(url: &str) -> Client {
    try_connect(url)
        .await
        .unwrap_or_else(|| panic!("{url} can't be connected to"))
}

async fn try_connect(url: &str) -> Option<Client> {
    let config: Config = url.parse().unwrap();
    let (client, connection) = config.connect(NoTls).await.ok()?;
    tokio::spawn(connection);
    Some(client)
}

fn signal(pid: &str, signal: nix::sys::signal::Signal) {
    let pid = nix::unistd::Pid::from_raw(pid.parse().unwrap());
    nix::sys::signal::kill(pid, signal).unwrap();
}
