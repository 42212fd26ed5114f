//! The ledger from outside: on files, by several processes, with what goes wrong in between.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod contest;
mod crash;
mod damage;
mod failures;
mod generations;
mod world;
