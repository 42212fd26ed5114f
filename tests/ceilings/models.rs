//! Which models a tenant may use, what its requests say that say nothing, and how its administrators
//! change both while the gate runs.

use serde_json::{Value, json};

use crate::stage::{Caller, Stage, until};
use crate::support::gate_process::GateProcess;
use crate::support::raw_client::{self, RawClient, RawResponse};
use crate::support::recording_backend::{Answer, RecordingBackend};

const POLICY: &str = r#"
[costs]
unpriced = "default_price"
default_price = { input = "1.00", output = "1.00" }
llm_admin_roles = ["tenant-admin"]

[[tenants]]
id = "acme"
models = { allow = ["gpt-4o", "o3", "claude-*"], default = "gpt-4o", default_temperature = 0.70, max_output_tokens = 64 }
[[tenants]]
id = "globex"
models = { allow = ["gemini-*"], max_output_tokens = 32 }

[[routes]]
name = "chat"
upstream = "backend"
methods = ["POST"]
path = "/v1/chat/completions"
cost = { usage = "openai" }
errors = "openai"
[[routes]]
name = "messages"
upstream = "backend"
methods = ["POST"]
path = "/v1/messages"
cost = { usage = "anthropic" }
[[routes]]
name = "gemini"
upstream = "backend"
methods = ["POST"]
path = "/v1beta/models/{model}"
cost = { usage = "gemini", model = "path:model" }
[[routes]]
name = "free"
upstream = "backend"
methods = ["GET"]
path = "/free"

[[rules]]
name = "no opus for bob"
effect = "forbid"
models = ["*opus*"]
users = ["bob"]
[[rules]]
name = "pat may"
effect = "permit"
users = ["pat"]
"#;

const CHAT: &str = "/v1/chat/completions";
const ACME: &str = "/v1/tenants/acme/llm";

