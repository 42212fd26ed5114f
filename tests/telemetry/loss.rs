//! A receiver that is down, slow or out of its mind costs spans, and nothing else.

use crate::collector::{Collector, Mood};
use crate::stage::{Stage, value_of};
use crate::support::gate_process::GateBuilder;

fn dropped(signal: &str, reason: &str) -> String {
    format!("fabric_gate_telemetry_dropped_total{{reason=\"{reason}\",signal=\"{signal}\"}}")
}

/// A gate whose receiver is not there.
async fn before_nobody(keys: &str) -> Stage {
    let section = format!("otlp_endpoint = \"http://127.0.0.1:1\"\n{keys}");
    let configured = |builder: GateBuilder| builder.section("telemetry", &section);
    Stage::configured(Collector::start().await, configured).await
}

#[tokio::test]
async fn with_a_receiver_that_is_down_requests_are_served_and_what_is_lost_is_counted() {
    let stage = before_nobody("queue = 16\nlogs = true").await;
    let full = dropped("traces", "queue_full");
    let mut asked = 0;
    while value_of(&stage.metrics().await, &full) == Some(0.0) {
        let answer = stage.ask("GET", "/notes/7", &[], b"").await;
        assert_eq!(answer.status, 200);
        asked += 1;
        assert!(asked < 5_000, "the queue takes all of them");
    }
    stage
        .wait_for_metric(&dropped("traces", "unreachable"), |lost| lost > 0.0)
        .await;
    let told = stage.gate.stderr();
    let warnings = told.matches("the receiver of OTLP does not take").count();
    assert!(
        (1..=2).contains(&warnings),
        "one for each signal, not for each batch: {told}"
    );
    assert_eq!(stage.ask("GET", "/notes/7", &[], b"").await.status, 200);
}

#[tokio::test]
async fn what_a_receiver_refuses_or_does_not_understand_is_given_up_at_once() {
    for mood in [Mood::Refusing, Mood::Rubbish] {
        let stage = Stage::start().await;
        stage.collector.is(mood);
        assert_eq!(stage.ask("GET", "/notes/7", &[], b"").await.status, 200);
        stage
            .wait_for_metric(&dropped("traces", "rejected"), |lost| lost == 2.0)
            .await;
        assert_eq!(
            stage.collector.messages("traces"),
            1,
            "{mood:?}: it is not sent again"
        );
        stage.collector.is(Mood::Well);
        let answer = stage.ask("GET", "/notes/7", &[], b"").await;
        stage.spans_of(&answer, 2).await;
    }
}

#[tokio::test]
async fn an_overloaded_receiver_is_sent_it_again() {
    let stage = Stage::start().await;
    stage.collector.is(Mood::Overloaded);
    stage.ask("GET", "/notes/7", &[], b"").await;
    stage.collector.wait_for_spans(2).await;
    stage.collector.is(Mood::Well);
    let exported = "fabric_gate_telemetry_exported_total{signal=\"traces\"}";
    stage.wait_for_metric(exported, |taken| taken == 2.0).await;
    assert!(stage.collector.messages("traces") >= 2);
}

#[tokio::test]
async fn what_a_receiver_takes_in_part_is_counted_in_both_parts() {
    let stage = Stage::start().await;
    stage.collector.is(Mood::Picky);
    stage.ask("GET", "/notes/7", &[], b"").await;
    stage
        .wait_for_metric(&dropped("traces", "rejected"), |lost| lost == 1.0)
        .await;
    let exported = "fabric_gate_telemetry_exported_total{signal=\"traces\"}";
    stage.wait_for_metric(exported, |taken| taken == 1.0).await;
}

#[tokio::test]
async fn a_stop_sends_what_waits() {
    let mut stage = Stage::with("logs = true").await;
    let answer = stage.ask("GET", "/notes/7", &[], b"").await;
    let refused = stage.ask("GET", "/lead", &[], b"").await;
    assert!(stage.gate.stop().await.success());
    stage.spans_of(&answer, 2).await;
    stage.spans_of(&refused, 1).await;
    assert!(
        stage
            .collector
            .logs()
            .iter()
            .any(|it| it.event_name == "fabric.request.refused")
    );
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_receiver_that_says_nothing() {
    let mut stage = Stage::with("timeout_seconds = 60").await;
    stage.collector.is(Mood::Silent);
    stage.ask("GET", "/notes/7", &[], b"").await;
    stage.collector.wait_for_spans(2).await;
    // The wait below is shorter than the minute that one answer may take.
    assert!(stage.gate.stop().await.success());
    assert!(stage.gate.stderr().contains("were not sent in time"));
}

#[tokio::test]
async fn a_successor_exports_what_it_serves_and_its_predecessor_what_it_served() {
    let mut stage = Stage::start().await;
    let before = stage.ask("GET", "/notes/1", &[], b"").await;
    let mut old = stage.gate.upgrade();
    stage.gate.wait_until_ready().await.unwrap();
    let ended = crate::support::within("the end of the predecessor", async {
        loop {
            if let Some(status) = old.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    assert!(ended.await.success());
    let after = stage.ask("GET", "/notes/2", &[], b"").await;
    stage.spans_of(&before, 2).await;
    stage.spans_of(&after, 2).await;
}
