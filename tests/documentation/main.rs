//! What the documentation shows has to work: every policy compiles, every configuration resolves.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a helper of a test fails by panicking, as the test does"
)]

use std::fs;
use std::path::{Path, PathBuf};

use fabric_gate::config::Config;
use fabric_gate::config::memory::MemoryConfig;
use fabric_gate::policy::{PolicyDirectory, compile, render_text};
use fabric_gate::secret::SecretResolver;

/// A fenced block of a page.
struct Block {
    page: PathBuf,
    line: usize,
    info: String,
    text: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn pages(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pages(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

fn blocks() -> Vec<Block> {
    let mut found = vec![root().join("README.md")];
    pages(&root().join("docs"), &mut found);
    let mut blocks = Vec::new();
    for page in found {
        let mut open: Option<Block> = None;
        for (index, line) in fs::read_to_string(&page).unwrap().lines().enumerate() {
            match (line.strip_prefix("```"), open.take()) {
                (Some(info), None) => {
                    open = Some(Block {
                        page: page.clone(),
                        line: index + 1,
                        info: info.to_owned(),
                        text: String::new(),
                    });
                }
                (Some(_), Some(block)) => blocks.push(block),
                (None, Some(mut block)) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                    open = Some(block);
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{} ends inside a block", page.display());
    }
    blocks
}

fn with_info(info: &str) -> Vec<Block> {
    let found: Vec<Block> = blocks()
        .into_iter()
        .filter(|block| block.info == info)
        .collect();
    assert!(
        !found.is_empty(),
        "no page has a block of `{info}`: is it still looked for right?"
    );
    found
}

#[test]
fn every_policy_that_is_shown_compiles() {
    for block in with_info("toml policy") {
        let files =
            PolicyDirectory::from_texts(&root(), [("shown.toml", block.text.as_str())]).unwrap();
        let compiled = compile(&files, &SecretResolver::default());
        assert!(
            compiled.is_ok(),
            "{}:{}\n{}",
            block.page.display(),
            block.line,
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
            "{}:{}\n{}",
            block.page.display(),
            block.line,
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
            "{}:{}\n{}",
            block.page.display(),
            block.line,
            render_text(&resolved.err().unwrap_or_default())
        );
    }
}

#[test]
fn no_toml_is_shown_without_being_tried() {
    let untried: Vec<String> = blocks()
        .into_iter()
        .filter(|block| block.info == "toml")
        .map(|block| format!("{}:{}", block.page.display(), block.line))
        .collect();
    assert!(
        untried.is_empty(),
        "say `toml policy`, `toml config` or `toml memory`: {untried:?}"
    );
}

#[test]
fn every_page_a_page_leads_to_is_there() {
    let mut found = vec![root().join("README.md")];
    pages(&root().join("docs"), &mut found);
    for page in found {
        let text = fs::read_to_string(&page).unwrap();
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let path = page.parent().unwrap().join(target);
            assert!(
                path.exists(),
                "{} leads to `{link}`, which is not there",
                page.display()
            );
        }
    }
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
