//! The memories of agents: whose they are, what they hold, how they are found.
//!
//! Everything is kept as one kind of record, an [`Entry`], in one of three [`Area`]s: memories, the
//! items of a LangGraph store, and files. An entry belongs to one [`Namespace`], a user's own or the
//! tenant's shared one. Only a [`Caller`] names namespaces, and only a verified
//! [`Principal`](crate::identity::Principal) becomes a caller. (The [`Operator`] at the machine has
//! rights as well, and no request can make one.) Every method of a [`MemoryStore`]
//! takes what a caller may read ([`Reach`]), write ([`Writable`]) or erase. So a query that forgot
//! its scope is one that can't be written.
//!
//! Two stores keep entries, one with an SQLite database for each tenant and one in PostgreSQL with
//! row-level security; one behavioural suite runs on both. This module knows no HTTP.

mod asking;
mod bounds;
mod bulk;
mod caller;
mod change;
mod conditions;
mod document;
mod editing;
mod embedding;
mod entry;
mod export;
mod fields;
pub mod files;
mod filter;
mod forgetting;
mod import;
mod page;
mod patch;
pub mod postgres;
mod promote;
mod recall;
mod recalls;
pub mod search;
mod service;
pub mod sqlite;
mod store;
mod tending;
mod told;
mod wanted;
mod whole;

pub use asking::Asked;
pub use bounds::Bounds;
pub use bulk::{BulkError, MOST_OPERATIONS, Operation};
pub use caller::{
    Caller, Namespace, Operator, Oversight, Owner, Reach, RoleRequired, Rules, Scope,
    TenantErasure, TenantScope, UserErasure, Writable,
};
pub use change::{Change, Expected, Outcome, PruneRule};
pub use document::{EntryDocument, FieldsDocument, Names, VersionDocument};
pub use editing::{writable, writable_scope};
pub use embedding::{Embedding, EmbeddingError, MAX_DIMENSIONS};
pub use entry::{Address, Area, Entry, EntryId, EntryIdError, ROW_BYTES, Version};
pub use export::{Export, FORMAT};
pub use fields::{Confidentiality, Fields, Importance, MemoryType};
pub use filter::{Comparison, Condition, Filter, PathFilter};
pub use forgetting::Receipt;
pub use import::{Import, ImportReport, ImportRules, RefusedLine};
pub use page::{Order, Page, Position};
pub use patch::merge;
pub use recall::{MOST_RECALLED, Question, Recalled};
pub use service::{Memory, MemoryError};
pub use store::{
    Erased, MemoryStore, NamespaceUse, Partition, Quotas, Scored, StoreError, StoreErrorKind,
    WriteError, WriteErrorKind,
};
pub use wanted::{Wanted, unknown};
pub use whole::{TenantExport, TenantImport};
