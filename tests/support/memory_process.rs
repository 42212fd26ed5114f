//! The real `fabric-memory` as a process, with a gate's keys to believe, and data of its own.
//!
//! Everything it needs is in one temporary folder, which is also its working directory: the
//! configuration in `memory.toml`, entries in `data/`, what it wrote in `stderr.log`. It listens on
//! ports that the system chose, which it says in its log. Dropping it stops the process and removes
//! the folder.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::jwks_server::JwksServer;
use crate::support::raw_client::{self, RawResponse};
use crate::support::tokens::{self, Claims, SigningKey};
use crate::support::transport::Address;

/// Longest wait for the process to listen, and to end after it was told to.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often a state that nobody announces is looked at.
const POLL: Duration = Duration::from_millis(10);

/// What the service is started with.
pub(crate) struct MemoryBuilder {
    folder: TempDir,
    listen: String,
    unix: bool,
    extra: String,
    keys_are_served: bool,
    ready: bool,
}

impl MemoryBuilder {
    /// The folder of the process, to put files into that the configuration names.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Adds lines to `[listen]`, after its address.
    pub(crate) fn listen_extra(mut self, lines: &str) -> Self {
        self.listen.push_str(lines);
        self.listen.push('\n');
        self
    }

    /// Listens on a unix socket in the folder.
    pub(crate) fn on_unix_socket(mut self) -> Self {
        self.unix = true;
        self
    }

    /// Adds tables to the end of the configuration.
    pub(crate) fn extra(mut self, text: &str) -> Self {
        self.extra.push_str(text);
        self.extra.push('\n');
        self
    }

    /// Starts it before the gate's keys can be had, and does not wait until it is ready.
    pub(crate) fn before_the_gate(mut self) -> Self {
        self.keys_are_served = false;
        self.ready = false;
        self
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// It ends or is not ready in time; the message holds what it wrote.
    pub(crate) async fn start(self) -> MemoryProcess {
        match self.try_start().await {
            Ok(process) => process,
            Err((status, stderr)) => panic!("fabric-memory ended with {status}:\n{stderr}"),
        }
    }

    /// Starts it and waits until it is ready or has ended.
    ///
    /// # Errors
    /// It ended: how, and what it wrote.
    pub(crate) async fn try_start(self) -> Result<MemoryProcess, (ExitStatus, String)> {
        let gate = JwksServer::start().await;
        let key = SigningKey::ed25519("gate-1");
        if self.keys_are_served {
            gate.set_keys(&tokens::jwks(&[&key]));
        } else {
            gate.set_mode(crate::jwks_server::Mode::Status(503));
        }
        let address = match self.unix {
            true => format!("unix:{}", self.folder().join("m.sock").display()),
            false => "127.0.0.1:0".to_owned(),
        };
        let config = format!(
            "[listen]\naddress = \"{address}\"\n{}\n\
             [operations]\naddress = \"127.0.0.1:0\"\n\
             [identity]\nassertion_jwks_url = \"{}\"\n\n{}",
            self.listen,
            gate.url(),
            self.extra,
        );
        fs::write(self.folder().join("memory.toml"), config).unwrap();
        let ready = self.ready;
        let mut process = MemoryProcess {
            address: Address::Unix(PathBuf::new()),
            operations: Address::Unix(PathBuf::new()),
            folder: self.folder,
            gate,
            key,
            child: None,
        };
        process.spawn().await?;
        if ready {
            process.until_ready().await;
        }
        Ok(process)
    }
}

/// A running service, and the gate that it believes.
pub(crate) struct MemoryProcess {
    address: Address,
    operations: Address,
    folder: TempDir,
    /// Where it has the gate's keys from.
    pub(crate) gate: JwksServer,
    /// The gate's key.
    pub(crate) key: SigningKey,
    child: Option<Child>,
}

impl MemoryProcess {
    /// A service with the standard configuration.
    pub(crate) fn builder() -> MemoryBuilder {
        MemoryBuilder {
            folder: tempfile::tempdir().unwrap(),
            listen: String::new(),
            unix: false,
            extra: String::new(),
            keys_are_served: true,
            ready: true,
        }
    }

    /// Where callers reach it.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Where operators reach it.
    pub(crate) fn operations(&self) -> &Address {
        &self.operations
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// What it wrote to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(self.folder().join("stderr.log")).unwrap_or_default()
    }

