//! Asking leaves no mark: the request is served as if nobody had asked.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::stage::{ALICE, Ask, GINA, Stage};
use crate::support::within;

const OFTEN: usize = 100;

const POLICIES: &str = r#"
[[tenants]]
id = "acme"
limits = { requests_per_second = "0.001", burst = 2 }
[[tenants.ceilings]]
scope = "tenant"
window = "total"
usd = "0.05"
[[tenants]]
id = "globex"
[[routes]]
name = "claim"
upstream = "backend"
methods = ["GET", "PUT"]
path = "/things/{id}"
resource = { kind = "thing", id = "path:id", claim = true }
[[routes]]
name = "paid"
upstream = "backend"
methods = ["POST"]
path = "/paid"
cost = { fixed_usd = "0.03" }
[[routes]]
name = "hook"
upstream = "backend"
methods = ["POST"]
path = "/hooks/github"
[[webhooks]]
name = "github"
path = "/hooks/github"
scheme = "github"
secret = "env:HOOK_SECRET"
tenant = "globex"
user = "webhook:github"
"#;

/// The records of requests that were written.
fn records(stage: &Stage) -> Vec<Value> {
    let folder = fs::read_dir(stage.gate.folder().join("audit")).unwrap();
    let files = folder.map(|file| file.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|it| it == "jsonl"));
    let texts = files.map(|path| fs::read_to_string(path).unwrap());
    texts
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|line| serde_json::from_str::<Value>(&line).ok())
        .filter(|record| record["kind"] == "request")
        .collect()
}

#[tokio::test]
async fn an_id_that_was_asked_about_is_still_free_for_another() {
    let stage = Stage::start(POLICIES.split("[[webhooks]]").next().unwrap()).await;
    let of = |who| Ask::new(Some(who), "PUT", "/things/t-1");
    for _ in 0..OFTEN {
        let told = stage.explain(&of(ALICE)).await;
        assert_eq!(told["decision"], "permit");
        assert_eq!(told["resources"][0]["owner"], "nobody");
        assert_eq!(told["resources"][0]["claims"], true);
    }
    assert_eq!(stage.send(&of(GINA)).await.status, 200, "it was nobody's");
    let told = stage.explain(&of(ALICE)).await;
    assert_eq!(told["status"], 404, "{told:#}");
    assert_eq!(told["resources"][0]["owner"], "another");
    let told = stage.explain(&of(GINA)).await;
    assert_eq!(told["resources"][0]["owner"], "caller");
}

#[tokio::test]
async fn limits_and_ceilings_are_as_if_nobody_had_asked() {
    let stage = Stage::start(POLICIES.split("[[webhooks]]").next().unwrap()).await;
    let paid = Ask::new(Some(ALICE), "POST", "/paid");
    for _ in 0..OFTEN {
        let told = stage.explain(&paid).await;
        assert_eq!(told["decision"], "permit", "{told:#}");
        assert_eq!(told["reserve_usd"], "0.03");
        assert_eq!(told["ceilings"][0]["spent_usd"], "0.00");
        assert_eq!(told["ceilings"][0]["reserved_usd"], "0.00");
    }
    assert!(
        stage.backend.requests().is_empty(),
        "no backend hears of a question"
    );
    assert_eq!(stage.send(&paid).await.status, 200);
    let told = stage.explain(&paid).await;
    assert_eq!(told["code"], "budget_exceeded", "{told:#}");
    assert_eq!(told["ceilings"][0]["spent_usd"], "0.03");
    let refused = stage.send(&paid).await;
    assert_eq!(refused.json()["code"], "budget_exceeded");
    // What a refusal takes it gives back: one of the burst is left, and then none is.
    let free = Ask::new(Some(ALICE), "PUT", "/things/t-1");
    assert_eq!(stage.explain(&free).await["decision"], "permit");
    assert_eq!(stage.send(&free).await.status, 200);
    assert_eq!(stage.explain(&free).await["code"], "rate_limited");
    assert_eq!(stage.send(&free).await.json()["code"], "rate_limited");
}

#[tokio::test]
async fn nothing_is_recorded_or_counted_of_a_question() {
    let mut stage = Stage::start(POLICIES.split("[[webhooks]]").next().unwrap()).await;
    let ask = Ask::new(Some(GINA), "PUT", "/things/t-9");
    let refused = Ask::new(Some(GINA), "GET", "/nowhere");
    for _ in 0..OFTEN {
        stage.explain(&ask).await;
        stage.explain(&refused).await;
    }
    assert_eq!(stage.send(&ask).await.status, 200);
    // A request is counted behind its answer.
    let counting = async {
        loop {
            let metrics = stage.gate.admin("GET", "/metrics", b"").await.text();
            let counts = metrics
                .lines()
                .filter(|line| line.starts_with("fabric_gate_requests_total{"));
            let counts: Vec<String> = counts.map(str::to_owned).collect();
            if !counts.is_empty() {
                return counts;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let counted = within("a count", counting).await;
    assert_eq!(counted.len(), 1, "{counted:?}");
    assert!(counted[0].ends_with(" 1"), "{counted:?}");
    stage.gate.stop().await;
    assert_eq!(records(&stage).len(), 1);
}

#[tokio::test]
async fn a_delivery_that_was_asked_about_can_still_be_delivered_once() {
    use aws_lc_rs::hmac;

    let (secret, body) = ("a-signing-secret-of-some-length", r#"{"action":"opened"}"#);
    let stage = Stage::start_with(POLICIES, |builder| builder.env("HOOK_SECRET", secret)).await;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, body.as_bytes());
    let tag: String = tag
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let delivery = Ask::new(None, "POST", "/hooks/github")
        .header("X-GitHub-Delivery", "d-1")
        .header("X-Hub-Signature-256", &format!("sha256={tag}"))
        .text("application/json", body);
    for _ in 0..OFTEN {
        let told = stage.explain(&delivery).await;
        assert_eq!(told["decision"], "permit", "{told:#}");
        assert_eq!(told["tenant_from"], "the webhook `github`");
    }
    assert_eq!(stage.send(&delivery).await.status, 200);
    assert_eq!(stage.explain(&delivery).await["code"], "signature_invalid");
    // Nor does a question let go of what was taken.
    assert_eq!(stage.send(&delivery).await.status, 401);
}

#[tokio::test]
async fn no_credential_is_in_an_answer() {
    let stage = Stage::start(POLICIES.split("[[webhooks]]").next().unwrap()).await;
    let token = stage.token(ALICE);
    let ask = Ask::new(Some(ALICE), "PUT", "/things/t-1").header("Cookie", "session=s3cret");
    let told = stage.explain(&ask).await;
    assert_eq!(told["decision"], "permit");
    let text = told.to_string();
    assert!(!text.contains(&token) && !text.contains("s3cret"), "{text}");
    let described = json!({"method": "GET", "path": "/things/t-1"});
    let answer = stage.gate.admin("POST", "/v1/explain", b"{").await;
    assert_eq!(answer.status, 400);
    let nobody = json!({"method": "GET", "path": "/", "as": {"tenant": "No Tenant", "user": "a"}});
    let answer = stage
        .gate
        .admin("POST", "/v1/explain", nobody.to_string().as_bytes())
        .await;
    assert_eq!(answer.status, 400);
    assert_eq!(stage.ask(&described).await["code"], "credentials_missing");
}
