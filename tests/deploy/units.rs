//! The units of systemd: what they run exists, and what they may do is little.

use std::fs;
use std::process::Command;

use crate::root;

const UNITS: [(&str, &str); 2] = [
    ("fabric-gate", env!("CARGO_BIN_EXE_fabric-gate")),
    ("fabric-memory", env!("CARGO_BIN_EXE_fabric-memory")),
];

fn unit(name: &str) -> String {
    fs::read_to_string(root().join(format!("deploy/systemd/{name}.service"))).unwrap()
}

fn values(unit: &str, key: &str) -> Vec<String> {
    let prefix = format!("{key}=");
    let lines = unit.lines().filter_map(|line| line.strip_prefix(&prefix));
    lines.map(str::to_owned).collect()
}

#[test]
fn every_command_of_a_unit_is_one_of_its_program() {
    for (name, program) in UNITS {
        let unit = unit(name);
        for key in ["ExecStartPre", "ExecStart"] {
            let lines = values(&unit, key);
            assert_eq!(lines.len(), 1, "{name}: {key}");
            let words: Vec<&str> = lines[0].split(' ').collect();
            assert_eq!(words[0], format!("/usr/local/bin/{name}"));
            assert_eq!(
                words[2..],
                [
                    "--config",
                    &format!("/etc/{name}/{}.toml", name.trim_start_matches("fabric-"))
                ]
            );
            // The command's own help has the option.
            let help = Command::new(program)
                .args([words[1], "--help"])
                .output()
                .unwrap();
            assert!(help.status.success(), "{name} has no command {}", words[1]);
            assert!(
                String::from_utf8_lossy(&help.stdout).contains("--config"),
                "{lines:?}"
            );
        }
    }
}

#[test]
fn units_take_every_right_away_that_they_can() {
    for (name, _program) in UNITS {
        let unit = unit(name);
        for line in [
            "DynamicUser=yes",
            "NoNewPrivileges=yes",
            "ProtectSystem=strict",
            "ProtectHome=yes",
            "PrivateTmp=yes",
            "PrivateDevices=yes",
            "CapabilityBoundingSet=",
            "AmbientCapabilities=",
            "MemoryDenyWriteExecute=yes",
            "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
            "SystemCallFilter=@system-service",
            "UMask=0077",
            "StateDirectoryMode=0700",
        ] {
            assert!(
                unit.lines().any(|found| found == line),
                "{name} has no {line}"
            );
        }
        let stop: u64 = values(&unit, "TimeoutStopSec")[0].parse().unwrap();
        assert!(stop > 30, "{name} is killed before its grace is up");
    }
}

#[test]
fn the_unit_of_the_gate_is_hardened_and_hands_its_secrets_over_as_files() {
    let unit = unit("fabric-gate");
    assert_eq!(
        values(&unit, "Environment"),
        ["FABRIC_HARNESS_TENANT_REQUIRED=1"]
    );
    let gate = fs::read_to_string(root().join("deploy/systemd/gate.toml")).unwrap();
    let handed = values(&unit, "LoadCredential");
    assert_eq!(handed.len(), 2);
    for credential in handed {
        let (name, _source) = credential.split_once(':').unwrap();
        let reference = format!("file:/run/credentials/fabric-gate.service/{name}");
        assert!(gate.contains(&reference), "nobody reads {name}");
    }
    assert_eq!(values(&unit, "ExecReload"), ["/bin/kill -HUP $MAINPID"]);
}
