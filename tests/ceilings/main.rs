//! Ceilings through the real program: money is reserved before a backend is asked and settled after,
//! no ceiling is passed, and what was spent is known after everything that can go wrong.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
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

mod boundary;
mod concurrency;
mod crash;
mod crowds;
mod during;
mod evasion;
mod failures;
mod later;
mod metering;
mod models;
mod operators;
mod provider;
mod settlement;
