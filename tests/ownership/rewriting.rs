//! Identity where the backend looks for it: what the backend got, byte for byte.

use crate::stage::Stage;
use crate::support::raw_client::{self, RawClient};
use crate::support::recording_backend::{Answer, Recorded, RecordingBackend};

const ROUTES: &str = r#"
[[routes]]
name = "note.write"
upstream = "backend"
methods = ["GET", "POST"]
path = "/notes/{user}/{note}"
set = [
    { at = "path:user", value = "{user}" },
    { at = "query:user_id", value = "{user}" },
    { at = "header:x-user_id", value = "{tenant}:{user}" },
    { at = "body:/metadata/owner", value = "{user}" },
    { at = "body:/messages/*/user", value = "{user}" },
    { at = "form:user_id", value = "{user}" },
]
remove = ["query:debug", "header:x-debug", "body:/story_id", "form:story_id"]

[[routes]]
name = "store.put"
upstream = "backend"
methods = ["POST"]
path = "/store"
prefix = [
    { at = "body:/namespace", with = "{namespace}", element = true, absent = "insert" },
    { at = "body:/key", with = "{tenant}.{user}" },
    { at = "body:/hint", with = "{tenant}/", absent = "leave" },
]
scoped = ["header:idempotency-key", "body:/prompt_cache_key"]

[[routes]]
name = "store.list"
upstream = "backend"
methods = ["GET"]
path = "/store"
prefix = [{ at = "query:namespace", with = "{tenant}.{user}", absent = "insert" }]

[[routes]]
name = "upload"
upstream = "backend"
methods = ["POST"]
path = "/files"
tenant_from = ["form:tenant_id"]
prefix = [{ at = "form:folder", with = "{tenant}.", absent = "leave" }]
resource = { kind = "file", id = "form:replaces", claim = true, optional = true }
set = [{ at = "form:user_id", value = "{user}" }]

[[routes]]
name = "bulk"
upstream = "backend"
methods = ["GET", "POST"]
path = "/bulk"
websocket = true
set = [
    { at = "query:user_id", value = "{user}" },
    { at = "header:x-user", value = "{user}" },
]
remove = ["header:x-debug"]

[[routes]]
name = "health"
upstream = "backend"
methods = ["GET"]
path = "/health"
public = true
health = true
"#;

async fn stage(backend: &RecordingBackend) -> Stage {
    Stage::start(backend.url(), ROUTES).await
}

const JSON: (&str, &str) = ("Content-Type", "application/json");
const URL_ENCODED: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const PARTS: (&str, &str) = ("Content-Type", "multipart/form-data; boundary=XX");

fn content(request: &Recorded) -> String {
    String::from_utf8(request.body.content.clone()).unwrap()
}

fn only_content(backend: &RecordingBackend) -> String {
    let request = backend.only_request();
    let length = request.head.value("content-length");
    assert_eq!(length, Some(request.body.content.len().to_string()));
    content(&request)
}

#[tokio::test]
async fn every_copy_in_path_query_and_header_becomes_the_callers() {
    let backend = RecordingBackend::ok().await;
    let stage = stage(&backend).await;
    let caller = stage.caller("acme", "al/ce&x=1", &[]);
    let target = "/notes/eve/n-1?a=%41&user_id=eve&User_Id=eve;user_id[]=eve&b=2&debug=1";
    let headers = [
        ("X-User-Id", "eve"),
        ("X_User.Id", "eve"),
        ("X-Kept", "yes"),
        ("X_Debug", "1"),
    ];
    let answer = stage.ask_with(&caller, "GET", target, &headers, "").await;
    assert_eq!(answer.status, 200);
    let request = backend.only_request();
    assert_eq!(
        request.target(),
        "/notes/al%2Fce%26x%3D1/n-1?a=%41&user_id=al%2Fce%26x%3D1&b=2"
    );
    let named: Vec<_> = request
        .head
        .fields()
        .into_iter()
        .filter(|(name, _)| name.to_lowercase().contains("user") && !name.contains("fabric"))
        .collect();
    assert_eq!(
        named,
        [("x-user_id".to_owned(), "acme:al/ce&x=1".to_owned())]
    );
    assert_eq!(request.head.value("x-kept").as_deref(), Some("yes"));
    assert!(!request.head.text().to_lowercase().contains("debug"));
}

