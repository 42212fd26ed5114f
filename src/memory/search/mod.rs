//! Searching memories: what a text is found by, how well it fits, and in which order answers come.
//!
//! Everything here is a function of what it is given: no store, no clock, no configuration. A score
//! depends on the query, the entry and the statistics of the namespaces that are searched, never on
//! anybody else's memories, so it tells nothing of them.

pub mod bm25;
mod fold;
pub mod fuse;
mod script;
pub mod terms;
pub mod top;
pub mod vector;
