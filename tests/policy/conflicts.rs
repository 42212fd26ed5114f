//! One mistake at a time, in a file that is sound without it.

use http::Method;
use proptest::prelude::*;

use super::*;

const SOUND: &str = r#"
[[tenants]]
id = "acme"
[[upstreams]]
name = "u"
url = "http://127.0.0.1:1"
[[routes]]
name = "a.read"
upstream = "u"
methods = ["GET"]
path = "/a/{id}"
[[routes]]
name = "hook"
upstream = "u"
methods = ["POST"]
path = "/hook"
"#;

/// The one problem that `addition` makes of the sound file.
fn only_problem(addition: &str) -> (ProblemKind, String) {
    let problems = refused(&format!("{SOUND}{addition}\n"));
    assert_eq!(problems.len(), 1, "one mistake, one problem: {problems:#?}");
    problems.into_iter().next().unwrap()
}

#[test]
fn without_a_mistake_the_file_is_sound() {
    assert!(compiled(SOUND).is_ok());
}

#[test]
fn a_reference_to_nothing_is_refused() {
    for (addition, expected) in [
        (
            "[[routes]]\nname = \"b\"\nupstream = \"v\"\nmethods = [\"GET\"]\npath = \"/b\"",
            "there is no upstream `v`",
        ),
        (
            "[[webhooks]]\nname = \"w\"\npath = \"/nowhere\"\nscheme = \"slack\"\n\
             secret = \"env:SECRET\"\ntenant = \"acme\"\nuser = \"w\"",
            "no route has this path",
        ),
        (
            "[[webhooks]]\nname = \"w\"\npath = \"/a/1\"\nscheme = \"slack\"\n\
             secret = \"env:SECRET\"\ntenant = \"acme\"\nuser = \"w\"",
            "no route takes a POST to this path",
        ),
        (
            "[development]\ntenant = \"globex\"\nuser = \"dev\"",
            "the tenant `globex` is not listed",
        ),
        (
            "[[routes]]\nname = \"m\"\nupstream = \"u\"\nmethods = [\"PUT\"]\npath = \"/m\"\n\
             shared_memory_write = true",
            "no `[memory] shared_write_roles` says who may",
        ),
    ] {
        let (kind, line) = only_problem(addition);
        assert_eq!(kind, ProblemKind::NothingThere, "{line}");
        assert!(line.contains(expected), "{line}");
    }
}

#[test]
fn a_rule_that_can_never_hold_is_refused() {
    for (condition, expected) in [
        (
            "routes = [\"b.*\"]",
            "no route has a name that begins with `b.`",
        ),
        (
            "methods = [\"PATCH\"]",
            "no route that the rule covers takes PATCH",
        ),
        (
            "routes = [\"a.*\"]\nmethods = [\"POST\"]",
            "no route that the rule covers takes POST",
        ),
        ("roles = []", "an empty list matches nothing"),
        (
            "roles = [\"intern\"]",
            "no credential carries the role `intern`",
        ),
        (
            "tools = [\"shell.*\"]",
            "no route that the rule covers has `mcp = true`",
        ),
        (
            "routes = [\"a.*\"]\nresources = [\"file:*\"]",
            "no route that the rule covers has `mcp = true`",
        ),
    ] {
        let rule = format!("[[rules]]\nname = \"r\"\neffect = \"forbid\"\n{condition}");
        let (kind, line) = only_problem(&rule);
        assert_eq!(kind, ProblemKind::NeverMatches, "{line}");
        assert!(line.contains(expected), "{line}");
    }
    let head = "[[rules]]\nname = \"r\"\neffect = \"forbid\"\nmethods = [\"HEAD\"]\n";
    assert!(
        compiled(&format!("{SOUND}{head}")).is_ok(),
        "GET includes HEAD"
    );
}

#[test]
fn a_rule_about_tools_is_for_routes_that_speak_mcp() {
    let mcp = "[[routes]]\nname = \"mcp.post\"\nupstream = \"u\"\nmethods = [\"POST\"]\n\
               path = \"/mcp\"\nmcp = true\n";
    for condition in [
        "tools = [\"shell.*\"]",
        "prompts = [\"*\"]\nroutes = [\"mcp.*\"]",
        "resources = [\"file:///secret/*\"]",
    ] {
        let rule = format!("[[rules]]\nname = \"r\"\neffect = \"forbid\"\n{condition}\n");
        assert!(
            compiled(&format!("{SOUND}{mcp}{rule}")).is_ok(),
            "{condition}"
        );
    }
}

