//! The Model Context Protocol: sessions and tasks of one user, tools that rules forbid.

use serde_json::{Value, json};

use crate::stage::{Caller, Stage};
use crate::support::mcp_server;
use crate::support::raw_client::{self, RawResponse};
use crate::support::recording_backend::RecordingBackend;

const ROUTES: &str = r#"
[[routes]]
name = "mcp.post"
upstream = "backend"
methods = ["POST"]
path = "/mcp"
mcp = true

[[routes]]
name = "mcp.listen"
upstream = "backend"
methods = ["GET"]
path = "/mcp"
mcp = true

[[routes]]
name = "mcp.end"
upstream = "backend"
methods = ["DELETE"]
path = "/mcp"
mcp = true

[[rules]]
name = "interns call no shell"
effect = "forbid"
tools = ["shell.*"]
prompts = ["secret"]
resources = ["file:///secret/*"]
roles = ["intern"]
"#;

const MODERN: &str = "2026-07-28";

/// The gate before the stand-in.
struct World {
    stage: Stage,
    backend: RecordingBackend,
}

impl World {
    async fn new() -> Self {
        Self::with(ROUTES).await
    }

    async fn with(routes: &str) -> Self {
        let backend = mcp_server::start().await;
        let stage = Stage::start(backend.url(), routes).await;
        Self { stage, backend }
    }

    fn intern(&self) -> Caller {
        self.stage.caller("acme", "ina", &["intern"])
    }

    /// Sends a message in a session, or outside of one.
    async fn post(&self, caller: &Caller, session: Option<&str>, message: &Value) -> RawResponse {
        let mut headers = vec![
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
        ];
        headers.extend(session.map(|id| ("Mcp-Session-Id", id)));
        let body = message.to_string();
        self.stage
            .ask_with(caller, "POST", "/mcp", &headers, body)
            .await
    }

    /// Opens a session.
    async fn open(&self, caller: &Caller) -> String {
        let answer = self
            .post(caller, None, &request("initialize", json!({})))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.header("mcp-session-id").unwrap()
    }

    /// The result of a request in a session.
    async fn result(&self, caller: &Caller, session: &str, message: &Value) -> Value {
        let answer = self.post(caller, Some(session), message).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        message_of(&answer)["result"].clone()
    }

    async fn within(&self, caller: &Caller, method: &str, session: &str) -> RawResponse {
        let headers = [("Mcp-Session-Id", session)];
        self.stage
            .ask_with(caller, method, "/mcp", &headers, "")
            .await
    }

    /// How often the backend was sent this session.
    fn heard_of(&self, session: &str) -> usize {
        let requests = self.backend.requests();
        let named = requests
            .iter()
            .filter(|it| it.head.value("mcp-session-id").as_deref() == Some(session));
        named.count()
    }
}

fn request(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params })
}

fn call(tool: &str) -> Value {
    request("tools/call", json!({ "name": tool, "arguments": {} }))
}

/// The message in an answer, be it JSON or one event.
fn message_of(answer: &RawResponse) -> Value {
    let text = answer.text();
    let data = text.lines().find_map(|line| line.strip_prefix("data: "));
    serde_json::from_str(data.unwrap_or(&text)).unwrap()
}

