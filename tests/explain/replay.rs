//! Recorded requests against other policies, and what shadow rules would have refused.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;

use crate::stage::{ALICE, Ask, GINA, Stage, Who, who};
use crate::support::within;

const POLICIES: &str = r#"
[[tenants]]
id = "acme"
[[tenants]]
id = "globex"
[[rules]]
name = "no writes"
effect = "forbid"
mode = "shadow"
methods = ["POST"]
tenants = ["globex"]
[[rules]]
name = "nobody deletes"
effect = "forbid"
mode = "shadow"
methods = ["DELETE"]
[[routes]]
name = "read"
upstream = "backend"
methods = ["GET"]
path = "/things/{id}"
roles = ["member"]
[[routes]]
name = "write"
upstream = "backend"
methods = ["POST", "DELETE"]
path = "/things"
[[routes]]
name = "scoped"
upstream = "backend"
methods = ["GET"]
path = "/scoped"
scopes = ["read"]
"#;

const NOBODY: Who = who("acme", "norbert", &[]);

/// A gate that served a few requests and has stopped.
async fn served() -> Stage {
    let mut stage = Stage::start(POLICIES).await;
    let scoped = Who {
        scopes: "read",
        ..ALICE
    };
    for (ask, status) in [
        (Ask::new(Some(ALICE), "GET", "/things/1"), 200),
        (Ask::new(Some(ALICE), "GET", "/things/2"), 200),
        (Ask::new(Some(NOBODY), "GET", "/things/1"), 403),
        (Ask::new(Some(ALICE), "POST", "/things"), 200),
        (Ask::new(Some(GINA), "POST", "/things"), 200),
        (Ask::new(Some(scoped), "GET", "/scoped"), 200),
        (Ask::new(Some(ALICE), "GET", "/things/1?tenant=globex"), 404),
        (Ask::new(None, "GET", "/things/1"), 401),
    ] {
        assert_eq!(stage.send(&ask).await.status, status, "{ask:?}");
    }
    within("the end", stage.gate.stop()).await;
    stage
}

