//! What the documentation shows has to work: every policy compiles, every configuration resolves.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::expect_used,
    clippy::result_large_err,
    dead_code,
    unreachable_pub,
    reason = "a helper of a test fails by panicking, as the test does"
)]

#[path = "../support/jwks_server.rs"]
mod jwks_server;
#[path = "../support/memory_process.rs"]
mod memory_process;
#[path = "../support/postgres.rs"]
mod postgres_server;
#[path = "../support/standins/mod.rs"]
mod standins;
#[path = "../support/mod.rs"]
mod support;

mod cases;
mod commands;
mod links;
mod pages;
mod postgres;
mod started;

use fabric_gate::config::Config;
use fabric_gate::config::memory::MemoryConfig;
use fabric_gate::policy::{PolicyDirectory, compile, render_text};
use fabric_gate::secret::SecretResolver;

use pages::{blocks, root, with_info};

#[test]
fn every_policy_that_is_shown_compiles() {
    for block in with_info("toml policy") {
        let files =
            PolicyDirectory::from_texts(&root(), [("shown.toml", block.text.as_str())]).unwrap();
        let compiled = compile(&files, &SecretResolver::default());
        assert!(
            compiled.is_ok(),
            "{}\n{}",
            block.place(),
            render_text(&compiled.err().unwrap_or_default())
        );
    }
}

#[test]
fn every_configuration_that_is_shown_resolves() {
    for block in with_info("toml config") {
        let resolved = Config::parse("shown.toml", &block.text, &SecretResolver::default());
        assert!(
            resolved.is_ok(),
            "{}\n{}",
            block.place(),
            render_text(&resolved.err().unwrap_or_default())
        );
    }
}

#[test]
fn every_configuration_of_the_memory_service_that_is_shown_resolves() {
    for block in with_info("toml memory") {
        let environment = SecretResolver::default();
        let resolved = MemoryConfig::parse("shown.toml", &block.text, &environment);
        assert!(
            resolved.is_ok(),
            "{}\n{}",
            block.place(),
            render_text(&resolved.err().unwrap_or_default())
        );
    }
}

#[test]
fn no_toml_is_shown_without_being_tried() {
    let untried: Vec<String> = blocks()
        .into_iter()
        .filter(|block| block.info == "toml")
        .map(|block| block.place())
        .collect();
    assert!(
        untried.is_empty(),
        "say `toml policy`, `toml cases`, `toml config` or `toml memory`: {untried:?}"
    );
}

#[test]
fn the_development_policies_compile() {
    let files = PolicyDirectory::read(&root().join("policies")).unwrap();
    let compiled = compile(&files, &SecretResolver::default());
    assert!(
        compiled.is_ok(),
        "{}",
        render_text(&compiled.err().unwrap_or_default())
    );
}
