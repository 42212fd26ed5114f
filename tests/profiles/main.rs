//! Every profile through the real program, in front of a backend that has never heard of tenants:
//! what belongs to one tenant works for it, and does not exist for another.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::result_large_err,
    unreachable_pub,
    dead_code,
    reason = "a helper of a test fails by panicking, as the test does, and not every test uses all"
)]

#[path = "../support/standins/mod.rs"]
mod standins;
#[path = "../support/mod.rs"]
mod support;

mod stage;

mod a2a;
mod aether_forge;
mod agentflow;
mod anthropic;
mod harness;
mod heartbit;
mod langgraph;
mod memory;
mod openai;
