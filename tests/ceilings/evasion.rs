//! What a request says in more places than one, or in a place that not every backend reads, is held
//! and charged as the dearest reading of it.

use serde_json::{Value, json};

use crate::stage::{PRICES, Stage, ceiling, cost_of, tenant, usd};
use crate::support::raw_client;
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
name = "batch"
upstream = "backend"
methods = ["POST"]
path = "/v1/batches"
cost = { usage = "openai", reserve_usd = "0.0001" }

[[routes]]
name = "agent"
upstream = "backend"
methods = ["POST"]
path = "/agent"
cost = { usd = "body:/cost_usd", reserve_usd = "0.20" }
"#;

/// A provider that answers as `model`, with 10 tokens of input and 5 of output.
async fn provider(model: &str) -> RecordingBackend {
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15});
    let answer = json!({"model": model, "choices": [], "usage": usage}).to_string();
    RecordingBackend::start(move |_| Answer::json(200, &answer)).await
}

async fn stage(backend: &RecordingBackend, most: &str) -> Stage {
    let ceilings = [ceiling("tenant", "total", most)];
    let policy = tenant("acme", &ceilings) + ROUTES + PRICES;
    Stage::start(backend.url(), &policy).await
}

/// A chat with `gauge-1` that says this beside it.
fn chat(beside: &Value) -> String {
    let mut body = json!({"model": "gauge-1", "max_tokens": 50, "messages": []});
    for (name, value) in beside.as_object().unwrap() {
        body[name] = value.clone();
    }
    body.to_string()
}

