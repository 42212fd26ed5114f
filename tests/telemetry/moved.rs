//! Metrics of real processes: each one that is documented is there and moves, and no other is.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::collector::Collector;
use crate::jwks_server::{JwksServer, Mode};
use crate::memory_process::MemoryProcess;
use crate::page::{Metric, documented, exposed};
use crate::stage::{Stage, value_of};
use crate::support::raw_client::{self, RawClient};
use crate::support::recording_backend::{Answer, Signal};
use crate::support::tokens::{SigningKey, jwks};
use crate::support::within;

fn of_program(page: &BTreeMap<String, Metric>, prefix: &str) -> BTreeMap<String, Metric> {
    let own = |name: &String| name.starts_with(prefix) || name.starts_with("process_");
    page.iter()
        .filter(|(name, _)| own(name))
        .map(|(name, it)| (name.clone(), it.clone()))
        .collect()
}

fn hold_against_the_page(text: &str, prefix: &str) {
    let (page, exposed) = (of_program(&documented(), prefix), exposed(text));
    for (name, metric) in &exposed {
        assert_eq!(
            page.get(name),
            Some(metric),
            "{name} as docs/metrics.md has it"
        );
    }
    for name in page.keys() {
        assert!(
            exposed.contains_key(name),
            "{name} is documented, and nothing here moved it:\n{text}"
        );
    }
}

/// The sum of all series of a metric that hold `part`.
fn sum(text: &str, name: &str, part: &str) -> f64 {
    let own = |line: &&str| {
        line.starts_with(&format!("{name}{{")) || line.starts_with(&format!("{name} "))
    };
    let values = text.lines().filter(own).filter(|line| line.contains(part));
    values
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
        .sum()
}

/// What a gate under every kind of load exposes, with its stage.
async fn driven() -> (Stage, JwksServer, Signal) {
    let issuer = JwksServer::start().await;
    issuer.set_keys(&jwks(&[&SigningKey::ed25519("other")]));
    let collector = Collector::start().await;
    let telemetry = format!("otlp_endpoint = \"{}\"\nlogs = true\n", collector.url());
    let extra = format!(
        "[[issuers]]\nname = \"remote\"\nissuer = \"https://remote.test\"\naudiences = [\"fabric\"]\n\
         jwks_url = \"{}\"\nalgorithms = [\"EdDSA\"]\n\
         claims = {{ user = \"sub\", tenant = \"tid\" }}\n",
        issuer.url()
    );
    let stage = Stage::configured(collector, |builder| {
        builder
            .policy(extra)
            .section("telemetry", &telemetry)
            .listen_extra("connections = 6")
    })
    .await;
    let go_on = Signal::new();
    let rest = go_on.clone();
    stage.backend.answer_by(move |request| match request.target().as_str() {
        "/notes/stream" => Answer::event_stream().event("first").wait_for(&rest).end_of_chunks(),
        "/v1/chat/completions" => Answer::json(
            200,
            r#"{"model":"gauge-1","usage":{"prompt_tokens":400000,"completion_tokens":50000,"total_tokens":450000}}"#,
        ),
        _ => Answer::json(200, "{}"),
    });
    (stage, issuer, go_on)
}

const ASKED: &[u8] = br#"{"model":"gauge-1","max_tokens":10,"messages":[]}"#;

