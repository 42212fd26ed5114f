//! Bytes of strangers, read within bounds.

pub mod coding;
pub mod event_boundary;
pub mod event_stream;
mod glob;
pub mod json;
pub mod json_rpc;
pub mod mcp;
pub mod multipart;
pub mod query;
pub mod sse;
pub mod usage;
pub mod websocket;

pub use glob::Glob;
