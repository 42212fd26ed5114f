//! Entries in SQLite: one database for each tenant, `{root}/{tenant}/memory.db`.
//!
//! A tenant's database is made by its first write, opened when it is used and closed when it is
//! not, so that ten thousand tenants are served with the descriptors of a few hundred. What is wrong
//! with one file is wrong for one tenant. To erase a tenant is to remove its directory.
//!
//! One connection of a tenant writes; writes that wait together are committed together, with one
//! sync of the disk, and each caller hears of its own only after that. Two connections read. All of
//! it is on threads that may block, and every caller waits a bounded time; a reading whose caller
//! has gone is interrupted.
//!
//! Text is found by an index of FTS5, whose terms begin with the number of their namespace: scores
//! are worked out here, from the statistics of that namespace alone. FTS5's own ranking counts all
//! that is in a database, so it would tell one user of another. Vectors are compared one by one:
//! exact, and in a time that grows with how many the namespace has (`benches/memory.rs` measures it).

mod backup;
mod database;
mod descriptors;
mod error;
mod failing;
mod handle;
mod handles;
mod jobs;
mod letting_go;
mod metadata;
mod reading;
mod root;
mod rows;
mod running;
mod scope;
mod searching;
mod settings;
mod store;
#[cfg(test)]
mod store_tests;
mod usage;
mod words;
mod work;
mod writing;

pub use backup::backup_beside;
pub use error::OpenError;
pub use settings::Settings;
pub use store::SqliteStore;
