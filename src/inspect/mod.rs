//! Bytes of strangers, read within bounds.

pub mod json;
pub mod sse;
