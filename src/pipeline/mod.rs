//! What every request goes through before a backend sees it.

pub mod canonical;
pub mod framing;