#[tokio::test]
async fn every_documented_metric_of_the_gate_is_there_and_moves_and_no_other_is() {
    let (stage, _issuer, go_on) = driven().await;
    let json = [("Content-Type", "application/json")];
    // Requests, refusals, money up to the ceiling, warnings, shadow rules, rates.
    assert_eq!(stage.ask("GET", "/notes/7", &[], b"").await.status, 200);
    assert_eq!(stage.ask("GET", "/lead", &[], b"").await.status, 403);
    assert_eq!(
        stage
            .ask_as(("acme", "shade"), "GET", "/notes/7", &[], b"")
            .await
            .status,
        200
    );
    let spent = stage
        .ask("POST", "/v1/chat/completions", &json, ASKED)
        .await;
    assert_eq!(spent.status, 200, "{}", spent.text());
    let refused = stage
        .ask("POST", "/v1/chat/completions", &json, ASKED)
        .await;
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert_eq!(
        stage
            .ask_as(("globex", "bob"), "POST", "/lost", &json, b"{}")
            .await
            .status,
        502
    );
    within("a rate limit", async {
        while stage
            .ask_as(("narrow", "n"), "GET", "/notes/7", &[], b"")
            .await
            .status
            != 429
        {}
    })
    .await;
    // A reload that is taken and one that is not.
    stage
        .gate
        .write_policy("98.toml", "[[tenants]]\nid = \"initech\"\n");
    assert_eq!(stage.gate.reload().await.status, 200);
    stage.gate.write_policy("99.toml", "nonsense = true\n");
    assert_ne!(stage.gate.reload().await.status, 200);
    // A stream, and more connections than there may be.
    let mut streaming = RawClient::connect(stage.gate.address()).await;
    let token = stage.token("acme", "alice");
    let request = raw_client::request("GET", "/notes/stream", &[("Authorization", &token)], b"");
    streaming.send(request).await;
    streaming.read_until("first").await;
    let mut idle = Vec::new();
    for _ in 0..8 {
        idle.push(RawClient::connect(stage.gate.address()).await);
    }
    stage
        .wait_for_metric("fabric_gate_connections_refused_total", |count| count > 0.0)
        .await;
    stage
        .wait_for_metric(
            "fabric_gate_telemetry_exported_total{signal=\"traces\"}",
            |count| count > 0.0,
        )
        .await;
    stage.wait_for_metric("fabric_gate_ceiling_warnings_total{scope=\"tenant\",tenant=\"acme\",threshold=\"exhausted\",window=\"day\"}", |count| count == 1.0).await;
    stage
        .wait_for_metric(
            "fabric_gate_audit_records_total{result=\"written\"}",
            |count| count > 8.0,
        )
        .await;
    let text = stage.metrics().await;
    hold_against_the_page(&text, "fabric_gate_");
    for (name, part, least) in [
        (
            "fabric_gate_requests_total",
            "decision=\"permit\",route=\"notes.read\",tenant=\"acme\"",
            2.0,
        ),
        (
            "fabric_gate_denials_total",
            "reason=\"role_required\",tenant=\"acme\"",
            1.0,
        ),
        (
            "fabric_gate_denials_total",
            "reason=\"budget_exceeded\",tenant=\"acme\"",
            1.0,
        ),
        ("fabric_gate_shadow_denials_total", "tenant=\"acme\"", 1.0),
        (
            "fabric_gate_limited_total",
            "limit=\"tenant\",tenant=\"narrow\"",
            1.0,
        ),
        ("fabric_gate_request_seconds_count", "", 8.0),
        ("fabric_gate_overhead_seconds_count", "", 4.0),
        ("fabric_gate_connections", "", 1.0),
        ("fabric_gate_open_streams", "tenant=\"acme\"", 1.0),
        ("fabric_gate_spent_usd_total", "tenant=\"acme\"", 0.5),
        ("fabric_gate_settled_total", "how=\"usage\"", 1.0),
        ("fabric_gate_uncharged_total", "reason=\"released\"", 1.0),
        (
            "fabric_gate_ceiling_used_ratio",
            "scope=\"tenant\",tenant=\"acme\",window=\"day\"",
            0.5,
        ),
        ("fabric_gate_policy_info", "", 1.0),
        (
            "fabric_gate_policy_reloads_total",
            "result=\"changed\"",
            1.0,
        ),
        (
            "fabric_gate_policy_reloads_total",
            "result=\"rejected\"",
            1.0,
        ),
        (
            "fabric_gate_jwks_fetches_total",
            "issuer=\"remote\",result=\"ok\"",
            1.0,
        ),
        ("fabric_gate_jwks_keys", "issuer=\"remote\"", 1.0),
        ("fabric_gate_audit_healthy", "", 1.0),
        ("process_start_time_seconds", "", 1_700_000_000.0),
    ] {
        let value = sum(&text, name, part);
        assert!(value >= least, "{name}{{{part}}} is {value}:\n{text}");
    }
    drop(idle);
    go_on.give();
    stage
        .wait_for_metric("fabric_gate_open_streams{tenant=\"acme\"}", |count| {
            count == 0.0
        })
        .await;
}

