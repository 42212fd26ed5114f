//! Costs that are known later: `cost.follow` of the route that begins the work, `cost.reports` of
//! the routes whose answers tell of it.

use std::sync::Arc;
use std::time::Duration;

use super::Extractor;
use crate::budget::later::Stage;

/// `cost.follow`: what was reserved stays reserved under the resource that the answer mints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowPolicy {
    /// For how long; after that it costs what was reserved.
    pub lasts: Duration,
    /// The gate asks by itself.
    pub ask: Option<AskPolicy>,
}

/// How the gate asks about the work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskPolicy {
    /// Name of the route that it asks by: one with `reports`.
    pub route: Arc<str>,
    /// Time to the first question; further ones take longer.
    pub every: Duration,
}

/// `cost.reports`: the answer says where the work stands, and at its end what it cost. The request
/// itself costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportsPolicy {
    /// Where the state is; where there is none, an answer that says a cost is the last word on it.
    pub state: Vec<Extractor>,
    /// States of work that ended as it should.
    pub done: Vec<Arc<str>>,
    /// States of work that ended otherwise.
    pub failed: Vec<Arc<str>>,
}

impl ReportsPolicy {
    /// Where the work stands by the states that an answer names. One that goes on outweighs all that
    /// ended, and one that failed all that are done.
    pub fn stage<S: AsRef<str>>(&self, states: &[S]) -> Stage {
        if self.state.is_empty() {
            return Stage::Unstated;
        }
        let among = |known: &[Arc<str>], state: &S| known.iter().any(|it| **it == *state.as_ref());
        let done = |state: &S| among(&self.done, state);
        let failed = |state: &S| among(&self.failed, state);
        match states {
            [] => Stage::Running,
            states if states.iter().all(done) => Stage::Done,
            states if states.iter().all(|state| done(state) || failed(state)) => Stage::Failed,
            _ => Stage::Running,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_has_ended_when_every_state_says_so() {
        let rule = ReportsPolicy {
            state: vec![Extractor::Body(vec!["state".to_owned()])],
            done: vec!["completed".into()],
            failed: vec!["failed".into(), "cancelled".into()],
        };
        for (states, stage) in [
            (&["completed"][..], Stage::Done),
            (&["cancelled"], Stage::Failed),
            (&["completed", "failed"], Stage::Failed),
            (&["completed", "running"], Stage::Running),
            (&["Completed"], Stage::Running),
            (&[], Stage::Running),
        ] {
            assert_eq!(rule.stage(states), stage, "{states:?}");
        }
    }

    #[test]
    fn a_route_without_states_leaves_it_to_the_cost() {
        assert_eq!(
            ReportsPolicy::default().stage(&["completed"]),
            Stage::Unstated
        );
    }
}
