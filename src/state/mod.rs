//! What has to outlive the process: one SQLite database and the journals of the ledger beside it, or
//! memory for tests.
//!
//! One thread writes and a few read, each on a connection of its own, because SQLite blocks the
//! thread that asks. Writes that wait together are committed together (one sync of the disk for
//! all), and each caller hears of its own only after that. Queues are bounded and every caller
//! waits a bounded time: a disk that hangs makes the state unavailable and never a request hang.
//!
//! Two processes share the database during an upgrade in place. Nothing here, nor in front of it,
//! takes for free what the other may have taken.

mod database;
mod engine;
#[cfg(test)]
mod engine_tests;
mod journal;
mod memory;
mod queue;
mod read_only;
mod settings;
mod sqlite;
mod statements;

pub use database::OpenError;
pub use journal::{LedgerError, open_ledger};
pub use memory::MemoryStore;
pub use read_only::ReadOnlyStore;
pub use sqlite::SqliteStore;
