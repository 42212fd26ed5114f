//! What a request is charged, however it ends: once, the same in the ledger and in its record, and
//! never nothing where money may have been spent.

use fabric_gate::money::NanoUsd;
use serde_json::{Value, json};

use crate::stage::{PRICES, Stage, ceiling, cost_of, tenant, usd};
use crate::standins::llm::{self, End, Turn};
use crate::support::raw_client::RawClient;
use crate::support::recording_backend::{Answer, RecordingBackend};

const CHAT: &str = "/v1/chat/completions";

const ROUTES: &str = r#"
[[routes]]
name = "chat"
upstream = "backend"
methods = ["POST"]
path = "/v1/chat/completions"
cost = { usage = "openai" }

[[routes]]
name = "messages"
upstream = "backend"
methods = ["POST"]
path = "/v1/messages"
cost = { usage = "anthropic" }

[[routes]]
name = "agent"
upstream = "backend"
methods = ["POST"]
path = "/agent"
cost = { usd = "body:/cost_usd", reserve_usd = "0.20" }

[[routes]]
name = "fixed"
upstream = "backend"
methods = ["POST"]
path = "/fixed"
cost = { fixed_usd = "0.01" }
"#;

async fn stage(url: &str) -> Stage {
    stage_of(url, ROUTES).await
}

async fn stage_of(url: &str, routes: &str) -> Stage {
    let policy = tenant("acme", &[ceiling("tenant", "total", "100.00")]) + routes + PRICES;
    Stage::start(url, &policy).await
}

fn prompt(stream: bool) -> String {
    let messages = json!([{"role": "user", "content": "Say hello."}]);
    let body =
        json!({"model": "gauge-1", "max_tokens": 50, "stream": stream, "messages": messages});
    body.to_string()
}

/// What the 10 input and 5 output tokens of [`Turn::short`] cost.
fn price_of_short() -> NanoUsd {
    usd("0.00006")
}

/// What one request costs that is sent and read to whatever end it comes to: by its record, held
/// against the ledger. Nothing stays reserved.
async fn cost_of_one(stage: &Stage, route: &str, target: &str, body: &str) -> (NanoUsd, Value) {
    let before = stage.settled_line("acme", "tenant", "").await.spent;
    let earlier = stage.records(route).len();
    let mut client = RawClient::connect(stage.gate.address()).await;
    let request = stage
        .alice()
        .request("POST", target, &[("Connection", "close")], body);
    client.send(request).await;
    client.read_to_end().await;
    let record = stage.records_of(route, earlier + 1).await.remove(earlier);
    let after = stage.settled_line("acme", "tenant", "").await.spent;
    assert_eq!(
        after.less(before),
        cost_of(&record),
        "ledger and record: {record:#}"
    );
    (cost_of(&record), record)
}

#[tokio::test]
async fn usage_is_charged_at_its_price_whole_or_streamed() {
    for stream in [false, true] {
        for (route, target) in [("chat", CHAT), ("messages", "/v1/messages")] {
            let provider = llm::start(Turn::short()).await;
            let stage = stage(provider.url()).await;
            let (cost, record) = cost_of_one(&stage, route, target, &prompt(stream)).await;
            assert_eq!(cost, price_of_short(), "{route}, stream: {stream}");
            assert_eq!(record["tokens"]["input"], 10);
            assert_eq!(record["tokens"]["output"], 5);
            assert_eq!(record["model"], "gauge-1");
            assert!(record["price_revision"].is_string(), "{record:#}");
        }
    }
}

#[tokio::test]
async fn what_a_cache_served_is_charged_at_its_own_price() {
    let cached = Turn {
        cached: 1_000,
        ..Turn::short()
    };
    for (route, target) in [("chat", CHAT), ("messages", "/v1/messages")] {
        let provider = llm::start(cached.clone()).await;
        let stage = stage(provider.url()).await;
        let (cost, record) = cost_of_one(&stage, route, target, &prompt(true)).await;
        assert_eq!(cost, price_of_short().plus(usd("0.0005")), "{route}");
        assert_eq!(record["tokens"]["cache_read"], 1_000);
    }
}

