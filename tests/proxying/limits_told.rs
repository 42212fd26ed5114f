//! What callers are told of their limits, in which words, and what a refusal costs.

use std::collections::BTreeSet;

use crate::stage::{Stage, World, eventually};
use crate::support::h2_client;
use crate::support::raw_client::RawResponse;
use crate::support::recording_backend::{Answer, Recorded, RecordingBackend};

const ROUTES: &str = r#"
[[tenants]]
id = "limited"
LIMITS

[[tenants]]
id = "other"

[[upstreams]]
name = "b"
url = "URL"

[[routes]]
name = "task.create"
upstream = "b"
methods = ["POST"]
path = "/tasks"
creates = { kind = "task", id = "body:/id" }

[[routes]]
name = "task"
upstream = "b"
methods = ["GET"]
path = "/tasks/{id}"
resource = { kind = "task", id = "path:id" }

[[routes]]
name = "task.call"
upstream = "b"
methods = ["POST"]
path = "/calls/{id}"
errors = "json-rpc"
resource = { kind = "task", id = "path:id" }

[[routes]]
name = "plain"
upstream = "b"
methods = ["GET", "POST"]
path = "/plain"

[[routes]]
name = "small"
upstream = "b"
methods = ["POST"]
path = "/small"
body_bytes = 4

[[routes]]
name = "declared"
upstream = "b"
methods = ["POST"]
path = "/declared"
tenant_from = ["body:/tenantId"]

[[routes]]
name = "line"
upstream = "b"
methods = ["GET"]
path = "/line"
serialize = { scope = "tenant", queue = 0 }

[[routes]]
name = "silent"
upstream = "b"
methods = ["GET"]
path = "/silent"
timeout_seconds = 1

[[upstreams]]
name = "gone"
url = "http://127.0.0.1:1"

[[routes]]
name = "gone"
upstream = "gone"
methods = ["GET"]
path = "/gone"

[[routes]]
name = "open"
upstream = "b"
methods = ["GET"]
path = "/open"
public = true

[[routes]]
name = "openai"
upstream = "b"
methods = ["POST"]
path = "/openai"
errors = "openai"

[[routes]]
name = "anthropic"
upstream = "b"
methods = ["POST"]
path = "/anthropic"
errors = "anthropic"

[[routes]]
name = "rpc"
upstream = "b"
methods = ["POST"]
path = "/rpc"
errors = "json-rpc"
tenant_from = ["body:/tenant"]
"#;

/// Makes tasks and forgets them at once.
fn forgetful(request: &Recorded) -> Answer {
    match (request.method().as_str(), request.target().as_str()) {
        ("POST", "/tasks") => Answer::json(201, &String::from_utf8_lossy(&request.body.content)),
        (_, target) if target.starts_with("/tasks/") => {
            Answer::json(404, "{\"error\":\"no such task\"}")
        }
        (_, "/line" | "/silent") => Answer::nothing().hang(),
        _ => Answer::json(200, "{}"),
    }
}

/// A gate before that backend; its caller is `limited`'s.
async fn before(limits: &str) -> (World, RecordingBackend) {
    let backend = RecordingBackend::start(forgetful).await;
    let policy = ROUTES
        .replace("URL", backend.url())
        .replace("LIMITS", limits);
    let stage = Stage::new().configured(|builder| builder.policy(policy));
    let mut world = stage.start().await;
    world.authorization = world.authorization_of("limited", "alice");
    (world, backend)
}

/// How many requests are left, as an answer says.
fn left(answer: &RawResponse) -> Option<u32> {
    let field = answer.header("ratelimit")?;
    let parameters = field.strip_prefix("\"tenant\";r=")?;
    parameters.split(&[';', ',']).next()?.parse().ok()
}

/// In how many seconds to come again: fewer than the limit's pause by those that have passed already.
fn retry_after(refused: &RawResponse) -> u32 {
    refused.header("retry-after").unwrap().parse().unwrap()
}

async fn plain(world: &World) -> RawResponse {
    world.ask("GET", "/plain", &[], b"").await
}

const MANY: &str = "limits = { requests_per_second = \"0.001\", burst = 60 }";

