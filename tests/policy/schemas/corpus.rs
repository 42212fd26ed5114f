//! The files of the repository that are taken, and what both readers say of them.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use fabric_gate::keys::{File, Table, schema};
use fabric_gate::policy::profiles::PROFILES;
use fabric_gate::policy::{POLICY_FILE, PolicyDirectory, Problem, compile};
use fabric_gate::secret::SecretResolver;
use jsonschema::Validator;

pub(super) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A text of a file that is taken.
pub(super) struct Sound {
    pub(super) name: String,
    pub(super) table: toml::Table,
}

pub(super) fn parsed(name: impl Into<String>, text: &str) -> Sound {
    let name = name.into();
    let table = toml::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    Sound { name, table }
}

/// The policies of the repository. Those of a folder are one document.
pub(super) fn policies() -> Vec<Sound> {
    let folders = [
        "policies",
        "policies/prices",
        "tests/policy/sound",
        "tests/policy/every-key",
    ];
    let mut sound: Vec<Sound> = folders
        .iter()
        .map(|folder| {
            let directory = PolicyDirectory::read(&root().join(folder)).unwrap();
            let names = directory.files().iter().map(|file| file.name.clone());
            let texts =
                names.map(|name| fs::read_to_string(root().join(folder).join(name)).unwrap());
            parsed(*folder, &texts.collect::<String>())
        })
        .collect();
    sound.extend(shown("policy"));
    sound
}

pub(super) fn profiles() -> Vec<Sound> {
    let profiles = PROFILES.iter();
    profiles
        .map(|profile| parsed(profile.name, &profile.as_policy_file("backend")))
        .collect()
}

pub(super) fn configurations(info: &str, file: &str) -> Vec<Sound> {
    let mut sound = vec![parsed(
        file,
        &fs::read_to_string(root().join(file)).unwrap(),
    )];
    sound.extend(shown(info));
    sound
}

/// What the gate says of a policy.
pub(super) fn problems(policy: &toml::Table) -> Vec<Problem> {
    let text = toml::to_string(policy).unwrap();
    let directory = PolicyDirectory::from_texts(&root(), [("p.toml", text.as_str())]).unwrap();
    compile(&directory, &environment())
        .err()
        .unwrap_or_default()
}

pub(super) fn environment() -> SecretResolver {
    SecretResolver::with_environment([
        ("GITHUB_SECRET", "s"),
        (
            "ALERTS_SECRET",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr",
        ),
    ])
}

/// As editors hand it to a validator: points in time are texts.
pub(super) fn json(value: &toml::Value) -> serde_json::Value {
    match value {
        toml::Value::Table(table) => {
            let members = table.iter().map(|(key, value)| (key.clone(), json(value)));
            serde_json::Value::Object(members.collect())
        }
        toml::Value::Array(items) => items.iter().map(json).collect(),
        toml::Value::Datetime(time) => serde_json::json!(time.to_string()),
        toml::Value::String(text) => serde_json::json!(text),
        toml::Value::Integer(integer) => serde_json::json!(integer),
        toml::Value::Float(float) => serde_json::json!(float),
        toml::Value::Boolean(flag) => serde_json::json!(flag),
    }
}

pub(super) fn validator(file: &File) -> Validator {
    jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(&schema(file))
        .unwrap()
}

pub(super) fn complaints(validator: &Validator, table: &toml::Table) -> Vec<String> {
    let document = json(&toml::Value::Table(table.clone()));
    let errors = validator.iter_errors(&document);
    errors
        .map(|error| format!("{} {error}", error.instance_path()))
        .collect()
}

/// The way to a table: names of keys, and places in lists.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Key(String),
    Place(usize),
}

/// Every table of a document, with what is declared of it.
pub(super) fn tables(
    value: &toml::Value,
    declared: &'static Table,
    at: &[Step],
) -> Vec<(Vec<Step>, &'static Table)> {
    let longer = |step: Step| [at, &[step]].concat();
    match value {
        toml::Value::Table(table) => {
            let mut found = match declared.name {
                "" => Vec::new(),
                _ => vec![(at.to_vec(), declared)],
            };
            for (key, value) in table {
                let below = declared.below(key);
                found.extend(tables(value, below, &longer(Step::Key(key.clone()))));
            }
            found
        }
        toml::Value::Array(items) => {
            let items = items.iter().enumerate();
            items
                .flat_map(|(index, item)| tables(item, declared, &longer(Step::Place(index))))
                .collect()
        }
        _ => Vec::new(),
    }
}

pub(super) fn tables_of(policy: &toml::Table, file: &File) -> Vec<(Vec<Step>, &'static Table)> {
    tables(&toml::Value::Table(policy.clone()), file.root, &[])
}

/// The document with one of its tables changed.
pub(super) fn changed(
    policy: &toml::Table,
    at: &[Step],
    change: impl FnOnce(&mut toml::Table),
) -> toml::Table {
    let mut document = toml::Value::Table(policy.clone());
    let mut found = &mut document;
    for step in at {
        found = match step {
            Step::Key(key) => &mut found[key.as_str()],
            Step::Place(index) => &mut found[*index],
        };
    }
    change(found.as_table_mut().unwrap());
    match document {
        toml::Value::Table(table) => table,
        _ => panic!("a document is a table"),
    }
}

/// Each key of each table once, where a sound policy has it.
pub(super) fn each_key() -> Vec<(Sound, Vec<Step>, &'static Table, String)> {
    let mut seen = HashSet::new();
    let mut keys = Vec::new();
    let mut sound = policies();
    // What is short is quick to try.
    sound.sort_by_key(|sound| sound.table.to_string().len());
    for Sound { name, table } in sound {
        for (at, declared) in tables_of(&table, &POLICY_FILE) {
            for key in declared.keys {
                let there = has(&table, &at, key.name);
                if there && seen.insert((declared.name, key.name)) {
                    let sound = parsed(name.clone(), &table.to_string());
                    keys.push((sound, at.clone(), declared, key.name.to_owned()));
                }
            }
        }
    }
    keys
}

pub(super) fn has(policy: &toml::Table, at: &[Step], key: &str) -> bool {
    let mut there = false;
    changed(policy, at, |table| there = table.contains_key(key));
    there
}

/// What pages of the documentation show of a kind of file.
fn shown(kind: &str) -> Vec<Sound> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.extend(of_page(&path, kind));
            }
        }
    }
    assert!(
        !found.is_empty(),
        "no page shows a {kind}: is it still looked for right?"
    );
    found
}

fn of_page(page: &Path, kind: &str) -> Vec<Sound> {
    let text = fs::read_to_string(page).unwrap();
    let fence = format!("```toml {kind}\n");
    let blocks = text.split(&fence).skip(1);
    blocks
        .map(|block| {
            parsed(
                page.display().to_string(),
                block.split("```").next().unwrap(),
            )
        })
        .collect()
}
