//! The real binary as a process, with a configuration, policies, data and ports of its own.
//!
//! Everything it needs is in one temporary folder, which is also its working directory: the
//! configuration in `gate.toml`, policies in `policies/`, audit records in `audit/`, what it wrote
//! in `stdout.log` and `stderr.log`. Dropping it stops the process and removes the folder.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::TcpListener;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::certificates::Identity;
use super::http1::Connection;
use super::raw_client::{self, RawResponse};
use super::transport::Address;
use super::within;

/// Longest wait for the process to become ready, and to end after it was told to.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a state that nobody announces is looked at.
const POLL: Duration = Duration::from_millis(10);

/// Below the ports that systems give to whoever names none: Linux from 32768, others from 49152.
const PORTS: Range<u16> = 10_240..32_768;

/// How often a start is tried anew because another process took the port in between.
const ATTEMPTS: usize = 5;

const ADMIN_TOKEN: &str = "test-admin-token-of-32-characters";

/// What a gate is started with.
pub struct GateBuilder {
    folder: TempDir,
    policies: usize,
    sections: BTreeMap<String, String>,
    config_extra: String,
    environment: Vec<(String, String)>,
    unix: bool,
    everywhere: bool,
    admin_token: bool,
    ready_when: &'static str,
}

impl GateBuilder {
    /// The folder of the gate, to put files into that the configuration names.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Adds a policy file.
    pub fn policy(mut self, text: impl AsRef<str>) -> Self {
        let path = format!("policies/{:02}.toml", self.policies);
        fs::write(self.folder.path().join(path), text.as_ref()).unwrap();
        self.policies += 1;
        self
    }

    /// Replaces what one table of the configuration says: `section("audit", "directory = …")`.
    pub fn section(mut self, name: &str, body: &str) -> Self {
        self.sections.insert(name.to_owned(), body.to_owned());
        self
    }

    /// Adds tables to the end of the configuration.
    pub fn config_extra(mut self, text: &str) -> Self {
        self.config_extra.push_str(text);
        self.config_extra.push('\n');
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Listens on a unix socket in the folder.
    pub fn on_unix_socket(mut self) -> Self {
        self.unix = true;
        self
    }

    /// Listens on every address of the machine, not on loopback alone.
    pub fn on_every_address(mut self) -> Self {
        self.everywhere = true;
        self
    }

    /// Listens with TLS; with `client_ca`, mutual TLS.
    pub fn tls(self, server: &Identity, client_ca: Option<&Path>) -> Self {
        let client_ca = client_ca.map_or_else(String::new, |path| {
            format!(", client_ca = \"{}\"", path.display())
        });
        let tls = format!(
            "tls = {{ certificate = \"{}\", private_key = \"{}\"{client_ca} }}",
            server.certificate.display(),
            server.private_key.display(),
        );
        self.listen_extra(&tls)
    }

    /// Adds lines to `[listen]`, after its address.
    pub fn listen_extra(mut self, lines: &str) -> Self {
        let listen = self.sections.entry("listen".to_owned()).or_default();
        listen.push_str(lines);
        listen.push('\n');
        self
    }

    /// Configures no admin token.
    pub fn without_admin_token(mut self) -> Self {
        self.admin_token = false;
        self
    }

    /// Takes the gate for started once it is alive, for tests of one that cannot be ready.
    pub fn alive_is_enough(mut self) -> Self {
        self.ready_when = "/livez";
        self
    }

    /// Starts the gate and waits until it is ready.
    ///
    /// # Panics
    /// It ends or is not ready in time; the message holds what it wrote.
    pub async fn start(self) -> GateProcess {
        match self.try_start().await {
            Ok(gate) => gate,
            Err(failed) => panic!("the gate ended with {}:\n{}", failed.status, failed.stderr),
        }
    }

    /// Starts the gate and waits until it is ready or has ended.
    ///
    /// # Errors
    /// It ended, as one with a bad configuration should.
    ///
    /// # Panics
    /// It is neither ready nor ended in time.
    pub async fn try_start(self) -> Result<GateProcess, FailedStart> {
        let mut gate = GateProcess {
            address: Address::Unix(self.folder.path().join("gate.sock")),
            admin: Address::Unix(PathBuf::new()),
            builder: self,
            child: None,
        };
        for attempt in 1.. {
            gate.take_free_ports();
            gate.write_config();
            // What an earlier attempt wrote must not explain this one.
            let _ = fs::remove_file(gate.folder().join("stderr.log"));
            gate.spawn();
            match gate.wait_until_ready().await {
                Err(failed) if failed.is_port_clash() && attempt < ATTEMPTS => {}
                outcome => return outcome.map(|()| gate),
            }
        }
        unreachable!("the last attempt returns")
    }
}

/// A gate that ended before it was ready.
#[derive(Debug)]
pub struct FailedStart {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote.
    pub stderr: String,
}

impl FailedStart {
    fn is_port_clash(&self) -> bool {
        let stderr = self.stderr.to_ascii_lowercase();
        stderr.contains("address already in use") || stderr.contains("addrinuse")
    }
}

/// A running gate.
pub struct GateProcess {
    address: Address,
    admin: Address,
    builder: GateBuilder,
    child: Option<Child>,
}

impl GateProcess {
    /// A gate with the standard configuration and no policies.
    pub fn builder() -> GateBuilder {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("policies")).unwrap();
        fs::write(folder.path().join("admin-token"), ADMIN_TOKEN).unwrap();
        let sections = [
            ("policies", "directory = \"policies\""),
            (
                "audit",
                "directory = \"audit\"\n\
                 on_failure = \"deny\"\n\
                 durability = \"batch\"\n\
                 flush_milliseconds = 5",
            ),
        ];
        GateBuilder {
            folder,
            policies: 0,
            sections: sections
                .map(|(name, body)| (name.to_owned(), body.to_owned()))
                .into(),
            config_extra: String::new(),
            environment: Vec::new(),
            unix: false,
            everywhere: false,
            admin_token: true,
            ready_when: "/readyz",
        }
    }

