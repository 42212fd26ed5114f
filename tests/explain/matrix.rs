//! For requests of many kinds: what is explained is what the gate answers, and what it says the
//! backend would get is what the backend got.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::stage::{ALICE, Ask, GINA, Stage, Who, who};

const POLICIES: &str = r#"
[[tenants]]
id = "acme"
[[tenants.ceilings]]
scope = "tenant"
window = "month"
usd = "100"
[[tenants]]
id = "globex"
models = { allow = ["gauge-*"], default = "gauge-1", max_output_tokens = 50 }
[[tenants.ceilings]]
scope = "user"
window = "day"
usd = "0.0001"
[[tenants]]
id = "initech"
suspended = true
[[prices]]
model = "gauge-1"
input = "2.00"
output = "8.00"
[memory]
shared_write_roles = ["lead"]
[[rules]]
name = "contractors read"
effect = "forbid"
methods = ["POST"]
roles = ["contractor"]
[[rules]]
name = "globex is watched"
effect = "forbid"
mode = "shadow"
tenants = ["globex"]
[[rules]]
name = "no dangerous model"
effect = "forbid"
models = ["danger*"]
[[routes]]
name = "health"
upstream = "backend"
methods = ["GET"]
path = "/health"
public = true
[[routes]]
name = "plain"
upstream = "backend"
methods = ["GET", "POST"]
path = "/plain/{id}"
[[routes]]
name = "led"
upstream = "backend"
methods = ["GET"]
path = "/led"
roles = ["lead"]
[[routes]]
name = "scoped"
upstream = "backend"
methods = ["GET"]
path = "/scoped"
scopes = ["read:all"]
[[routes]]
name = "small"
upstream = "backend"
methods = ["POST"]
path = "/small"
body_bytes = 16
[[routes]]
name = "claim"
upstream = "backend"
methods = ["GET", "PUT"]
path = "/things/{id}"
resource = { kind = "thing", id = "path:id", claim = true }
[[routes]]
name = "other"
upstream = "backend"
methods = ["GET"]
path = "/others/{id}"
resource = { kind = "other", id = "path:id" }
[[routes]]
name = "named"
upstream = "backend"
methods = ["POST"]
path = "/named"
resource = { kind = "thing", id = "body:/thing" }
tenant_from = ["body:/tenant"]
[[routes]]
name = "rewritten"
upstream = "backend"
methods = ["POST"]
path = "/rewritten"
set = [{ at = "body:/user", value = "{user}" }, { at = "query:who", value = "{tenant}" }, { at = "header:x-who", value = "{user}" }]
remove = ["body:/admin"]
[[routes]]
name = "form"
upstream = "backend"
methods = ["POST"]
path = "/form"
set = [{ at = "form:user", value = "{user}" }]
[[routes]]
name = "chat"
upstream = "backend"
methods = ["POST"]
path = "/v1/chat/completions"
cost = { usage = "openai" }
[[routes]]
name = "shared"
upstream = "backend"
methods = ["POST"]
path = "/shared"
shared_memory_write = true
"#;

const LEAD: Who = who("acme", "lena", &["lead"]);

fn chat(model: &str) -> Value {
    json!({"model": model, "max_tokens": 5, "messages": [{"role": "user", "content": "hello"}]})
}

