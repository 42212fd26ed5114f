//! A real gate with each deployed configuration, in hardened mode, before an agent on a unix socket.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::placed::{ADMIN_TOKEN, Deployment, Placed, deployment, deployments};
use crate::support::raw_client::{self, RawResponse};
use crate::support::recording_backend::{Answer, RecordingBackend};
use crate::support::tokens::{SigningKey, claims, jwks};
use crate::support::transport::{Address, Endpoint};

/// Longest wait for a state that nobody announces, and how often it is looked at.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// A gate with a deployed configuration, its agent, and where there is one the memory service.
struct Running {
    placed: Placed,
    agent: RecordingBackend,
    key: SigningKey,
    processes: Vec<Child>,
}

impl Running {
    async fn start(deployment: Deployment) -> Self {
        let key = SigningKey::ed25519("deployed");
        let mut placed = Placed::new(deployment, &jwks(&[&key]).to_string());
        let endpoint = Endpoint::unix(&placed.path("agent/agent.sock"));
        let agent =
            RecordingBackend::start_on(endpoint, |_| Answer::json(200, r#"{"ok":true}"#)).await;
        // Another process may take the port in between.
        for _attempt in 0..5 {
            let mut gate = program(env!("CARGO_BIN_EXE_fabric-gate"), &placed, "gate")
                .spawn()
                .unwrap();
            if until_healthy(&placed, "gate", &mut gate) {
                return Self {
                    placed,
                    agent,
                    key,
                    processes: vec![gate],
                };
            }
            placed.write();
        }
        panic!("{}: {}", placed.deployment.name, log(&placed, "gate"));
    }

    fn start_memory(&mut self) {
        let mut memory = program(env!("CARGO_BIN_EXE_fabric-memory"), &self.placed, "memory")
            .spawn()
            .unwrap();
        assert!(
            until_healthy(&self.placed, "memory", &mut memory),
            "{}",
            log(&self.placed, "memory")
        );
        self.processes.push(memory);
    }

    /// Asks as alice of acme.
    async fn ask(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> RawResponse {
        let claims = claims("acme", "alice", &["lead"])
            .with("iss", "https://idp.example.com")
            .with("aud", "fabric");
        let bearer = format!("Bearer {}", self.key.sign(&claims));
        let mut all = vec![("Authorization", bearer.as_str()), ("Connection", "close")];
        all.extend(headers);
        let request = raw_client::request(method, target, &all, body.as_bytes());
        let gate = Address::Unix(self.placed.path("agent/gate.sock"));
        raw_client::exchange(&gate, request).await
    }

    async fn policy(&self) -> Value {
        let bearer = format!("Bearer {ADMIN_TOKEN}");
        let headers = [("Authorization", bearer.as_str()), ("Connection", "close")];
        let request = raw_client::request("GET", "/v1/policy", &headers, b"");
        let admin = Address::Tcp(([127, 0, 0, 1], self.placed.ports[0]).into());
        raw_client::exchange(&admin, request).await.json()
    }

    /// What lies in the folder, without what the gate may write to.
    fn untouchable(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        for name in ["policies", "secrets", "handles", "tls", "gate.toml"] {
            contents(&self.placed.path(name), &mut found);
        }
        found.sort();
        found
    }

    /// Ends every process as a pod's end does, and tells how the gate ended.
    fn stop(mut self) -> bool {
        let mut well = true;
        for mut process in self.processes.drain(..) {
            kill(
                Pid::from_raw(i32::try_from(process.id()).unwrap()),
                Signal::SIGTERM,
            )
            .unwrap();
            well &= process.wait().unwrap().success();
        }
        well
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn program(path: &str, placed: &Placed, name: &str) -> Command {
    let log = File::create(placed.path(&format!("{name}.log"))).unwrap();
    let mut command = Command::new(path);
    command
        .args(["serve", "--config"])
        .arg(placed.path(&format!("{name}.toml")))
        .current_dir(placed.path("data"))
        .env("FABRIC_HARNESS_TENANT_REQUIRED", "1")
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    command
}

fn log(placed: &Placed, name: &str) -> String {
    fs::read_to_string(placed.path(&format!("{name}.log"))).unwrap_or_default()
}

/// The question that probes and health checks ask.
fn health(placed: &Placed, name: &str, more: &[&str]) -> Output {
    let (program, port) = match name {
        "gate" => (env!("CARGO_BIN_EXE_fabric-gate"), placed.ports[0]),
        _ => (env!("CARGO_BIN_EXE_fabric-memory"), placed.ports[1]),
    };
    let address = format!("127.0.0.1:{port}");
    let mut command = Command::new(program);
    command
        .arg("health")
        .args(more)
        .args(["--address", &address]);
    // A loaded machine is slow, and the answer is not what is timed here.
    command
        .args(["--timeout", "30"])
        .current_dir("/")
        .output()
        .unwrap()
}

/// Whether it became ready, rather than ended.
fn until_healthy(placed: &Placed, name: &str, process: &mut Child) -> bool {
    let started = Instant::now();
    loop {
        if process.try_wait().unwrap().is_some() {
            return false;
        }
        let asked = health(placed, name, &[]);
        if asked.status.success() {
            return true;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "{asked:?}\n{}",
            log(placed, name)
        );
        std::thread::sleep(POLL);
    }
}

fn contents(path: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            contents(&entry.unwrap().path(), found);
        }
    } else {
        found.push((path.to_owned(), fs::read(path).unwrap()));
    }
}

#[tokio::test]
async fn every_configuration_starts_a_gate_that_serves_and_writes_to_its_volume_alone() {
    for deployment in deployments() {
        let running = Running::start(deployment).await;
        let name = running.placed.deployment.name.clone();
        let before = running.untouchable();
        let speaks_tls = running.placed.deployment.gate.contains("tls = {");
        let (method, target) = match name.as_str() {
            "helm-socket" => ("GET", "/status"),
            _ => ("POST", "/agents/planner/session-1"),
        };
        if !speaks_tls {
            let without = running.ask(method, target, &[], "").await;
            assert_eq!(without.status, 400, "{name}: {}", without.text());
            assert_eq!(without.json()["code"], "tenant_required", "{name}");
            let own = [("X-Fabric-Tenant", "acme")];
            let with = running.ask(method, target, &own, "").await;
            assert_eq!(with.status, 200, "{name}: {}", with.text());
            let told = running.agent.only_request();
            assert_eq!(told.target(), target, "{name}");
            let tenant = told.head.value("x-fabric-tenant");
            assert_eq!(tenant.as_deref(), Some("acme"), "{name}");
            let foreign = [("X-Fabric-Tenant", "globex")];
            let foreign = running.ask(method, target, &foreign, "").await;
            assert!(
                [403, 404].contains(&foreign.status),
                "{name}: {}",
                foreign.text()
            );
        }
        let unchanged = running.untouchable() == before;
        assert!(unchanged, "{name} wrote to what is mounted to be read");
        assert!(running.placed.path("data/audit").is_dir(), "{name}");
        assert!(running.stop(), "{name} did not end well");
    }
}

#[tokio::test]
async fn the_memory_service_of_a_deployment_believes_its_gate() {
    let mut running = Running::start(deployment("compose")).await;
    running.start_memory();
    let headers = [
        ("X-Fabric-Tenant", "acme"),
        ("Content-Type", "application/json"),
    ];
    let body = r#"{"content":"the staging database is called heron"}"#;
    let stored = running
        .ask("POST", "/memory/v1/memories", &headers, body)
        .await;
    assert_eq!(stored.status, 201, "{}", stored.text());
    // Around the gate nobody is anybody.
    let around = raw_client::request(
        "GET",
        "/v1/memories",
        &[("X-Fabric-Tenant", "acme"), ("Connection", "close")],
        b"",
    );
    let memory = Address::Unix(running.placed.path("agent/memory.sock"));
    assert_eq!(raw_client::exchange(&memory, around).await.status, 401);
    assert!(running.stop());
}

#[tokio::test]
async fn policies_of_a_mounted_config_map_are_taken_up_and_bad_ones_are_not() {
    let deployment = deployment("helm-minimal");
    let key = SigningKey::ed25519("deployed");
    let keys = jwks(&[&key]).to_string();
    let mounted = Mounted::before(&Placed::new(deployment.clone(), &keys));
    let running = Running::start(deployment).await;
    // As the kubelet has it: names that lead through `..data` to the folder of one generation.
    let policies = running.placed.path("policies");
    for name in &mounted.names {
        let text = fs::read_to_string(policies.join(name)).unwrap();
        mounted.add(&policies, "..1", name, &text);
        fs::remove_file(policies.join(name)).unwrap();
    }
    swap(&policies, "..1");
    for name in &mounted.names {
        symlink(Path::new("..data").join(name), policies.join(name)).unwrap();
    }
    let own = [("X-Fabric-Tenant", "acme")];
    let ask = || running.ask("POST", "/agents/planner/session-1", &own, "");
    until("it serves", async || ask().await.status == 200).await;

    let tenants = "[[tenants]]\nid = \"acme\"\nsuspended = true\n\n[[tenants]]\nid = \"globex\"\n";
    mounted.next(&policies, "..2", "20-tenants.toml", tenants);
    swap(&policies, "..2");
    until("the suspension is in force", async || {
        ask().await.status == 403
    })
    .await;
    assert_eq!(ask().await.json()["code"], "tenant_suspended");

    mounted.next(
        &policies,
        "..3",
        "20-tenants.toml",
        "[[tenants]]\nid = \"acme\"\nsuspendet = true\n",
    );
    swap(&policies, "..3");
    until("the mistake is told", async || {
        !running.policy().await["last_error"].is_null()
    })
    .await;
    assert_eq!(
        ask().await.status,
        403,
        "the policy that was in force is not any more"
    );
    assert!(
        health(&running.placed, "gate", &[]).status.success(),
        "a bad policy made it unready"
    );
    assert!(running.stop());
}

/// A folder as the kubelet mounts a ConfigMap.
struct Mounted {
    names: Vec<String>,
}

impl Mounted {
    fn before(placed: &Placed) -> Self {
        let names = placed.deployment.policies.iter();
        Self {
            names: names.map(|(name, _text)| name.clone()).collect(),
        }
    }

    fn add(&self, policies: &Path, generation: &str, name: &str, text: &str) {
        let folder = policies.join(generation);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), text).unwrap();
    }

    /// A further generation, in which one file differs.
    fn next(&self, policies: &Path, generation: &str, changed: &str, to: &str) {
        for name in &self.names {
            let text = fs::read_to_string(policies.join("..data").join(name)).unwrap();
            let text = if name == changed { to } else { &text };
            self.add(policies, generation, name, text);
        }
    }
}

/// Leads `..data` to another generation in one step.
fn swap(policies: &Path, generation: &str) {
    let beside = policies.join("..data_tmp");
    symlink(generation, &beside).unwrap();
    fs::rename(beside, policies.join("..data")).unwrap();
}

async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < PATIENCE, "{what}: not in time");
        tokio::time::sleep(POLL).await;
    }
}

