//! `/mcp`: the protocol on the wire, in each version that is spoken, and whose memories its tools
//! are about.

use serde_json::{Value, json};

use crate::stage::{ALICE, Answer, BOB, LEAD, STRANGER, Stage, Who};

/// Versions with a handshake, as rmcp 3.9 speaks them.
const VERSIONS: [&str; 3] = ["2025-03-26", "2025-06-18", "2025-11-25"];

/// The version without.
const MODERN: &str = "2026-07-28";

const UNKNOWN: &str = "01900000-0000-7000-8000-000000000000";

const ACCEPT: (&str, &str) = ("accept", "application/json, text/event-stream");

async fn send(stage: &Stage, who: Who, version: &str, message: Value) -> Answer {
    let headers = [ACCEPT, ("mcp-protocol-version", version)];
    stage.ask_with(who, "POST", "/mcp", &headers, message).await
}

fn request(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params })
}

async fn answer_to(stage: &Stage, who: Who, tool: &str, arguments: Value) -> Answer {
    let params = json!({ "name": tool, "arguments": arguments });
    send(stage, who, VERSIONS[2], request("tools/call", params)).await
}

/// The result of a call, whether or not it tells of an error.
async fn call(stage: &Stage, who: Who, tool: &str, arguments: Value) -> Value {
    let mut answer = answer_to(stage, who, tool, arguments).await.of(200);
    assert_eq!(answer["id"], 7, "{answer}");
    answer["result"].take()
}

/// What a call that went well says, once as data and once as text.
async fn said(stage: &Stage, who: Who, tool: &str, arguments: Value) -> Value {
    let mut result = call(stage, who, tool, arguments).await;
    assert_ne!(result["isError"], true, "{result}");
    let text = result["content"][0]["text"].as_str().unwrap();
    let text: Value = serde_json::from_str(text).unwrap();
    assert_eq!(text, result["structuredContent"]);
    result["structuredContent"].take()
}

/// What a call that went wrong tells the agent.
async fn told(stage: &Stage, who: Who, tool: &str, arguments: Value) -> String {
    let result = call(stage, who, tool, arguments).await;
    assert_eq!(result["isError"], true, "{result}");
    result["content"][0]["text"].as_str().unwrap().to_owned()
}

fn contents(recalled: &Value) -> Vec<&str> {
    let memories = recalled["memories"].as_array().unwrap();
    memories
        .iter()
        .map(|it| it["content"].as_str().unwrap())
        .collect()
}

async fn stored(stage: &Stage, who: Who, content: &str) -> String {
    let stored = said(stage, who, "memory_store", json!({ "content": content })).await;
    stored["memory"]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn each_version_with_a_handshake_is_spoken_without_a_session() {
    let stage = Stage::open().await;
    for version in VERSIONS {
        let hello = json!({
            "protocolVersion": version, "capabilities": {},
            "clientInfo": { "name": "t", "version": "1" },
        });
        let headers = [ACCEPT];
        let hello = request("initialize", hello);
        let answer = stage.ask_with(ALICE, "POST", "/mcp", &headers, hello).await;
        assert_eq!(answer.header("mcp-session-id"), None);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let result = answer.of(200)["result"].take();
        assert_eq!(result["protocolVersion"], version);
        assert_eq!(result["serverInfo"]["name"], "fabric-memory");
        assert!(result["capabilities"]["tools"].is_object(), "{result}");

        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(send(&stage, ALICE, version, ready).await.status, 202);
        let ping = send(&stage, ALICE, version, request("ping", json!({}))).await;
        assert_eq!(ping.of(200)["result"], json!({}));
        let listed = send(&stage, ALICE, version, request("tools/list", json!({}))).await;
        let listed = listed.of(200);
        let tools = listed["result"]["tools"].as_array().unwrap();
        let names: Vec<_> = tools
            .iter()
            .map(|it| it["name"].as_str().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "memory_store",
                "memory_recall",
                "memory_update",
                "memory_forget",
                "shared_memory_read",
                "shared_memory_write"
            ]
        );
        let params = json!({ "name": "memory_recall", "arguments": {} });
        let called = send(&stage, ALICE, version, request("tools/call", params)).await;
        let expected = json!({ "memories": [] });
        assert_eq!(called.of(200)["result"]["structuredContent"], expected);
    }
}