fn names(list: &Value, field: &str) -> Vec<String> {
    let items = list.as_array().unwrap().iter();
    items
        .map(|item| item[field].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_session_is_its_users_on_post_get_and_delete_and_does_not_exist_for_others() {
    let world = World::new().await;
    let (alice, bob) = (world.stage.alice(), world.stage.bob());
    let colleague = world.stage.caller("acme", "carol", &[]);
    let session = world.open(&alice).await;
    assert_eq!(
        world
            .post(&alice, Some(&session), &call("echo"))
            .await
            .status,
        200
    );
    assert_eq!(world.within(&alice, "GET", &session).await.status, 200);
    let heard = world.heard_of(&session);

    for other in [&bob, &colleague] {
        let answers = [
            world.post(other, Some(&session), &call("echo")).await,
            world.within(other, "GET", &session).await,
            world.within(other, "DELETE", &session).await,
        ];
        for answer in answers {
            assert!(answer.status >= 400, "{}", answer.text());
        }
    }
    assert_eq!(world.heard_of(&session), heard, "the backend heard of it");

    assert_eq!(world.within(&alice, "DELETE", &session).await.status, 200);
    let after = world.post(&alice, Some(&session), &call("echo")).await;
    assert!(after.status >= 400, "the session is over");
}

#[tokio::test]
async fn a_refreshed_token_keeps_the_session() {
    let world = World::new().await;
    let session = world.open(&world.stage.alice()).await;
    let refreshed = world.stage.caller("acme", "alice", &["lead"]);
    let answer = world.post(&refreshed, Some(&session), &call("echo")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn a_forbidden_tool_prompt_or_resource_is_refused_to_whom_the_rule_names() {
    let mut world = World::new().await;
    let (alice, intern) = (world.stage.alice(), world.intern());
    let (of_alice, of_intern) = (world.open(&alice).await, world.open(&intern).await);
    let heard = world.heard_of(&of_intern);
    for message in [
        call("shell.run"),
        request("prompts/get", json!({ "name": "secret" })),
        request("resources/read", json!({ "uri": "file:///secret/b" })),
        json!([call("echo"), call("shell.run")]),
    ] {
        let refused = world.post(&intern, Some(&of_intern), &message).await;
        assert_eq!(refused.status, 403, "{message}");
        assert_eq!(
            refused.header("content-type").as_deref(),
            Some("application/json")
        );
        let error = refused.json();
        assert_eq!(error["error"]["data"]["code"], "tool_forbidden");
        let id = if message.is_array() {
            &Value::Null
        } else {
            &message["id"]
        };
        assert_eq!(&error["id"], id);
    }
    for uri in [
        "file:///public/../secret/b",
        "FILE:///secret/b",
        "file:/secret/b",
        "file:///s%65cret/b",
    ] {
        let disguised = request("resources/read", json!({ "uri": uri }));
        let refused = world.post(&intern, Some(&of_intern), &disguised).await;
        assert_eq!(refused.status, 400, "{uri}");
        assert_eq!(refused.json()["error"]["data"]["code"], "request_rejected");
    }
    assert_eq!(
        world.heard_of(&of_intern),
        heard,
        "none reached the backend"
    );
    let allowed = world
        .post(&alice, Some(&of_alice), &call("shell.run"))
        .await;
    assert_eq!(allowed.status, 200);
    let echo = world.post(&intern, Some(&of_intern), &call("echo")).await;
    assert_eq!(echo.status, 200);

    world.stage.gate.stop().await;
    let records = world.stage.records("mcp.post");
    let refused = records
        .iter()
        .find(|record| record["tool"] == "shell.run" && record["reason"] == "tool_forbidden");
    let refused = refused.unwrap();
    assert_eq!(refused["rule"], "interns call no shell");
    assert_eq!(refused["decision"], "deny");
}

#[tokio::test]
async fn a_list_shows_what_the_caller_may_use_in_json_and_in_events() {
    let world = World::new().await;
    let (alice, intern) = (world.stage.alice(), world.intern());
    let (of_alice, of_intern) = (world.open(&alice).await, world.open(&intern).await);
    let tools = request("tools/list", json!({}));

    let all = world.result(&alice, &of_alice, &tools).await;
    assert_eq!(
        names(&all["tools"], "name"),
        ["echo", "shell.run", "search.web"]
    );
    let some = world.result(&intern, &of_intern, &tools).await;
    assert_eq!(names(&some["tools"], "name"), ["echo", "search.web"]);
    assert_eq!(some["nextCursor"], "more", "the iterator goes on");
    assert_eq!(some["cacheScope"], "private");

    let prompts = world
        .result(&intern, &of_intern, &request("prompts/list", json!({})))
        .await;
    assert_eq!(names(&prompts["prompts"], "name"), ["greet"]);
    let resources = request("resources/list", json!({}));
    let resources = world.result(&intern, &of_intern, &resources).await;
    assert_eq!(names(&resources["resources"], "uri"), ["file:///public/a"]);

    // An answer that comes late, on the stream of a GET.
    let late = message_of(&world.within(&intern, "GET", &of_intern).await);
    assert_eq!(
        names(&late["result"]["tools"], "name"),
        ["echo", "search.web"]
    );
    let late = message_of(&world.within(&alice, "GET", &of_alice).await);
    assert_eq!(late["result"]["tools"].as_array().unwrap().len(), 3);

    // And as plain JSON, in the protocol without sessions.
    let plain = modern(&world, &intern, "tools/list", None, json!({})).await;
    assert_eq!(plain.status, 200, "{}", plain.text());
    let listed = plain.json();
    assert_eq!(
        names(&listed["result"]["tools"], "name"),
        ["echo", "search.web"]
    );
}

/// A request of 2026-07-28; `name` goes into `Mcp-Name`.
async fn modern(
    world: &World,
    caller: &Caller,
    method: &str,
    name: Option<&str>,
    mut params: Value,
) -> RawResponse {
    params["_meta"] = json!({ "io.modelcontextprotocol/protocolVersion": MODERN });
    let mut headers = vec![("MCP-Protocol-Version", MODERN), ("Mcp-Method", method)];
    headers.extend(name.map(|name| ("Mcp-Name", name)));
    let body = request(method, params).to_string();
    world
        .stage
        .ask_with(caller, "POST", "/mcp", &headers, body)
        .await
}

#[tokio::test]
async fn header_fields_that_contradict_the_body_are_refused_as_the_protocol_says() {
    let world = World::new().await;
    let alice = world.stage.alice();
    let params = json!({ "name": "echo" });
    let right = modern(&world, &alice, "tools/call", Some("echo"), params.clone()).await;
    assert_eq!(right.status, 200, "{}", right.text());
    let heard = world.backend.requests().len();
    for name in [Some("shell.run"), None] {
        let refused = modern(&world, &alice, "tools/call", name, params.clone()).await;
        assert_eq!(refused.status, 400);
        let error = refused.json();
        assert_eq!(error["error"]["code"], -32020, "{error}");
        assert_eq!(error["id"], 7);
    }
    // Fields that a backend could fold into one of the protocol's.
    let session = world.open(&world.stage.bob()).await;
    let headers = [("Mcp_Session_Id", session.as_str())];
    let body = call("echo").to_string();
    let aliased = world
        .stage
        .ask_with(&alice, "POST", "/mcp", &headers, body)
        .await;
    assert_eq!(aliased.status, 400);
    let after = world.backend.requests().len();
    assert_eq!(after, heard + 1, "the initialization alone");
}

#[tokio::test]
async fn a_task_is_its_users_wherever_it_is_named() {
    let world = World::new().await;
    let (alice, bob) = (world.stage.alice(), world.stage.bob());
    let (of_alice, of_bob) = (world.open(&alice).await, world.open(&bob).await);
    let begin = request(
        "tools/call",
        json!({ "name": "echo", "task": { "ttl": 60_000 } }),
    );
    let created = world.result(&alice, &of_alice, &begin).await;
    let task = created["task"]["taskId"].as_str().unwrap();
    let get = request("tasks/get", json!({ "taskId": task }));
    let list = request("tasks/list", json!({}));

    let own = world.result(&alice, &of_alice, &get).await;
    assert_eq!(own["taskId"], task);
    let listed = world.result(&alice, &of_alice, &list).await;
    assert_eq!(names(&listed["tasks"], "taskId"), [task]);

    let heard = world.heard_of(&of_bob);
    let foreign = world.post(&bob, Some(&of_bob), &get).await;
    let text = foreign.text();
    assert!(message_of(&foreign).get("result").is_none(), "{text}");
    assert_eq!(world.heard_of(&of_bob), heard, "the backend heard of it");
    let listed = world.result(&bob, &of_bob, &list).await;
    assert_eq!(names(&listed["tasks"], "taskId"), Vec::<String>::new());
}

#[tokio::test]
async fn what_belongs_to_a_session_is_refused_outside_of_one() {
    let world = World::new().await;
    let alice = world.stage.alice();
    let reply = json!({ "jsonrpc": "2.0", "id": 3, "result": {} });
    assert_eq!(world.post(&alice, None, &reply).await.status, 400);
    let session = world.open(&alice).await;
    assert_eq!(world.post(&alice, Some(&session), &reply).await.status, 202);

    let resumed = [("Last-Event-ID", "e-1")];
    let outside = world
        .stage
        .ask_with(&alice, "GET", "/mcp", &resumed, "")
        .await;
    assert_eq!(outside.status, 400);
    let inside = [
        ("Last-Event-ID", "e-1"),
        ("Mcp-Session-Id", session.as_str()),
    ];
    let inside = world
        .stage
        .ask_with(&alice, "GET", "/mcp", &inside, "")
        .await;
    assert_eq!(inside.status, 200);
}

#[tokio::test]
async fn a_challenge_says_where_a_token_is_to_be_had() {
    let routes = format!(
        "{ROUTES}\n[[upstreams]]\nname = \"docs\"\nurl = \"http://127.0.0.1:9\"\n\
        protected_resource = {{ resource = \"https://gate.example/docs\", \
        authorization_servers = [\"https://idp.example\"], scopes_supported = [\"docs:read\"] }}\n\
        [[routes]]\nname = \"docs.post\"\nupstream = \"docs\"\nmethods = [\"POST\"]\n\
        path = \"/docs\"\nmcp = true\nscopes = [\"docs:read\"]\n"
    );
    let world = World::with(&routes).await;
    let address = world.stage.gate.address();
    let body = call("echo").to_string();
    let anonymous = raw_client::request("POST", "/docs", &[], body.as_bytes());
    let refused = raw_client::exchange(address, anonymous).await;
    assert_eq!(refused.status, 401);
    assert_eq!(
        refused.header("www-authenticate").unwrap(),
        "Bearer realm=\"fabric-gate\", scope=\"docs:read\", \
         resource_metadata=\"https://gate.example/.well-known/oauth-protected-resource/docs\""
    );
    let unscoped = world
        .stage
        .ask(&world.stage.alice(), "POST", "/docs", body)
        .await;
    assert_eq!(unscoped.status, 403);
    let challenge = unscoped.header("www-authenticate").unwrap();
    assert!(challenge.contains("insufficient_scope"), "{challenge}");
    assert!(challenge.contains("resource_metadata="), "{challenge}");

    for path in [
        "/.well-known/oauth-protected-resource/docs",
        "/.well-known/oauth-protected-resource",
    ] {
        let asked = raw_client::request("GET", path, &[("X-Forwarded-Host", "evil.example")], b"");
        let published = raw_client::exchange(address, asked).await;
        assert_eq!(published.status, 200, "{path}");
        let document = published.json();
        assert_eq!(document["resource"], "https://gate.example/docs");
        assert_eq!(
            document["authorization_servers"],
            json!(["https://idp.example"])
        );
    }
    let elsewhere = "/.well-known/oauth-protected-resource/mcp";
    let asked = raw_client::request("GET", elsewhere, &[], b"");
    assert_eq!(raw_client::exchange(address, asked).await.status, 404);
    let plain = raw_client::request("POST", "/mcp", &[], b"{}");
    let refused = raw_client::exchange(address, plain).await;
    assert_eq!(
        refused.header("www-authenticate").as_deref(),
        Some("Bearer realm=\"fabric-gate\""),
        "nothing is configured for it"
    );
}

#[tokio::test]
async fn a_permit_for_tools_opens_these_and_the_conversation_around_them() {
    let routes = ROUTES.replacen("mcp = true", "mcp = true\nroles = [\"lead\"]", 1);
    let permit = "\n[[rules]]\nname = \"guests search\"\neffect = \"permit\"\n\
                  tools = [\"search.*\"]\nroles = [\"guest\"]\n";
    let world = World::with(&format!("{routes}{permit}")).await;
    let guest = world.stage.caller("acme", "gus", &["guest"]);
    let stranger = world.stage.caller("acme", "sam", &[]);
    let session = world.open(&guest).await;
    let tools = world
        .result(&guest, &session, &request("tools/list", json!({})))
        .await;
    assert_eq!(names(&tools["tools"], "name"), ["search.web"]);
    let searched = world
        .post(&guest, Some(&session), &call("search.web"))
        .await;
    assert_eq!(searched.status, 200);
    for message in [
        call("echo"),
        request("prompts/get", json!({ "name": "greet" })),
        request("vendor/everything", json!({})),
    ] {
        let refused = world.post(&guest, Some(&session), &message).await;
        assert_eq!(refused.status, 403, "{message}");
        assert_eq!(refused.json()["error"]["data"]["code"], "role_required");
    }
    let outside = world
        .post(&stranger, None, &request("initialize", json!({})))
        .await;
    assert_eq!(outside.status, 403);
}

#[tokio::test]
async fn a_page_of_another_origin_uses_no_identity_that_nobody_had_to_know() {
    let development = "\n[development]\ntenant = \"acme\"\nuser = \"dev\"\n";
    let world = World::with(&format!("{ROUTES}{development}")).await;
    let body = request("initialize", json!({})).to_string();
    let address = world.stage.gate.address();
    for (origin, status) in [
        ("http://evil.example", 403),
        ("http://localhost.evil.example:8080", 403),
        ("null", 403),
        ("http://localhost:5173", 200),
    ] {
        let asked = raw_client::request("POST", "/mcp", &[("Origin", origin)], body.as_bytes());
        let answer = raw_client::exchange(address, asked).await;
        assert_eq!(answer.status, status, "{origin}: {}", answer.text());
    }
    let plain = raw_client::request("POST", "/mcp", &[], body.as_bytes());
    assert_eq!(raw_client::exchange(address, plain).await.status, 200);
    let by_token = world
        .stage
        .ask_with(
            &world.stage.alice(),
            "POST",
            "/mcp",
            &[("Origin", "http://evil.example")],
            body,
        )
        .await;
    assert_eq!(by_token.status, 200, "a page does not have the token");
}