#[tokio::test]
async fn an_answer_says_what_is_allowed_and_what_is_left() {
    let limits = "limits = { requests_per_second = 2, burst = 10, concurrent_requests = 4, \
                  open_streams = 3 }\nuser_limits = { requests_per_second = \"0.01\" }";
    let (world, _backend) = before(limits).await;
    let answer = plain(&world).await;
    assert_eq!(
        answer.header("ratelimit-policy").as_deref(),
        Some(
            "\"tenant\";q=10;w=5, \"tenant-requests\";q=4;qu=\"concurrent-requests\", \
             \"tenant-streams\";q=3;qu=\"concurrent-requests\", \"user\";q=1;w=100"
        )
    );
    assert_eq!(
        answer.header("ratelimit").as_deref(),
        Some(
            "\"tenant\";r=9;t=1, \"tenant-requests\";r=3, \"tenant-streams\";r=3, \"user\";r=0;t=100"
        )
    );
    let refused = plain(&world).await;
    assert_eq!(refused.status, 429);
    let retry = retry_after(&refused);
    assert!((40..=100).contains(&retry), "{retry}");
    let says = refused.header("ratelimit").unwrap();
    let due = format!("\"user\";r=0;t={retry}");
    assert!(says.ends_with(&due), "{says}");
    assert_eq!(
        refused.header("ratelimit-policy"),
        answer.header("ratelimit-policy")
    );
}

#[tokio::test]
async fn a_public_page_is_held_to_no_limit_and_tells_of_none() {
    let (world, _backend) = before("limits = { requests_per_second = \"0.001\" }").await;
    for _ in 0..5 {
        let answer = world.ask("GET", "/open", &[], b"").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("ratelimit"), None);
    }
    assert_eq!(plain(&world).await.status, 200);
    assert_eq!(plain(&world).await.status, 429);
}

#[tokio::test]
async fn what_is_not_there_costs_and_tells_the_same_whosever_it_is() {
    let (mut world, _backend) = before(MANY).await;
    let create = async |world: &World, id: &str| {
        let body = format!("{{\"id\":\"{id}\"}}");
        let json = [("Content-Type", "application/json")];
        let made = world.ask("POST", "/tasks", &json, body.as_bytes()).await;
        assert_eq!(made.status, 201);
    };
    create(&world, "a-mine").await;
    let alice = world.authorization.clone();
    world.authorization = world.authorization_of("other", "bob");
    create(&world, "their1").await;
    world.authorization = alice;

    let mut expected = left(&plain(&world).await).unwrap();
    let names = |answer: &RawResponse| -> BTreeSet<String> {
        let fields = answer.head.fields().into_iter();
        fields.map(|(name, _)| name).collect()
    };
    let mut seen = BTreeSet::new();
    for round in 0..6 {
        for id in ["a-mine", "their1", "nobody"] {
            let answer = world.ask("GET", &format!("/tasks/{id}"), &[], b"").await;
            assert_eq!(answer.status, 404);
            expected -= 1;
            assert_eq!(left(&answer), Some(expected), "`{id}` in round {round}");
            seen.insert(names(&answer));
        }
    }
    assert_eq!(seen.len(), 1, "one header set for all: {seen:#?}");
    // A call is answered in the gate's own words.
    for id in ["their1", "nobody"] {
        let answer = world.ask("POST", &format!("/calls/{id}"), &[], b"").await;
        assert!(answer.text().contains("not_found"), "{}", answer.text());
        expected -= 1;
        assert_eq!(left(&answer), Some(expected), "`{id}`");
    }
    for _ in 0..expected {
        assert_eq!(plain(&world).await.status, 200);
    }
    for id in ["a-mine", "their1", "nobody"] {
        let answer = world.ask("GET", &format!("/tasks/{id}"), &[], b"").await;
        assert_eq!(answer.status, 429, "`{id}`");
        assert_eq!(left(&answer), Some(0));
    }
}