#[tokio::test]
async fn the_version_without_a_handshake_is_spoken() {
    let stage = Stage::open().await;
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": { "name": "t", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params =
        json!({ "name": "memory_store", "arguments": { "content": "tea" }, "_meta": meta });
    let message = request("tools/call", params);
    let headers = |name: &'static str| {
        [
            ACCEPT,
            ("mcp-protocol-version", MODERN),
            ("mcp-method", "tools/call"),
            ("mcp-name", name),
        ]
    };
    let other = headers("memory_recall");
    let mismatch = stage
        .ask_with(ALICE, "POST", "/mcp", &other, message.clone())
        .await;
    assert_eq!(mismatch.status, 400, "a header says another tool");
    assert_eq!(
        contents(&said(&stage, ALICE, "memory_recall", json!({})).await),
        [""; 0]
    );
    let right = headers("memory_store");
    let answer = stage.ask_with(ALICE, "POST", "/mcp", &right, message).await;
    let result = answer.of(200)["result"].take();
    assert_eq!(result["structuredContent"]["stored"], true, "{result}");

    let discover = request("server/discover", json!({ "_meta": meta }));
    let headers = [
        ACCEPT,
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "server/discover"),
    ];
    let answer = stage
        .ask_with(ALICE, "POST", "/mcp", &headers, discover)
        .await;
    let versions = answer.of(200)["result"]["supportedVersions"].take();
    for version in VERSIONS.iter().chain([&MODERN]) {
        assert!(versions.as_array().unwrap().contains(&json!(version)));
    }
}

#[tokio::test]
async fn an_agent_remembers_recalls_updates_and_forgets() {
    let stage = Stage::open().await;
    let tea = json!({ "content": "Alice drinks green tea", "key": "tea", "tags": ["habit"], "importance": 7 });
    let first = said(&stage, ALICE, "memory_store", tea.clone()).await;
    assert_eq!(first["stored"], true);
    assert_eq!(first["memory"]["namespace"], "tenant:acme:user:alice:");
    let again = said(&stage, ALICE, "memory_store", tea).await;
    assert_eq!(again["stored"], false, "the same under the same key");
    assert_eq!(again["memory"]["id"], first["memory"]["id"]);
    stored(&stage, ALICE, "The office is in Graz").await;

    let found = said(&stage, ALICE, "memory_recall", json!({ "query": "TEA?" })).await;
    assert_eq!(contents(&found), ["Alice drinks green tea"]);
    assert!(found["memories"][0]["score"].as_f64().unwrap() > 0.0);
    let newest = said(&stage, ALICE, "memory_recall", json!({ "limit": 1 })).await;
    assert_eq!(contents(&newest), ["The office is in Graz"]);
    let habits = json!({ "tags": ["habit"], "scope": "user" });
    let habits = said(&stage, ALICE, "memory_recall", habits).await;
    assert_eq!(contents(&habits), ["Alice drinks green tea"]);

    let id = &first["memory"]["id"];
    let change = json!({ "id": id, "content": "Alice drinks black tea" });
    let changed = said(&stage, ALICE, "memory_update", change).await;
    assert_eq!(changed["memory"]["importance"], 7, "the rest stays");
    assert_eq!(changed["memory"]["version"], 2);
    let forgotten = said(&stage, ALICE, "memory_forget", json!({ "id": id })).await;
    assert_eq!(forgotten, json!({ "forgotten": id }));
    let gone = told(&stage, ALICE, "memory_forget", json!({ "id": id })).await;
    assert_eq!(gone, "there is no such entry");
}