    /// A good assertion of the gate about this user.
    pub(crate) fn assertion(&self, tenant: &str, user: &str, roles: &[&str]) -> String {
        self.key.sign(&assertion(tenant, user, roles))
    }

    /// Asks on a connection of its own, with these headers alone.
    pub(crate) async fn ask(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> RawResponse {
        let mut headers = headers.to_vec();
        headers.push(("Connection", "close"));
        let request = raw_client::request(method, target, &headers, body);
        raw_client::exchange(&self.address, request).await
    }

    /// Asks as this user of this tenant, a body being JSON.
    pub(crate) async fn ask_as(
        &self,
        (tenant, user, roles): (&str, &str, &[&str]),
        method: &str,
        target: &str,
        body: &[u8],
    ) -> RawResponse {
        let assertion = self.assertion(tenant, user, roles);
        let mut headers = vec![("X-Fabric-Assertion", assertion.as_str())];
        if !body.is_empty() {
            headers.push(("Content-Type", "application/json"));
        }
        self.ask(method, target, &headers, body).await
    }

    /// Asks the operators' listener.
    pub(crate) async fn operate(&self, target: &str) -> RawResponse {
        let request = raw_client::request("GET", target, &[("Connection", "close")], b"");
        raw_client::exchange(&self.operations, request).await
    }

    /// Runs another command of the program on the same configuration, to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        command(self.folder(), arguments).output().unwrap()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap());
        kill(pid, signal).unwrap();
    }

    /// Kills it, and returns once it is gone.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Asks it to end, finishing what it serves, and waits for that.
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.wait_for_exit().await
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// It does not end in time.
    pub(crate) async fn wait_for_exit(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                self.child = None;
                return status;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "still running:\n{}",
                self.stderr()
            );
            tokio::time::sleep(POLL).await;
        }
    }

    /// Starts it again on the same folder, after [`MemoryProcess::kill`] or [`MemoryProcess::stop`].
    /// Its ports are other ones.
    pub(crate) async fn start_again(&mut self) {
        assert!(self.child.is_none(), "it still runs");
        if let Err((status, stderr)) = self.spawn().await {
            panic!("fabric-memory ended with {status}:\n{stderr}");
        }
        self.until_ready().await;
    }

    /// Waits until it is ready.
    ///
    /// # Panics
    /// It is not in time.
    pub(crate) async fn until_ready(&self) {
        let started = Instant::now();
        while self.operate("/readyz").await.status != 200 {
            assert!(
                started.elapsed() < PATIENCE,
                "not ready:\n{}",
                self.stderr()
            );
            tokio::time::sleep(POLL).await;
        }
    }

    async fn spawn(&mut self) -> Result<(), (ExitStatus, String)> {
        let log = self.folder().join("stderr.log");
        let child = command(self.folder(), &["serve"])
            .stdout(Stdio::null())
            .stderr(File::create(log).unwrap())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let started = Instant::now();
        loop {
            let stderr = self.stderr();
            let public = announced(&stderr, "fabric-memory serves address=");
            let operations = announced(&stderr, "health and metrics address=");
            if let (Some(public), Some(operations)) = (public, operations) {
                self.address = public;
                self.operations = operations;
                return Ok(());
            }
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                self.child = None;
                return Err((status, self.stderr()));
            }
            assert!(started.elapsed() < PATIENCE, "not listening:\n{stderr}");
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Drop for MemoryProcess {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Good claims of an assertion: made out to the service, good for a minute.
pub(crate) fn assertion(tenant: &str, user: &str, roles: &[&str]) -> Claims {
    tokens::claims(tenant, user, roles)
        .with("iss", "fabric-gate")
        .with("aud", "memory")
        .expires_in(60)
}

/// A command of the program in a folder that has a `memory.toml`.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fabric-memory"));
    command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .env("FABRIC_MEMORY_CONFIG", "memory.toml")
        .env("NO_COLOR", "1")
        .env_remove("RUST_LOG");
    command
}

/// The address that stands in the log behind `what`, once its line is whole.
fn announced(log: &str, what: &str) -> Option<Address> {
    let (_, rest) = log.split_once(what)?;
    let (address, _) = rest.split_once('\n')?;
    match address.strip_prefix("unix:") {
        Some(path) => Some(Address::Unix(path.into())),
        None => address.parse().ok().map(Address::Tcp),
    }
}
