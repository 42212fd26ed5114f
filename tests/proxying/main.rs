//! Carrying requests and answers: bodies, streams, upgrades, backends that misbehave and clients
//! that do, against the real program.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a helper of a test fails by panicking, as the test does"
)]

#[path = "../support/mod.rs"]
mod support;

mod stage;

mod bodies;
mod body_limits;
mod connections;
mod departures;
mod faults;
mod grpc;
mod h2_abuse;
mod lifetimes;
mod limits;
mod limits_told;
mod lines;
mod messages;
mod streaming;
mod torn;
mod transports;
mod websocket;
