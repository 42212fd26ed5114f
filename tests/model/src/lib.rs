//! The gate's ledger with a mutex whose scheduler tries the interleavings.
#![allow(
    dead_code,
    unused_imports,
    reason = "a part of the gate, with nobody else who uses it"
)]

#[path = "../../../src"]
mod gate {
    pub mod clock;
    pub mod decision;
    pub mod money;
    pub mod tenant;
}
pub use gate::{clock, decision, money, tenant};

/// As in the gate, but for `sync`.
#[path = "../../../src/budget"]
pub mod budget {
    pub mod ceiling;
    pub mod ledger;
    mod window;

    pub use ceiling::{Ceiling, CeilingScope, Spender, Window};

    pub(crate) mod sync {
        pub(crate) use shuttle::sync::{Mutex, MutexGuard};
    }
}