    /// Where callers reach it.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Where operators reach it.
    pub fn admin_address(&self) -> &Address {
        &self.admin
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.builder.folder.path()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// What it wrote to standard error so far.
    pub fn stderr(&self) -> String {
        fs::read_to_string(self.folder().join("stderr.log")).unwrap_or_default()
    }

    /// Asks the admin listener, with its token.
    pub async fn admin(&self, method: &str, target: &str, body: &[u8]) -> RawResponse {
        let authorization = format!("Bearer {ADMIN_TOKEN}");
        let headers = [
            ("Authorization", authorization.as_str()),
            ("Content-Type", "application/json"),
            ("Connection", "close"),
        ];
        let request = raw_client::request(method, target, &headers, body);
        raw_client::exchange(&self.admin, request).await
    }

    /// Puts a policy file in place by an atomic rename, as a careful operator does. The running
    /// gate notices by itself; [`GateProcess::reload`] does not wait for that.
    pub fn write_policy(&self, name: &str, text: &str) {
        let path = self.folder().join("policies").join(name);
        let beside = self.folder().join(format!("{name}.new"));
        fs::write(&beside, text).unwrap();
        fs::rename(beside, path).unwrap();
    }

    /// `POST /v1/policy/reload`.
    pub async fn reload(&self) -> RawResponse {
        self.admin("POST", "/v1/policy/reload", b"").await
    }

    /// Runs another command of the program on the same configuration, to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap());
        kill(pid, signal).unwrap();
    }

