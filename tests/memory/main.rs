//! The memory service: its stores, and what callers get of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    unreachable_pub,
    reason = "a helper of a test fails by panicking, as the test does"
)]

mod people;
mod reference;