#[test]
fn an_unlisted_tenant_may_be_named_where_such_tenants_are_provisioned() {
    let development = "[development]\ntenant = \"globex\"\nuser = \"dev\"\n";
    let provisioned = format!("{SOUND}{development}[tenancy]\nunknown = \"provision\"\n");
    assert!(compiled(&provisioned).is_ok());
}

#[test]
fn routes_in_each_others_way_are_refused_naming_both() {
    for (path, methods, expected) in [
        (
            "/a/{id}",
            "GET",
            "GET on this path is taken by the route `a.read`",
        ),
        (
            "/a/{name}",
            "POST",
            "some requests fit this path and `/a/{id}` of the route `a.read` alike",
        ),
    ] {
        let (kind, line) = only_problem(&format!(
            "[[routes]]\nname = \"b\"\nupstream = \"u\"\nmethods = [\"{methods}\"]\n\
             path = \"{path}\""
        ));
        assert_eq!(kind, ProblemKind::Conflict, "{line}");
        assert!(
            line.contains("[[routes]] \"b\" path") && line.contains(expected),
            "{line}"
        );
    }
}

#[test]
fn a_webhook_on_a_public_route_would_ask_for_no_signature() {
    let (kind, line) = only_problem(
        "[[routes]]\nname = \"open\"\nupstream = \"u\"\nmethods = [\"POST\"]\npath = \"/open\"\n\
         public = true\n[[webhooks]]\nname = \"w\"\npath = \"/open\"\nscheme = \"stripe\"\n\
         secret = \"env:SECRET\"\ntenant = \"acme\"\nuser = \"w\"",
    );
    assert_eq!(kind, ProblemKind::Conflict);
    assert!(line.contains("the route `open` is public"), "{line}");
}

#[test]
fn two_keys_of_one_user_are_a_rotation_and_one_key_twice_is_a_mistake() {
    let key = |name: &str, digit: &str| {
        format!(
            "[[api_keys]]\nname = \"{name}\"\nsha256 = \"{}\"\ntenant = \"acme\"\nuser = \"ci\"\n",
            digit.repeat(64)
        )
    };
    let rotation = format!("{SOUND}{}{}", key("old", "0"), key("new", "1"));
    assert_eq!(compiled(&rotation).unwrap().api_keys.len(), 2);
    let (kind, line) = only_problem(&format!("{}{}", key("old", "0"), key("new", "0")));
    assert_eq!(kind, ProblemKind::Duplicate);
    assert!(line.contains("already, in policies/p.toml:19"), "{line}");
}

#[test]
fn a_plain_section_stands_in_one_file_only() {
    let texts = [
        ("a.toml", "[tenancy]\nunknown = \"deny\"\n"),
        ("b.toml", "[tenancy]\nunknown = \"provision\"\n"),
    ];
    let directory = PolicyDirectory::from_texts(Path::new("p"), texts).unwrap();
    let problems = compile(&directory, &SecretResolver::default()).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(
        problems[0].to_string(),
        "p/b.toml:1:1: error: [tenancy]: the section stands in p/a.toml:1 too; only one file may have it"
    );
}

proptest! {
    #[test]
    fn any_path_template_is_taken_or_refused(template in "/[a-c{}*/.%;-]{0,12}", path in "/[a-c/]{0,8}") {
        let route = format!(
            "[[routes]]\nname = \"any\"\nupstream = \"u\"\nmethods = [\"PUT\"]\npath = {template:?}\n"
        );
        if let Ok(snapshot) = compiled(&format!("{SOUND}{route}")) {
            let _ = snapshot.router.route(&Method::PUT, &path);
        }
    }

    #[test]
    fn any_text_at_all_is_taken_or_refused(
        text in r#"(\[{0,2}(routes|tenants|rules|memory|x)\]{0,2}|id = "a"|name = \[1, "b"\]|= |[\n"{}.])*"#
    ) {
        let _ = compiled(&format!("{text}\n"));
    }
}

