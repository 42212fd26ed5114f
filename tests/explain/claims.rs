//! Callers who are described with claims of their token, or without, on routes that name some.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::stage::Stage;

const POLICIES: &str = r#"
[[tenants]]
id = "acme"
[[tenants]]
id = "globex"
[[routes]]
name = "begin"
upstream = "backend"
methods = ["POST"]
path = "/begin"
resource = { kind = "session", id = "claim:/team/sessions", claim = true }
"#;

fn asked(claims: Option<Value>) -> Value {
    let mut caller = json!({"tenant": "acme", "user": "alice"});
    if let Some(claims) = claims {
        caller["claims"] = claims;
    }
    json!({"method": "POST", "path": "/begin", "as": caller})
}

fn looked_for(told: &Value) -> bool {
    let open = told["not_asked"].as_array().unwrap();
    let tells = |it: &Value| it.as_str().unwrap().contains("`/team/sessions`");
    open.iter().any(tells)
}

#[tokio::test]
async fn a_described_caller_has_the_claims_that_are_said_and_is_told_which_are_not() {
    let stage = Stage::start(POLICIES).await;
    let claims = json!({"team": {"sessions": ["s-1", 2]}, "unread": true});
    let said = stage.ask(&asked(Some(claims))).await;
    assert_eq!(said["decision"], "permit", "{said:#}");
    let ids: Vec<_> = said["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["id"])
        .collect();
    assert_eq!(ids, ["s-1", "2"]);
    assert!(!looked_for(&said), "{said:#}");
    for claims in [None, Some(json!({"sessions": "s-1"}))] {
        let unsaid = stage.ask(&asked(claims)).await;
        assert_eq!(unsaid["code"], "request_rejected", "{unsaid:#}");
        assert_eq!(unsaid["detail"], "the request names no session");
        assert!(looked_for(&unsaid), "{unsaid:#}");
    }
    let run = |claims: &str| {
        let caller = ["explain", "--tenant", "acme", "--user", "alice"];
        let asked = ["--claims", claims, "POST", "/begin"];
        stage
            .gate
            .run(&[&caller[..], &asked].concat())
            .status
            .code()
    };
    assert_eq!(run("{\"team\":{\"sessions\":[\"s-1\"]}}"), Some(0));
    assert_eq!(run("{}"), Some(1));
    assert_eq!(run("[\"s-1\"]"), Some(2), "no claims of a token");
}

const CASES: &str = r#"
[[cases]]
name = "a token of the tenant names its session"
as = { tenant = "acme", user = "alice", claims = { team = { sessions = ["s-1"] } } }
owned = [{ kind = "session", id = "s-1", tenant = "acme" }]
request = { method = "POST", path = "/begin" }
expect = { decision = "permit" }

[[cases]]
name = "a token of another tenant does not"
as = { tenant = "globex", user = "gina", claims = { team = { sessions = ["s-1"] } } }
owned = [{ kind = "session", id = "s-1", tenant = "acme" }]
request = { method = "POST", path = "/begin" }
expect = { code = "not_found" }

[[cases]]
name = "a token that names none is refused"
as = { tenant = "acme", user = "alice" }
request = { method = "POST", path = "/begin" }
expect = { code = "request_rejected" }
"#;

#[test]
fn a_case_says_what_the_token_of_its_caller_claims() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = "[[upstreams]]\nname = \"backend\"\nurl = \"http://127.0.0.1:9\"\n";
    fs::write(
        folder.path().join("p.toml"),
        format!("{upstream}{POLICIES}"),
    )
    .unwrap();
    fs::write(folder.path().join("a.cases.toml"), CASES).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_fabric-gate"))
        .arg("test")
        .arg(folder.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("3 passed, 0 failed"), "{told} {output:?}");
}
