//! Tokens against real key servers: what gets in, what does not, and what an ill issuer costs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a helper of a test fails by panicking, as the test does"
)]

#[path = "../support/jwks_server.rs"]
mod jwks_server;

mod attacks;
mod cache;
mod development;
mod gate;
mod issuer_health;
mod machine;
mod principals;
mod rotation;
mod signer;
