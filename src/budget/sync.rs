//! The mutex of what is shared between requests. The model check puts its own in this place, whose
//! scheduler tries the interleavings.

pub(crate) use std::sync::{Mutex, MutexGuard};
