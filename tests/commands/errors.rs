//! What people read when something is missing or wrong: what, where, and what to do.

use std::fs;
use std::net::TcpListener;

use crate::folder::{Folder, complaint};

#[test]
fn a_missing_configuration_is_answered_with_how_to_make_one() {
    let folder = Folder::empty();
    let told = complaint(&folder.gate(&["check"]), 2);
    for word in ["config/gate.toml", "--config", "fabric-gate init"] {
        assert!(told.contains(word), "{told}");
    }
    let told = complaint(&folder.memory(&["stats", "--tenant", "acme"]), 2);
    assert!(
        told.contains("config/memory.toml") && told.contains("--config"),
        "{told}"
    );
}

#[test]
fn an_address_in_use_is_named() {
    let folder = Folder::initial(&[]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let config = folder.read("config/gate.toml");
    let admin = config
        .replace("127.0.0.1:8080", "unix:gate.sock")
        .replace("127.0.0.1:9901", &format!("127.0.0.1:{port}"));
    folder.write("config/gate.toml", &admin);
    let told = complaint(&folder.gate(&["serve"]), 2);
    assert!(
        told.contains(&port.to_string()) && told.to_lowercase().contains("in use"),
        "{told}"
    );
}

#[test]
fn a_secret_that_is_missing_is_named_with_its_place() {
    let folder = Folder::initial(&[]);
    fs::remove_file(folder.path().join("data/admin-token")).unwrap();
    let told = complaint(&folder.gate(&["serve"]), 2);
    assert!(
        told.contains("[admin] token") && told.contains("data/admin-token"),
        "{told}"
    );
}

#[test]
fn a_gate_that_was_never_started_has_no_spend_and_says_so() {
    let folder = Folder::initial(&[]);
    let told = complaint(&folder.gate(&["spend"]), 2);
    assert!(told.contains("never started"), "{told}");
}

#[test]
fn an_unknown_tenant_is_answered_with_the_nearest() {
    let folder = Folder::initial(&[]);
    folder.serve().stop();
    let told = complaint(&folder.gate(&["spend", "--tenant", "acmee"]), 2);
    assert!(told.contains("did you mean `acme`?"), "{told}");
    let known = folder.gate(&["spend", "--tenant", "acme"]);
    assert!(known.status.success(), "{known:?}");
}

#[test]
fn a_time_that_is_none_is_answered_with_the_forms_there_are() {
    let folder = Folder::initial(&[]);
    folder.serve().stop();
    let told = complaint(&folder.gate(&["audit", "export", "--since", "teatime"]), 2);
    for form in ["2026-11-21T10:00:00Z", "2026-11-21", "24h"] {
        assert!(told.contains(form), "{told}");
    }
    for good in ["2026-11-21", "2w", "90s", "2026-11-21T10:00:00Z"] {
        let taken = folder.gate(&["audit", "export", "--since", good]);
        assert!(taken.status.success(), "{good}: {taken:?}");
    }
}
