//! What one caller under a ceiling can do to another, or to the ceiling itself, by what it names, how
//! it spells it and how long that is: nothing.

use serde_json::{Value, json};

use crate::stage::{Stage, ceiling, tenant, usd};
use crate::support::raw_client::{RawClient, RawResponse};
use crate::support::recording_backend::{Answer, Recorded, RecordingBackend};

/// Sessions that belong to their user, turns of them, and turns that name what they please.
const ROUTES: &str = r#"
[[routes]]
name = "session.create"
upstream = "backend"
methods = ["POST"]
path = "/sessions"
creates = { kind = "session", id = "body:/id", as = "uuid" }

[[routes]]
name = "session.turn"
upstream = "backend"
methods = ["POST"]
path = "/sessions/{id}/turns"
resource = { kind = "session", id = "path:id", as = "uuid", owner = "user" }
cost = { fixed_usd = "0.10" }

[[routes]]
name = "session.turn.by_place"
upstream = "backend"
methods = ["PUT"]
path = "/sessions/{id}/turns"
resource = { kind = "session", id = "path:id", as = "uuid", owner = "user" }
cost = { fixed_usd = "0.10", session = "path:id" }

[[routes]]
name = "turn"
upstream = "backend"
methods = ["POST"]
path = "/turns"
cost = { fixed_usd = "0.10", session = "body:/session", agent = "body:/agent" }

[[routes]]
name = "chat"
upstream = "backend"
methods = ["POST"]
path = "/v1/chat/completions"
cost = { usage = "openai" }

[[routes]]
name = "note.create"
upstream = "backend"
methods = ["POST"]
path = "/notes"
creates = { kind = "note", id = "body:/id", as = "uuid" }

[[routes]]
name = "note.read"
upstream = "backend"
methods = ["GET", "HEAD"]
path = "/notes/{id}"
resource = { kind = "note", id = "path:id", as = "uuid" }
unknown = "pass"
cost = { usd = "body:/cost_usd", reserve_usd = "0.10" }

[[routes]]
name = "note.copy"
upstream = "backend"
methods = ["POST"]
path = "/notes/{id}/copies"
resource = { kind = "note", id = "path:id", as = "uuid" }
creates = { kind = "note", id = "body:/id", as = "uuid" }
unknown = "pass"
cost = { usd = "body:/cost_usd", reserve_usd = "0.10" }

[[routes]]
name = "task.create"
upstream = "backend"
methods = ["POST"]
path = "/tasks"
creates = { kind = "task", id = "body:/id", as = "uuid" }
cost = { usd = "body:/cost_usd", reserve_usd = "0.40", follow = { by = "resource", seconds = 600 } }

[[routes]]
name = "task.read"
upstream = "backend"
methods = ["GET"]
path = "/tasks/{id}"
resource = { kind = "task", id = "path:id", as = "uuid" }

[routes.cost]
usd = "body:/cost_usd"
reports = { state = ["body:/state"], done = ["completed"], failed = ["failed"] }

[[prices]]
model = "gauge-*"
input = "2.00"
output = "8.00"
"#;

const ID: &str = "0b9d1a6e-3f52-4c1e-9c59-1f2d3a4b5c6d";
/// A model whose answers call it something longer than any record.
const ENDLESS: &str = "gauge-endless";
const OTHER: &str = "1c9d1a6e-3f52-4c1e-9c59-1f2d3a4b5c6d";

