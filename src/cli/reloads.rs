//! What is kept of policies that are loaded: an event in the audit log, and a count.

use crate::audit::Event;
use crate::pipeline::Gate;
use crate::policy::reload::ReloadOutcome;

/// Records the policies that a gate begins with.
pub(super) fn loaded(gate: &Gate) {
    let generation = gate.generation();
    note(
        gate,
        &Event::PolicyLoaded {
            policy_revision: generation.revision().as_str(),
        },
    );
}

/// Records and counts what became of a reload.
pub(super) fn reloaded(gate: &Gate, outcome: &ReloadOutcome) {
    let result = match outcome {
        ReloadOutcome::Changed(revision) => {
            note(
                gate,
                &Event::PolicyLoaded {
                    policy_revision: revision.as_str(),
                },
            );
            "changed"
        }
        ReloadOutcome::Unchanged(_) => "unchanged",
        ReloadOutcome::Rejected(problems) => {
            note(
                gate,
                &Event::PolicyRejected {
                    problems: problems.len() as u64,
                },
            );
            "rejected"
        }
    };
    gate.metrics().policy_reload(result);
}

fn note(gate: &Gate, event: &Event<'_>) {
    if gate.audit().event(event).is_err() {
        tracing::error!(?event, "an event could not be recorded");
    }
}
