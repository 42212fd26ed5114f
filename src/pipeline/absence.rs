//! Requests that name what does not exist for their caller.

use std::sync::Arc;

use http::Method;

use super::admission::Admission;
use super::ownership::NamedResource;
use super::question::Question;
use crate::policy::{Revision, RoutePolicy};

/// A request that names what does not exist for its caller.
#[derive(Debug)]
pub struct Absence {
    /// What would have been admitted. It may only go to the backend with other ids in it.
    pub(super) admission: Arc<Admission>,
    /// The ids that are not the caller's; never empty.
    pub(super) denied: Vec<NamedResource>,
}

impl Absence {
    /// The route that was asked.
    pub fn route(&self) -> &Arc<RoutePolicy> {
        &self.admission.route
    }

    /// The ids that are not the caller's.
    pub fn denied(&self) -> &[NamedResource] {
        &self.denied
    }

    /// What would have been admitted, to ask the backend about other ids by.
    pub fn admission(&self) -> &Arc<Admission> {
        &self.admission
    }

    /// The policy it was decided by.
    pub fn revision(&self) -> &Revision {
        self.admission.generation.revision()
    }

    /// What the backend can be asked in place of the request, which came with this method and
    /// target. `certain` says of an id whether the one that is going to stand in its place can't
    /// name anything. `None`: it can't be asked without being told to do something.
    pub fn question(
        &self,
        method: &Method,
        came: &str,
        certain: impl Fn(&str) -> bool,
    ) -> Option<Question> {
        let target = self.admission.target().unwrap_or(came);
        let certain = self.denied.iter().all(|one| certain(&one.text));
        let routes = &self.admission.generation.snapshot().routes;
        Question::in_place_of(
            (method, target),
            self.route(),
            routes,
            &self.denied,
            certain,
        )
    }
}