#[tokio::test]
async fn what_the_caller_left_out_is_added() {
    let backend = RecordingBackend::ok().await;
    let stage = stage(&backend).await;
    stage.ask(&stage.alice(), "GET", "/notes/me/n-1", "").await;
    let request = backend.only_request();
    assert_eq!(request.target(), "/notes/alice/n-1?user_id=alice");
    assert_eq!(
        request.head.value("x-user_id").as_deref(),
        Some("acme:alice")
    );
}

#[tokio::test]
async fn a_json_body_changes_where_a_rule_says_so_and_nowhere_else() {
    let backend = RecordingBackend::ok().await;
    let stage = stage(&backend).await;
    let body = "{ \"cost\": 1.50e+01, \"story_id\":\"institutional\", \"metadata\" : {\"owner\":\"eve\", \"x\":\"\\u0041\"},\n \"messages\":[{\"user\":\"eve\"},{}] }";
    let expected = "{ \"cost\": 1.50e+01, \"metadata\" : {\"owner\":\"alice\", \"x\":\"\\u0041\"},\n \"messages\":[{\"user\":\"alice\"},{\"user\":\"alice\"}] }";
    let headers = [
        JSON,
        ("Content-Digest", "sha-256=:AAAA:"),
        ("X-Kept", "yes"),
    ];
    let answer = stage
        .ask_with(&stage.alice(), "POST", "/notes/x/n-1", &headers, body)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(only_content(&backend), expected);
    let head = backend.only_request().head;
    assert_eq!(head.value("content-digest"), None, "it is of other bytes");
    assert_eq!(head.value("x-kept").as_deref(), Some("yes"));
}

#[tokio::test]
async fn a_body_that_readers_could_take_two_ways_reaches_no_backend() {
    let backend = RecordingBackend::ok().await;
    let stage = stage(&backend).await;
    let alice = stage.alice();
    for (headers, body, status) in [
        (
            &[JSON][..],
            "{\"metadata\":{\"owner\":\"x\",\"owner\":\"y\"}}",
            400,
        ),
        (&[JSON], "{\"metadata\":{\"Owner\":\"x\"}}", 400),
        (&[JSON], "{\"metadata\":\"x\"}", 400),
        (&[JSON], "{\"metadata\":{}", 400),
        (&[JSON], "", 400),
        (&[JSON, ("Content-Encoding", "gzip")], "{}", 415),
        (&[URL_ENCODED], "user_id=%zz", 400),
        (&[PARTS], "--XX\r\n\r\n--XX--", 400),
        (&[JSON, URL_ENCODED], "{}", 400),
    ] {
        let answer = stage
            .ask_with(&alice, "POST", "/notes/x/n", headers, body)
            .await;
        assert_eq!(answer.status, status, "{headers:?} {body}");
    }
    assert!(backend.requests().is_empty());
    let sound = stage
        .ask_with(&alice, "POST", "/notes/x/n", &[JSON], "{}")
        .await;
    assert_eq!(sound.status, 200, "and a sound one does");
}

#[tokio::test]
async fn an_url_encoded_form_says_who_calls_once() {
    let backend = RecordingBackend::ok().await;
    let stage = stage(&backend).await;
    let body = "a=%41+b&user_id=eve&story_id=x&USER_ID=eve&u%73er_id=eve";
    stage
        .ask_with(&stage.alice(), "POST", "/notes/x/n", &[URL_ENCODED], body)
        .await;
    assert_eq!(only_content(&backend), "a=%41+b&user_id=alice");
}

