use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::identity::RoutePattern;
use crate::policy::{PolicyDirectory, compile};
use crate::secret::SecretResolver;

const BASE: &str = r#"
[memory]
shared_write_roles = ["lead"]
[[issuers]]
name = "corp"
issuer = "https://idp.example"
audiences = ["fabric"]
jwks_file = "keys.json"
[[tenants]]
id = "acme"
[[tenants]]
id = "globex"
suspended = true
[[upstreams]]
name = "u"
url = "http://127.0.0.1:1"
[[routes]]
name = "task.read"
upstream = "u"
methods = ["GET"]
path = "/task"
[[routes]]
name = "task.run"
upstream = "u"
methods = ["POST"]
path = "/task"
roles = ["operator", "admin"]
scopes = ["tasks:run", "tasks:read"]
[[routes]]
name = "memory.write"
upstream = "u"
methods = ["POST"]
path = "/memory"
shared_memory_write = true
"#;

fn snapshot(rules: &str) -> PolicySnapshot {
    let texts = [("p.toml", format!("{BASE}\n{rules}\n"))];
    let directory = PolicyDirectory::from_texts(Path::new("policies"), texts).unwrap();
    compile(&directory, &SecretResolver::default()).unwrap()
}

fn decided(
    snapshot: &PolicySnapshot,
    route: &str,
    principal: &Principal,
    method: Method,
) -> AuthorizeOutcome {
    let mut routes = snapshot.routes.iter();
    let route = routes.find(|found| *found.name == *route).unwrap();
    authorize(snapshot, route, principal, &method)
}

fn code(outcome: &AuthorizeOutcome) -> Result<(), DenialCode> {
    outcome
        .decision
        .as_ref()
        .map_err(|denial| denial.code)
        .copied()
}

fn caller(roles: &[&str], scopes: &[&str]) -> Principal {
    Principal::made_up("acme", "alice", roles, scopes, None)
}

const SCOPES: [&str; 2] = ["tasks:run", "tasks:read"];

#[test]
fn a_route_asks_for_any_of_its_roles_and_all_of_its_scopes() {
    let snapshot = snapshot("");
    for (roles, scopes, expected) in [
        (&["admin"][..], &SCOPES[..], Ok(())),
        (&["operator"], &SCOPES, Ok(())),
        (&["viewer"], &SCOPES, Err(DenialCode::RoleRequired)),
        (&["admin"], &["tasks:run"], Err(DenialCode::ScopeRequired)),
        (&[], &[], Err(DenialCode::RoleRequired)),
    ] {
        let outcome = decided(&snapshot, "task.run", &caller(roles, scopes), Method::POST);
        assert_eq!(code(&outcome), expected, "{roles:?} {scopes:?}");
    }
    let outcome = decided(&snapshot, "task.read", &caller(&[], &[]), Method::GET);
    assert_eq!(code(&outcome), Ok(()), "no roles: anyone of the tenant");
}

#[test]
fn a_denial_says_what_is_required() {
    let outcome = decided(
        &snapshot(""),
        "task.run",
        &caller(&["admin"], &[]),
        Method::POST,
    );
    let required = outcome.decision.unwrap_err().required;
    assert_eq!(required.as_deref(), Some("tasks:run tasks:read"));
}

#[test]
fn a_confined_credential_reaches_its_routes_and_no_other() {
    let snapshot = snapshot("");
    let confined = Principal::made_up("acme", "ci", &[], &[], Some(&["task.*"]));
    let inside = decided(&snapshot, "task.read", &confined, Method::GET);
    assert_eq!(code(&inside), Ok(()));
    let outside = decided(&snapshot, "memory.write", &confined, Method::POST);
    assert_eq!(code(&outside), Err(DenialCode::Forbidden));
}

