//! Cases that a page shows are run against the policies of the development set-up.

use std::fs;
use std::process::Command;

use crate::{root, with_info};

#[test]
fn every_case_that_is_shown_passes_with_the_development_policies() {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(root().join("policies")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.ends_with(".toml") && !name.ends_with(".cases.toml") {
            fs::copy(&path, folder.path().join(name)).unwrap();
        }
    }
    for (number, block) in with_info("toml cases").iter().enumerate() {
        let name = format!("{number}.cases.toml");
        fs::write(folder.path().join(name), &block.text).unwrap();
    }
    let output = Command::new(env!("CARGO_BIN_EXE_fabric-gate"))
        .arg("test")
        .arg(folder.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let wrong = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}{wrong}");
}
