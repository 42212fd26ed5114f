//! What reaches the backend, and who a caller is: the real gate on raw sockets, before a backend
//! that records every byte.
//!
//! Each test runs in a [`world::World`], whose end holds the whole run to more than its answers
//! show: nothing unmeant reached the backend, every request has one audit record, no secret was
//! written down.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a helper of a test fails by panicking, as the test does"
)]

#[path = "../support/mod.rs"]
mod support;

mod access;
mod answers;
mod assertions;
mod call;
mod certificates;
mod credentials;
mod development;
mod framing;
mod hardened;
mod heads;
mod http2;
mod identity_headers;
mod machines;
mod prefixes;
mod targets;
mod tenant;
mod upstream_host;
mod webhooks;
mod world;
