//! What can be seen of the gate from outside: traces and logs by OTLP, and metrics with the page,
//! the rules and the dashboard that are made of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    unreachable_pub,
    reason = "a helper of a test fails by panicking, as the test does"
)]

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/jwks_server.rs"]
mod jwks_server;
#[path = "../support/memory_process.rs"]
mod memory_process;

mod collector;
mod page;
mod stage;

mod canary;
mod dashboard;
mod logs;
mod loss;
mod moved;
mod rules;
mod sampling;
mod traces;
