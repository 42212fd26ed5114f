//! What comes out of the chart and of Kustomize.

use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use serde_json::Value;

use crate::{manifests, root};

/// A rendering: its name, and its documents.
pub struct Rendering {
    pub name: String,
    pub documents: Vec<Value>,
}

/// All of them.
pub fn all() -> Vec<Rendering> {
    let mut found = files(&folder());
    found.sort();
    found.iter().map(|path| read(path)).collect()
}

/// The one of this name.
pub fn named(name: &str) -> Rendering {
    read(&folder().join(format!("{name}.yaml")))
}

fn folder() -> PathBuf {
    root().join("tests/deploy/rendered")
}

fn read(path: &Path) -> Rendering {
    Rendering {
        name: path.file_stem().unwrap().to_string_lossy().into_owned(),
        documents: documents(path),
    }
}

/// The documents of a YAML file.
pub fn documents(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files of a folder and those below it, without symbolic links.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => found.extend(files(&entry.path())),
            kind if kind.is_file() => found.push(entry.path()),
            _symbolic_link => {}
        }
    }
    found
}

/// As `scripts/render-deploy` has it.
fn digest(folder: &Path) -> String {
    let mut named: Vec<_> = files(folder)
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
            (name.to_owned(), fs::read(&path).unwrap())
        })
        .collect();
    named.sort();
    let mut total = Context::new(&SHA256);
    for (name, content) in named {
        total.update(format!("{name}\n{}\n", content.len()).as_bytes());
        total.update(&content);
    }
    let digest = total.finish();
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn what_is_judged_was_rendered_from_what_is_there() {
    let rendered = files(&folder());
    assert!(rendered.len() >= 6, "{rendered:?}");
    for path in rendered {
        let text = fs::read_to_string(&path).unwrap();
        let mut lines = text.lines();
        let head = lines.next().unwrap();
        let (_, source) = head.split_once(" from ").unwrap();
        let made_from = lines.next().unwrap().trim_start_matches("# ");
        assert_eq!(
            made_from,
            digest(&root().join(source)),
            "{} is not of what {source} is: run scripts/render-deploy",
            path.display()
        );
    }
}

#[test]
fn every_example_of_values_is_rendered() {
    let values = files(&root().join("deploy/helm/fabric-gate/ci"));
    assert!(values.len() >= 4);
    for path in values {
        let name = path.file_name().unwrap().to_string_lossy();
        named(&format!(
            "helm-{}",
            name.strip_suffix("-values.yaml").unwrap()
        ));
    }
}

#[test]
fn nothing_that_is_rendered_has_a_problem() {
    for Rendering { name, documents } in all() {
        let found = manifests::problems(&documents);
        // Its values say that the operator knows.
        let expected: &[&str] = match name.as_str() {
            "helm-replicas" => {
                &["StatefulSet release-fabric-gate: 2 replicas, each with a ledger of its own"]
            }
            _ => &[],
        };
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn rules_and_dashboard_of_the_chart_are_those_beside_it() {
    for (link, file) in [
        ("rules.yml", "prometheus/rules.yml"),
        ("dashboard.json", "grafana/fabric-gate.json"),
    ] {
        let link = root().join("deploy/helm/fabric-gate/files").join(link);
        let file = root().join("deploy").join(file);
        assert!(link.is_symlink(), "{}", link.display());
        assert_eq!(link.canonicalize().unwrap(), file.canonicalize().unwrap());
    }
}
