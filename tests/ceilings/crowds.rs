//! A tenant that names ever new sessions uses up its own room in the ledger, and nobody else's.

use serde_json::json;

use crate::stage::{Caller, Stage, ceiling, tenant, usd};
use crate::support::gate_process::GateBuilder;
use crate::support::raw_client::RawResponse;
use crate::support::recording_backend::{Answer, RecordingBackend};

const ROUTES: &str = r#"
[[routes]]
name = "talk"
upstream = "backend"
methods = ["POST"]
path = "/talk"
cost = { fixed_usd = "0.01", session = "header:x-session" }
"#;

/// The least that can be set.
const LINES: usize = 100;
/// Besides the lines of the tenant, its user, its route and no agent.
const SESSIONS: usize = LINES - 4;

async fn stage(backend: &RecordingBackend, ceilings: &[String]) -> Stage {
    let policy = tenant("acme", ceilings) + &tenant("globex", ceilings) + ROUTES;
    let small =
        |builder: GateBuilder| builder.section("ledger", &format!("lines_per_tenant = {LINES}"));
    Stage::start_with(backend.url(), &policy, small).await
}

async fn backend() -> RecordingBackend {
    RecordingBackend::start(|_| Answer::json(200, &json!({"ok": true}).to_string())).await
}

async fn talk(stage: &Stage, caller: &Caller, session: &str) -> RawResponse {
    let headers = [("x-session", session)];
    stage
        .ask_with(caller, "POST", "/talk", &headers, "{}")
        .await
}

#[tokio::test]
async fn who_has_no_line_is_refused_where_all_count_and_nobody_else_is() {
    let backend = backend().await;
    let ceilings = [
        ceiling("tenant", "total", "100"),
        ceiling("session", "total", "0.02"),
    ];
    let mut stage = stage(&backend, &ceilings).await;
    let (alice, bob) = (stage.alice(), stage.bob());
    for number in 0..SESSIONS {
        let answer = talk(&stage, &alice, &format!("s-{number}")).await;
        assert_eq!(answer.status, 200, "{number}: {answer:?}");
    }
    for killed in [false, true] {
        if killed {
            stage.gate.kill();
            stage.gate.start_again().await;
        }
        let refused = talk(&stage, &alice, "another").await;
        assert_eq!(refused.status, 429, "{refused:?}");
        let problem = refused.json();
        assert_eq!(problem["code"], "budget_exceeded");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("`[ledger] lines_per_tenant`"), "{detail}");
        assert_eq!(talk(&stage, &bob, "another").await.status, 200);
    }
    assert_eq!(
        talk(&stage, &alice, "s-0").await.status,
        200,
        "its second cent"
    );
    let spent = talk(&stage, &alice, "s-0").await;
    assert_eq!(
        spent.json()["scope"],
        "session",
        "a ceiling still holds: {spent:?}"
    );
    let of_the_tenant = stage.settled_line("acme", "tenant", "").await;
    assert_eq!(of_the_tenant.spent, usd("0.97"));
    assert_eq!(backend.requests().len(), SESSIONS + 1 + 2);
}

#[tokio::test]
async fn sessions_that_no_ceiling_counts_are_let_in_without_number() {
    let backend = backend().await;
    let mut stage = stage(&backend, &[ceiling("tenant", "total", "100")]).await;
    let alice = stage.alice();
    for number in 0..LINES * 2 {
        if number == LINES + LINES / 2 {
            stage.gate.kill();
            stage.gate.start_again().await;
        }
        let answer = talk(&stage, &alice, &format!("s-{number}")).await;
        assert_eq!(answer.status, 200, "{number}: {answer:?}");
    }
    let of_the_tenant = stage.settled_line("acme", "tenant", "").await;
    assert_eq!(of_the_tenant.spent, usd("2.00"), "all of it counts");
}