#[tokio::test]
async fn a_reservation_shows_while_its_request_is_under_way_and_is_gone_behind_it() {
    let stage = Stage::start().await;
    let go_on = Signal::new();
    let rest = go_on.clone();
    stage.backend.answer_by(move |_| {
        Answer::nothing()
            .wait_for(&rest)
            .then_answer(Answer::json(200, "{}"))
    });
    let json = [("Content-Type", "application/json")];
    let asking = stage.ask("POST", "/v1/chat/completions", &json, ASKED);
    let series = "fabric_gate_reserved_usd{tenant=\"acme\"}";
    let watching = async {
        stage.wait_for_metric(series, |held| held > 0.0).await;
        go_on.give();
    };
    let (answer, ()) = tokio::join!(asking, watching);
    assert_eq!(answer.status, 200);
    stage.wait_for_metric(series, |held| held == 0.0).await;
}

#[tokio::test]
async fn keys_that_cannot_be_fetched_count_as_failures() {
    let (stage, issuer, _) = driven().await;
    issuer.set_mode(Mode::Status(503));
    let stranger = SigningKey::ed25519("unknown");
    let claims = crate::support::tokens::claims("acme", "alice", &[]);
    let token = format!(
        "Bearer {}",
        stranger.sign(&claims.with("iss", "https://remote.test"))
    );
    let headers = [("Authorization", token.as_str()), ("Connection", "close")];
    let series = "fabric_gate_jwks_fetches_total{issuer=\"remote\",result=\"failed\"}";
    within(series, async {
        while value_of(&stage.metrics().await, series) < Some(1.0) {
            let request = raw_client::request("GET", "/notes/7", &headers, b"");
            raw_client::exchange(stage.gate.address(), request).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

const ALICE: (&str, &str, &[&str]) = ("acme", "alice", &[]);

#[tokio::test]
async fn every_documented_metric_of_the_memory_service_is_there_and_moves_and_no_other_is() {
    let service = MemoryProcess::builder().start().await;
    let stored = service
        .ask_as(ALICE, "POST", "/v1/memories", br#"{"content":"a"}"#)
        .await;
    assert_eq!(stored.status, 201, "{}", stored.text());
    let id = stored.json()["id"].as_str().unwrap().to_owned();
    let entry = format!("/v1/memories/{id}");
    assert_eq!(
        service.ask_as(ALICE, "DELETE", &entry, b"").await.status,
        204
    );
    assert_eq!(
        service.ask("GET", "/v1/memories", &[], b"").await.status,
        401
    );
    let _open = RawClient::connect(service.address()).await;
    let text = within("the metrics of the memory service", async {
        loop {
            let text = service.operate("/metrics").await.text();
            if sum(&text, "fabric_memory_connections", "") >= 1.0
                && sum(&text, "fabric_memory_store", "") >= 1.0
            {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    hold_against_the_page(&text, "fabric_memory_");
    for (name, part) in [
        ("fabric_memory_requests_total", "status=\"2xx\""),
        ("fabric_memory_requests_total", "status=\"4xx\""),
        (
            "fabric_memory_request_seconds_count",
            "route=\"/v1/memories\"",
        ),
        (
            "fabric_memory_refusals_total",
            "code=\"credentials_missing\"",
        ),
        ("fabric_memory_entries_written_total", ""),
        ("fabric_memory_entries_deleted_total", ""),
        ("fabric_memory_keys_usable", ""),
    ] {
        assert!(sum(&text, name, part) >= 1.0, "{name} {part}:\n{text}");
    }
    assert_eq!(sum(&text, "fabric_memory_store_errors_total", ""), 0.0);
}

#[tokio::test]
async fn what_the_memory_store_cannot_do_is_counted_for_one_tenant_and_another_is_served() {
    let service = MemoryProcess::builder().start().await;
    let file = service.folder().join("data/memory/acme/memory.db");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, b"this is no database at all, whatever its name says").unwrap();
    let errors = async || {
        let text = service.operate("/metrics").await.text();
        sum(&text, "fabric_memory_store_errors_total", "")
    };
    for (number, target) in ["/v1/memories", "/v1/export", "/v1/stats"]
        .into_iter()
        .enumerate()
    {
        let answer = service.ask_as(ALICE, "GET", target, b"").await;
        assert_eq!(answer.status, 503, "{target}: {}", answer.text());
        assert!(errors().await > number as f64, "{target}");
    }
    let before = errors().await;
    let other = service
        .ask_as(("globex", "bob", &[]), "GET", "/v1/memories", b"")
        .await;
    assert_eq!(other.status, 200, "{}", other.text());
    assert_eq!(errors().await, before);
}
