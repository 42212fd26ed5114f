//! The life of the process: policies that change under load, listeners that change hands, stops,
//! kills, and the audit log that has to be whole after each of them.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "nobody takes a test binary in, a test that cannot go on has to panic, and a soak test \
              tells its figures"
)]

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/jwks_server.rs"]
mod jwks_server;

mod admin;
mod audit_commands;
mod audit_count;
mod audit_crash;
mod audit_failure;
mod bad_policies;
mod commands;
mod heads;
mod issuer_keys;
mod load;
mod records;
mod reload;
mod resources;
mod soak;
mod stop;
mod upgrade;
mod world;
