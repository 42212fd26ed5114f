//! What is under deploy/ holds what it promises: nothing of a pod is open but the gate, no container has
//! a right, every probe asks what there is, every configuration starts a gate in hardened mode.
//!
//! Helm charts and Kustomize folders are judged as they come out: `scripts/render-deploy` writes that to
//! `rendered/`, with a digest of what it was made from, because Helm is in no package of Debian's.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "nobody takes a test binary in, and a test that cannot go on has to panic"
)]

#[path = "../support/mod.rs"]
mod support;

mod broken;
mod compose;
mod configurations;
mod documented;
mod image;
mod manifests;
mod placed;
mod pods;
mod renderings;
mod running;
mod units;

use std::path::PathBuf;

/// The repository.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
