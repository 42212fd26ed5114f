//! Ids, models and tenants that a claim of the caller's token names.

use serde_json::{Value, json};

use crate::stage::{Caller, Stage};
use crate::support::raw_client::{self, RawResponse};
use crate::support::recording_backend::RecordingBackend;
use crate::support::tokens::claims;

const ROUTES: &str = r#"
[defaults]
models = { allow = ["gauge-*"] }

[[routes]]
name = "session.make"
upstream = "backend"
methods = ["POST"]
path = "/sessions/{id}"
resource = { kind = "session", id = "path:id", claim = true }

[[routes]]
name = "mine"
upstream = "backend"
methods = ["GET"]
path = "/mine"
resource = { kind = "session", id = "claim:sid" }

[[routes]]
name = "maybe"
upstream = "backend"
methods = ["GET"]
path = "/maybe"
resource = { kind = "session", id = "claim:sid", optional = true }

[[routes]]
name = "several"
upstream = "backend"
methods = ["GET"]
path = "/several"
resource = { kind = "session", id = "claim:/team/sessions" }

[[routes]]
name = "begin"
upstream = "backend"
methods = ["POST"]
path = "/begin"
resource = { kind = "session", id = "claim:sid", claim = true }

[[routes]]
name = "run"
upstream = "backend"
methods = ["POST"]
path = "/run"
cost = { fixed_usd = "0.001", model = "claim:model" }

[[routes]]
name = "home"
upstream = "backend"
methods = ["POST"]
path = "/home"
tenant_from = ["claim:home"]
"#;

/// A key of acme that is no token, and its entry.
const KEY: &str = "fabk_a-key-is-no-token-and-has-no-claims-0000";

fn key_entry() -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, KEY.as_bytes());
    let bytes = digest.as_ref().iter();
    let hex: String = bytes.map(|byte| format!("{byte:02x}")).collect();
    format!(
        "[[api_keys]]\nname = \"ci\"\nsha256 = \"{hex}\"\ntenant = \"acme\"\nuser = \"svc-ci\"\n"
    )
}

fn alice(stage: &Stage, claim: &str, value: impl Into<Value>) -> Caller {
    stage.caller_by(&claims("acme", "alice", &[]).with(claim, value))
}

fn bob(stage: &Stage, claim: &str, value: impl Into<Value>) -> Caller {
    stage.caller_by(&claims("globex", "bob", &[]).with(claim, value))
}

/// A gate under these routes, where alice has the sessions `s-1` and `17`, and bob has `s-2`.
async fn stage(backend: &RecordingBackend) -> Stage {
    let stage =
        Stage::start_with(backend.url(), ROUTES, |builder| builder.policy(key_entry())).await;
    for (caller, id) in [
        (stage.alice(), "s-1"),
        (stage.alice(), "17"),
        (stage.bob(), "s-2"),
    ] {
        let made = stage
            .ask(&caller, "POST", &format!("/sessions/{id}"), "")
            .await;
        assert_eq!(made.status, 200, "{id}");
    }
    stage
}

fn reached(backend: &RecordingBackend, target: &str) -> usize {
    let requests = backend.requests();
    requests.iter().filter(|it| it.target() == target).count()
}

async fn by_key(stage: &Stage, target: &str) -> RawResponse {
    let request = raw_client::request("GET", target, &[("X-Api-Key", KEY)], b"");
    raw_client::exchange(stage.gate.address(), request).await
}

#[tokio::test]
async fn the_session_that_a_token_names_is_its_tenants_and_to_the_other_it_does_not_exist() {
    let backend = RecordingBackend::ok().await;
    let stage = stage(&backend).await;
    for (id, own) in [
        (json!("s-1"), true),
        (json!(17), true),
        (json!("s-2"), false),
    ] {
        let answer = stage
            .ask(&alice(&stage, "sid", id.clone()), "GET", "/mine", "")
            .await;
        assert_eq!(answer.status, if own { 200 } else { 404 }, "alice {id}");
        let answer = stage
            .ask(&bob(&stage, "sid", id.clone()), "GET", "/mine", "")
            .await;
        assert_eq!(answer.status, if own { 404 } else { 200 }, "bob {id}");
    }
    assert_eq!(
        reached(&backend, "/mine"),
        3,
        "what is denied reaches nobody"
    );
    let records = stage.records_of("mine", 6).await;
    let refused = records.iter().find(|it| it["reason"] == "not_found");
    assert_eq!(refused.unwrap()["resource"]["kind"], "session");
}

#[tokio::test]
async fn every_session_that_a_token_lists_has_to_be_its_tenants() {
    let backend = RecordingBackend::ok().await;
    let stage = stage(&backend).await;
    for (sessions, status) in [
        (json!(["s-1"]), 200),
        (json!(["s-1", 17]), 200),
        (json!(["s-1", "s-2"]), 404),
        (json!(["s-1", "nobodys"]), 404),
        (json!([]), 400),
        (json!(["s-1", {"id": "s-2"}]), 400),
        (json!(["s-1", null]), 400),
        (json!({"id": "s-1"}), 400),
    ] {
        let caller = alice(&stage, "team", json!({"sessions": sessions.clone()}));
        let answer = stage.ask(&caller, "GET", "/several", "").await;
        assert_eq!(answer.status, status, "{sessions}");
    }
    assert_eq!(reached(&backend, "/several"), 2);
}

