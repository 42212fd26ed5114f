//! What every request goes through before a backend sees it.

pub mod canonical;
pub mod declared_tenant;
pub mod framing;
pub mod head;
pub mod identity_headers;
pub mod query;
pub mod trace_context;
