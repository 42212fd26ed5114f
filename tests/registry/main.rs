//! The registry from outside: one owner per id, whatever happens at the same time or in between.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod contest;
mod crash;
mod failures;
mod files;
mod forgetting;
mod meanwhile;
mod memory;
mod model;
mod world;
