//! Every configuration and every policy folder under deploy/ is one that the programs take.

use std::fs;

use fabric_gate::clock::{Clock, SystemClock};
use fabric_gate::config::memory::MemoryConfig;
use fabric_gate::config::{Config, ListenAddress};
use fabric_gate::policy::{check, render_text};
use fabric_gate::secret::SecretResolver;

use crate::placed::{Placed, deployments, written};
use crate::root;

fn hardened() -> SecretResolver {
    SecretResolver::with_environment([("FABRIC_HARNESS_TENANT_REQUIRED", "1")])
}

#[test]
fn every_configuration_resolves_in_hardened_mode() {
    for deployment in deployments() {
        let placed = Placed::new(deployment, r#"{"keys":[]}"#);
        let name = &placed.deployment.name;
        let config = Config::load(&placed.path("gate.toml"), &hardened())
            .unwrap_or_else(|problems| panic!("{name}\n{}", render_text(&problems)));
        assert!(config.tenant_header_forced, "{name}");
        assert!(
            config.admin.token.is_some(),
            "{name}: the admin API is closed"
        );
        let within = placed.path("data");
        for written in [
            &config.audit.directory,
            &config.audit.checkpoints,
            &config.upgrade.socket,
            &config.upgrade.pid_file,
        ] {
            assert!(
                written.starts_with(&within),
                "{name} writes to {}",
                written.display()
            );
        }
        assert!(
            config.state.location.ledger().starts_with(&within),
            "{name}"
        );
        assert_eq!(
            config.listen.address,
            ListenAddress::Unix(placed.path("agent/gate.sock")),
            "{name} listens elsewhere"
        );
        if placed.deployment.memory.is_some() {
            let memory = MemoryConfig::load(&placed.path("memory.toml"), &hardened())
                .unwrap_or_else(|problems| panic!("{name}\n{}", render_text(&problems)));
            assert!(
                memory
                    .operations
                    .is_some_and(|address| address.ip().is_loopback()),
                "{name}"
            );
            assert_eq!(
                memory.listen.address,
                ListenAddress::Unix(placed.path("agent/memory.sock")),
                "{name} listens elsewhere"
            );
        }
    }
}

#[test]
fn every_policy_folder_compiles() {
    for deployment in deployments() {
        let placed = Placed::new(deployment, r#"{"keys":[]}"#);
        let found = check(&placed.path("policies"), &hardened(), SystemClock.now());
        let name = &placed.deployment.name;
        let checked = found.unwrap_or_else(|problems| panic!("{name}\n{}", render_text(&problems)));
        assert!(
            checked.warnings.is_empty(),
            "{name}\n{}",
            render_text(&checked.warnings)
        );
    }
}

#[test]
fn no_configuration_is_left_out() {
    let known: Vec<String> = deployments()
        .into_iter()
        .map(|deployment| deployment.gate)
        .collect();
    let there = written(&root().join("deploy"));
    assert!(there.len() >= 4, "{there:?}");
    for path in there {
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            known.contains(&text),
            "{} is in no deployment",
            path.display()
        );
    }
}