#[tokio::test]
async fn what_the_gate_refuses_costs_nothing_and_what_it_passes_on_does() {
    let (world, backend) = before(MANY).await;
    let before = left(&plain(&world).await).unwrap();
    let json = [("Content-Type", "application/json")];
    for (target, body, status) in [
        ("/small", "12345", 413),
        ("/declared", "{\"tenantId\":\"other\"}", 403),
        ("/declared", "{\"tenantId\":", 400),
    ] {
        let refused = world.ask("POST", target, &json, body.as_bytes()).await;
        assert_eq!(refused.status, status, "{}", refused.text());
        assert_eq!(left(&refused), Some(before), "{target}");
    }
    let unreachable = world.ask("GET", "/gone", &[], b"").await;
    assert_eq!(
        (unreachable.status, left(&unreachable)),
        (502, Some(before))
    );
    let mut first = world.client().await;
    first.send(world.request("GET", "/line", &[], b"")).await;
    backend.wait_for_requests(2).await;
    let refused = world.ask("GET", "/line", &[], b"").await;
    assert_eq!(refused.json()["code"], "queue_full");
    assert_eq!(left(&refused), Some(before - 1), "only the first in line");
    assert_eq!(left(&plain(&world).await), Some(before - 2));
    let silent = world.ask("GET", "/silent", &[], b"").await;
    assert_eq!(
        (silent.status, left(&silent)),
        (504, Some(before - 3)),
        "it was asked"
    );
}

#[tokio::test]
async fn a_refusal_before_the_limits_tells_nothing_of_them() {
    let (mut world, _backend) = before(MANY).await;
    world.authorization = "Bearer nonsense".to_owned();
    let refused = plain(&world).await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("ratelimit"), None);
}

#[tokio::test]
async fn a_limit_is_told_in_the_words_of_the_route() {
    let (world, _backend) = before("limits = { requests_per_second = \"0.01\" }").await;
    assert_eq!(plain(&world).await.status, 200);
    let json = [("Content-Type", "application/json")];
    let call = b"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"x\",\"tenant\":\"limited\"}";
    let says = "the tenant's limit of 0.01 requests per second (1 at once) is reached";
    for (target, place) in [
        ("/openai", "/error/message"),
        ("/anthropic", "/error/message"),
        ("/rpc", "/error/message"),
        ("/plain", "/detail"),
    ] {
        let refused = world.ask("POST", target, &json, call).await;
        let document = refused.json();
        let text = document.pointer(place).and_then(|it| it.as_str());
        assert!(
            text.is_some_and(|it| it.ends_with(says)),
            "{target}: {document}"
        );
        assert!(document.to_string().contains("rate_limited"), "{document}");
        let retry = retry_after(&refused);
        assert!((40..=100).contains(&retry), "{target}: {retry}");
        assert_eq!(refused.status, 429, "{target}");
    }
    let rpc = world.ask("POST", "/rpc", &json, call).await.json();
    assert_eq!(rpc["id"], 7, "the call that is refused");
    let openai = world.ask("POST", "/openai", &json, call).await.json();
    assert_eq!(openai["error"]["type"], "rate_limit_error");
    let anthropic = world.ask("POST", "/anthropic", &json, call).await.json();
    assert_eq!(anthropic["error"]["type"], "rate_limit_error");

    let mut client = world.h2_client().await;
    let headers = [
        ("authorization", world.authorization.as_str()),
        ("content-type", "application/grpc"),
    ];
    let request = h2_client::request("POST", "/plain", &headers);
    let refused = client.request(request, b"", None).await.unwrap();
    assert_eq!(
        refused.head.headers["grpc-status"], "8",
        "RESOURCE_EXHAUSTED"
    );
    assert_eq!(refused.head.headers["grpc-message"], "rate_limited");
}

#[tokio::test]
async fn refusals_are_recorded_and_counted_by_limit() {
    let (world, backend) = before("limits = { requests_per_second = \"0.001\" }").await;
    assert_eq!(plain(&world).await.status, 200);
    for _ in 0..3 {
        assert_eq!(plain(&world).await.status, 429);
    }
    assert_eq!(backend.requests().len(), 1);
    for line in [
        "fabric_gate_limited_total{limit=\"tenant\",tenant=\"limited\"} 3",
        "fabric_gate_denials_total{reason=\"rate_limited\",tenant=\"limited\"} 3",
    ] {
        // A request is counted behind its answer.
        eventually(line, async || {
            let metrics = world.gate.admin("GET", "/metrics", b"").await.text();
            metrics.contains(line)
        })
        .await;
    }
    eventually("the records", async || world.records("plain").len() == 4).await;
    let reasons: Vec<String> = world
        .records("plain")
        .iter()
        .map(|record| format!("{} {}", record["decision"], record["reason"]))
        .collect();
    let denied = "\"deny\" \"rate_limited\"";
    assert_eq!(reasons, ["\"permit\" \"ok\"", denied, denied, denied]);
}
