//! docs/deploying.md shows what is there.

use std::fs;
use std::process::Command;

use crate::root;

/// The blocks of the page that have this info string.
fn blocks(info: &str) -> Vec<String> {
    let page = fs::read_to_string(root().join("docs/deploying.md")).unwrap();
    let opening = format!("```{info}\n");
    let parts = page.split(&opening).skip(1);
    let found: Vec<String> = parts
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect();
    assert!(!found.is_empty(), "no block of `{info}`");
    found
}

#[test]
fn what_is_shown_of_files_stands_in_them() {
    for (info, file) in [
        (
            "yaml values",
            "deploy/helm/fabric-gate/ci/minimal-values.yaml",
        ),
        ("yaml inject", "deploy/kubernetes/inject/sidecar.yaml"),
    ] {
        let text = fs::read_to_string(root().join(file)).unwrap();
        for block in blocks(info) {
            assert!(text.contains(&block), "{file} has not\n{block}");
        }
    }
}

#[test]
fn commands_that_are_shown_name_what_there_is() {
    for block in blocks("console") {
        for word in block.split_whitespace() {
            if word.starts_with("deploy/") {
                assert!(root().join(word).exists(), "{word}");
            }
        }
    }
}

#[test]
fn commands_of_the_programs_that_are_shown_are_theirs() {
    let page = fs::read_to_string(root().join("docs/deploying.md")).unwrap();
    let mut asked = 0;
    for (program, path) in [
        ("fabric-gate ", env!("CARGO_BIN_EXE_fabric-gate")),
        ("fabric-memory ", env!("CARGO_BIN_EXE_fabric-memory")),
    ] {
        for rest in page.split(program).skip(1) {
            let word = rest
                .split(|next: char| !next.is_ascii_lowercase())
                .next()
                .unwrap();
            if !["health", "check", "serve"].contains(&word) {
                continue;
            }
            let help = Command::new(path).args([word, "--help"]).output().unwrap();
            assert!(help.status.success(), "{program}{word}");
            asked += 1;
        }
    }
    assert!(asked >= 4, "only {asked} were found");
}
