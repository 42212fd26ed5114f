//! The audit log from outside: what it promises to whoever operates it and whoever audits it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod costs;
mod crash;
mod lifecycle;
mod reading;
mod sample;
mod tamper;
