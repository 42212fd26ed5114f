//! The memory service: its stores, and what callers get of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::string_slice,
    unreachable_pub,
    reason = "a helper of a test fails by panicking, as the test does, and a soak says what it saw"
)]

#[path = "../support/jwks_server.rs"]
mod jwks_server;
#[path = "../support/memory_process.rs"]
mod memory_process;
#[path = "../support/postgres.rs"]
mod postgres_server;
#[path = "../support/mod.rs"]
mod support;

mod behaviour;
mod bulk;
mod conditional;
mod crash;
mod description;
mod descriptors;
mod documented;
mod files;
mod langgraph;
mod listening;
mod mcp;
mod memories;
mod noninterference;
mod people;
mod postgres;
mod recall;
mod reference;
mod settings;
mod sharing;
mod stage;
mod transfer;
mod who_calls;