#[test]
fn a_line_that_nobody_could_stand_in_is_refused() {
    let route = |keys: &str| {
        format!(
            "[[routes]]\nname = \"b\"\nupstream = \"u\"\nmethods = [\"POST\"]\npath = \"/b\"\n{keys}"
        )
    };
    for scope in ["tenant", "user", "route"] {
        let sound = route(&format!("serialize = {{ scope = \"{scope}\", queue = 0 }}"));
        assert!(compiled(&format!("{SOUND}{sound}\n")).is_ok(), "{scope}");
    }
    for (keys, expected) in [
        ("serialize = {}", "`scope` is missing"),
        ("serialize = { scope = \"planet\" }", "`planet`"),
        (
            "serialize = { scope = \"route\", queue = 100001 }",
            "100001",
        ),
        ("serialize = { scope = \"route\", wait_seconds = 0 }", "`0`"),
        (
            "serialize = { scope = \"resource\" }",
            "names no `resource` to stand in line for",
        ),
        (
            "public = true\nserialize = { scope = \"tenant\" }",
            "a public route knows no caller",
        ),
    ] {
        let (_, message) = only_problem(&route(keys));
        assert!(message.contains(expected), "{keys}: {message}");
    }
}

#[test]
fn ids_in_messages_are_for_sockets() {
    let route = |websocket: bool| {
        format!(
            "[[routes]]\nname = \"s\"\nupstream = \"u\"\nmethods = [\"GET\"]\npath = \"/s\"\n\
             websocket = {websocket}\nresource = {{ kind = \"task\", id = \"message:/task\" }}"
        )
    };
    assert!(compiled(&format!("{SOUND}{}\n", route(true))).is_ok());
    let (_, message) = only_problem(&route(false));
    assert!(message.contains("`message:`"), "{message}");
}

#[test]
fn reading_teaches_what_an_owned_thing_made_and_nothing_else() {
    let read = "[[routes]]\nname = \"b.read\"\nupstream = \"u\"\nmethods = [\"GET\"]\npath = \"/b/{id}\"\n\
                creates = { kind = \"file\", id = \"body:/output\" }\n";
    let (kind, problem) = only_problem(read);
    assert_eq!(kind, ProblemKind::Conflict);
    assert!(problem.contains("reading an owned `resource`"), "{problem}");
    let owned = format!("{read}resource = {{ kind = \"batch\", id = \"path:id\" }}\n");
    assert!(compiled(&format!("{SOUND}{owned}")).is_ok());
}

#[test]
fn a_route_that_does_not_begin_with_its_upstreams_prefix_is_refused() {
    let route = |path: &str| {
        format!(
            "[[upstreams]]\nname = \"m\"\nurl = \"http://127.0.0.1:1\"\nstrip_prefix = \"/apps\"\n\
             [[routes]]\nname = \"m.r\"\nupstream = \"m\"\nmethods = [\"GET\"]\npath = \"{path}\"\n"
        )
    };
    for path in ["/x", "/apps", "/appsx", "/{apps}/x", "/x/apps/y"] {
        let (kind, line) = only_problem(&route(path));
        assert_eq!(kind, ProblemKind::Conflict, "{line}");
        assert!(line.contains("has to begin with `/apps/`"), "{line}");
    }
    for path in ["/apps/x", "/apps/{id}", "/apps/{*rest}"] {
        let text = format!("{SOUND}{}", route(path));
        assert!(compiled(&text).is_ok(), "{path}");
    }
}

#[test]
fn a_condition_of_shared_memory_has_a_place_and_a_word() {
    let route = |condition: &str| {
        format!(
            "[memory]\nshared_write_roles = [\"lead\"]\n[[routes]]\nname = \"m\"\nupstream = \"u\"\n\
             methods = [\"POST\"]\npath = \"/m\"\nshared_memory_write = {condition}\n"
        )
    };
    for (condition, expected) in [
        ("{ unless = \"user\" }", "the key `at` is missing"),
        ("{ at = \"body:/scope\" }", "the key `unless` is missing"),
        ("{ at = [], unless = \"user\" }", "an empty list"),
        (
            "{ at = \"event:/scope\", unless = \"user\" }",
            "a request says what it writes at",
        ),
        ("{ at = \"scope\", unless = \"user\" }", "scope"),
        ("\"sometimes\"", "true or false is needed"),
    ] {
        let (_, line) = only_problem(&route(condition));
        assert!(line.contains(expected), "{condition}: {line}");
    }
    for condition in [
        "true",
        "false",
        "{ at = \"body:/scope\", unless = \"user\" }",
    ] {
        let text = format!("{SOUND}{}", route(condition));
        assert!(compiled(&text).is_ok(), "{condition}");
    }
}
