//! The audit log: one record per request, chained, signed for, and never silently incomplete.
//!
//! **Path of a record.** [`AuditLog::append`] writes its text into one of a few shared buffers
//! ([`intake`]). One thread ([`writer`]) takes what has gathered every flush interval, numbers it,
//! seals it into the hash chain ([`chain`]) and commits it with one write and one sync
//! ([`journal`]). A request never waits for the disk unless durability is `sync`; then it waits
//! for a ticket, and all that wait share a sync.
//!
//! **Completeness.** Numbers have no gaps, each record holds the keyed hash of the one before, and
//! signed checkpoints in a second place say how far the log had come ([`checkpoint`]). So
//! [`verify`] notices an edited, removed, added or moved record, a cut-off end, an
//! older copy and a chain that was computed anew with the key. What it can't notice is a log that
//! was cut after its last checkpoint *before* the next one, or one that was replaced together with
//! its checkpoints; the second place has to be one that the first one's owner can't write.
//!
//! **Trouble.** While the disk fails or hangs, records are kept in bounded memory and
//! [`AuditLog::ready`] refuses new requests (or, by configuration, serves them and counts what is
//! lost). Half-written lines are cut off before the next attempt. What could not be kept is told
//! of in a `gap` record. A crash leaves at most one half record, which the next start puts aside
//! and tells of; anything else that is wrong at the end of the log stops the start.
//!
//! **Lineages.** During an upgrade in place two processes write at once, each its own chain
//! ([`files`]).

mod adjustment;
mod backward;
mod chain;
mod checkpoint;
mod costs;
mod event;
mod export;
mod files;
mod filter;
mod find;
mod flat;
mod follow;
mod health;
mod intake;
mod journal;
mod json;
mod keys;
mod lines;
mod log;
mod ocsf;
mod query;
mod record;
mod recovery;
mod scan;
mod settings;
mod storage;
#[cfg(test)]
mod storage_tests;
mod tail;
mod verify;
mod walk;
mod writer;

pub use adjustment::AdjustmentFacts;
pub use chain::Problem;
pub use costs::{Booked, RecordedCost, costs};
pub use event::{CeilingWarning, Event};
pub use export::{ExportError, ExportFormat, ExportSummary, export};
pub use filter::{Filter, FilterError};
pub use find::{ChainPlace, ChainState, FoundRecord, find};
pub use follow::{Followed, Following};
pub use health::{AuditStats, AuditUnavailable};
pub use intake::Ticket;
pub use keys::{KeyError, LogKeys, LogSecret, SecretSource};
pub use log::AuditLog;
pub use query::{LARGEST_PAGE, Page, QueryError, query};
pub use record::*;
pub use recovery::OpenError;
pub use scan::{Scanned, scan};
pub use settings::{Durability, OnFailure, Settings};
pub use tail::tail;
pub use verify::{Bad, LineageReport, Report, VerifyError, verify, verify_watched};
