//! Fabric Gate: the policy enforcement point that makes an unmodified agent backend safe for many
//! tenants.
//!
//! The life of a request:
//!
//! 1. [`proxy`] reads the head, refuses framing that two parties could read differently,
//! 2. [`pipeline`] takes the target as it stands or refuses it: one canonical form, decided on and forwarded,
//! 3. [`policy`] finds the route in the snapshot this request keeps to its end,
//! 4. [`identity`] turns the credential into a `Principal`, bound to one tenant,
//! 5. [`pipeline`] holds every tenant the request names against the credential's,
//! 6. [`policy`] decides by roles, scopes and rules; [`decision`] says what is answered otherwise,
//! 7. [`ownership`] knows whose every thing is that the request names; what is not the caller's does
//!    not exist, and the answer is the backend's own for what never was,
//! 8. [`proxy`] strips what the caller claimed to be, sets who it is, and passes the request on,
//! 9. the backend's answer goes back; what it mints is kept in [`state`] before the caller sees it,
//!    what it says of others is taken out,
//! 10. [`audit`] holds one chained record of it, and [`telemetry`] counts it.
#![forbid(unsafe_code)]

pub mod admin;
pub mod audit;
pub mod budget;
pub mod cli;
pub mod clock;
pub mod config;
pub mod decision;
pub mod explain;
pub mod identity;
pub mod inspect;
pub mod keys;
pub mod memory;
pub mod memory_api;
pub mod money;
pub mod ownership;
pub mod pipeline;
pub mod policy;
pub mod proxy;
pub mod secret;
pub mod state;
pub mod telemetry;
pub mod tenant;
