//! Roles for memory that no route writes.

use super::{Findings, Lint, Subject};

pub(super) static LINT: Lint = Lint {
    name: "shared-roles-unused",
    what: "`[memory] shared_write_roles` without a route that writes shared memory",
    why: "the roles guard routes that say `shared_memory_write`; where none does, anybody whom a route lets \
          in writes what the whole tenant reads",
    remedy: "say `shared_memory_write` on the routes that write shared memory, or take the section out",
    look,
};

fn look(subject: &Subject<'_>, findings: &mut Findings) {
    let snapshot = subject.snapshot;
    let written = |route: &std::sync::Arc<_>| may_write(route);
    if !snapshot.shared_write_roles.is_empty() && !snapshot.routes.iter().any(written) {
        let spot = subject.places.plain("memory");
        let spot = spot.map(|spot| spot.key("shared_write_roles"));
        findings.add(
            spot,
            "no route has `shared_memory_write`, so that these roles guard nothing",
        );
    }
}

fn may_write(route: &crate::policy::RoutePolicy) -> bool {
    route.shared_memory_write.may_happen()
}
