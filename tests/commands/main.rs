//! The command line of both programs, as people and programs use it.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "nobody takes a test binary in, and a test that cannot go on has to panic"
)]

#[path = "../support/postgres.rs"]
mod postgres_server;

mod completing;
mod errors;
mod folder;
mod helping;
mod initial;
mod json;
mod memory;
mod streams;
