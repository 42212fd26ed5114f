//! Owned resources: one tenant's things do not exist for another, on backends that never heard of
//! tenants, through the real program.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::string_slice,
    unreachable_pub,
    reason = "a helper of a test fails by panicking, as the test does"
)]

#[path = "../support/mod.rs"]
mod support;

mod stage;

mod absence;
mod claimed;
mod claims;
mod crash;
mod guarded;
mod lists;
mod mcp;
mod minted;
mod noninterference;
mod oracle;
mod outlived;
mod pages;
mod probes;
mod rewriting;
