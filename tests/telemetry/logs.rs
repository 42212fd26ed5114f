//! Log records: refusals and failures with the ids of their traces, and what the program logs.

use opentelemetry_proto::tonic::logs::v1::{LogRecord, SeverityNumber};

use crate::collector::{digits, texts};
use crate::stage::Stage;

fn is(record: &LogRecord, request: &str) -> bool {
    texts(&record.attributes)
        .get("fabric.request_id")
        .map(String::as_str)
        == Some(request)
}

#[tokio::test]
async fn a_refusal_and_a_failure_are_told_with_the_ids_of_their_spans() {
    let stage = Stage::with("logs = true").await;
    for (target, severity, event, reason) in [
        (
            "/lead",
            SeverityNumber::Info,
            "fabric.request.refused",
            "role_required",
        ),
        (
            "/nowhere",
            SeverityNumber::Error,
            "fabric.request.failed",
            "upstream_unreachable",
        ),
    ] {
        let answer = stage.ask("GET", target, &[], b"").await;
        let id = answer.header("x-request-id").unwrap();
        let record = stage.collector.wait_for_log(|record| is(record, &id)).await;
        let spans = stage.collector.wait_for_spans(1).await;
        let trace = digits(&record.trace_id);
        let of = texts(&record.attributes);
        assert_eq!(record.severity_number(), severity);
        assert_eq!(record.event_name, event);
        assert_eq!(of["fabric.reason"], reason);
        assert_eq!(of["fabric.tenant"], "acme");
        assert!(!of.contains_key("fabric.user"), "nobody asked for users");
        let gate = stage
            .spans_of(&answer, if target == "/lead" { 1 } else { 2 })
            .await;
        assert_eq!(gate[0].trace_id(), trace);
        assert_eq!(gate[0].id(), digits(&record.span_id));
        assert!(!spans.is_empty());
    }
    let answer = stage.ask("GET", "/notes/7", &[], b"").await;
    stage.spans_of(&answer, 2).await;
    let id = answer.header("x-request-id").unwrap();
    assert!(
        !stage.collector.logs().iter().any(|record| is(record, &id)),
        "what went well is none"
    );
}

#[tokio::test]
async fn what_the_program_logs_is_told_and_logged_as_before() {
    let stage = Stage::with("logs = true").await;
    stage.gate.write_policy("99.toml", "nonsense = true\n");
    assert_ne!(stage.gate.reload().await.status, 200);
    let refused = |record: &LogRecord| format!("{:?}", record.body).contains("policy refused");
    let record = stage.collector.wait_for_log(refused).await;
    assert_eq!(record.severity_number(), SeverityNumber::Error);
    assert_eq!(
        texts(&record.attributes)["log.target"],
        "fabric_gate::policy::reload"
    );
    assert!(stage.gate.stderr().contains("policy refused"));
}

#[tokio::test]
async fn without_logs_only_spans_are_told() {
    let stage = Stage::start().await;
    let answer = stage.ask("GET", "/lead", &[], b"").await;
    stage.spans_of(&answer, 1).await;
    assert_eq!(stage.collector.messages("logs"), 0);
}