#[test]
fn a_permit_stands_in_for_roles_but_not_for_scopes_or_shared_memory() {
    let rule = "[[rules]]\nname = \"alice may\"\neffect = \"permit\"\nusers = [\"alice\"]\n";
    let with = snapshot(rule);
    let granted = decided(&with, "task.run", &caller(&[], &SCOPES), Method::POST);
    assert_eq!(
        (code(&granted), granted.rule.as_deref()),
        (Ok(()), Some("alice may"))
    );
    let unscoped = decided(&with, "task.run", &caller(&[], &[]), Method::POST);
    assert_eq!(code(&unscoped), Err(DenialCode::ScopeRequired));
    let writer = decided(&with, "memory.write", &caller(&[], &[]), Method::POST);
    assert_eq!(code(&writer), Err(DenialCode::RoleRequired));
    let bob = Principal::made_up("acme", "bob", &[], &SCOPES, None);
    let other = decided(&with, "task.run", &bob, Method::POST);
    assert_eq!(code(&other), Err(DenialCode::RoleRequired));
}

#[test]
fn shared_memory_is_written_by_its_roles_only() {
    let snapshot = snapshot("");
    let lead = decided(
        &snapshot,
        "memory.write",
        &caller(&["lead"], &[]),
        Method::POST,
    );
    assert_eq!(code(&lead), Ok(()));
    let user = decided(
        &snapshot,
        "memory.write",
        &caller(&["user"], &[]),
        Method::POST,
    );
    assert_eq!(code(&user), Err(DenialCode::RoleRequired));
}

#[test]
fn a_forbid_about_get_is_about_head_too() {
    let rule = "[[rules]]\nname = \"closed\"\neffect = \"forbid\"\nmethods = [\"GET\"]\n";
    let snapshot = snapshot(rule);
    for method in [Method::GET, Method::HEAD] {
        let outcome = decided(&snapshot, "task.read", &caller(&[], &[]), method);
        let denial = outcome.decision.unwrap_err();
        assert_eq!(denial.code, DenialCode::Forbidden);
        assert_eq!(denial.rule.as_deref(), Some("closed"));
    }
    let other = decided(
        &snapshot,
        "memory.write",
        &caller(&["lead"], &[]),
        Method::POST,
    );
    assert_eq!(code(&other), Ok(()));
}

#[test]
fn a_rule_holds_for_those_it_names_and_no_others() {
    for (condition, other) in [
        (
            "tenants = [\"acme\"]",
            Principal::made_up("globex", "alice", &["intern"], &[], None),
        ),
        (
            "users = [\"alice\"]",
            Principal::made_up("acme", "bob", &["intern"], &[], None),
        ),
        (
            "roles = [\"intern\"]",
            Principal::made_up("acme", "alice", &["lead"], &[], None),
        ),
    ] {
        let rule = format!("[[rules]]\nname = \"r\"\neffect = \"forbid\"\n{condition}\n");
        let snapshot = snapshot(&rule);
        let named = decided(
            &snapshot,
            "task.read",
            &caller(&["intern"], &[]),
            Method::GET,
        );
        assert_eq!(code(&named), Err(DenialCode::Forbidden), "{condition}");
        let unnamed = decided(&snapshot, "task.read", &other, Method::GET);
        assert_eq!(code(&unnamed), Ok(()), "{condition}");
    }
}

#[test]
fn a_shadow_forbid_is_recorded_and_changes_nothing() {
    let rule = "[[rules]]\nname = \"soon\"\neffect = \"forbid\"\nmode = \"shadow\"\n";
    let snapshot = snapshot(rule);
    let outcome = decided(&snapshot, "task.read", &caller(&[], &[]), Method::GET);
    assert_eq!(code(&outcome), Ok(()));
    assert_eq!(outcome.would_deny, ["soon".into()]);
    assert_eq!(outcome.rule, None);
}

