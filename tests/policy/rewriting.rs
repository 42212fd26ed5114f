//! What a route may change in a request, and what it may not.

use super::*;

/// The problems of a sound route with these further lines.
fn of_route(lines: &str) -> Vec<(ProblemKind, String)> {
    match compiled(&with(lines, "")) {
        Ok(_) => Vec::new(),
        Err(problems) => problems
            .iter()
            .map(|problem| (problem.kind, problem.to_string()))
            .collect(),
    }
}

fn with(route: &str, upstream: &str) -> String {
    format!(
        "[tenancy]\nunknown = \"provision\"\n[[upstreams]]\nname = \"u\"\n\
         url = \"http://127.0.0.1:1\"\n{upstream}\n[[routes]]\nname = \"r\"\nupstream = \"u\"\n\
         methods = [\"POST\"]\npath = \"/a/{{id}}/b/{{*rest}}\"\n{route}\n"
    )
}

#[test]
fn every_place_can_be_changed() {
    let problems = of_route(
        r#"
set = [
    { at = "path:id", value = "{user}" },
    { at = "query:user_id", value = "{tenant}:{user}" },
    { at = "header:x-user", value = "{roles}" },
    { at = "body:/messages/*/user", value = "{agent}" },
    { at = "form:user_id", value = "fixed" },
]
prefix = [
    { at = "body:/namespace", with = "{namespace}", element = true, absent = "insert" },
    { at = "query:key", with = "{tenant}/{user}/", absent = "leave" },
]
remove = ["body:/story_id", "header:x-story"]
scoped = ["header:idempotency-key", "body:/prompt_cache_key"]
"#,
    );
    assert_eq!(problems, []);
}

#[test]
fn what_would_not_hold_is_refused() {
    use ProblemKind::{BadValue, Conflict, Missing, NothingThere};
    for (lines, kind, expected) in [
        ("set = [{ at = \"body:/u\" }]", Missing, "`value`"),
        ("set = [{ value = \"x\" }]", Missing, "`at`"),
        (
            "set = [{ at = \"body:/u\", value = \"{team}\" }]",
            BadValue,
            "`{team}`",
        ),
        (
            "set = [{ at = \"body:/u\", value = \"{tenant}{user}\" }]",
            BadValue,
            "no id holds",
        ),
        (
            "set = [{ at = \"claim:x\", value = \"x\" }]",
            BadValue,
            "can be changed at",
        ),
        (
            "set = [{ at = \"path:other\", value = \"x\" }]",
            NothingThere,
            "`{other}`",
        ),
        (
            "set = [{ at = \"path:rest\", value = \"x\" }]",
            BadValue,
            "more than one segment",
        ),
        (
            "set = [{ at = \"query:Tenant\", value = \"x\" }]",
            BadValue,
            "writes the parameter",
        ),
        (
            "set = [{ at = \"header:content_length\", value = \"x\" }]",
            BadValue,
            "not a route's",
        ),
        (
            "set = [{ at = \"header:x-fabric-user\", value = \"x\" }]",
            BadValue,
            "not a route's",
        ),
        (
            "remove = [\"header:authorization\"]",
            BadValue,
            "not a route's",
        ),
        ("remove = [\"path:id\"]", BadValue, "set, and not removed"),
        (
            "prefix = [{ at = \"body:/k\", with = \"{user}\" }]",
            BadValue,
            "name the tenant",
        ),
        (
            "prefix = [{ at = \"body:/k\", with = \"{tenant}x\" }]",
            BadValue,
            "no id holds",
        ),
        (
            "prefix = [{ at = \"query:k\", with = \"{tenant}\", element = true }]",
            BadValue,
            "elements",
        ),
        (
            "remove = [\"query:u\"]\nset = [{ at = \"query:U\", value = \"x\" }]",
            Conflict,
            "the same place",
        ),
        (
            "scoped = [\"header:x_k\"]\nremove = [\"header:X-K\"]",
            Conflict,
            "the same place",
        ),
        (
            "resource = { kind = \"k\", id = \"path:id\" }\nscoped = [\"path:id\"]",
            BadValue,
            "the id of a resource",
        ),
        (
            "workspace_paths = [\"body:/cwd\"]",
            NothingThere,
            "`workspace`",
        ),
        (
            "public = true\nremove = [\"body:/x\"]",
            Conflict,
            "`remove` means nothing",
        ),
    ] {
        let problems = of_route(lines);
        assert_eq!(problems.len(), 1, "{lines}: {problems:#?}");
        assert_eq!(problems[0].0, kind, "{lines}: {problems:#?}");
        assert!(problems[0].1.contains(expected), "{lines}: {problems:#?}");
    }
}

#[test]
fn a_workspace_is_an_absolute_path_of_the_upstream() {
    let paths = "workspace_paths = [\"body:/cwd\"]";
    assert!(compiled(&with(paths, "workspace = \"/srv/w\"")).is_ok());
    let problems = refused(&with("", "workspace = \"../w\""));
    assert_eq!(problems[0].0, ProblemKind::BadValue, "{problems:#?}");
}