async fn backend() -> RecordingBackend {
    RecordingBackend::start(|_| {
        let usage =
            r#"{"prompt_tokens":1,"completion_tokens":1,"input_tokens":1,"output_tokens":1}"#;
        Answer::json(200, &format!(r#"{{"usage":{usage}}}"#))
    })
    .await
}

/// What arrived at the backend last.
fn arrived(backend: &RecordingBackend) -> String {
    let last = backend.requests().pop().unwrap();
    String::from_utf8(last.body.content).unwrap()
}

fn code(answer: &RawResponse) -> String {
    let body = answer.json();
    let code = body["code"].as_str().or(body["error"]["code"].as_str());
    code.unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

async fn patch(stage: &Stage, caller: &Caller, target: &str, body: &str) -> RawResponse {
    stage.ask(caller, "PATCH", target, body).await
}

/// Asks another process than the stage's.
async fn ask_at(
    gate: &GateProcess,
    caller: &Caller,
    method: &str,
    target: &str,
    body: &str,
) -> RawResponse {
    raw_client::exchange(gate.address(), caller.request(method, target, &[], body)).await
}

#[tokio::test]
async fn what_a_request_leaves_out_reaches_the_backend_byte_for_byte() {
    let backend = backend().await;
    let stage = Stage::start(backend.url(), POLICY).await;
    for (target, before, after) in [
        (
            CHAT,
            r#"{ "messages" : [{"role":"user","content":"h\u0069 1.50"}] }"#,
            r#"{ "messages" : [{"role":"user","content":"h\u0069 1.50"}],"model":"gpt-4o","max_tokens":64,"temperature":0.70 }"#,
        ),
        (
            CHAT,
            r#"{"model":"o3","messages":[]}"#,
            r#"{"model":"o3","messages":[],"max_completion_tokens":64}"#,
        ),
        (
            CHAT,
            r#"{"model":"gpt-4o","messages":[],"max_tokens":8,"temperature":0}"#,
            r#"{"model":"gpt-4o","messages":[],"max_tokens":8,"temperature":0}"#,
        ),
        (
            "/v1/messages",
            r#"{"model":"claude-x","messages":[]}"#,
            r#"{"model":"claude-x","messages":[],"max_tokens":64,"temperature":0.70}"#,
        ),
    ] {
        let answer = stage.ask(&stage.alice(), "POST", target, before).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(arrived(&backend), after);
    }
    let bob = stage.bob();
    let gemini = "/v1beta/models/gemini-pro:generateContent";
    let answer = stage.ask(&bob, "POST", gemini, r#"{"contents":[]}"#).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let expected = r#"{"contents":[],"generationConfig":{"maxOutputTokens":32}}"#;
    assert_eq!(arrived(&backend), expected);
    let records = stage.records_of("chat", 3).await;
    assert_eq!(
        records[0]["model"], "gpt-4o",
        "the default counts as asked for"
    );
}

#[tokio::test]
async fn each_tenant_uses_its_own_models_and_not_the_other_ones() {
    let backend = backend().await;
    let stage = Stage::start(backend.url(), POLICY).await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let flash = "/v1beta/models/gemini-flash:generateContent";
    for (caller, target, body, allowed) in [
        (&alice, CHAT, r#"{"model":"gpt-4o","messages":[]}"#, true),
        (&bob, CHAT, r#"{"model":"gpt-4o","messages":[]}"#, false),
        (&bob, CHAT, r#"{"model":"gemini-x","messages":[]}"#, true),
        (&alice, CHAT, r#"{"model":"gemini-x","messages":[]}"#, false),
        (&bob, flash, "{}", true),
        (&alice, flash, "{}", false),
        (&bob, CHAT, r#"{"messages":[]}"#, false),
        (
            &alice,
            CHAT,
            r#"{"model":"gpt-4o","models":["o1"],"messages":[]}"#,
            false,
        ),
        (
            &alice,
            CHAT,
            r#"{"model":"gpt-4o","tools":[{"type":"image_generation","model":"x"}],"messages":[]}"#,
            false,
        ),
        (
            &alice,
            CHAT,
            r#"{"model":"gpt-4o","max_tokens":65,"messages":[]}"#,
            false,
        ),
        (
            &alice,
            CHAT,
            r#"{"model":"gpt-4o","max_tokens":64,"messages":[]}"#,
            true,
        ),
    ] {
        let before = backend.requests().len();
        let answer = stage.ask(caller, "POST", target, body).await;
        let heard = backend.requests().len() - before;
        match allowed {
            true => assert_eq!(
                (answer.status, heard),
                (200, 1),
                "{target} {body}: {answer:?}"
            ),
            false => {
                assert_eq!(
                    (answer.status, heard),
                    (403, 0),
                    "{target} {body}: {answer:?}"
                );
                assert_eq!(code(&answer), "model_forbidden", "{body}");
            }
        }
    }
    for body in [
        r#"{"model":"gpt-4o","model":"o1"}"#,
        r#"{"Model":"gpt-4o"}"#,
        "[]",
    ] {
        let answer = stage.ask(&alice, "POST", CHAT, body).await;
        assert_ne!(answer.status, 200, "{body}");
    }
    let records = stage.records_of("chat", 12).await;
    let denied = records
        .iter()
        .filter(|it| it["reason"] == "model_forbidden");
    assert_eq!(denied.count(), 7, "six above, and a body that names none");
}

#[tokio::test]
async fn a_rule_forbids_a_model_to_one_user_and_the_others_may() {
    let backend = backend().await;
    let stage = Stage::start(backend.url(), POLICY).await;
    let opus = r#"{"model":"claude-opus-4","max_tokens":1,"messages":[]}"#;
    let alice = stage
        .ask(&stage.alice(), "POST", "/v1/messages", opus)
        .await;
    assert_eq!(alice.status, 200, "{alice:?}");
    let bob = stage.caller("acme", "bob");
    let refused = stage.ask(&bob, "POST", "/v1/messages", opus).await;
    assert_eq!(
        (refused.status, code(&refused)),
        (403, "model_forbidden".to_owned())
    );
    let other = opus.replace("opus", "haiku");
    assert_eq!(
        stage.ask(&bob, "POST", "/v1/messages", other).await.status,
        200
    );
    let records = stage.records_of("messages", 3).await;
    assert_eq!(records[1]["rule"], "no opus for bob");
    assert_eq!(records[1]["model"], "claude-opus-4");
}

#[tokio::test]
async fn an_administrator_narrows_its_tenant_at_once_and_for_good() {
    let backend = backend().await;
    let mut stage = Stage::start(backend.url(), POLICY).await;
    let admin = stage.caller_with("acme", "ada", &["tenant-admin"]);
    let o3 = r#"{"model":"o3","messages":[]}"#;
    assert_eq!(
        stage.ask(&stage.alice(), "POST", CHAT, o3).await.status,
        200
    );
    let other = stage.another_gate().await;

    let shown = stage.ask(&admin, "GET", ACME, "").await;
    assert_eq!(shown.status, 200, "{shown:?}");
    assert_eq!(shown.json()["allow"], json!(["gpt-4o", "o3", "claude-*"]));
    let change = r#"{"allow":["gpt-4o"],"max_output_tokens":7,"default_temperature":0.10}"#;
    let changed = patch(&stage, &admin, ACME, change).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(changed.json()["chosen_by"], "user:ada");
    assert_ne!(changed.header("etag"), shown.header("etag"));

    assert_eq!(
        stage.ask(&stage.alice(), "POST", CHAT, o3).await.status,
        403
    );
    stage
        .ask(&stage.alice(), "POST", CHAT, r#"{"messages":[]}"#)
        .await;
    let expected = r#"{"messages":[],"model":"gpt-4o","max_tokens":7,"temperature":0.10}"#;
    assert_eq!(arrived(&backend), expected);
    let alice = stage.alice();
    let refused_elsewhere = async || {
        let answer = ask_at(&other, &alice, "POST", CHAT, o3).await;
        (answer.status == 403).then_some(())
    };
    until("the other gate", refused_elsewhere).await;

    stage.gate.kill();
    stage.gate.start_again().await;
    assert_eq!(
        stage.ask(&stage.alice(), "POST", CHAT, o3).await.status,
        403
    );
    let back = r#"{"allow":null,"max_output_tokens":null,"default_temperature":null}"#;
    let answer = patch(&stage, &admin, ACME, back).await;
    assert_eq!(answer.json()["chosen"], json!([]));
    assert_eq!(
        stage.ask(&stage.alice(), "POST", CHAT, o3).await.status,
        200
    );

    let events: Vec<Value> = stage
        .audit()
        .into_iter()
        .filter(|line| line["event"] == "llm_settings_changed")
        .collect();
    assert_eq!(events.len(), 2, "{events:#?}");
    assert_eq!(events[0]["tenant_id"], "acme");
    assert_eq!(events[0]["by"], "user:ada");
    assert_eq!(
        events[0]["keys"],
        "allow,default_temperature,max_output_tokens"
    );
    assert_eq!(stage.records_of("gate.llm", 3).await.len(), 3);
}

#[tokio::test]
async fn only_the_tenants_own_administrators_reach_its_settings() {
    let backend = backend().await;
    let stage = Stage::start(backend.url(), POLICY).await;
    let admin = stage.caller_with("acme", "ada", &["tenant-admin"]);
    let theirs = stage.caller_with("globex", "gus", &["tenant-admin"]);
    let change = r#"{"max_output_tokens":1}"#;
    let expect = async |caller: &Caller, method: &str, target: &str, status: u16, reason: &str| {
        let answer = stage.ask(caller, method, target, change).await;
        assert_eq!(
            (answer.status, code(&answer)),
            (status, reason.to_owned()),
            "{method} {target}"
        );
        answer
    };
    for method in ["GET", "PATCH"] {
        expect(&theirs, method, ACME, 404, "not_found").await;
        expect(&stage.bob(), method, ACME, 404, "not_found").await;
        expect(&admin, method, "/v1/tenants/nobody/llm", 404, "not_found").await;
        expect(&stage.alice(), method, ACME, 403, "role_required").await;
        let pat = stage.caller("acme", "pat");
        expect(&pat, method, ACME, 403, "role_required").await;
        let nobody = raw_client::request(method, ACME, &[], change.as_bytes());
        let nobody = raw_client::exchange(stage.gate.address(), nobody).await;
        assert_eq!(
            (nobody.status, code(&nobody)),
            (401, "credentials_missing".to_owned())
        );
    }
    for method in ["PUT", "DELETE", "POST"] {
        let refused = expect(&admin, method, ACME, 405, "method_not_allowed").await;
        assert_eq!(refused.header("allow").unwrap(), "GET, HEAD, PATCH");
    }
    expect(&admin, "GET", "/v1/tenants/acme", 404, "not_found").await;
    let mut client = RawClient::connect(stage.gate.address()).await;
    client.send(admin.request("HEAD", ACME, &[], "")).await;
    assert_eq!(client.read_response_to_head().await.status, 200);
    client.send(admin.request("GET", ACME, &[], "")).await;
    let after = client.read_response().await;
    assert_eq!(after.json()["tenant"], "acme", "no body came with HEAD");
    let own = stage
        .ask(&theirs, "GET", "/v1/tenants/globex/llm", "")
        .await;
    assert_eq!(own.json()["max_output_tokens"], 32);
    assert_eq!(
        stage.ask(&admin, "GET", ACME, "").await.json()["chosen"],
        json!([])
    );
    assert!(backend.requests().is_empty());
}

#[tokio::test]
async fn a_change_that_is_not_sound_or_widens_changes_nothing() {
    let backend = backend().await;
    let stage = Stage::start(backend.url(), POLICY).await;
    let admin = stage.caller_with("acme", "ada", &["tenant-admin"]);
    let before = stage.ask(&admin, "GET", ACME, "").await;
    for (body, key) in [
        (r#"{"allow":["*"]}"#, "allow"),
        (r#"{"allow":["gpt-4o","o1"]}"#, "allow"),
        (r#"{"allow":["claude-*"]}"#, "default"),
        (r#"{"default":"o1"}"#, "default"),
        (r#"{"max_output_tokens":65}"#, "max_output_tokens"),
        (r#"{"default_temperature":3}"#, "default_temperature"),
        (r#"{"temperature":1}"#, "temperature"),
        (r#"{"allow":["gpt-4o"],"allow":["o3"]}"#, "repeats"),
        ("[]", "object"),
        ("", "well-formed"),
    ] {
        for (who, answer) in [
            ("the tenant", patch(&stage, &admin, ACME, body).await),
            (
                "the operator",
                stage.gate.admin("PATCH", ACME, body.as_bytes()).await,
            ),
        ] {
            assert_eq!(
                (answer.status, code(&answer)),
                (400, "request_rejected".to_owned()),
                "{who}: {body}"
            );
            assert!(
                answer.text().contains(key),
                "{who}: {body}: {}",
                answer.text()
            );
        }
    }
    let after = stage.ask(&admin, "GET", ACME, "").await;
    assert_eq!(after.text(), before.text());
    assert!(
        !stage
            .audit()
            .iter()
            .any(|line| line["event"] == "llm_settings_changed")
    );
}

#[tokio::test]
async fn who_goes_by_settings_that_are_not_there_any_more_changes_nothing() {
    let backend = backend().await;
    let stage = Stage::start(backend.url(), POLICY).await;
    let admin = stage.caller_with("acme", "ada", &["tenant-admin"]);
    let etag = stage
        .ask(&admin, "GET", ACME, "")
        .await
        .header("etag")
        .unwrap();
    let change = r#"{"max_output_tokens":9}"#;
    let with = async |etag: &str| {
        stage
            .ask_with(&admin, "PATCH", ACME, &[("If-Match", etag)], change)
            .await
    };
    assert_eq!(with(&etag).await.status, 200);
    let refused = with(&etag).await;
    assert_eq!(
        (refused.status, code(&refused)),
        (412, "precondition_failed".to_owned())
    );
    assert_eq!(with("*").await.status, 200);
}

#[tokio::test]
async fn an_operator_changes_the_settings_of_any_tenant_and_forgets_them_with_it() {
    let backend = backend().await;
    let stage = Stage::start(backend.url(), POLICY).await;
    let change = br#"{"allow":["o3"],"default":"o3"}"#;
    let changed = stage.gate.admin("PATCH", ACME, change).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(changed.json()["chosen_by"], "admin");
    assert_eq!(changed.json()["files"]["default"], "gpt-4o");
    let gpt = r#"{"model":"gpt-4o","messages":[]}"#;
    assert_eq!(
        stage.ask(&stage.alice(), "POST", CHAT, gpt).await.status,
        403
    );
    let unknown = stage.gate.admin("GET", "/v1/tenants/nobody/llm", b"").await;
    assert_eq!(unknown.status, 404);

    let erased = stage.gate.admin("DELETE", "/v1/tenants/acme", b"").await;
    assert_eq!(erased.status, 200, "{erased:?}");
    let shown = stage.gate.admin("GET", ACME, b"").await;
    assert_eq!(shown.json()["chosen"], json!([]));
    assert_eq!(
        stage.ask(&stage.alice(), "POST", CHAT, gpt).await.status,
        200
    );
}

#[tokio::test]
async fn without_roles_or_beside_a_backends_own_page_there_is_no_page_of_the_gates() {
    let backend = backend().await;
    let closed = POLICY.replace("llm_admin_roles = [\"tenant-admin\"]\n", "");
    let own = "[[routes]]\nname = \"theirs\"\nupstream = \"backend\"\nmethods = [\"GET\"]\n\
               path = \"/v1/tenants/{id}/{what}\"\n";
    let stage = Stage::start(backend.url(), &format!("{closed}{own}")).await;
    let admin = stage.caller_with("acme", "ada", &["tenant-admin"]);
    assert_eq!(
        stage.ask(&admin, "GET", ACME, "").await.text(),
        r#"{"usage":{"prompt_tokens":1,"completion_tokens":1,"input_tokens":1,"output_tokens":1}}"#
    );
    let refused = patch(&stage, &admin, ACME, "{}").await;
    assert_eq!(
        (refused.status, code(&refused)),
        (405, "method_not_allowed".to_owned())
    );
}