#[tokio::test]
async fn a_form_in_parts_says_who_calls_once() {
    let backend = RecordingBackend::ok().await;
    let stage = stage(&backend).await;
    let field = |name: &str, value: &str| {
        format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let file =
        "--XX\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\n\0\r\n\u{1}\r\n";
    let body = [
        &field("user_id", "eve"),
        file,
        &field("User_Id", "eve"),
        &field("story_id", "x"),
        "--XX--\r\n",
    ]
    .concat();
    stage
        .ask_with(&stage.alice(), "POST", "/notes/x/n", &[PARTS], body)
        .await;
    let expected = [&field("user_id", "alice"), file, "--XX--\r\n"].concat();
    assert_eq!(only_content(&backend), expected);
}

#[tokio::test]
async fn values_move_into_the_callers_space_and_the_answer_shows_them_as_they_were() {
    let backend = RecordingBackend::start(|request| {
        let headers = [
            ("Content-Type", "application/json"),
            ("ETag", "\"1\""),
            (
                "Idempotency-Key",
                &request.head.value("idempotency-key").unwrap_or_default(),
            ),
        ];
        Answer::new(200, &headers, &request.body.content)
    })
    .await;
    let stage = stage(&backend).await;
    let body = r#"{"namespace":["a","b"],"key":"k","prompt_cache_key":"pc","n":1.0}"#;
    let headers = [JSON, ("Idempotency-Key", "i-1")];
    let answer = stage
        .ask_with(&stage.alice(), "POST", "/store", &headers, body)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.text(), body, "the caller sees its own values");
    assert_eq!(answer.header("idempotency-key").as_deref(), Some("i-1"));
    assert_eq!(answer.header("etag"), None, "it was of other bytes");

    let request = backend.only_request();
    let got: serde_json::Value = serde_json::from_slice(&request.body.content).unwrap();
    assert_eq!(
        got["namespace"],
        serde_json::json!(["tenant:acme:user:alice:", "a", "b"])
    );
    assert_eq!(got["key"], "acme.alice.k");
    let scoped = got["prompt_cache_key"].as_str().unwrap().to_owned();
    assert_eq!(scoped.len(), 64);
    let idempotency = request.head.value("idempotency-key").unwrap();
    assert_eq!(idempotency.len(), 64);

    stage
        .ask_with(&stage.bob(), "POST", "/store", &headers, body)
        .await;
    let of_bob = backend.requests().pop().unwrap();
    assert_ne!(of_bob.head.value("idempotency-key"), Some(idempotency));
    assert!(content(&of_bob).contains("globex.bob.k"));
    assert!(!content(&of_bob).contains(&scoped));
}

#[tokio::test]
async fn a_missing_value_is_refused_left_out_or_made_the_whole_of_the_callers_space() {
    let backend = RecordingBackend::ok().await;
    let stage = stage(&backend).await;
    let alice = stage.alice();
    for (body, status) in [
        ("{\"namespace\":[]}", 400),
        ("{\"key\":null}", 400),
        ("{\"key\":7}", 400),
        ("{\"key\":\"k\",\"namespace\":\"globex\"}", 400),
        ("{\"key\":\"k\",\"hint\":\"../globex/x\"}", 400),
        ("{\"key\":\"k\",\"hint\":\"%2e%2e/globex\"}", 400),
    ] {
        let answer = stage
            .ask_with(&alice, "POST", "/store", &[JSON], body)
            .await;
        assert_eq!(answer.status, status, "{body}");
    }
    assert!(backend.requests().is_empty());
    stage
        .ask_with(
            &alice,
            "POST",
            "/store",
            &[JSON],
            "{\"key\":\"k\",\"hint\":\"x\"}",
        )
        .await;
    assert_eq!(
        only_content(&backend),
        r#"{"key":"acme.alice.k","hint":"acme/x","namespace":["tenant:acme:user:alice:"]}"#
    );
    stage.ask(&alice, "GET", "/store", "").await;
    stage
        .ask(&alice, "GET", "/store?namespace=x&namespace=y", "")
        .await;
    let targets: Vec<_> = backend.requests().iter().map(Recorded::target).collect();
    assert_eq!(targets[1], "/store?namespace=acme.alice.");
    assert_eq!(
        targets[2],
        "/store?namespace=acme.alice.x&namespace=acme.alice.y"
    );
}