#[tokio::test]
async fn a_stream_that_does_not_come_to_its_end_is_charged_what_was_held() {
    let ends = [
        End::Unmetered,
        End::Failing(2),
        End::Cut(2),
        End::Reset(2),
        End::Cut(0),
    ];
    for (route, target) in [("chat", CHAT), ("messages", "/v1/messages")] {
        for end in ends.clone() {
            let provider = llm::start(Turn::short().ending(end.clone())).await;
            let stage = stage(provider.url()).await;
            let (cost, _) = cost_of_one(&stage, route, target, &prompt(true)).await;
            // 50 tokens of output were held, and a token for every byte of the prompt.
            assert!(cost > usd("0.0004"), "{route}, {end:?}: {cost}");
            assert!(cost < usd("0.002"), "{route}, {end:?}: {cost}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_its_caller_leaves_is_charged_what_was_held_and_more_if_more_was_said() {
    const LAST_WORD: &str = "and the last";
    let mut pieces = vec!["many words and more of them "; 399];
    pieces.push(LAST_WORD);
    let long = Turn {
        pieces,
        ..Turn::short()
    };
    for (turn, read, least) in [
        (Turn::short().ending(End::Left(2)), "there", "0.0004"),
        (long.ending(End::Left(400)), LAST_WORD, "0.01"),
    ] {
        let provider = llm::start(turn).await;
        let stage = stage(provider.url()).await;
        let mut client = RawClient::connect(stage.gate.address()).await;
        let request = stage.alice().request("POST", CHAT, &[], prompt(true));
        client.send(request).await;
        client.read_until(read).await;
        client.reset();
        let record = stage.records_of("chat", 1).await.remove(0);
        assert!(cost_of(&record) > usd(least), "{record:#}");
        let line = stage.settled_line("acme", "tenant", "").await;
        assert_eq!(line.spent, cost_of(&record));
    }
}

#[tokio::test]
async fn who_leaves_before_the_answer_begins_is_charged_what_was_held() {
    for (route, target) in [("chat", CHAT), ("agent", "/agent")] {
        let silent = RecordingBackend::start(|_| Answer::nothing().until_the_client_leaves()).await;
        let stage = stage(silent.url()).await;
        let mut client = RawClient::connect(stage.gate.address()).await;
        let request = stage.alice().request("POST", target, &[], prompt(true));
        client.send(request).await;
        silent.wait_for_requests(1).await;
        client.reset();
        let record = stage.records_of(route, 1).await.remove(0);
        assert!(cost_of(&record) > usd("0.0004"), "{record:#}");
        let line = stage.settled_line("acme", "tenant", "").await;
        assert_eq!(line.spent, cost_of(&record));
    }
}

#[tokio::test]
async fn what_the_backend_refuses_without_a_word_on_usage_is_free() {
    let refusing = RecordingBackend::start(|_| Answer::json(400, r#"{"error":"no"}"#)).await;
    let stage = stage(refusing.url()).await;
    for (route, target) in [("chat", CHAT), ("agent", "/agent"), ("fixed", "/fixed")] {
        let (cost, record) = cost_of_one(&stage, route, target, &prompt(false)).await;
        assert_eq!(
            (cost, &record["status"]),
            (usd("0"), &json!(400)),
            "{route}"
        );
    }
}

#[tokio::test]
async fn what_fails_is_free_at_a_provider_and_charged_as_held_at_an_agent() {
    let failing = RecordingBackend::start(|_| Answer::json(500, r#"{"error":"oh"}"#)).await;
    let stage = stage(failing.url()).await;
    for (route, target, cost) in [
        ("chat", CHAT, "0"),
        ("agent", "/agent", "0.20"),
        ("fixed", "/fixed", "0.01"),
    ] {
        let (charged, _) = cost_of_one(&stage, route, target, &prompt(false)).await;
        assert_eq!(charged, usd(cost), "{route}");
    }
}

#[tokio::test]
async fn a_backend_that_was_never_reached_costs_nothing_and_one_that_never_answers_does() {
    let gone = RecordingBackend::ok().await;
    let url = gone.url().to_owned();
    drop(gone);
    let stage_of_gone = stage(&url).await;
    let silent = RecordingBackend::start(|_| Answer::nothing().hang()).await;
    let impatient = ROUTES.replace("cost =", "timeout_seconds = 1\ncost =");
    let stage_of_silent = stage_of(silent.url(), &impatient).await;
    for (route, target) in [("chat", CHAT), ("agent", "/agent")] {
        let (cost, record) = cost_of_one(&stage_of_gone, route, target, &prompt(false)).await;
        assert_eq!(
            (cost, &record["status"]),
            (usd("0"), &json!(502)),
            "{route}"
        );
        let (cost, record) = cost_of_one(&stage_of_silent, route, target, &prompt(false)).await;
        assert_eq!(record["status"], 504, "{route}");
        assert!(cost > usd("0.0004"), "{route}: {cost}");
    }
}

#[tokio::test]
async fn an_agent_is_charged_what_it_states_and_what_was_held_where_it_states_none() {
    for (answer, cost) in [
        (r#"{"cost_usd":0.125}"#, "0.125"),
        (r#"{"cost_usd":"0.125"}"#, "0.125"),
        (r#"{"cost_usd":0}"#, "0"),
        (r#"{"cost_usd":1.5e-7}"#, "0.00000015"),
        (r#"{"cost_usd":7.25}"#, "7.25"),
        (r#"{"cost_usd":null}"#, "0.20"),
        (r#"{"cost_usd":-1}"#, "0.20"),
        (r#"{"cost_usd":"a lot"}"#, "0.20"),
        (r#"{"result":"done"}"#, "0.20"),
        ("no JSON at all", "0.20"),
    ] {
        let agent = RecordingBackend::start(move |_| Answer::json(200, answer)).await;
        let stage = stage(agent.url()).await;
        let (charged, _) = cost_of_one(&stage, "agent", "/agent", "{}").await;
        assert_eq!(charged, usd(cost), "{answer}");
    }
}
