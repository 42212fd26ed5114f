//! Costs that are known later: of work that goes on behind the answer to the request that began it.
//!
//! Such a request reserves like any other. Its answer names a resource (a task, a batch, a response
//! that is made in the background) and no cost, so the reservation is kept under that resource, and
//! settled once, by whichever comes first:
//!
//! 1. an answer about the resource that says the work has ended and what it cost, read by its owner
//!    through the gate;
//! 2. the same, read by the gate itself, which asks now and then ([`Timetable`]);
//! 3. its time being up: then it costs what was reserved.
//!
//! What an answer comes to is for [`verdict`]. Work that failed or was cancelled has cost money too,
//! and backends are known to say zero of it, so a zero counts of work alone that was completed.
//!
//! What is kept is in the ledger, with what it takes to go on after a restart ([`Followed`]); any
//! gate on the same ledger can settle it, and one of them does.

mod followed;
mod timetable;
mod verdict;

pub use followed::{Followed, UnknownNote};
pub use timetable::{Heard, Timetable};
pub use verdict::{Outcome, Stage, verdict};