#[test]
fn a_tenant_is_served_if_it_is_listed_and_not_suspended() {
    let mut snapshot = snapshot("");
    let status = |snapshot: &PolicySnapshot, id: &str| {
        tenant_status(snapshot, &id.parse().unwrap()).map_err(|denial| denial.code)
    };
    assert_eq!(status(&snapshot, "acme"), Ok(()));
    assert_eq!(
        status(&snapshot, "globex"),
        Err(DenialCode::TenantSuspended)
    );
    assert_eq!(status(&snapshot, "initech"), Err(DenialCode::TenantUnknown));
    snapshot.tenancy.unknown = UnknownTenant::Provision;
    assert_eq!(status(&snapshot, "initech"), Ok(()));
    assert_eq!(
        status(&snapshot, "globex"),
        Err(DenialCode::TenantSuspended)
    );
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let names = |all: &'static [&'static str]| {
        let listed = prop::sample::subsequence(all, 1..=all.len());
        prop::option::of(listed.prop_map(|names| names.into_iter().map(Arc::from).collect()))
    };
    let patterns = prop::sample::subsequence(vec!["task.*", "task.run", "memory.write"], 1..=3)
        .prop_map(|patterns| patterns.into_iter().map(RoutePattern::new).collect());
    let rule = (
        prop::bool::ANY,
        prop::bool::weighted(0.2),
        prop::option::of(patterns),
        names(&["alice", "bob"]),
        names(&["operator", "viewer"]),
    );
    let rule = rule.prop_map(|(forbid, shadow, routes, users, roles)| Rule {
        name: "r".into(),
        effect: if forbid {
            Effect::Forbid
        } else {
            Effect::Permit
        },
        mode: if shadow {
            RuleMode::Shadow
        } else {
            RuleMode::Enforce
        },
        routes,
        methods: None,
        tenants: None,
        users,
        roles,
        uses: None,
        models: None,
    });
    prop::collection::vec(rule, 0..6)
}

proptest! {
    #[test]
    fn a_forbid_wins_whatever_the_order_of_the_rules(
        listed in rules(),
        turn in 0usize..6,
        roles in prop::sample::subsequence(vec!["operator", "viewer", "admin"], 0..=3),
    ) {
        let mut snapshot = snapshot("");
        let alice = caller(&roles, &SCOPES);
        let forbidden = listed.iter().any(|rule| {
            rule.effect == Effect::Forbid
                && rule.mode == RuleMode::Enforce
                && rule.routes.as_ref().is_none_or(|routes| {
                    routes.iter().any(|pattern| pattern.matches("task.run"))
                })
                && rule.users.as_ref().is_none_or(|users| users.contains(&"alice".into()))
                && rule.roles.as_ref().is_none_or(|wanted| {
                    wanted.iter().any(|role| roles.contains(&&**role))
                })
        });
        snapshot.rules = listed;
        let straight = code(&decided(&snapshot, "task.run", &alice, Method::POST));
        prop_assert_eq!(straight == Err(DenialCode::Forbidden), forbidden);
        let length = snapshot.rules.len();
        snapshot.rules.rotate_left(turn.min(length));
        snapshot.rules.reverse();
        let turned = code(&decided(&snapshot, "task.run", &alice, Method::POST));
        prop_assert_eq!(straight, turned);
    }
}

mod models;

mod uses {
    use super::*;
    use crate::inspect::mcp::Subject;

    const MCP: &str = r#"
[[routes]]
name = "mcp.post"
upstream = "u"
methods = ["POST"]
path = "/mcp"
roles = ["operator"]
scopes = ["mcp"]
mcp = true
"#;

    fn tool(name: &str) -> Use {
        Use {
            subject: Subject::Tool,
            name: name.to_owned(),
        }
    }

    /// What becomes of the use of a tool by a caller with these roles and the scope.
    fn used(rules: &str, roles: &[&str], name: &str) -> (Result<(), DenialCode>, Option<String>) {
        let snapshot = snapshot(&format!("{MCP}\n{rules}"));
        let principal = caller(roles, &["mcp"]);
        let entry = decided(&snapshot, "mcp.post", &principal, Method::POST);
        if let Err(refused) = code(&entry) {
            return (Err(refused), None);
        }
        let mut routes = snapshot.routes.iter();
        let route = routes.find(|found| *found.name == *"mcp.post").unwrap();
        let outcome = authorize_use(
            &snapshot,
            route,
            &principal,
            &Method::POST,
            entry.standing,
            &tool(name),
        );
        let decision = outcome.decision.map_err(|denial| denial.code);
        (decision, outcome.rule.map(|rule| rule.to_string()))
    }