/// Requests of every kind, those that differ by one thing beside each other.
fn requests() -> Vec<Ask> {
    let get = |target: &str| Ask::new(Some(ALICE), "GET", target);
    let post = |target: &str| Ask::new(Some(ALICE), "POST", target);
    let by = |who: Who, ask: Ask| Ask {
        who: Some(who),
        ..ask
    };
    let nobody = |ask: Ask| Ask { who: None, ..ask };
    let contractor = who("acme", "carl", &["contractor"]);
    let scoped = Who {
        scopes: "read:all other",
        ..ALICE
    };
    vec![
        nobody(get("/health")),
        get("/health?tenant=acme"),
        get("/plain/1"),
        get("/plain/1?tenant=acme&x=%20y"),
        get("/plain/1?tenant=globex"),
        post("/plain/1?tenant=globex"),
        get("/plain/1").header("X-Fabric-Tenant", "acme"),
        get("/plain/1").header("X-Fabric-Tenant", "globex"),
        get("/plain/1").header("X-Fabric-Tenant", "Not A Tenant"),
        get("/plain/1")
            .header("X-Fabric-User", "root")
            .header("X_Fabric_Roles", "admin"),
        get("/plain/1")
            .header("X-Forwarded-For", "1.2.3.4")
            .header("Accept", "text/plain"),
        get("/plain/1").header("X-HTTP-Method-Override", "DELETE"),
        get("/plain/1")
            .header("Connection", "x-drop")
            .header("X-Drop", "1"),
        get("/plain/1").header("Tracestate", "a=b"),
        get("/plain/../led"),
        get("/plain/%2e%2e"),
        get("/plain/a%2Fb"),
        get("/nowhere"),
        get("/Led"),
        Ask::new(Some(ALICE), "DELETE", "/led"),
        get("/led"),
        by(LEAD, get("/led")),
        nobody(get("/led")),
        get("/scoped"),
        by(scoped, get("/scoped")),
        by(contractor, post("/plain/1")),
        by(contractor, get("/plain/1")),
        by(GINA, get("/plain/1")),
        by(who("initech", "peter", &[]), get("/plain/1")),
        by(who("umbrella", "ada", &[]), get("/plain/1")),
        post("/small").text("text/plain", "short"),
        post("/small").text("text/plain", "longer than sixteen bytes"),
        get("/others/1"),
        Ask::new(Some(ALICE), "PUT", "/things/t-1"),
        by(GINA, get("/things/t-1")),
        get("/things/t-1"),
        post("/named").json(&json!({"thing": "t-1"})),
        post("/named").json(&json!({"thing": "t-2"})),
        post("/named").json(&json!({"thing": "t-1", "tenant": "globex"})),
        post("/named").json(&json!({"nothing": 1})),
        post("/named").text("application/json", "{not json"),
        post("/named")
            .json(&json!({"thing": "t-1"}))
            .header("Content-Encoding", "gzip"),
        post("/rewritten?who=me&b=2").json(&json!({"user": "root", "admin": true, "text": "x"})),
        post("/rewritten")
            .json(&json!({}))
            .header("X-Who", "root")
            .header("Digest", "x"),
        post("/form").text("application/x-www-form-urlencoded", "user=root&a=1"),
        post("/v1/chat/completions").json(&chat("gauge-1")),
        post("/v1/chat/completions").json(&chat("nobody-knows")),
        post("/v1/chat/completions").json(&chat("danger-1")),
        by(GINA, post("/v1/chat/completions").json(&chat("other-1"))),
        by(GINA, post("/v1/chat/completions").json(&chat("gauge-1"))),
        post("/shared").json(&json!({})),
        by(LEAD, post("/shared").json(&json!({}))),
        get("/plain/1").header("X-Api-Key", "fg_unknown"),
    ]
}

/// Fields whose value is another for each request, or is never shown.
const OF_ITS_OWN: [&str; 3] = ["authorization", "traceparent", "x-request-id"];

fn fields(told: &Value) -> BTreeMap<String, Vec<String>> {
    let fields = told["backend"]["headers"].as_array().unwrap().iter();
    gathered(fields.map(|field| {
        let text = |index: usize| field[index].as_str().unwrap().to_owned();
        (text(0), text(1))
    }))
}

fn gathered(fields: impl Iterator<Item = (String, String)>) -> BTreeMap<String, Vec<String>> {
    let mut gathered: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in fields {
        let name = name.to_ascii_lowercase();
        let value = match OF_ITS_OWN.contains(&name.as_str()) {
            true => "…".to_owned(),
            false => value,
        };
        gathered.entry(name).or_default().push(value);
    }
    gathered
}