fn answer(request: &Recorded) -> Answer {
    match (&*request.method(), &*request.target()) {
        ("POST", "/sessions" | "/notes") => Answer::json(201, &json!({ "id": ID }).to_string()),
        ("POST", "/tasks") => {
            let task = json!({"id": ID, "state": "running", "cost_usd": null});
            Answer::json(201, &task.to_string())
        }
        ("GET", target) if target.starts_with("/tasks/") => {
            let said = json!({"state": "completed", "cost_usd": 0});
            let task = json!({"input": said, "state": "completed", "cost_usd": 0.30});
            match request.head.values("range").is_empty() {
                true => Answer::json(200, &task.to_string()),
                false => Answer::json(206, &said.to_string()),
            }
        }
        (_, target) if target.starts_with("/notes/") => {
            let kind = match target.ends_with("copies") || target.contains("plain") {
                true => "text/plain",
                false => "application/json",
            };
            Answer::new(404, &[("content-type", kind)], "\"no such note\"")
        }
        ("HEAD" | "GET", _) => Answer::json(404, r#"{"detail":"no such session"}"#),
        (_, "/v1/chat/completions") => {
            let usage = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15});
            let asked: Value = serde_json::from_slice(&request.body.content).unwrap();
            let model = match asked["model"].as_str() {
                Some(ENDLESS) => format!("gauge-{}", "x".repeat(1 << 20)),
                model => model.unwrap_or_default().to_owned(),
            };
            let object = "chat.completion";
            let answer =
                json!({"id": "c", "object": object, "model": model, "choices": [], "usage": usage});
            Answer::json(200, &answer.to_string())
        }
        _ => Answer::json(200, "{}"),
    }
}

async fn stage(ceilings: &[String]) -> (RecordingBackend, Stage) {
    let backend = RecordingBackend::start(answer).await;
    let policy = tenant("acme", ceilings) + &tenant("globex", &[]) + ROUTES;
    let stage = Stage::start(backend.url(), &policy).await;
    (backend, stage)
}

/// A stage on which a session may cost three turns, and alice has one.
async fn with_a_session() -> (RecordingBackend, Stage) {
    let ceilings = [
        ceiling("tenant", "total", "100.00"),
        ceiling("session", "total", "0.30"),
    ];
    let (backend, stage) = stage(&ceilings).await;
    let made = stage.ask(&stage.alice(), "POST", "/sessions", "{}").await;
    assert_eq!(made.status, 201, "{}", made.text());
    (backend, stage)
}

#[tokio::test]
async fn a_session_in_another_spelling_spends_from_the_same_ceiling() {
    for method in ["POST", "PUT"] {
        let (_backend, stage) = with_a_session().await;
        let alice = stage.alice();
        let bare = ID.replace('-', "");
        let mut passed = 0;
        for spelling in [ID, &ID.to_uppercase(), &bare, &bare.to_uppercase(), ID] {
            let target = format!("/sessions/{spelling}/turns");
            let answer = stage.ask(&alice, method, &target, "{}").await;
            assert!([200, 429].contains(&answer.status), "{}", answer.text());
            passed += usize::from(answer.status == 200);
        }
        assert_eq!(passed, 3, "{method}: turns of ten cents under thirty");
    }
}

/// What of an answer tells anything: not its id or time.
fn told(answer: &RawResponse) -> (u16, Option<String>, Option<String>) {
    let field = |name| answer.header(name);
    let left = field("x-fabric-budget-remaining-usd");
    (answer.status, left, field("content-type"))
}

#[tokio::test]
async fn what_a_session_has_cost_is_not_told_to_those_who_do_not_own_it() {
    for method in ["POST", "PUT"] {
        let (_backend, stage) = with_a_session().await;
        let (alice, mallory) = (stage.alice(), stage.caller("acme", "mallory"));
        let (hers, nobodys) = (
            format!("/sessions/{ID}/turns"),
            format!("/sessions/{OTHER}/turns"),
        );
        for spent in 0..3 {
            let seen = told(&stage.ask(&mallory, method, &hers, "{}").await);
            let invented = told(&stage.ask(&mallory, method, &nobodys, "{}").await);
            assert_eq!(seen, invented, "{method}: after {spent} turns");
            let answer = stage.ask(&alice, method, &hers, "{}").await;
            assert_eq!(answer.status, 200, "her own: {}", answer.text());
        }
        let seen = told(&stage.ask(&mallory, method, &hers, "{}").await);
        let invented = told(&stage.ask(&mallory, method, &nobodys, "{}").await);
        assert_eq!(seen, invented, "{method}: when nothing is left");
        let answer = stage.ask(&alice, method, &hers, "{}").await;
        assert_eq!(answer.status, 429, "she is told");
    }
}

