//! Spans: their tree, what they say, and when they end.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use crate::collector::Told;
use crate::stage::{Stage, cost};
use crate::support::raw_client::{self, RawClient};
use crate::support::recording_backend::{Answer, Signal};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn code(told: &Told) -> StatusCode {
    told.span.status.as_ref().unwrap().code()
}

#[tokio::test]
async fn the_backends_spans_hang_below_the_exchange_and_that_below_the_gate() {
    let stage = Stage::start().await;
    let headers = [("traceparent", PARENT), ("tracestate", "vendor=opaque")];
    let answer = stage.ask("GET", "/notes/7?x=1", &headers, b"").await;
    assert_eq!(answer.status, 200);
    let spans = stage.spans_of(&answer, 2).await;
    let (gate, upstream) = (&spans[0], &spans[1]);
    assert_eq!(gate.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(gate.parent().as_deref(), Some("00f067aa0ba902b7"));
    assert_eq!(gate.span.kind(), SpanKind::Server);
    assert_eq!(upstream.span.kind(), SpanKind::Client);
    assert_eq!(upstream.trace_id(), gate.trace_id());
    let request = stage.backend.only_request();
    assert_eq!(
        request.head.value("traceparent").unwrap(),
        format!("00-{}-{}-01", upstream.trace_id(), upstream.id()),
        "the backend's parent is the exchange"
    );
    assert_eq!(
        request.head.value("tracestate").as_deref(),
        Some("vendor=opaque")
    );
    assert!(gate.span.start_time_unix_nano <= upstream.span.start_time_unix_nano);
    assert!(upstream.span.start_time_unix_nano <= upstream.span.end_time_unix_nano);
    assert!(upstream.span.end_time_unix_nano <= gate.span.end_time_unix_nano);
}

#[tokio::test]
async fn spans_say_what_the_conventions_and_the_decision_do() {
    let stage = Stage::start().await;
    let answer = stage.ask("GET", "/notes/7", &[], b"").await;
    let spans = stage.spans_of(&answer, 2).await;
    let (gate, upstream) = (&spans[0], &spans[1]);
    assert_eq!(gate.span.name, "GET /notes/{id}");
    for (key, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/notes/{id}"),
        ("url.path", "/notes/{id}"),
        ("url.scheme", "http"),
        ("http.response.status_code", "200"),
        ("http.response.body.size", "2"),
        ("fabric.tenant", "acme"),
        ("fabric.route", "notes.read"),
        ("fabric.decision", "permit"),
        ("fabric.reason", "ok"),
    ] {
        assert_eq!(gate.says(key), Some(value), "{key}");
    }
    assert_eq!(gate.says("fabric.policy_revision").map(str::len), Some(16));
    assert_eq!(gate.says("server.address"), Some("127.0.0.1"));
    assert_eq!(
        (gate.says("fabric.user"), gate.says("error.type")),
        (None, None)
    );
    assert_eq!(code(gate), StatusCode::Unset);
    for (key, value) in [
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("url.template", "/notes/{id}"),
        ("server.address", "127.0.0.1"),
        ("fabric.upstream", "backend"),
    ] {
        assert_eq!(upstream.says(key), Some(value), "{key}");
    }
    let port = stage.backend.url().rsplit(':').next().unwrap();
    assert_eq!(upstream.says("server.port"), Some(port));
    let resource = stage.collector.resource();
    assert_eq!(resource["service.name"], "fabric-gate");
    assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
    assert!(resource.contains_key("service.instance.id"));
}

#[tokio::test]
async fn users_are_named_where_that_is_asked_for_and_each_by_its_own_tenant() {
    let stage = Stage::with("users = true").await;
    for (tenant, user) in [("acme", "alice"), ("globex", "bob")] {
        let answer = stage
            .ask_as((tenant, user), "GET", "/notes/7", &[], b"")
            .await;
        let spans = stage.spans_of(&answer, 2).await;
        assert_eq!(spans[0].says("fabric.tenant"), Some(tenant));
        assert_eq!(spans[0].says("fabric.user"), Some(user));
    }
}

#[tokio::test]
async fn a_model_and_what_it_used_are_told_where_that_is_asked_for() {
    let body = br#"{"model":"gauge-1","max_tokens":10,"messages":[]}"#;
    let json = [("Content-Type", "application/json")];
    let stage = Stage::with("gen_ai = true").await;
    let answer = stage.ask("POST", "/v1/chat/completions", &json, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let spans = stage.spans_of(&answer, 2).await;
    let upstream = &spans[1];
    assert_eq!(upstream.span.name, "chat gauge-1");
    for (key, value) in [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "openai"),
        ("gen_ai.request.model", "gauge-1"),
        ("gen_ai.usage.input_tokens", "100"),
        ("gen_ai.usage.output_tokens", "10"),
        ("gen_ai.usage.cache_read.input_tokens", "40"),
    ] {
        assert_eq!(upstream.says(key), Some(value), "{key}");
    }
    assert_eq!(
        spans[0].says("fabric.cost_usd"),
        Some(cost().to_string().as_str())
    );

    let stage = Stage::start().await;
    let answer = stage.ask("POST", "/v1/chat/completions", &json, body).await;
    let spans = stage.spans_of(&answer, 2).await;
    assert_eq!(spans[1].span.name, "POST /v1/chat/completions");
    assert!(
        spans
            .iter()
            .all(|it| it.of.keys().all(|key| !key.starts_with("gen_ai.")))
    );
}

#[tokio::test]
async fn each_refusal_says_why_and_reaches_no_backend() {
    let stage = Stage::start().await;
    let long = vec![b'x'; 70_000];
    let unpriced = br#"{"model":"other","messages":[]}"#;
    let body = br#"{"model":"gauge-1","max_tokens":900000,"messages":[]}"#;
    let json = ("Content-Type", "application/json");
    let alice = ("acme", "alice");
    for (who, method, target, headers, body, reason, rule) in [
        (
            alice,
            "GET",
            "/lead",
            vec![],
            &b""[..],
            "role_required",
            None,
        ),
        (
            ("acme", "mallory"),
            "GET",
            "/notes/7",
            vec![],
            b"",
            "forbidden",
            Some("nobody deletes notes by reading"),
        ),
        (
            alice,
            "GET",
            "/notes/7",
            vec![("X-Fabric-Tenant", "globex")],
            b"",
            "tenant_mismatch",
            None,
        ),
        (
            ("nobody-knows", "x"),
            "GET",
            "/notes/7",
            vec![],
            b"",
            "tenant_unknown",
            None,
        ),
        (
            alice,
            "GET",
            "/no/such/route",
            vec![],
            b"",
            "not_found",
            None,
        ),
        (
            alice,
            "POST",
            "/upload",
            vec![],
            &long,
            "body_too_large",
            None,
        ),
        (
            alice,
            "POST",
            "/v1/chat/completions",
            vec![json],
            unpriced,
            "price_unknown",
            None,
        ),
        (
            alice,
            "POST",
            "/v1/chat/completions",
            vec![json],
            body,
            "budget_exceeded",
            None,
        ),
    ] {
        let before = stage.backend.requests().len();
        let answer = stage.ask_as(who, method, target, &headers, body).await;
        let spans = stage.spans_of(&answer, 1).await;
        let gate = &spans[0];
        assert_eq!(
            gate.says("fabric.reason"),
            Some(reason),
            "{}",
            answer.text()
        );
        assert_eq!(gate.says("fabric.decision"), Some("deny"));
        let status = answer.status.to_string();
        assert_eq!(
            gate.says("http.response.status_code"),
            Some(status.as_str())
        );
        assert_eq!(gate.says("fabric.rule"), rule);
        assert_eq!(
            code(gate),
            StatusCode::Unset,
            "a refusal is an answer like any other"
        );
        assert_eq!(stage.backend.requests().len(), before);
    }
    let anonymous = raw_client::request("GET", "/notes/7", &[("Connection", "close")], b"");
    let answer = raw_client::exchange(stage.gate.address(), anonymous).await;
    let spans = stage.spans_of(&answer, 1).await;
    assert_eq!(spans[0].says("fabric.reason"), Some("credentials_missing"));
    assert_eq!(spans[0].says("fabric.tenant"), None);
    let mangled = b"GET /notes/%2e%2e%2fx HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    let answer = raw_client::exchange(stage.gate.address(), mangled).await;
    let spans = stage.spans_of(&answer, 1).await;
    assert_eq!(spans[0].says("fabric.reason"), Some("request_rejected"));
}

#[tokio::test]
async fn a_failure_is_an_error_and_what_shadow_rules_would_do_is_told() {
    let stage = Stage::start().await;
    let answer = stage.ask("GET", "/nowhere", &[], b"").await;
    assert_eq!(answer.status, 502);
    let spans = stage.spans_of(&answer, 2).await;
    for span in &spans {
        assert_eq!(code(span), StatusCode::Error);
        assert_eq!(span.says("error.type"), Some("upstream_unreachable"));
    }
    let answer = stage.ask("GET", "/own/another", &[], b"").await;
    assert_eq!(answer.status, 404);
    let spans = stage.spans_of(&answer, 2).await;
    assert_eq!(spans[0].says("fabric.reason"), Some("not_found"));
    assert_eq!(
        (code(&spans[0]), code(&spans[1])),
        (StatusCode::Unset, StatusCode::Unset)
    );
    let answer = stage.ask("GET", "/notes/broken", &[], b"").await;
    assert_eq!(answer.status, 500);
    let spans = stage.spans_of(&answer, 2).await;
    assert_eq!(
        (code(&spans[0]), code(&spans[1])),
        (StatusCode::Error, StatusCode::Error)
    );
    assert_eq!(spans[1].says("error.type"), Some("500"));
    let answer = stage
        .ask_as(("acme", "shade"), "GET", "/notes/7", &[], b"")
        .await;
    assert_eq!(answer.status, 200);
    let spans = stage.spans_of(&answer, 2).await;
    assert!(
        spans[0]
            .says("fabric.would_deny")
            .unwrap()
            .contains("readers would be counted")
    );
}

#[tokio::test]
async fn the_span_of_a_stream_ends_with_the_stream() {
    let stage = Stage::start().await;
    let go_on = Signal::new();
    let rest = go_on.clone();
    stage.backend.answer_by(move |_| {
        Answer::event_stream()
            .event("first")
            .wait_for(&rest)
            .event("last")
            .end_of_chunks()
    });
    let mut client = RawClient::connect(stage.gate.address()).await;
    let token = stage.token("acme", "alice");
    client
        .send(raw_client::request(
            "GET",
            "/notes/stream",
            &[("Authorization", &token)],
            b"",
        ))
        .await;
    client.read_until("first").await;
    // Whatever was over before the stream is would be here with this one.
    let other = stage.ask("GET", "/lead", &[], b"").await;
    stage.spans_of(&other, 1).await;
    assert_eq!(stage.collector.spans().len(), 1, "the stream goes on");
    let before = stage.collector.spans()[0].span.end_time_unix_nano;
    go_on.give();
    client.read_until("last").await;
    let spans = stage.collector.wait_for_spans(3).await;
    let gate = spans
        .iter()
        .find(|it| it.says("fabric.route") == Some("notes.read"))
        .unwrap();
    assert!(gate.span.end_time_unix_nano > before);
    assert!(gate.span.start_time_unix_nano < before);
    assert_eq!(gate.says("fabric.reason"), Some("ok"));
}
