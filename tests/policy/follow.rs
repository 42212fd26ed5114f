//! Costs that are known later: what begins work, what tells of it, what the gate asks by.

use std::time::Duration;

use fabric_gate::policy::{CostPolicy, Extractor, PolicySnapshot};

use crate::{compiled, refused};

const UPSTREAMS: &str = r#"
[[upstreams]]
name = "one"
url = "http://127.0.0.1:1"
[[upstreams]]
name = "other"
url = "http://127.0.0.1:1"
"#;

const CREATE: &str = r#"
[[routes]]
name = "task.create"
upstream = "one"
methods = ["POST"]
path = "/tasks"
creates = { kind = "task", id = "body:/id" }
cost = { usd = "body:/cost", reserve_usd = "0.50", follow = { by = "resource", ask = "task.read" } }
"#;

const READ: &str = r#"
[[routes]]
name = "task.read"
upstream = "one"
methods = ["GET"]
path = "/tasks/{id}"
resource = { kind = "task", id = "path:id" }
cost = { usd = "body:/cost", reports = { state = "body:/state", done = ["completed"], failed = ["failed"] } }
"#;

fn policy(create: &str, read: &str) -> String {
    format!("{UPSTREAMS}{create}{read}")
}

fn cost<'snapshot>(snapshot: &'snapshot PolicySnapshot, route: &str) -> &'snapshot CostPolicy {
    let mut routes = snapshot.routes.iter();
    let route = routes.find(|it| *it.name == *route).unwrap();
    route.cost.as_ref().unwrap()
}

#[test]
fn what_begins_work_is_followed_and_what_tells_of_it_costs_nothing() {
    let snapshot = compiled(&policy(CREATE, READ)).unwrap();
    let create = cost(&snapshot, "task.create");
    let follow = create.follow.as_ref().unwrap();
    assert!(create.charges());
    assert_eq!(follow.lasts, Duration::from_secs(3_600));
    let ask = follow.ask.as_ref().unwrap();
    assert_eq!(
        (&*ask.route, ask.every),
        ("task.read", Duration::from_secs(15))
    );
    let read = cost(&snapshot, "task.read");
    assert!(!read.charges());
    let reports = read.reports.as_ref().unwrap();
    assert_eq!(reports.state, [Extractor::Body(vec!["state".to_owned()])]);
}

#[test]
fn work_that_could_not_be_followed_is_refused_with_the_reason() {
    let with = |create: &str, read: &str| refused(&policy(create, read));
    let create = |from: &str, to: &str| with(&CREATE.replace(from, to), READ);
    let read = |from: &str, to: &str| with(CREATE, &READ.replace(from, to));
    for (problems, reason) in [
        (
            create("creates = { kind = \"task\", id = \"body:/id\" }\n", ""),
            "`cost.follow` keeps what is reserved under the id that `creates` finds",
        ),
        (
            create("kind = \"task\"", "kind = \"run\""),
            "`ask` names `task.read`, which does not name the thing that is made, and no other",
        ),
        (
            create("ask = \"task.read\"", "ask = \"task.raed\""),
            "`ask` names the route `task.raed`, and there is none",
        ),
        (create("by = \"resource\", ", ""), "the key `by` is missing"),
        (
            create("ask = \"task.read\"", "every_seconds = 5"),
            "`every_seconds` says how often the gate asks",
        ),
        (
            create("ask = ", "seconds = 0, ask = "),
            "`0` is not between 1 and 2592000",
        ),
        (
            read("upstream = \"one\"", "upstream = \"other\""),
            "which is of another upstream",
        ),
        (
            read("methods = [\"GET\"]", "methods = [\"POST\"]"),
            "which takes no GET",
        ),
        (
            read("path:id", "query:id"),
            "which does not name the thing that is made, and no other, in its path",
        ),
        (
            read(
                ", reports = { state = \"body:/state\", done = [\"completed\"], failed = [\"failed\"] }",
                ", reserve_usd = \"0.10\"",
            ),
            "whose `cost` has no `reports`",
        ),
        (
            read("usd = \"body:/cost\"", "fixed_usd = \"0.10\""),
            "`reports` reads from the answer what the work cost",
        ),
        (
            read("cost = { usd", "cost = { reserve_usd = \"0.10\", usd"),
            "a request that `reports` costs nothing itself",
        ),
        (
            create(
                "ask = \"task.read\" }",
                "ask = \"task.read\" }, reports = {}",
            ),
            "a route begins work (`follow`) or tells of it (`reports`), not both",
        ),
        (
            read("resource = { kind = \"task\", id = \"path:id\" }\n", ""),
            "`cost.reports` tells of the thing that `resource` or `list` names",
        ),
        (
            read("state = \"body:/state\", ", ""),
            "`state` says not where one is",
        ),
        (
            read("done = [\"completed\"], ", ""),
            "the work would never end",
        ),
        (
            read("failed = [\"failed\"]", "failed = [\"completed\"]"),
            "a state is both `done` and `failed`",
        ),
        (
            read("state = \"body:/state\"", "state = \"header:x-state\""),
            "an answer has its state at",
        ),
    ] {
        assert!(
            problems.iter().any(|(_, text)| text.contains(reason)),
            "{reason}: {problems:#?}"
        );
    }
}
