//! `fabric-gate prices` on tables of strangers.

use std::process::{Command, Output};

use super::*;

const TABLE: &str = r#"{
    "sample_spec": { "input_cost_per_token": 0.0, "mode": "one of chat, embedding" },
    "house/large": {
        "input_cost_per_token": 3e-06, "output_cost_per_token": 1.5e-05,
        "input_cost_per_token_above_200k_tokens": 6e-06,
        "output_cost_per_token_above_200k_tokens": 2.25e-05,
        "input_cost_per_token_batches": 1.5e-06, "output_cost_per_token_batches": 7.5e-06,
        "max_input_tokens": 1000000, "max_output_tokens": 64000, "mode": "chat"
    },
    "house/\"quoted\"": { "input_cost_per_token": 2e-8, "mode": "embedding" },
    "house/pictures": { "output_cost_per_image": 0.04, "mode": "image_generation" },
    "other/free": { "input_cost_per_token": 0, "output_cost_per_token": 0, "mode": "chat" }
}"#;

fn prices(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fabric-gate"))
        .arg("prices")
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder with the table in it, and the table's path.
fn folder() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("table.json");
    std::fs::write(&table, TABLE).unwrap();
    let table = table.to_str().unwrap().to_owned();
    (folder, table)
}

#[test]
fn an_imported_table_is_a_policy() {
    let (folder, table) = folder();
    let printed = prices(&["import", &table]);
    assert!(printed.status.success(), "{printed:?}");
    let entries = text(&printed.stdout);
    let snapshot = compiled(&entries).unwrap();
    let large = snapshot.prices.listed("house/large").unwrap();
    assert_eq!(
        (large.context, large.max_output),
        (Some(1_000_000), Some(64_000))
    );
    assert!(snapshot.prices.listed("house/\"quoted\"").is_some());
    for model in ["sample_spec", "house/pictures", "other/free"] {
        assert!(snapshot.prices.listed(model).is_none(), "{model}");
    }
    let told = text(&printed.stderr);
    for line in [
        "left out \"house/pictures\": no price for tokens",
        "left out \"other/free\": `input` is 0",
        "no place for `output_cost_per_image` of 1 entries",
        "2 prices taken, 2 entries left out",
    ] {
        assert!(told.contains(line), "{told}");
    }

    let out = folder.path().join("15-prices.toml");
    let written = prices(&["import", &table, "--out", out.to_str().unwrap()]);
    assert!(
        written.status.success() && written.stdout.is_empty(),
        "{written:?}"
    );
    assert_eq!(std::fs::read_to_string(&out).unwrap(), entries);
    let names = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 2, "nothing is left beside it");
}

#[test]
fn models_are_taken_by_pattern_and_told_to_programs() {
    let (_folder, table) = folder();
    let printed = prices(&[
        "import", &table, "--json", "--model", "house/l*", "--model", "other/*",
    ]);
    assert!(
        printed.status.success() && printed.stderr.is_empty(),
        "{printed:?}"
    );
    let document: serde_json::Value = serde_json::from_slice(&printed.stdout).unwrap();
    let taken = document["prices"].as_array().unwrap();
    assert_eq!(taken.len(), 1, "{document}");
    assert_eq!(taken[0]["model"], "house/large");
    assert_eq!(taken[0]["tiers"][0]["input"], "6.00");
    assert_eq!(taken[0]["service_tiers"]["batch"]["output"], "7.50");
    assert_eq!(document["skipped"][0]["model"], "other/free");
}

#[test]
fn a_table_without_a_price_ends_with_1_and_what_is_no_table_with_2() {
    let (folder, table) = folder();
    let none = prices(&["import", &table, "--model", "nobody/*"]);
    assert_eq!(none.status.code(), Some(1), "{none:?}");
    std::fs::write(&table, "[]").unwrap();
    let no_table = prices(&["import", &table]);
    assert_eq!(no_table.status.code(), Some(2));
    assert!(
        text(&no_table.stderr).contains("from names of models"),
        "{no_table:?}"
    );
    let absent = folder.path().join("absent.json");
    assert_eq!(
        prices(&["import", absent.to_str().unwrap()]).status.code(),
        Some(2)
    );
}

#[test]
fn a_price_that_is_built_in_is_printed_as_an_entry() {
    let listed = text(&prices(&["list"]).stdout);
    assert!(listed.lines().any(|line| {
        let mut words = line.split_whitespace();
        (words.next(), words.next(), words.next()) == (Some("gpt-4o"), Some("2.50"), Some("10.00"))
    }));
    let shown = prices(&["show", "gpt-4o-2024-08-06"]);
    let own = compiled(&format!(
        "{}\n[costs]\nbuilt_in_prices = false\n",
        text(&shown.stdout)
    ));
    let own = own.unwrap();
    let built_in = compiled("# nothing\n").unwrap();
    for model in ["gpt-4o", "gpt-4o-2024-08-06"] {
        assert_eq!(
            own.prices.find(model),
            built_in.prices.find(model),
            "{model}"
        );
    }
    assert_eq!(prices(&["show", "gpt-4o-"]).status.code(), Some(2));
}