/// The policies of a gate with this replaced, in a folder of their own.
fn policies(stage: &Stage, from: &str, to: &str) -> PathBuf {
    let next = stage.gate.folder().join("next");
    let _ = fs::remove_dir_all(&next);
    fs::create_dir(&next).unwrap();
    for entry in fs::read_dir(stage.gate.folder().join("policies")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap().replace(from, to);
        fs::write(next.join(path.file_name().unwrap()), text).unwrap();
    }
    next
}

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[tokio::test]
async fn other_policies_are_told_by_what_they_would_change() {
    let stage = served().await;
    let replayed = |from: &str, to: &str| {
        let next = policies(&stage, from, to).display().to_string();
        stage.gate.run(&["replay", "--policies", &next, "--json"])
    };
    let same = replayed("", "");
    assert_eq!(same.status.code(), Some(0), "{same:?}");
    let same = document(&same);
    assert_eq!(
        (&same["requests"], &same["same"]),
        (&8.into(), &6.into()),
        "{same:#}"
    );
    let not_judged: u64 = same["not_judged"]
        .as_object()
        .unwrap()
        .values()
        .map(|it| it.as_u64().unwrap())
        .sum();
    assert_eq!(
        not_judged, 2,
        "a tenant named twice, and a caller without credential: {same:#}"
    );

    let closed = replayed("roles = [\"member\"]", "roles = [\"lead\"]");
    assert_eq!(closed.status.code(), Some(1));
    let closed = document(&closed);
    assert_eq!(closed["permit_to_deny"], 2, "{closed:#}");
    assert_eq!(closed["groups"][0]["route"], "read");
    assert_eq!(closed["groups"][0]["after"], "role_required");
    assert_eq!(closed["groups"][0]["examples"][0]["user"], "alice");

    let opened = document(&replayed("roles = [\"member\"]\n", ""));
    assert_eq!(opened["deny_to_permit"], 1, "{opened:#}");
    assert_eq!(opened["groups"][0]["before"], "role_required");

    let enforced = document(&replayed("mode = \"shadow\"", "mode = \"enforce\""));
    assert_eq!(enforced["permit_to_deny"], 1, "{enforced:#}");
    assert_eq!(
        enforced["groups"][0]["after"],
        "forbidden by the rule `no writes`"
    );

    let scopes = document(&replayed(
        "scopes = [\"read\"]",
        "scopes = [\"read\", \"more\"]",
    ));
    assert_eq!(
        scopes["permit_to_deny"], 1,
        "the record holds scopes: {scopes:#}"
    );

    let gone = document(&replayed("path = \"/things\"\n", "path = \"/elsewhere\"\n"));
    assert_eq!(gone["permit_to_deny"], 2, "{gone:#}");
    assert_eq!(gone["groups"][0]["after"], "not_found");

    let shared = document(&replayed(
        "path = \"/things\"\n",
        "path = \"/things\"\nshared_memory_write = { at = \"body:/scope\", unless = \"user\" }\n\
         [memory]\nshared_write_roles = [\"librarian\"]\n",
    ));
    let why = "whether it writes shared memory its body says, which is not in the record";
    assert_eq!(shared["not_judged"][why], 2, "{shared:#}");
    assert_eq!(shared["permit_to_deny"], 0, "{shared:#}");

    let claimed = document(&replayed(
        "path = \"/things\"\n",
        "path = \"/things\"\nresource = { kind = \"thing\", id = \"claim:thing\" }\n",
    ));
    let why = "what it is about its token says, and no claims are in the record";
    assert_eq!(claimed["not_judged"][why], 2, "{claimed:#}");
    assert_eq!(claimed["permit_to_deny"], 0, "{claimed:#}");

    let suspended = document(&replayed(
        "id = \"globex\"",
        "id = \"globex\"\nsuspended = true",
    ));
    assert_eq!(suspended["permit_to_deny"], 1, "{suspended:#}");

    let next = policies(&stage, "", "").display().to_string();
    let one = stage.gate.run(&[
        "replay",
        "--policies",
        &next,
        "--tenant",
        "globex",
        "--json",
    ]);
    assert_eq!(document(&one)["requests"], 1);
    let none = stage
        .gate
        .run(&["replay", "--policies", &next, "--audit", "no-such-file"]);
    assert_eq!(none.status.code(), Some(2));
}

#[tokio::test]
async fn a_rule_in_shadow_is_told_by_what_it_would_have_refused() {
    let stage = served().await;
    let output = stage.gate.run(&["shadow", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report = document(&output);
    assert_eq!(report["requests"], 8);
    let rule = |name: &str| {
        let rules = report["rules"].as_array().unwrap().iter();
        rules
            .into_iter()
            .find(|it| it["rule"] == name)
            .unwrap()
            .clone()
    };
    let hit = rule("no writes");
    assert_eq!(hit["count"], 1);
    assert_eq!(hit["tenants"]["globex"], 1);
    assert_eq!(hit["routes"]["write"], 1);
    assert_eq!(hit["safe_to_enforce"], false);
    let idle = rule("nobody deletes");
    assert_eq!(idle["count"], 0);
    assert_eq!(idle["safe_to_enforce"], true);
    // Of policies that judged nothing yet nobody can say so.
    let next = policies(&stage, "nobody deletes", "nobody deletes anything");
    let next = next.display().to_string();
    let report = document(&stage.gate.run(&["shadow", "--policies", &next, "--json"]));
    let safe = report["rules"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["safe_to_enforce"] == true);
    assert_eq!(safe.count(), 0, "{report:#}");
    let text = stage.gate.run(&["shadow"]).stdout;
    assert!(String::from_utf8_lossy(&text).contains("would have refused 1 requests"));
}
