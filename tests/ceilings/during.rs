//! What happens while a request is under way: streams that use up what was held, and ceilings that
//! a reload changes.

use fabric_gate::money::NanoUsd;
use serde_json::json;

use crate::stage::{PRICES, Stage, ceiling, cost_of, tenant, usd};
use crate::standins::llm::{self, End, Turn};
use crate::support::recording_backend::{Answer, RecordingBackend, Signal};

/// A hundred bytes, each of which may be a token.
const PIECE: &str = "0123456789012345678901234567890123456789012345678901234567890123456789\
                     012345678901234567890123456789";

fn routes(cut_off: bool) -> String {
    format!(
        r#"
[[routes]]
name = "chat"
upstream = "backend"
methods = ["POST"]
path = "/v1/chat/completions"
cost = {{ usage = "openai", cut_off = {cut_off} }}
errors = "openai"

[[routes]]
name = "messages"
upstream = "backend"
methods = ["POST"]
path = "/v1/messages"
cost = {{ usage = "anthropic", cut_off = {cut_off} }}
errors = "anthropic"
"#
    )
}

/// A stream that goes far beyond the cap it was asked for, before a tenant that may spend so much in
/// all: what its caller reads, the record's reason, its cost, and what was held.
async fn beyond_its_cap(
    target: &str,
    cut_off: bool,
    usd_of_all: &str,
) -> (String, String, NanoUsd) {
    let goes_on = Signal::new();
    let turn = Turn {
        pieces: vec![PIECE; 4],
        end: End::Paused(2, goes_on.clone()),
        ..Turn::short().counting(10, 400)
    };
    let provider = llm::start(turn).await;
    let policy =
        tenant("acme", &[ceiling("tenant", "total", usd_of_all)]) + &routes(cut_off) + PRICES;
    let stage = Stage::start(provider.url(), &policy).await;
    let messages = json!([{"role": "user", "content": "Say hello."}]);
    let body = json!({"model": "gauge-1", "max_tokens": 5, "stream": true, "messages": messages});
    if !cut_off {
        goes_on.give();
    }
    let answer = stage
        .ask(&stage.alice(), "POST", target, body.to_string())
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let route = match target {
        "/v1/messages" => "messages",
        _ => "chat",
    };
    let record = stage.records_of(route, 1).await.remove(0);
    let spent = stage.settled_line("acme", "tenant", "").await.spent;
    assert_eq!(spent, cost_of(&record), "ledger and record: {record:#}");
    goes_on.give();
    let reason = record["reason"].as_str().unwrap_or_default().to_owned();
    (answer.text(), reason, spent)
}

#[tokio::test]
async fn a_stream_that_finds_no_more_money_ends_in_the_words_of_its_provider() {
    for (target, said) in [
        ("/v1/chat/completions", r#""code":"budget_exceeded""#),
        ("/v1/messages", r#""type":"error""#),
    ] {
        let (text, reason, spent) = beyond_its_cap(target, true, "0.0007").await;
        assert!(text.contains(PIECE), "what was paid for came: {text}");
        let last = text.trim_end().rsplit("\n\n").next().unwrap_or_default();
        assert!(last.contains("event: error"), "{target}: {last}");
        assert!(last.contains(said), "{target}: {last}");
        assert_eq!(reason, "budget_exceeded");
        // 50 tokens came: more than the 5 that were asked for, less than the 100 there were.
        let came = usd("0.0004")..usd("0.0012");
        assert!(came.contains(&spent), "{target}: {spent}");
    }
}

#[tokio::test]
async fn a_stream_that_may_finish_is_charged_to_its_end() {
    for target in ["/v1/chat/completions", "/v1/messages"] {
        let (text, reason, spent) = beyond_its_cap(target, false, "0.0007").await;
        assert_eq!(text.matches(PIECE).count(), 4, "{text}");
        assert_eq!(reason, "ok");
        assert_eq!(spent, usd("0.00322"), "10 tokens in and 400 out");
    }
}

/// The file of what the stage was started with.
const LAST_POLICY: &str = "02.toml";

const FIXED: &str = r#"
[[routes]]
name = "fixed"
upstream = "backend"
methods = ["POST"]
path = "/fixed"
cost = { fixed_usd = "0.01" }
"#;

#[tokio::test]
async fn a_ceiling_that_a_reload_changes_holds_what_was_spent_before() {
    let backend = RecordingBackend::start(|_| Answer::json(200, "{}")).await;
    let under = |usd: &str| tenant("acme", &[ceiling("tenant", "month", usd)]) + FIXED;
    let stage = Stage::start(backend.url(), &under("1.00")).await;
    let ask = async || stage.ask(&stage.alice(), "POST", "/fixed", "").await;
    for _ in 0..3 {
        assert_eq!(ask().await.status, 200);
    }
    stage.gate.write_policy(LAST_POLICY, &under("0.03"));
    assert_eq!(stage.gate.reload().await.status, 200);
    let refused = ask().await;
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert_eq!(refused.json()["spent_usd"], "0.03");
    assert_eq!(refused.json()["limit_usd"], "0.03");
    stage.gate.write_policy(LAST_POLICY, &under("0.04"));
    assert_eq!(stage.gate.reload().await.status, 200);
    assert_eq!(ask().await.status, 200, "there is room for one more");
    assert_eq!(ask().await.status, 429);
    assert_eq!(backend.requests().len(), 4, "what is refused goes nowhere");
}
