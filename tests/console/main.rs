//! The console in a real browser: headless Chromium before the real program, with three tenants
//! under load.
//!
//! The browser is driven over its own protocol (CDP), which shows what a driver would hide: its log,
//! every request it makes, and the accessibility tree. Screenshots are left in `target/console`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    unreachable_pub,
    dead_code,
    reason = "a helper of a test fails by panicking, as the test does"
)]

#[path = "../support/mod.rs"]
mod support;

mod browser;
mod stage;

mod failing;
mod keyboard;
mod panels;
mod pictures;
mod records;
mod routes;
mod signing_in;