#[tokio::test]
async fn shared_memory_is_read_by_all_of_a_tenant_and_written_by_its_roles() {
    let stage = Stage::open().await;
    let ours = json!({ "content": "We deploy on Tuesdays" });
    let refused = told(&stage, ALICE, "shared_memory_write", ours.clone()).await;
    assert!(refused.contains("role"), "{refused}");
    let written = said(&stage, LEAD, "shared_memory_write", ours).await;
    assert_eq!(written["memory"]["namespace"], "tenant:acme:shared:");
    for tool in ["shared_memory_read", "memory_recall"] {
        let query = json!({ "query": "deploy" });
        let found = said(&stage, ALICE, tool, query.clone()).await;
        assert_eq!(contents(&found), ["We deploy on Tuesdays"], "{tool}");
        let found = said(&stage, STRANGER, tool, query).await;
        assert_eq!(contents(&found), [""; 0], "{tool} in another tenant");
    }
    stored(&stage, ALICE, "deploy mine").await;
    let shared = said(&stage, ALICE, "shared_memory_read", json!({})).await;
    assert_eq!(
        contents(&shared),
        ["We deploy on Tuesdays"],
        "and nothing else"
    );

    let id = &written["memory"]["id"];
    for (tool, arguments) in [
        ("memory_update", json!({ "id": id, "content": "x" })),
        ("memory_forget", json!({ "id": id })),
    ] {
        let refused = told(&stage, ALICE, tool, arguments.clone()).await;
        assert!(refused.contains("role"), "{tool}: {refused}");
        said(&stage, LEAD, tool, arguments).await;
    }
}

#[tokio::test]
async fn an_id_of_somebody_else_is_answered_as_one_that_never_was() {
    let stage = Stage::open().await;
    let id = stored(&stage, ALICE, "Alice drinks green tea").await;
    for who in [BOB, STRANGER] {
        let found = said(&stage, who, "memory_recall", json!({ "query": "tea" })).await;
        assert_eq!(contents(&found), [""; 0]);
        let newest = said(&stage, who, "memory_recall", json!({})).await;
        assert_eq!(contents(&newest), [""; 0]);
        for (tool, rest) in [
            ("memory_update", json!({ "content": "mine" })),
            ("memory_forget", json!({})),
        ] {
            let with = |id: &str| {
                let mut arguments = rest.clone();
                arguments["id"] = json!(id);
                arguments
            };
            let foreign = answer_to(&stage, who, tool, with(&id)).await;
            let unknown = answer_to(&stage, who, tool, with(UNKNOWN)).await;
            assert_eq!(foreign.masked(), unknown.masked(), "{tool}");
            let odd = told(&stage, who, tool, with("../1")).await;
            assert_eq!(odd, "there is no such entry");
        }
    }
    let found = said(&stage, ALICE, "memory_recall", json!({ "query": "tea" })).await;
    assert_eq!(contents(&found), ["Alice drinks green tea"]);
    let change = json!({ "id": id, "importance": 9 });
    said(&stage, ALICE, "memory_update", change).await;
    said(&stage, ALICE, "memory_forget", json!({ "id": id })).await;
}

#[tokio::test]
async fn files_and_items_are_no_memories_of_these_tools() {
    let stage = Stage::open().await;
    let create = json!({ "command": "create", "path": "/memories/a", "file_text": "tea" });
    stage.ask(ALICE, "POST", "/v1/files", create).await.of(200);
    let found = said(&stage, ALICE, "memory_recall", json!({ "query": "tea" })).await;
    assert_eq!(contents(&found), [""; 0]);
}