#[tokio::test]
async fn a_fallback_is_charged_at_its_own_price_and_not_at_the_first_ones() {
    let beside = json!({"models": ["gpt-5-pro"]});
    for (model, cost) in [
        ("gpt-5-pro-2025-10-06", "0.00075"),
        ("gpt-5-pro", "0.00075"),
        // Nobody knows which of the two it is.
        ("another", "0.00075"),
        ("gauge-1", "0.00006"),
    ] {
        let backend = provider(model).await;
        let stage = stage(&backend, "100.00").await;
        let answer = stage.ask(&stage.alice(), "POST", CHAT, chat(&beside)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let record = stage.records_of("chat", 1).await.remove(0);
        assert_eq!(cost_of(&record), usd(cost), "{model}: {record}");
        let line = stage.settled_line("acme", "tenant", "").await;
        assert_eq!(line.spent, usd(cost), "{model}");
    }
}

#[tokio::test]
async fn a_dearer_fallback_that_does_not_fit_is_refused_before_the_backend_hears_of_it() {
    let backend = provider("gauge-1").await;
    let stage = stage(&backend, "0.004").await;
    let ask = async |beside: Value| {
        let answer = stage.ask(&stage.alice(), "POST", CHAT, chat(&beside)).await;
        (answer.status, backend.requests().len())
    };
    for beside in [
        json!({"models": ["gpt-5-pro"]}),
        json!({"fallbacks": [{"model": "gpt-5-pro"}]}),
        json!({"context_window_fallback_dict": {"gauge-1": "gpt-5-pro"}}),
        // Nobody knows what it costs.
        json!({"models": ["unheard-of"]}),
        // Servers that read more than one place take the other one.
        json!({"extra_body": {"max_tokens": 5000}}),
        json!({"extra_body": {"n": 100}}),
    ] {
        assert_eq!(ask(beside.clone()).await, (429, 0), "{beside}");
    }
    assert_eq!(ask(json!({"models": ["gauge-1"]})).await, (200, 1));
}

#[tokio::test]
async fn a_model_without_a_price_is_refused_with_the_ceiling_that_it_could_break() {
    let backend = provider("gauge-1").await;
    let ceilings = [
        ceiling("tenant", "total", "9"),
        ceiling("user", "day", "0.01"),
    ];
    let policy = tenant("acme", &ceilings) + &tenant("globex", &[]) + ROUTES + PRICES;
    let stage = Stage::start(backend.url(), &policy).await;
    let alice = stage.alice();
    let paid = stage.ask(&alice, "POST", CHAT, &chat(&json!({}))).await;
    assert_eq!(paid.status, 200, "{paid:?}");
    let line = stage.settled_line("acme", "user", "alice").await;
    assert_eq!(line.spent, usd("0.00006"));

    let unpriced = chat(&json!({"model": "nobody-knows"}));
    let refused = stage.ask(&alice, "POST", CHAT, &unpriced).await;
    assert_eq!(refused.status, 429, "{refused:?}");
    assert_eq!(refused.header("x-should-retry").as_deref(), Some("false"));
    assert!(refused.header("retry-after").is_some());
    let told = refused.json();
    assert_eq!(told["code"], "price_unknown");
    assert_eq!(told["scope"], "user");
    assert_eq!(told["window"], "day");
    assert_eq!(told["limit_usd"], "0.01");
    assert_eq!(told["spent_usd"], "0.00006");
    told["resets_at"]
        .as_str()
        .unwrap()
        .parse::<jiff::Timestamp>()
        .unwrap();

    let of_none = stage
        .ask(&stage.bob(), "POST", CHAT, &unpriced)
        .await
        .json();
    assert_eq!(of_none["code"], "price_unknown");
    assert_eq!(of_none.get("scope"), None, "globex has no ceiling");
    assert_eq!(backend.requests().len(), 1);
}

#[tokio::test]
async fn a_model_in_the_query_is_none_that_the_body_does_not_name() {
    let backend = provider("gauge-1").await;
    let stage = stage(&backend, "100.00").await;
    for (query, status) in [
        ("?model=gpt-5-pro", 400),
        ("?model=gauge-1&model=gpt-5-pro", 400),
        ("?%6dodel=gpt-5-pro", 400),
        ("?model=gauge-1", 200),
        ("?api-version=1", 200),
    ] {
        let target = format!("{CHAT}{query}");
        let answer = stage
            .ask(&stage.alice(), "POST", &target, chat(&json!({})))
            .await;
        assert_eq!(answer.status, status, "{query}: {answer:?}");
    }
    assert_eq!(backend.requests().len(), 2);
}

#[tokio::test]
async fn a_body_of_json_is_read_as_such_whatever_type_it_claims() {
    let backend = provider("gauge-1").await;
    let stage = stage(&backend, "0.002").await;
    let authorization = stage.alice().authorization;
    for kind in [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json",
    ] {
        let fields = [
            ("Authorization", authorization.as_str()),
            ("Content-Type", kind),
        ];
        let body = chat(&json!({"max_tokens": 5000}));
        let request = raw_client::request("POST", "/v1/batches", &fields, body.as_bytes());
        let answer = raw_client::exchange(stage.gate.address(), request).await;
        assert_eq!(answer.status, 429, "{kind}: {answer:?}");
    }
    assert!(backend.requests().is_empty());
}

#[tokio::test]
async fn an_answer_that_somebody_took_too_long_is_charged_what_was_held() {
    for (status, free) in [
        (408, false),
        (499, false),
        (504, false),
        (400, true),
        (503, true),
    ] {
        let backend = RecordingBackend::start(move |_| Answer::json(status, "{}")).await;
        let stage = stage(&backend, "100.00").await;
        let body = chat(&json!({"timeout": 0.01}));
        let answer = stage.ask(&stage.alice(), "POST", CHAT, body).await;
        assert_eq!(answer.status, status, "{answer:?}");
        let line = stage.settled_line("acme", "tenant", "").await;
        assert_eq!(line.spent.is_zero(), free, "{status}: {line:?}");
    }
}

#[tokio::test]
async fn a_usage_of_all_zeros_beside_a_text_is_charged_what_was_held() {
    let usage = json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0});
    let choices = json!([{"index": 0, "message": {"role": "assistant", "content": "Hello."}}]);
    for (choices, free) in [(choices, false), (json!([]), true)] {
        let answer = json!({"model": "gauge-1", "choices": choices, "usage": usage}).to_string();
        let backend = RecordingBackend::start(move |_| Answer::json(200, &answer)).await;
        let stage = stage(&backend, "100.00").await;
        let answer = stage
            .ask(&stage.alice(), "POST", CHAT, chat(&json!({})))
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let line = stage.settled_line("acme", "tenant", "").await;
        assert_eq!(line.spent.is_zero(), free, "{line:?}");
    }
}

#[tokio::test]
async fn no_answer_comes_in_a_coding_that_hides_what_it_cost() {
    let backend = RecordingBackend::start(|request| {
        let taken = request.head.value("accept-encoding").unwrap_or_default();
        match taken.contains("compress") {
            true => {
                let fields = [
                    ("content-type", "application/json"),
                    ("content-encoding", "compress"),
                ];
                Answer::new(200, &fields, "in a way nobody can read")
            }
            false => Answer::json(200, r#"{"cost_usd":5}"#),
        }
    })
    .await;
    let stage = stage(&backend, "100.00").await;
    for (coding, spent) in [("gzip, compress;q=0.5", "5"), ("gzip, br", "10")] {
        let fields = [("Accept-Encoding", coding)];
        let caller = stage.alice();
        let answer = stage
            .ask_with(&caller, "POST", "/agent", &fields, "{}")
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let line = stage.settled_line("acme", "tenant", "").await;
        assert_eq!(line.spent, usd(spent), "{coding}");
    }
    let last = backend.requests().pop().unwrap();
    assert_eq!(
        last.head.value("accept-encoding").as_deref(),
        Some("gzip, br")
    );
}
