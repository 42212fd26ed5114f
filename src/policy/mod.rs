//! Who may do what: policy files compiled into one immutable [`PolicySnapshot`].
//!
//! Nothing here does IO save [`reload`]; a snapshot is a value, and every question that is asked of
//! it is a pure function, so that what is explained and tested is what production does.

mod router;
mod snapshot;

pub use router::{RouteMatch, Router};
pub use snapshot::*;
