//! Claims of tokens as places: where a route may name one, and where none can be.

use fabric_gate::identity::settings::ClaimPath;

use super::*;

fn of_route(lines: &str) -> String {
    format!(
        "[tenancy]\nunknown = \"provision\"\n[[upstreams]]\nname = \"u\"\n\
         url = \"http://127.0.0.1:1\"\n[[routes]]\nname = \"r\"\nupstream = \"u\"\n\
         methods = [\"POST\"]\npath = \"/a/{{id}}\"\n{lines}\n"
    )
}

#[test]
fn every_claim_that_a_route_names_is_kept_of_tokens_once_and_no_other() {
    let text = of_route(
        r#"
tenant_from = ["claim:home", "path:id"]
resource = [
    { kind = "session", id = ["path:id", "claim:sid"] },
    { kind = "project", id = "claim:/team/projects" },
    { kind = "team", id = "claim:https://example.com/team" },
]
cost = { fixed_usd = "0.1", model = "claim:model", session = "claim:sid", agent = "claim:agent" }
"#,
    );
    let snapshot = compiled(&text).unwrap();
    let name = |name: &str| ClaimPath::Name(name.to_owned());
    let mut claims = snapshot.claims().to_vec();
    let mut expected = vec![
        name("home"),
        name("sid"),
        ClaimPath::Pointer(vec!["team".to_owned(), "projects".to_owned()]),
        name("https://example.com/team"),
        name("model"),
        name("agent"),
    ];
    let written = |claim: &ClaimPath| format!("{claim:?}");
    claims.sort_by_key(written);
    expected.sort_by_key(written);
    assert_eq!(claims, expected);
    let none = compiled(&of_route(
        "resource = { kind = \"session\", id = \"path:id\" }",
    ));
    assert!(none.unwrap().claims().is_empty());
}

#[test]
fn a_claim_is_no_place_where_something_is_written_or_an_answer_is_read() {
    use ProblemKind::BadValue;
    for (lines, expected) in [
        (
            "set = [{ at = \"claim:x\", value = \"x\" }]",
            "can be changed at",
        ),
        ("remove = [\"claim:x\"]", "can be changed at"),
        ("scoped = [\"claim:x\"]", "can be changed at"),
        (
            "prefix = [{ at = \"claim:x\", with = \"{tenant}.\" }]",
            "can be changed at",
        ),
        ("workspace_paths = [\"claim:x\"]", "names a path at"),
        (
            "shared_memory_write = { at = \"claim:x\", unless = \"user\" }",
            "what it writes at",
        ),
        (
            "creates = { kind = \"k\", id = \"claim:x\" }",
            "an answer has the id at",
        ),
        ("guard = { tenant = \"claim:x\" }", "guarded by its body"),
        ("cost = { usd = \"claim:x\" }", "an answer states it at"),
        (
            "list = { kind = \"k\", items = \"claim:x\", id = \"/id\" }",
            "the array of items is at",
        ),
        (
            "resource = { kind = \"k\", id = \"claim:\" }",
            "or `claim:NAME`",
        ),
        (
            "resource = { kind = \"k\", id = \"claim:/~2\" }",
            "a JSON pointer begins with `/`",
        ),
        (
            "resource = { kind = \"k\", id = \"claim:/ids/*\" }",
            "every element counts",
        ),
    ] {
        let problems = refused(&of_route(lines));
        let told =
            |(kind, line): &(ProblemKind, String)| *kind == BadValue && line.contains(expected);
        assert!(problems.iter().any(told), "{lines}: {problems:#?}");
    }
}

#[test]
fn a_route_that_no_token_comes_to_can_name_no_claim() {
    let id = "resource = { kind = \"k\", id = \"claim:sid\" }\n";
    for (lines, expected) in [
        ("public = true\n", "asks for no credential"),
        (
            "credentials = [\"api_key\", \"client_certificate\"]\n",
            "takes none",
        ),
    ] {
        let problems = refused(&of_route(&format!("{lines}{id}")));
        let told = |(kind, line): &(ProblemKind, String)| {
            *kind == ProblemKind::Conflict && line.contains(expected)
        };
        assert!(problems.iter().any(told), "{lines}: {problems:#?}");
    }
    for credentials in ["[\"bearer\"]", "[\"query:token\", \"api_key\"]"] {
        let text = of_route(&format!("credentials = {credentials}\n{id}"));
        assert!(compiled(&text).is_ok(), "{credentials}");
    }
}
