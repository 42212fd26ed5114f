//! Which requests are traced, and who decides that.

use crate::collector::Collector;
use crate::stage::Stage;
use crate::support::raw_client;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn parent(flag: &str) -> String {
    format!("00-{TRACE}-00f067aa0ba902b7-{flag}")
}

/// What the backend was told of the trace of its last request.
fn told(stage: &Stage) -> String {
    let last = stage.backend.requests().pop().unwrap();
    last.head.value("traceparent").unwrap()
}

#[tokio::test]
async fn a_caller_cannot_have_its_requests_traced_unless_it_is_trusted() {
    for (trusted, sampled) in [("false", "00"), ("true", "01")] {
        let stage = Stage::with(&format!("sample_ratio = 0.0\ntrust_parent = {trusted}")).await;
        stage
            .ask("GET", "/notes/7", &[("traceparent", &parent("01"))], b"")
            .await;
        let told = told(&stage);
        assert!(
            told.starts_with(&format!("00-{TRACE}-")) && told.ends_with(sampled),
            "{told}"
        );
        // A refusal comes last, and whatever was to come is there with it.
        let refused = stage.ask("GET", "/lead", &[], b"").await;
        stage.spans_of(&refused, 1).await;
        let spans = stage.collector.spans();
        let of_caller = spans.iter().filter(|it| it.trace_id() == TRACE).count();
        assert_eq!(of_caller, if trusted == "true" { 2 } else { 0 });
    }
}

#[tokio::test]
async fn a_trusted_caller_can_have_a_request_left_out_and_a_stranger_cannot() {
    for (trusted, spans) in [("true", 0), ("false", 2)] {
        let stage = Stage::with(&format!("trust_parent = {trusted}")).await;
        stage
            .ask("GET", "/notes/7", &[("traceparent", &parent("00"))], b"")
            .await;
        let refused = stage.ask("GET", "/lead", &[], b"").await;
        stage.spans_of(&refused, 1).await;
        let all = stage.collector.spans();
        assert_eq!(
            all.iter().filter(|it| it.trace_id() == TRACE).count(),
            spans
        );
    }
}

#[tokio::test]
async fn refusals_are_exported_up_to_a_number_a_second_and_the_rest_is_counted() {
    let stage = Stage::with("sample_ratio = 0.0\nrefusals_per_second = 1").await;
    let mut asked = 0;
    let series = "fabric_gate_telemetry_dropped_total{reason=\"limited\",signal=\"traces\"}";
    // A second may begin between two of them, but not between every two.
    while crate::stage::value_of(&stage.metrics().await, series) == Some(0.0) {
        stage.ask("GET", "/lead", &[], b"").await;
        asked += 1;
        assert!(asked < 200, "none was left out");
    }
    assert!(asked >= 2, "the first of a second is exported");
}

#[tokio::test]
async fn with_sample_refusals_off_a_refusal_is_sampled_like_anything_else() {
    let stage = Stage::with("sample_ratio = 0.0\nsample_refusals = false\nlogs = true").await;
    stage.ask("GET", "/lead", &[], b"").await;
    let mut gate = stage.gate;
    gate.stop().await;
    assert!(stage.collector.spans().is_empty());
}

#[tokio::test]
async fn with_nothing_configured_no_connection_is_made_and_a_flag_passes_on() {
    let collector = Collector::start().await;
    let url = collector.url();
    let switched_off = |builder: crate::support::gate_process::GateBuilder| {
        builder
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &url)
            .env("OTEL_SDK_DISABLED", "true")
    };
    let mut stage = Stage::configured(collector, switched_off).await;
    for flag in ["01", "00"] {
        stage
            .ask("GET", "/notes/7", &[("traceparent", &parent(flag))], b"")
            .await;
        assert!(
            told(&stage).ends_with(flag),
            "a trace that is none of the gate's business"
        );
    }
    stage.ask("GET", "/lead", &[], b"").await;
    assert!(!stage.metrics().await.contains("fabric_gate_telemetry"));
    stage.gate.stop().await;
    assert_eq!(stage.collector.messages("traces"), 0);
}

#[tokio::test]
async fn the_standard_variables_switch_it_on_and_credentials_go_along() {
    let collector = Collector::start().await;
    let url = collector.url();
    let by_environment = |builder: crate::support::gate_process::GateBuilder| {
        builder
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &url)
            .env("OTEL_EXPORTER_OTLP_HEADERS", "api-key=open%20sesame")
            .env("OTEL_SERVICE_NAME", "edge")
    };
    let stage = Stage::configured(collector, by_environment).await;
    let answer = stage.ask("GET", "/notes/7", &[], b"").await;
    stage.spans_of(&answer, 2).await;
    assert_eq!(
        stage.collector.header("api-key").as_deref(),
        Some("open sesame")
    );
    assert_eq!(stage.collector.resource()["service.name"], "edge");
    assert!(!stage.gate.stderr().contains("open sesame"));
}

#[tokio::test]
async fn requests_of_http2_are_traced_as_well() {
    let stage = Stage::start().await;
    let mut client = crate::support::h2_client::H2Client::connect(stage.gate.address()).await;
    let token = stage.token("acme", "alice");
    let request =
        crate::support::h2_client::request("GET", "/notes/7", &[("authorization", &token)]);
    let answer = client.request(request, b"", None).await.unwrap();
    assert_eq!(answer.head.status, 200);
    let spans = stage.collector.wait_for_spans(2).await;
    let upstream = spans
        .iter()
        .find(|it| it.says("fabric.upstream").is_some())
        .unwrap();
    assert!(told(&stage).contains(&upstream.id()));
}

/// What does not look like a request at all has a trace of its own.
#[tokio::test]
async fn what_comes_in_a_trace_that_is_none_begins_one() {
    let stage = Stage::start().await;
    let headers = [("Connection", "close"), ("traceparent", "00-nonsense")];
    let request = raw_client::request("GET", "/notes/7", &headers, b"");
    let answer = raw_client::exchange(stage.gate.address(), request).await;
    let spans = stage.spans_of(&answer, 1).await;
    assert_eq!(spans[0].parent(), None);
    assert_eq!(spans[0].trace_id().len(), 32);
}
