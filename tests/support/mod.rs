//! What integration tests share: backends that record what reached them, clients that send exactly
//! the bytes they are given, the real binary as a process, tokens and certificates.
//!
//! A test binary takes it in with `#[path = "../support/mod.rs"] mod support;`. Every wait in here
//! is bounded by [`DEADLINE`] and every port is a free one, so that nothing here can hang a test or
//! meet another one.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "each test binary uses a part of it, and a test that cannot go on has to panic"
)]

pub mod certificates;
pub mod gate_process;
pub mod h2_backend;
pub mod h2_client;
pub mod http1;
pub mod mcp_server;
pub mod raw_client;
pub mod recording_backend;
pub mod tokens;
pub mod transport;

use std::future::Future;
use std::time::Duration;

/// Longest wait for anything that should come about. Generous, because a loaded machine is slow and a
/// test that passes never waits for it; and less than a gate waits by itself for a backend, a body or
/// the grace of its end (30 s and more), so that who waits for those in vain is found out.
pub const DEADLINE: Duration = Duration::from_secs(25);

/// The outcome of `work`, which has to come within [`DEADLINE`]. `what` names it in the panic.
pub async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, work)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within {DEADLINE:?}"))
}
