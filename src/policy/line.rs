//! Requests one at a time: `serialize` of a route.

use std::time::Duration;

/// What of a route's requests goes one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineScope {
    /// Those of one tenant, on every route of the upstream that says so.
    Tenant,
    /// Those of one user, likewise.
    User,
    /// All of the route's.
    Route,
    /// Those about one resource (the first that the route names), on every route of the upstream
    /// that says so.
    Resource,
}

/// `serialize = { scope, queue, wait_seconds }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinePolicy {
    /// Which requests stand in one line.
    pub scope: LineScope,
    /// Most that wait at a time.
    pub queue: usize,
    /// Longest wait.
    pub wait: Duration,
}