    /// Kills it, and returns once it is gone.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Asks it to end, finishing what it serves, and waits for that.
    ///
    /// # Panics
    /// It does not end in time.
    pub async fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.wait_for_exit().await
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// It does not end in time.
    pub async fn wait_for_exit(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                self.child = None;
                return status;
            }
            let waited = started.elapsed();
            assert!(waited < PATIENCE, "still running:\n{}", self.stderr());
            tokio::time::sleep(POLL).await;
        }
    }

    /// Starts it again on the same folder and addresses, after [`GateProcess::kill`] or
    /// [`GateProcess::stop`].
    ///
    /// # Panics
    /// It does not become ready.
    pub async fn start_again(&mut self) {
        assert!(self.child.is_none(), "it still runs");
        self.spawn();
        if let Err(failed) = self.wait_until_ready().await {
            panic!("the gate ended with {}:\n{}", failed.status, failed.stderr);
        }
    }

    /// Starts its successor, which takes over the listeners (`serve --upgrade`), and answers the
    /// old process. From here on this is the successor; tell the old one to go by SIGQUIT.
    pub fn upgrade(&mut self) -> Child {
        let old = self.child.take().unwrap();
        self.spawn_with(&["serve", "--upgrade"]);
        old
    }

    /// Waits until it is ready.
    ///
    /// # Errors
    /// It ended.
    ///
    /// # Panics
    /// It is neither ready nor ended in time.
    pub async fn wait_until_ready(&mut self) -> Result<(), FailedStart> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                self.child = None;
                let stderr = self.stderr();
                return Err(FailedStart { status, stderr });
            }
            // The public listener begins on a thread of its own, which readiness does not wait for.
            if self.answers(self.builder.ready_when).await && self.address.connect().await.is_ok() {
                return Ok(());
            }
            let waited = started.elapsed();
            assert!(waited < PATIENCE, "not ready:\n{}", self.stderr());
            tokio::time::sleep(POLL).await;
        }
    }

    /// Whether it says so. One that ends in its start resets who asks it.
    async fn answers(&self, path: &str) -> bool {
        let asking = async {
            let mut connection = Connection::new(self.admin.connect().await.ok()?);
            let request = raw_client::request("GET", path, &[("Connection", "close")], b"");
            connection.send(&request).await.ok()?;
            connection.read_head().await.ok()?
        };
        let head = within("an answer of the admin listener", asking).await;
        head.is_some_and(|head| head.word(1) == "200")
    }

    fn take_free_ports(&mut self) {
        // Both are held until both are known, so that they differ.
        let [public, admin] = [(); 2].map(|()| free_port());
        if !self.builder.unix {
            self.address = Address::Tcp(public.local_addr().unwrap());
        }
        self.admin = Address::Tcp(admin.local_addr().unwrap());
    }

    fn write_config(&self) {
        let public = match &self.address {
            Address::Tcp(address) if self.builder.everywhere => {
                format!("0.0.0.0:{}", address.port())
            }
            Address::Tcp(address) => address.to_string(),
            Address::Unix(path) => format!("unix:{}", path.display()),
        };
        let mut sections = self.builder.sections.clone();
        let mut admin = format!("address = \"{}\"\n", self.admin.authority());
        if self.builder.admin_token {
            let token = self.folder().join("admin-token");
            admin.push_str(&format!("token = \"file:{}\"\n", token.display()));
        }
        sections
            .entry("admin".to_owned())
            .or_default()
            .insert_str(0, &admin);
        let listen = format!("address = \"{public}\"\n");
        sections
            .entry("listen".to_owned())
            .or_default()
            .insert_str(0, &listen);

        let mut text = String::new();
        for (name, body) in sections {
            text.push_str(&format!("[{name}]\n{body}\n\n"));
        }
        text.push_str(&self.builder.config_extra);
        fs::write(self.folder().join("gate.toml"), text).unwrap();
    }

    fn spawn(&mut self) {
        self.spawn_with(&["serve"]);
    }

    fn spawn_with(&mut self, arguments: &[&str]) {
        let child = self
            .command(arguments)
            .stdout(self.log("stdout.log"))
            .stderr(self.log("stderr.log"))
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    // A restart and a successor write on behind what is there.
    fn log(&self, name: &str) -> File {
        let path = self.folder().join(name);
        let mut options = File::options();
        options.create(true).append(true).open(path).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fabric-gate"));
        command
            .args(arguments)
            .arg("--config")
            .arg(self.folder().join("gate.toml"))
            .current_dir(self.folder())
            .stdin(Stdio::null())
            .env_remove("FABRIC_GATE_CONFIG")
            .env_remove("FABRIC_HARNESS_TENANT_REQUIRED")
            .env_remove("RUST_LOG");
        // Whoever runs the tests may have its own programs traced.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("OTEL_") {
                command.env_remove(name);
            }
        }
        command.envs(self.builder.environment.iter().cloned());
        command
    }
}

/// A port that is free. Nobody is given one of these unasked, so that only another gate's start can
/// take it before this one's does.
pub fn free_port() -> TcpListener {
    loop {
        let chance = RandomState::new().build_hasher().finish();
        let port = PORTS.start + u16::try_from(chance % PORTS.len() as u64).unwrap();
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return listener;
        }
    }
}

impl Drop for GateProcess {
    fn drop(&mut self) {
        let Some(child) = &mut self.child else {
            return;
        };
        // A panic here would hide the test's own; what cannot be told to go is killed.
        if let Ok(pid) = i32::try_from(child.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
        }
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(2) {
            match child.try_wait() {
                Ok(None) => std::thread::sleep(POLL),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}