#[tokio::test]
async fn a_stream_of_events_shows_the_callers_values() {
    let backend = RecordingBackend::start(|_| {
        Answer::event_stream()
            .event(r#"{"key":"acme.alice.k"}"#)
            .event(r#"{"key":"globex.bob.k","ns":["tenant:acme:user:alice:","a"]}"#)
            .end_of_chunks()
    })
    .await;
    let stage = stage(&backend).await;
    let answer = stage
        .ask_with(&stage.alice(), "POST", "/store", &[JSON], "{\"key\":\"k\"}")
        .await;
    assert_eq!(
        answer.text(),
        "data: {\"key\":\"k\"}\n\ndata: {\"key\":\"globex.bob.k\",\"ns\":[\"a\"]}\n\n"
    );
}

#[tokio::test]
async fn a_tenant_and_an_id_in_a_form_count() {
    let backend = RecordingBackend::ok().await;
    let stage = stage(&backend).await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let part = |name: &str, value: &str| {
        format!(
            "--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n--XX--\r\n"
        )
    };
    for (headers, body) in [
        ([URL_ENCODED], "tenant_id=globex".to_owned()),
        (
            [URL_ENCODED],
            "tenant_id=acme&Tenant_Id[]=globex".to_owned(),
        ),
        ([PARTS], part("tenant_id", "globex")),
    ] {
        let answer = stage
            .ask_with(&alice, "POST", "/files", &headers, &body)
            .await;
        assert_eq!(answer.status, 403, "{body}");
        assert_eq!(answer.json()["code"], "tenant_mismatch");
    }
    let own = stage
        .ask_with(
            &alice,
            "POST",
            "/files",
            &[PARTS],
            part("tenant_id", "acme"),
        )
        .await;
    assert_eq!(own.status, 200, "{}", own.text());
    let claimed = stage
        .ask_with(&alice, "POST", "/files", &[URL_ENCODED], "replaces=f-1")
        .await;
    assert_eq!(claimed.status, 200);
    let seen = backend.requests().len();
    for (headers, body) in [
        ([URL_ENCODED], "replaces=f-1".to_owned()),
        ([PARTS], part("replaces", "f-1")),
    ] {
        let foreign = stage
            .ask_with(&bob, "POST", "/files", &headers, &body)
            .await;
        assert_eq!(foreign.status, 404, "{body}");
    }
    assert_eq!(backend.requests().len(), seen);
    let again = stage
        .ask_with(&alice, "POST", "/files", &[PARTS], part("replaces", "f-1"))
        .await;
    assert_eq!(again.status, 200);
}

#[tokio::test]
async fn a_request_that_cant_be_rewritten_claims_nothing() {
    let backend = RecordingBackend::ok().await;
    let stage = stage(&backend).await;
    let broken = "--XX\r\nContent-Disposition: form-data; name=\"replaces\"\r\n\r\nf-2\r\n--XX\r\nContent-Disposition: form-data; name=\"folder\"; filename=\"x\"\r\n\r\nf\r\n--XX--";
    let refused = stage
        .ask_with(&stage.alice(), "POST", "/files", &[PARTS], broken)
        .await;
    assert_eq!(refused.status, 400);
    let free = stage
        .ask_with(
            &stage.bob(),
            "POST",
            "/files",
            &[URL_ENCODED],
            "replaces=f-2",
        )
        .await;
    assert_eq!(free.status, 200, "the id is still free");
}

#[tokio::test]
async fn no_shared_cache_may_keep_an_answer_to_an_identified_caller() {
    let backend = RecordingBackend::start(|_| {
        let headers = [
            ("Cache-Control", "public, s-maxage=600, max-age=60"),
            ("CDN-Cache-Control", "max-age=600"),
            ("Surrogate-Control", "max-age=600"),
        ];
        Answer::new(200, &headers, "x")
    })
    .await;
    let stage = stage(&backend).await;
    let own = stage.ask(&stage.alice(), "GET", "/store", "").await;
    assert_eq!(
        own.header("cache-control").as_deref(),
        Some("private, max-age=60")
    );
    assert_eq!(own.header("cdn-cache-control"), None);
    assert_eq!(own.header("surrogate-control"), None);
    let public = stage.ask(&stage.alice(), "GET", "/health", "").await;
    assert_eq!(
        public.header("cache-control").as_deref(),
        Some("public, s-maxage=600, max-age=60"),
        "what is for everybody may be kept for everybody"
    );
    assert!(public.header("cdn-cache-control").is_some());
}

#[tokio::test]
async fn a_backend_is_told_the_callers_workspace_and_paths_stay_inside() {
    const AGENTS: &str = r#"
[[upstreams]]
name = "agents"
url = "URL"
workspace = "/srv/w"

[[routes]]
name = "run"
upstream = "agents"
methods = ["POST"]
path = "/run"
workspace_paths = ["body:/cwd", "body:/files/*", "query:dir"]
"#;
    let backend = RecordingBackend::ok().await;
    let routes = AGENTS.replace("URL", backend.url());
    let stage = Stage::start(backend.url(), &routes).await;
    let caller = stage.caller("acme", "../Bob", &[]);
    for (target, body) in [
        ("/run", "{\"cwd\":\"/etc\"}"),
        ("/run", "{\"cwd\":\"/srv/w/acme/alice\"}"),
        ("/run", "{\"cwd\":\"a/../../x\"}"),
        ("/run", "{\"cwd\":\"~/x\"}"),
        ("/run", "{\"cwd\":\"..\\\\x\"}"),
        ("/run", "{\"cwd\":[\"/etc\"]}"),
        ("/run", "{\"files\":[\"a\",\"%2e%2e/b\"]}"),
        ("/run?dir=%2Fetc", "{}"),
    ] {
        let answer = stage.ask(&caller, "POST", target, body).await;
        assert_eq!(answer.status, 400, "{target} {body}");
    }
    assert!(backend.requests().is_empty());
    let body = "{\"cwd\":\"/srv/w/acme/=2E=2E=2F=42ob/src\",\"files\":[\"a/b\"]}";
    let spoofed = [("X-Fabric-Workspace", "/"), ("X_Fabric.Workspace", "/")];
    let answer = stage
        .ask_with(&caller, "POST", "/run?dir=x", &spoofed, body)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let request = backend.only_request();
    assert_eq!(
        request.head.values("x-fabric-workspace"),
        ["/srv/w/acme/=2E=2E=2F=42ob"]
    );
    assert!(!request.head.text().to_lowercase().contains("x_fabric"));
    assert_eq!(content(&request), body);
}

#[tokio::test]
async fn a_long_upload_and_an_upgrade_say_who_calls_too() {
    let backend = RecordingBackend::start(|request| match request.head.value("upgrade") {
        Some(_) => Answer::echo_websocket(&request.head),
        None => Answer::new(200, &[], ""),
    })
    .await;
    let stage = stage(&backend).await;
    let alice = stage.alice();
    let spoofed = [("X-User", "eve"), ("X_User", "eve"), ("X-Debug", "1")];
    let upload = vec![b'x'; 300_000];
    let answer = stage
        .ask_with(&alice, "POST", "/bulk?user_id=eve", &spoofed, &upload)
        .await;
    assert_eq!(answer.status, 200);
    let mut upgrade = spoofed.to_vec();
    upgrade.extend([
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Authorization", &alice.authorization),
    ]);
    let mut client = RawClient::connect(stage.gate.address()).await;
    client
        .send(raw_client::request(
            "GET",
            "/bulk?user_id=eve",
            &upgrade,
            b"",
        ))
        .await;
    assert_eq!(client.read_head().await.word(1), "101");
    for request in backend.wait_for_requests(2).await {
        assert_eq!(request.target(), "/bulk?user_id=alice");
        assert_eq!(request.head.values("x-user"), ["alice"]);
        let text = request.head.text().to_lowercase();
        assert!(!text.contains("eve") && !text.contains("x-debug"), "{text}");
    }
    assert_eq!(backend.requests()[0].body.content, upload);
}
