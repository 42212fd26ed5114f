//! Nothing of what a caller sends leaves by this way, and nothing of what the backend answers.

use crate::stage::{CANARY, Stage};
use crate::support::raw_client;

#[tokio::test]
async fn no_exported_byte_holds_a_secret_a_query_a_header_a_body_or_an_id() {
    // Everything that may be told is told.
    let keys = "logs = true\ngen_ai = true\nheaders = { api-key = \"env:RECEIVER_KEY\" }";
    let collector = crate::collector::Collector::start().await;
    let section = format!("otlp_endpoint = \"{}\"\n{keys}\n", collector.url());
    let stage = Stage::configured(collector, |builder| {
        builder
            .section("telemetry", &section)
            .env("RECEIVER_KEY", "receivers-own")
            .env("RUST_LOG", "trace")
    })
    .await;
    let body = format!(
        r#"{{"model":"gauge-1","max_tokens":10,"messages":[{{"role":"user","content":"{CANARY}"}}]}}"#
    );
    let unpriced = format!(r#"{{"model":"{CANARY}","messages":[]}}"#);
    let query = format!("/notes/{CANARY}?token={CANARY}");
    let missing = format!("/own/{CANARY}");
    let unrouted = format!("/no/{CANARY}?{CANARY}");
    let hidden = [
        ("X-Secret", CANARY),
        ("User-Agent", CANARY),
        ("X-Api-Key", CANARY),
        ("Cookie", CANARY),
        ("traceparent", CANARY),
        ("tracestate", CANARY),
    ];
    let json = [("Content-Type", "application/json"), ("X-Secret", CANARY)];
    let alice = ("acme", "alice");
    let mut last = None;
    for (who, method, target, headers, body) in [
        (alice, "GET", query.as_str(), &hidden[..1], ""),
        (alice, "GET", missing.as_str(), &hidden[..1], ""),
        (alice, "GET", unrouted.as_str(), &hidden[..], ""),
        (alice, "GET", query.as_str(), &hidden[..], ""),
        (alice, CANARY, "/upload", &hidden[..1], ""),
        (alice, "POST", "/upload", &json[..], CANARY),
        (alice, "POST", "/v1/chat/completions", &json[..], &body),
        (alice, "POST", "/v1/chat/completions", &json[..], &unpriced),
        (
            alice,
            "GET",
            query.as_str(),
            &[("X-Fabric-Tenant", CANARY)][..],
            "",
        ),
        (("acme", CANARY), "GET", "/lead", &hidden[..1], ""),
    ] {
        last = Some(
            stage
                .ask_as(who, method, target, headers, body.as_bytes())
                .await,
        );
    }
    for raw in [
        format!("GET /{CANARY} HTTP/1.1\r\nHost: {CANARY}\r\nHost: b\r\n\r\n"),
        format!("{CANARY}\r\n\r\n"),
    ] {
        raw_client::exchange(stage.gate.address(), raw).await;
    }
    stage.spans_of(&last.unwrap(), 1).await;
    let token = stage.token("acme", "alice");
    let signature = token.rsplit('.').next().unwrap().to_owned();
    let mut gate = stage.gate;
    gate.stop().await;
    let all = String::from_utf8_lossy(&stage.collector.everything()).into_owned();
    assert!(
        all.contains("notes.read") && all.contains("role_required"),
        "it was told of them"
    );
    assert!(stage.collector.spans().len() >= 12);
    for secret in [CANARY, "Bearer", &signature] {
        let found = all.match_indices(secret).next();
        let around = found.map(|(at, _)| all.get(at.saturating_sub(120)..).unwrap_or_default());
        assert!(
            found.is_none(),
            "`{secret}` got out: {}",
            around.unwrap_or_default()
        );
    }
    assert!(
        !gate.stderr().contains("receivers-own"),
        "nor is the receiver's key logged"
    );
}