#[tokio::test]
async fn a_caller_whose_credential_does_not_say_is_refused_unless_the_id_may_be_missing() {
    let backend = RecordingBackend::ok().await;
    let stage = stage(&backend).await;
    let none = stage.ask(&stage.alice(), "GET", "/mine", "").await;
    assert_eq!(none.status, 400);
    assert_eq!(none.json()["code"], "request_rejected");
    assert_eq!(none.json()["detail"], "the request names no session");
    assert_eq!(by_key(&stage, "/mine").await.status, 400);
    // What the request itself says under that name is no claim.
    let headers = [("sid", "s-1")];
    let said = stage
        .ask_with(&stage.alice(), "GET", "/mine?sid=s-1", &headers, "")
        .await;
    assert_eq!(said.status, 400);
    for odd in [json!(true), json!(1.5), json!({}), json!(u64::MAX)] {
        for target in ["/mine", "/maybe"] {
            let caller = alice(&stage, "sid", odd.clone());
            let answer = stage.ask(&caller, "GET", target, "").await;
            assert_eq!(answer.status, 400, "{target} {odd}");
        }
    }
    assert_eq!(reached(&backend, "/mine") + reached(&backend, "/maybe"), 0);
    let missing = stage.ask(&stage.alice(), "GET", "/maybe", "").await;
    assert_eq!(missing.status, 200);
    assert_eq!(by_key(&stage, "/maybe").await.status, 200);
    let foreign = alice(&stage, "sid", "s-2");
    assert_eq!(stage.ask(&foreign, "GET", "/maybe", "").await.status, 404);
}

#[tokio::test]
async fn a_token_that_names_a_free_session_owns_it_and_the_next_does_not() {
    let backend = RecordingBackend::ok().await;
    let stage = stage(&backend).await;
    let (alice, bob) = (alice(&stage, "sid", "s-3"), bob(&stage, "sid", "s-3"));
    assert_eq!(stage.ask(&alice, "GET", "/mine", "").await.status, 404);
    assert_eq!(stage.ask(&alice, "POST", "/begin", "").await.status, 200);
    assert_eq!(stage.ask(&bob, "POST", "/begin", "").await.status, 404);
    assert_eq!(stage.ask(&alice, "GET", "/mine", "").await.status, 200);
    assert_eq!(stage.ask(&bob, "GET", "/mine", "").await.status, 404);
}

#[tokio::test]
async fn a_token_that_was_verified_before_a_policy_named_its_claim_says_it_from_then_on() {
    let backend = RecordingBackend::ok().await;
    let stage = stage(&backend).await;
    let caller = |stage: &Stage, tenant: &str, project: &str| {
        stage.caller_by(&claims(tenant, "alice", &[]).with("project", project))
    };
    let own = caller(&stage, "acme", "s-1");
    let foreign = caller(&stage, "globex", "s-1");
    for caller in [&own, &foreign] {
        assert_eq!(stage.ask(caller, "GET", "/maybe", "").await.status, 200);
        assert_eq!(stage.ask(caller, "GET", "/project", "").await.status, 404);
    }
    let route = "[[routes]]\nname = \"project\"\nupstream = \"backend\"\nmethods = [\"GET\"]\n\
                 path = \"/project\"\nresource = { kind = \"session\", id = \"claim:project\" }\n";
    stage.gate.write_policy("90.toml", route);
    assert_eq!(stage.gate.reload().await.status, 200);
    for _ in ["verified", "cached"] {
        assert_eq!(stage.ask(&own, "GET", "/project", "").await.status, 200);
        assert_eq!(stage.ask(&foreign, "GET", "/project", "").await.status, 404);
    }
    let another = route.replace("claim:project", "claim:sub");
    stage.gate.write_policy("90.toml", &another);
    assert_eq!(stage.gate.reload().await.status, 200);
    let answer = stage.ask(&own, "GET", "/project", "").await;
    assert_eq!(answer.status, 404, "nobody has a session called `alice`");
    assert_eq!(reached(&backend, "/project"), 2);
}

#[tokio::test]
async fn the_model_that_a_token_names_has_to_be_one_of_its_tenants() {
    let backend = RecordingBackend::ok().await;
    let stage = stage(&backend).await;
    for (model, status) in [
        (json!("gauge-1"), 200),
        (json!("other-1"), 403),
        (json!(["gauge-1", "other-1"]), 403),
        (json!({"id": "gauge-1"}), 400),
        (Value::Null, 403),
    ] {
        let caller = alice(&stage, "model", model.clone());
        let answer = stage.ask(&caller, "POST", "/run", "").await;
        assert_eq!(answer.status, status, "{model}: {}", answer.text());
    }
    let unsaid = stage.ask(&stage.alice(), "POST", "/run", "").await;
    assert_eq!(unsaid.json()["code"], "model_forbidden");
    assert_eq!(reached(&backend, "/run"), 1);
}

#[tokio::test]
async fn a_token_that_names_two_tenants_is_refused() {
    let backend = RecordingBackend::ok().await;
    let stage = stage(&backend).await;
    for (home, status) in [("acme", 200), ("globex", 403), ("Acme!", 400)] {
        let caller = alice(&stage, "home", home);
        let answer = stage.ask(&caller, "POST", "/home", "").await;
        assert_eq!(answer.status, status, "{home}");
    }
    let unsaid = stage.ask(&stage.alice(), "POST", "/home", "").await;
    assert_eq!(unsaid.status, 200, "it names one");
    assert_eq!(reached(&backend, "/home"), 2);
}
