//! `*.cases.toml`: requests and what has to become of them, beside the policies they are about.
//!
//! They are asked of a gate in memory, so that they run where there is neither a backend nor an
//! issuer. A case says who calls; whose things are, and what is spent, as far as it matters.

mod case;
mod compare;
mod read;
mod report;
mod run;
mod world;

pub use case::{Case, Expectation, ExpectedBackend, OwnedFixture, SpentFixture};
pub use compare::Difference;
pub use read::{cases_in, read};
pub use report::{junit, render};
pub use run::{CaseResult, RunError, run};
