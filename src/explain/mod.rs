//! What would become of a request, asked without sending it.
//!
//! A request is described, and goes through [`Gate::admit`](crate::pipeline::Gate::admit) as an
//! inquiry: the same steps, which look and take nothing. Where its caller is described as well, that
//! stands in for the credential; everything else is what a request meets.
//!
//! [`cases`] asks for many described requests at once and compares, [`replay`] asks other policies
//! about requests that were recorded.

mod asking;
mod backend;
mod caller;
pub mod cases;
mod described;
mod explanation;
mod near;
pub mod replay;
mod stand_in;
mod steps;
mod text;

pub use asking::{Sources, explain};
pub use described::{Described, DescribedCaller, DescribedError};
pub use explanation::{
    BackendFacts, CeilingFacts, Explanation, NearRoute, PrincipalFacts, ResourceFacts, RouteFacts,
    StepFacts,
};
pub use stand_in::{StandInError, StandInParts, stand_in};
pub use text::render;
