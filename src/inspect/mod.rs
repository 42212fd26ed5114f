//! Bytes of strangers, read within bounds.

pub mod coding;
pub mod json;
pub mod sse;