    #[test]
    fn a_forbidden_tool_is_forbidden_to_whom_the_rule_names_and_the_others_may() {
        let rule = "[[rules]]\nname = \"no shell\"\neffect = \"forbid\"\ntools = [\"shell.*\"]\n\
                    roles = [\"intern\"]\n";
        let shell = used(rule, &["operator", "intern"], "shell.run");
        assert_eq!(
            shell,
            (Err(DenialCode::ToolForbidden), Some("no shell".into()))
        );
        for (roles, name) in [
            (&["operator", "intern"][..], "echo"),
            (&["operator"], "shell.run"),
        ] {
            assert_eq!(used(rule, roles, name), (Ok(()), None), "{roles:?} {name}");
        }
    }

    #[test]
    fn a_rule_about_tools_does_not_decide_about_the_request() {
        let rule = "[[rules]]\nname = \"none\"\neffect = \"forbid\"\ntools = [\"*\"]\n";
        let snapshot = snapshot(&format!("{MCP}\n{rule}"));
        let principal = caller(&["operator"], &["mcp"]);
        let entry = decided(&snapshot, "mcp.post", &principal, Method::POST);
        assert_eq!(code(&entry), Ok(()));
    }

    #[test]
    fn a_permit_for_some_tools_lets_in_for_these_and_no_others() {
        let rule = "[[rules]]\nname = \"search\"\neffect = \"permit\"\ntools = [\"search.*\"]\n\
                    roles = [\"intern\"]\n";
        assert_eq!(
            used(rule, &["intern"], "search.web"),
            (Ok(()), Some("search".into()))
        );
        assert_eq!(
            used(rule, &["intern"], "shell.run"),
            (Err(DenialCode::RoleRequired), None)
        );
        assert_eq!(
            used(rule, &["guest"], "search.web"),
            (Err(DenialCode::RoleRequired), None)
        );
        assert_eq!(used(rule, &["operator"], "shell.run"), (Ok(()), None));
        let snapshot = snapshot(&format!("{MCP}\n{rule}"));
        let unscoped = caller(&["intern"], &[]);
        let entry = decided(&snapshot, "mcp.post", &unscoped, Method::POST);
        assert_eq!(code(&entry), Err(DenialCode::ScopeRequired));
    }

    #[test]
    fn a_forbid_wins_over_a_permit_for_the_same_tool() {
        let rules = "[[rules]]\nname = \"all\"\neffect = \"permit\"\ntools = [\"*\"]\n\
                     roles = [\"intern\"]\n\
                     [[rules]]\nname = \"no shell\"\neffect = \"forbid\"\ntools = [\"shell.*\"]\n";
        for roles in [&["intern"][..], &["operator"]] {
            let (decision, rule) = used(rules, roles, "shell.run");
            assert_eq!(decision, Err(DenialCode::ToolForbidden), "{roles:?}");
            assert_eq!(rule.as_deref(), Some("no shell"));
        }
    }

    #[test]
    fn a_forbid_in_shadow_mode_is_recorded_and_changes_nothing() {
        let rule = "[[rules]]\nname = \"soon\"\neffect = \"forbid\"\nmode = \"shadow\"\n\
                    tools = [\"shell.*\"]\n";
        assert_eq!(used(rule, &["operator"], "shell.run"), (Ok(()), None));
        let snapshot = snapshot(&format!("{MCP}\n{rule}"));
        let mut routes = snapshot.routes.iter();
        let route = routes.find(|found| *found.name == *"mcp.post").unwrap();
        let outcome = authorize_use(
            &snapshot,
            route,
            &caller(&["operator"], &["mcp"]),
            &Method::POST,
            Standing::Route,
            &tool("shell.run"),
        );
        assert_eq!(outcome.would_deny, ["soon".into()]);
    }
}
