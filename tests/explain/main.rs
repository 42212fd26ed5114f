//! What is asked without sending it is what happens when it is sent, and asking leaves no mark.

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

mod cases;
mod claims;
mod commands;
mod difference;
mod marks;
mod matrix;
mod replay;
mod stage;
