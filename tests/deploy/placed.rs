//! The configurations under deploy/, each put into a folder of its own where a container or a unit would
//! have it in several places.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::renderings::all;
use crate::root;
use crate::support::certificates::Authority;
use crate::support::tokens::pem;

/// The files of one deployment, as written.
#[derive(Clone, Debug)]
pub struct Deployment {
    pub name: String,
    pub gate: String,
    pub memory: Option<String>,
    /// File names and texts.
    pub policies: Vec<(String, String)>,
}

/// Every deployment there is.
pub fn deployments() -> Vec<Deployment> {
    let rendered = all().into_iter().map(|rendering| {
        let maps = rendering.documents.iter();
        let maps: Vec<&Value> = maps
            .filter(|document| document["kind"] == "ConfigMap")
            .collect();
        let text = |map: &Value, file: &str| map["data"][file].as_str().map(str::to_owned);
        let config = maps
            .iter()
            .find(|map| text(map, "gate.toml").is_some())
            .unwrap();
        let policies = maps.iter().find(|map| {
            let mut names = map["data"].as_object().unwrap().keys();
            text(map, "gate.toml").is_none() && names.all(|name| name.ends_with(".toml"))
        });
        let policies = policies.unwrap();
        let policies = policies["data"].as_object().unwrap().iter();
        Deployment {
            name: rendering.name,
            gate: text(config, "gate.toml").unwrap(),
            memory: text(config, "memory.toml"),
            policies: policies
                .map(|(name, text)| (name.clone(), text.as_str().unwrap().to_owned()))
                .collect(),
        }
    });
    rendered
        .chain([
            of_folder("compose", "compose/config"),
            of_folder("systemd", "systemd"),
        ])
        .collect()
}

/// The deployment of this name.
pub fn deployment(name: &str) -> Deployment {
    let found = deployments()
        .into_iter()
        .find(|deployment| deployment.name == name);
    found.unwrap_or_else(|| panic!("there is no deployment `{name}`"))
}

fn of_folder(name: &str, configuration: &str) -> Deployment {
    let deploy = root().join("deploy");
    let read = |path: PathBuf| {
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let policies = fs::read_dir(deploy.join(name).join("policies")).unwrap();
    Deployment {
        name: name.to_owned(),
        gate: read(deploy.join(configuration).join("gate.toml")),
        memory: Some(read(deploy.join(configuration).join("memory.toml"))),
        policies: policies
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), read(entry.path())))
            .collect(),
    }
}

/// Where things are there, and where in the folder. The longest path comes first.
const PLACES: [(&str, &str); 12] = [
    ("/run/credentials/fabric-gate.service", "secrets"),
    ("/etc/fabric-gate/policies", "policies"),
    ("/etc/fabric/policies", "policies"),
    ("/var/lib/fabric-memory", "memory"),
    ("/var/lib/fabric-gate", "data"),
    ("/run/secrets/handles", "handles"),
    ("/run/secrets/fabric", "secrets"),
    ("/run/secrets/tls", "tls"),
    ("/run/secrets", "secrets"),
    ("/run/fabric-gate", "data"),
    ("/run/agent", "agent"),
    ("/data", "data"),
];

/// Addresses there, and in the folder, where `@` stands for the folder.
const ADDRESSES: [(&str, &str); 6] = [
    ("0.0.0.0:8080", "unix:@/agent/gate.sock"),
    ("0.0.0.0:8443", "unix:@/agent/gate.sock"),
    ("http://127.0.0.1:9111", "unix:@/agent/agent.sock"),
    ("http://agent:9111", "unix:@/agent/agent.sock"),
    ("http://127.0.0.1:8090", "unix:@/agent/memory.sock"),
    ("127.0.0.1:8090", "unix:@/agent/memory.sock"),
];

/// Where the issuer's keys are there.
const KEYS: &str = "jwks_url = \"https://idp.example.com/.well-known/jwks.json\"";

/// A deployment in a folder of its own.
pub struct Placed {
    pub folder: TempDir,
    pub deployment: Deployment,
    /// Of the gate's admin listener and the memory service's.
    pub ports: [u16; 2],
}

impl Placed {
    /// Puts it there. `keys` is the issuer's JWKS.
    pub fn new(deployment: Deployment, keys: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in [
            "data", "memory", "agent", "secrets", "handles", "tls", "policies",
        ] {
            fs::create_dir(path(name)).unwrap();
        }
        fs::write(path("secrets/admin-token"), ADMIN_TOKEN).unwrap();
        fs::write(path("secrets/audit-key"), "0123456789abcdef".repeat(4)).unwrap();
        // As `openssl genpkey -algorithm ed25519` writes one (RFC 8410 section 7).
        let head = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
        let key = pem("PRIVATE KEY", &[head.as_slice(), &[7; 32]].concat());
        fs::write(path("secrets/assertion-key"), key).unwrap();
        fs::write(path("jwks.json"), keys).unwrap();
        let authority = Authority::new("authority");
        let server = authority.server(folder.path(), "server", &["agents.example.com"]);
        fs::rename(server.certificate, path("tls/tls.crt")).unwrap();
        fs::rename(server.private_key, path("tls/tls.key")).unwrap();
        fs::write(path("tls/ca.crt"), authority.pem()).unwrap();
        let mut placed = Self {
            folder,
            deployment,
            ports: [0; 2],
        };
        placed.write();
        placed
    }

    /// Writes its files, with ports that are free at this moment.
    pub fn write(&mut self) {
        // Both are held until both are known, so that they differ.
        let held = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        self.ports = held.map(|listener| listener.local_addr().unwrap().port());
        fs::write(self.path("gate.toml"), self.here(&self.deployment.gate)).unwrap();
        if let Some(memory) = &self.deployment.memory {
            fs::write(self.path("memory.toml"), self.here(memory)).unwrap();
        }
        for (name, text) in &self.deployment.policies {
            fs::write(self.path("policies").join(name), self.here(text)).unwrap();
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A text of the deployment with the places and addresses of the folder.
    pub fn here(&self, text: &str) -> String {
        let folder = self.folder.path().to_str().unwrap();
        let mut text = text.to_owned();
        for (there, here) in PLACES {
            for before in ["\"", "\"file:", "\"sqlite:", "\"unix:"] {
                text = text.replace(
                    &format!("{before}{there}"),
                    &format!("{before}{folder}/{here}"),
                );
            }
        }
        for (there, here) in ADDRESSES {
            text = text.replace(
                &format!("\"{there}\""),
                &format!("\"{}\"", here.replace('@', folder)),
            );
        }
        let [admin, operations] = self.ports;
        for there in ["127.0.0.1:9901", "0.0.0.0:9901"] {
            text = text.replace(there, &format!("127.0.0.1:{admin}"));
        }
        text.replace("127.0.0.1:9902", &format!("127.0.0.1:{operations}"))
            .replace(KEYS, &format!("jwks_file = \"{folder}/jwks.json\""))
    }
}

pub const ADMIN_TOKEN: &str = "deployed-admin-token-of-32-letters";

/// The gate.toml files of a folder and those below it.
pub fn written(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(written(&entry.path()));
        } else if entry.file_name() == "gate.toml" {
            found.push(entry.path());
        }
    }
    found
}