#[tokio::test]
async fn what_is_explained_is_what_happens() {
    let stage = Stage::start(POLICIES).await;
    let mut permitted = 0;
    for ask in requests() {
        let at = format!(
            "{} {} {:?} {:?} {}",
            ask.method, ask.target, ask.who, ask.headers, ask.body
        );
        let by_token = stage.explain(&ask).await;
        let described = stage.explain_as(&ask).await;
        let before = stage.backend.requests().len();
        let answer = stage.send(&ask).await;
        // What is not there is asked about once more, with ids that nothing has.
        let reached = stage.backend.requests();
        for told in [&by_token, &described] {
            let two_credentials = ask.headers.iter().any(|(name, _)| name == "X-Api-Key");
            if two_credentials && *told == described {
                // Who is described presents no credential that could be one of two.
                continue;
            }
            if told["decision"] == "permit" {
                assert_eq!(answer.status, 200, "{at}: {told:#}");
                assert_eq!(reached.len(), before + 1, "{at}");
                let got = reached.last().unwrap();
                assert_eq!(told["backend"]["target"], got.target(), "{at}");
                assert_eq!(told["backend"]["method"], got.method(), "{at}");
                assert_eq!(
                    fields(told),
                    gathered(got.head.fields().into_iter()),
                    "{at}"
                );
                let body = String::from_utf8_lossy(&got.body.content).into_owned();
                let said = told["backend"]["body"].as_str().unwrap_or_default();
                assert_eq!(said, body, "{at}");
                permitted += 1;
            } else {
                assert_eq!(told["decision"], "deny", "{at}");
                assert_eq!(
                    told["status"],
                    answer.status,
                    "{at}: {told:#} {}",
                    answer.text()
                );
                let code = answer.header("content-type");
                if code.as_deref() == Some("application/problem+json") {
                    assert_eq!(told["code"], answer.json()["code"], "{at}");
                }
            }
            let steps = told["steps"].as_array().unwrap();
            let refused = steps.iter().filter(|it| it["outcome"] == "refused").count();
            assert_eq!(
                refused,
                usize::from(told["decision"] == "deny"),
                "{at}: {told:#}"
            );
        }
    }
    assert!(
        permitted > 30,
        "most of the matrix is about what passes: {permitted}"
    );
}

#[tokio::test]
async fn an_explanation_says_which_step_refused_and_what_came_near() {
    let stage = Stage::start(POLICIES).await;
    let refused_at = |told: &Value| {
        let steps = told["steps"].as_array().unwrap().iter();
        let step = steps.into_iter().find(|it| it["outcome"] == "refused");
        step.map(|it| it["step"].as_str().unwrap().to_owned())
    };
    let get = |target: &str| Ask::new(Some(ALICE), "GET", target);
    for (ask, step) in [
        (get("/plain/.."), "target"),
        (get("/nowhere"), "route"),
        (Ask::new(None, "GET", "/led"), "authenticate"),
        (get("/plain/1?tenant=globex"), "tenant"),
        (get("/led"), "authorize"),
        (get("/others/1"), "ownership"),
        (
            Ask::new(Some(ALICE), "POST", "/small").text("text/plain", "longer than sixteen"),
            "body",
        ),
        (
            Ask::new(Some(GINA), "POST", "/v1/chat/completions").json(&chat("other-1")),
            "models",
        ),
        (
            Ask::new(Some(GINA), "POST", "/v1/chat/completions").json(&chat("gauge-1")),
            "cost",
        ),
    ] {
        let told = stage.explain(&ask).await;
        assert_eq!(
            refused_at(&told).as_deref(),
            Some(step),
            "{} {told:#}",
            ask.target
        );
    }
    let near = |told: &Value| {
        told["near"][0]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(near(&stage.explain(&get("/Led")).await), "led");
    assert_eq!(near(&stage.explain(&get("/led/")).await), "led");
    assert_eq!(near(&stage.explain(&get("/nothing/like/it")).await), "");
    let wrong_method = stage
        .explain(&Ask::new(Some(ALICE), "DELETE", "/led"))
        .await;
    assert_eq!(near(&wrong_method), "led");
    let told = stage.explain(&get("/plain/1")).await;
    assert_eq!(
        told["tenant_from"],
        "claim `tid` of a token of issuer `test` (https://issuer.test)"
    );
    let told = stage
        .explain_as(&Ask::new(Some(GINA), "GET", "/plain/1"))
        .await;
    assert_eq!(told["would_deny"], json!(["globex is watched"]));
}