#[tokio::test]
async fn health_is_told_in_words_in_json_and_by_the_exit_code() {
    let running = Running::start(deployment("helm-minimal")).await;
    let placed = &running.placed;
    let ready = health(placed, "gate", &[]);
    assert_eq!(
        (ready.status.code(), ready.stdout.as_slice()),
        (Some(0), b"ready\n".as_slice())
    );
    let live = health(placed, "gate", &["--live"]);
    assert_eq!(
        (live.status.code(), live.stdout.as_slice()),
        (Some(0), b"live\n".as_slice())
    );
    let told: Value = serde_json::from_slice(&health(placed, "gate", &["--json"]).stdout).unwrap();
    assert_eq!(told["ready"], true);
    assert_eq!(told["checks"]["keys"]["ok"], true);

    // Its configuration says where it is, too.
    let asked = Command::new(env!("CARGO_BIN_EXE_fabric-gate"))
        .args(["health", "--config"])
        .arg(placed.path("gate.toml"))
        .output()
        .unwrap();
    assert_eq!(asked.status.code(), Some(0), "{asked:?}");

    let Placed { ports, .. } = Placed::new(deployment("helm-minimal"), "{}");
    let nobody = Command::new(env!("CARGO_BIN_EXE_fabric-gate"))
        .args([
            "health",
            "--json",
            "--address",
            &format!("127.0.0.1:{}", ports[0]),
        ])
        .output()
        .unwrap();
    assert_eq!(nobody.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&nobody.stdout).unwrap();
    assert_eq!(told["ready"], false);
    assert!(
        told["problem"]
            .as_str()
            .unwrap()
            .starts_with("no answer from http://127.0.0.1:"),
        "{told}"
    );
}

#[tokio::test]
async fn a_gate_that_is_not_ready_says_why() {
    let placed = Placed::new(deployment("helm-minimal"), &json!({"keys": []}).to_string());
    let mut gate = program(env!("CARGO_BIN_EXE_fabric-gate"), &placed, "gate")
        .spawn()
        .unwrap();
    until("it is alive", async || {
        health(&placed, "gate", &["--live"]).status.success()
    })
    .await;
    let asked = health(&placed, "gate", &[]);
    gate.kill().unwrap();
    gate.wait().unwrap();
    assert_eq!(asked.status.code(), Some(1));
    let told = String::from_utf8(asked.stderr).unwrap();
    assert!(
        told.starts_with("not ready: ") && told.contains("keys"),
        "{told}"
    );
}
