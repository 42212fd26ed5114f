//! Paths whose parameters are written as another router has them.

use super::{Findings, Lint, Subject};

pub(super) static LINT: Lint = Lint {
    name: "path-with-foreign-parameter",
    what: "a path with `:id` or `*` where other routers have a parameter",
    why: "here they stand for themselves: no request matches the route but one whose path has them",
    remedy: "write `{id}`, and `{*rest}` at the end for whatever follows",
    look,
};

fn look(subject: &Subject<'_>, findings: &mut Findings) {
    for route in &subject.snapshot.routes {
        let ours: Vec<_> = route.path.split('/').map(ours).collect();
        let ours = ours.join("/");
        if ours != *route.path {
            let spot = subject.own_route(route).map(|spot| spot.key("path"));
            let message = format!("`{}` is taken literally", route.path);
            findings.add_suggesting(spot, message, Some(&ours));
        }
    }
}

/// A segment as this router has it.
fn ours(segment: &str) -> String {
    match segment.strip_prefix(':') {
        Some(name) if !name.is_empty() => format!("{{{name}}}"),
        _ if matches!(segment, "*" | "**") => "{*rest}".to_owned(),
        _ => segment.to_owned(),
    }
}