#[tokio::test]
async fn the_name_of_a_session_or_an_agent_can_not_fill_the_ledger() {
    let (_backend, stage) = stage(&[ceiling("tenant", "total", "100.00")]).await;
    let alice = stage.alice();
    for place in ["session", "agent"] {
        for (length, status) in [(1024, 200), (1025, 400), (1_048_000, 400), (1 << 21, 400)] {
            let body = json!({ place: "x".repeat(length) }).to_string();
            let answer = stage.ask(&alice, "POST", "/turns", body).await;
            assert_eq!(
                answer.status,
                status,
                "{place} of {length}: {}",
                answer.text()
            );
        }
    }
    let line = stage.settled_line("acme", "tenant", "").await;
    assert_eq!(line.spent, usd("0.20"));
}

fn chat(model: &str) -> String {
    let messages = json!([{"role": "user", "content": "Say hello."}]);
    json!({"model": model, "max_tokens": 50, "messages": messages}).to_string()
}

#[tokio::test]
async fn a_model_with_an_endless_name_stops_nobody() {
    let (backend, stage) = stage(&[ceiling("tenant", "total", "100.00")]).await;
    let alice = stage.alice();
    let target = "/v1/chat/completions";
    let endless = format!("gauge-{}", "x".repeat(1 << 20));
    let asked = stage.ask(&alice, "POST", target, chat(&endless)).await;
    assert_eq!(asked.status, 400, "{}", asked.text());
    assert!(backend.requests().is_empty());
    // The meter takes no such name from a backend.
    for model in [ENDLESS, "gauge-1"] {
        let answer = stage.ask(&alice, "POST", target, chat(model)).await;
        assert_eq!(answer.status, 200, "{model}: {}", answer.text());
    }
    let line = stage.settled_line("acme", "tenant", "").await;
    assert_eq!(line.spent, usd("0.00012"));
    stage.audit_adds_up_to("acme", line.spent).await;
}

#[tokio::test]
async fn a_piece_of_an_answer_does_not_say_what_a_task_cost() {
    let (_backend, stage) = stage(&[ceiling("tenant", "total", "100.00")]).await;
    let alice = stage.alice();
    let made = stage.ask(&alice, "POST", "/tasks", "{}").await;
    assert_eq!(made.status, 201, "{}", made.text());
    let task = format!("/tasks/{ID}");
    // What the caller put into its own task, cut out of the whole.
    let range = [("Range", "bytes=20-60")];
    let piece = stage.ask_with(&alice, "GET", &task, &range, "").await;
    assert_eq!(piece.status, 206, "{}", piece.text());
    let line = stage.line("acme", "tenant", "").await;
    assert_eq!((line.spent, line.reserved), (usd("0.00"), usd("0.40")));
    let whole = stage.ask(&alice, "GET", &task, "").await;
    assert_eq!(whole.status, 200, "{}", whole.text());
    let line = stage.settled_line("acme", "tenant", "").await;
    assert_eq!(line.spent, usd("0.30"));
}

#[tokio::test]
async fn what_is_left_does_not_tell_what_is_not_there_from_what_is_somebody_elses() {
    let (_backend, stage) = stage(&[ceiling("tenant", "total", "100.00")]).await;
    let made = stage.ask(&stage.bob(), "POST", "/notes", "{}").await;
    assert_eq!(made.status, 201, "{}", made.text());
    for (method, below) in [
        ("GET", ""),
        ("GET", "?plain"),
        ("HEAD", ""),
        ("POST", "/copies"),
    ] {
        let mut seen = Vec::new();
        for id in [OTHER, ID, OTHER, ID] {
            let target = format!("/notes/{id}{below}");
            let request = stage
                .alice()
                .request(method, &target, &[("Connection", "close")], "");
            let mut client = RawClient::connect(stage.gate.address()).await;
            client.send(request).await;
            let answer = String::from_utf8_lossy(&client.read_to_end().await).to_lowercase();
            assert!(answer.starts_with("http/1.1 404"), "{answer}");
            let of_money = |line: &&str| {
                line.starts_with("x-fabric-cost") || line.starts_with("x-fabric-budget")
            };
            let mut fields: Vec<String> =
                answer.lines().filter(of_money).map(str::to_owned).collect();
            fields.sort_unstable();
            seen.push(fields);
        }
        assert_eq!(seen[0], seen[1], "{method} {below}: nobody's, and bob's");
        assert_eq!(seen[2], seen[3], "{method} {below}: nobody's, and bob's");
    }
}