#[tokio::test]
async fn what_an_agent_can_mend_is_told_to_it() {
    let stage = Stage::open().await;
    let id = stored(&stage, ALICE, "x").await;
    for (tool, arguments, part) in [
        ("memory_store", json!({}), "`content`"),
        ("memory_store", json!({ "content": 5 }), "`content`"),
        ("memory_store", json!({ "content": "a\u{0}b" }), "NUL"),
        (
            "memory_store",
            json!({ "content": "x", "contnt": 1 }),
            "`content` may be meant",
        ),
        (
            "memory_store",
            json!({ "content": "x", "tenant": "globex" }),
            "`tenant`",
        ),
        (
            "memory_store",
            json!({ "content": "x", "scope": "shared" }),
            "`scope`",
        ),
        (
            "memory_store",
            json!({ "content": "x", "importance": 11 }),
            "1 to 10",
        ),
        (
            "memory_store",
            json!({ "content": "x", "confidentiality": "restricted" }),
            "clearance",
        ),
        (
            "memory_store",
            json!({ "content": "x".repeat(300_000) }),
            "at most 262144 bytes",
        ),
        ("memory_recall", json!({ "query": 5 }), "string"),
        ("memory_recall", json!({ "user": "bob" }), "`user`"),
        ("memory_recall", json!({ "agent": "a\u{0}b" }), "`agent`"),
        (
            "memory_recall",
            json!({ "query": "x", "min_score": 2 }),
            "`min_score`",
        ),
        ("shared_memory_read", json!({ "scope": "user" }), "`scope`"),
        ("memory_update", json!({ "content": "x" }), "`id`"),
        ("memory_update", json!({ "id": id }), "what to change"),
        (
            "memory_update",
            json!({ "id": id, "version": 9 }),
            "`version`",
        ),
        ("memory_forget", json!({ "id": id, "all": true }), "`all`"),
        ("memory_forget", json!({ "id": [id] }), "`id`"),
    ] {
        let text = told(&stage, ALICE, tool, arguments.clone()).await;
        assert!(text.contains(part), "{tool} {arguments}: {text}");
    }
}

#[tokio::test]
async fn a_tool_or_method_that_is_not_there_is_the_protocols_error() {
    let stage = Stage::open().await;
    let answer = answer_to(&stage, ALICE, "memory_erase_all", json!({})).await;
    assert_eq!(answer.of(200)["error"]["code"], -32602);
    for method in ["resources/list", "prompts/get", "made/up"] {
        let answer = send(&stage, ALICE, VERSIONS[2], request(method, json!({}))).await;
        let answer = answer.of(200);
        assert!(
            answer["error"]["code"].is_i64() || answer["result"].is_object(),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn what_is_no_message_is_refused_in_the_protocols_words() {
    let stage = Stage::open().await;
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let json = ("content-type", "application/json");
    for body in [
        format!("[{ping}]"),
        "{}".to_owned(),
        "{".to_owned(),
        String::new(),
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}"#.to_owned(),
        r#"{"id":1,"method":"ping"}"#.to_owned(),
    ] {
        let answer = stage
            .send(ALICE, "POST", "/mcp", &[ACCEPT, json], body.clone())
            .await;
        let refused = answer.of(400);
        assert_eq!(refused["error"]["code"], -32600, "{body}");
        assert_eq!(refused["jsonrpc"], "2.0");
    }
    let post = |headers: &'static [(&str, &str)], body: String| {
        let stage = &stage;
        async move { stage.send(ALICE, "POST", "/mcp", headers, body).await }
    };
    const JSON: (&str, &str) = ("content-type", "application/json");
    let unaccepting = post(&[JSON, ("accept", "application/json")], ping.to_owned()).await;
    assert_eq!(unaccepting.status, 406);
    let text = post(&[ACCEPT, ("content-type", "text/plain")], ping.to_owned()).await;
    assert_eq!(text.refused(415), "media_type_unsupported");
    let large = format!("{ping}{}", " ".repeat(1 << 20));
    assert_eq!(
        post(&[ACCEPT, JSON], large).await.refused(413),
        "body_too_large"
    );
    let version = ("mcp-protocol-version", "1999-01-01");
    let headers = [ACCEPT, version];
    let odd = request("ping", json!({}));
    let odd = stage.ask_with(ALICE, "POST", "/mcp", &headers, odd).await;
    assert_eq!(odd.status, 400);
    for method in ["GET", "DELETE"] {
        let answer = stage.send(ALICE, method, "/mcp", &[ACCEPT], "").await;
        assert_eq!(answer.status, 405, "no stream and no session to end");
        assert_eq!(answer.header("allow"), Some("POST"));
    }
    assert_eq!(post(&[ACCEPT, JSON], ping.to_owned()).await.status, 200);
}
