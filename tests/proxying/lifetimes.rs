//! What goes on for as long as it would be let in: streams end when the token does and when a reload
//! withdraws what let them in, each as its protocol has it, and no other stream with them.

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::stage::{Stage, TENANT, World, eventually, routes};
use crate::support::h2_backend::{H2Answer, H2Backend, H2End};
use crate::support::h2_client::{self, H2Client};
use crate::support::raw_client::{self, RawClient};
use crate::support::recording_backend::{Answer, RecordingBackend, Signal};
use crate::support::transport::BoxedStream;
use crate::support::within;

/// An API key and the stanza that takes it.
const KEY: &str = "fabk_of-a-test";
const KEY_STANZA: &str = "[[api_keys]]\nname = \"ci\"\ntenant = \"acme\"\nuser = \"svc-ci\"\n\
     sha256 = \"HASH\"\n";

/// Seconds of a token whose end is waited for: enough to open streams with it on a busy machine.
const BRIEF: i64 = 5;

/// A backend whose streams stop after their beginning until the signal is given.
async fn streaming(signal: &Signal) -> RecordingBackend {
    let signal = signal.clone();
    RecordingBackend::start(move |request| match request.target().as_str() {
        "/h1/plain/events" | "/restored" => Answer::event_stream()
            .event("one")
            .wait_for(&signal)
            .event("two")
            .hang(),
        "/h1/plain/half-an-event" => Answer::event_stream().chunk("data: ha").hang(),
        "/h1/plain/chunks" => Answer::head(200, &[("transfer-encoding", "chunked")])
            .chunk("one")
            .hang(),
        "/h1/plain/length" => Answer::head(200, &[("content-length", "1000")])
            .send([b'x'; 500])
            .hang(),
        _ => Answer::echo_websocket(&request.head),
    })
    .await
}

fn key_stanza() -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, KEY.as_bytes());
    let hex: String = digest
        .as_ref()
        .iter()
        .map(|it| format!("{it:02x}"))
        .collect();
    KEY_STANZA.replace("HASH", &hex)
}

async fn before(backend: &RecordingBackend) -> World {
    let stage = Stage::new().upstream("h1", backend.url(), "");
    stage
        .configured(|builder| builder.policy(key_stanza()))
        .start()
        .await
}

/// Opens a stream and reads its beginning.
async fn open(world: &World, target: &str, authorization: &str) -> RawClient {
    let mut client = RawClient::connect(world.gate.address()).await;
    let headers = [("Authorization", authorization)];
    client
        .send(raw_client::request("GET", target, &headers, b""))
        .await;
    let beginning = if target.ends_with("half-an-event") {
        "ha"
    } else {
        "one"
    };
    client.read_until(beginning).await;
    client
}

async fn socket(world: &World, authorization: &str) -> WebSocketStream<BoxedStream> {
    let mut client = world.client().await;
    let handshake = format!(
        "GET /h1/socket HTTP/1.1\r\nHost: gate.test\r\nAuthorization: {authorization}\r\n\
         Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    client.send(handshake).await;
    assert_eq!(client.read_head().await.word(1), "101");
    let mut socket = client.into_websocket().await;
    assert!(echoes(&mut socket).await);
    socket
}

async fn echoes(socket: &mut WebSocketStream<BoxedStream>) -> bool {
    socket.send(Message::text("x")).await.is_ok()
        && matches!(
            within("an echo", socket.next()).await,
            Some(Ok(Message::Text(_)))
        )
}

/// The status and reason of the close frame that comes next.
async fn closed(mut socket: WebSocketStream<BoxedStream>) -> (u16, String) {
    match within("a close frame", socket.next()).await {
        Some(Ok(Message::Close(Some(frame)))) => (frame.code.into(), frame.reason.to_string()),
        other => panic!("{other:?} in place of a close frame"),
    }
}

/// The code in the last event of a stream that ended as it should.
async fn last_event(mut client: RawClient) -> String {
    let rest = client.read_until("\r\n0\r\n\r\n").await;
    let (_, data) = rest
        .split_once("event: error\ndata: ")
        .unwrap_or_else(|| panic!("no last event in {rest:?}"));
    let (data, end) = data.split_once("\n\n").unwrap();
    assert_eq!(end, "\r\n0\r\n\r\n", "the body ends as a whole one does");
    let problem: Value = serde_json::from_str(data).unwrap();
    problem["code"].as_str().unwrap().to_owned()
}

async fn reasons(world: &World, route: &str, count: usize) -> Vec<String> {
    eventually("audit records", async || {
        world.records(route).len() >= count
    })
    .await;
    world
        .records(route)
        .iter()
        .map(|record| {
            assert_eq!(record["decision"], "permit", "it was let in: {record:#}");
            assert_eq!(record["enforced"], true);
            record["reason"].as_str().unwrap().to_owned()
        })
        .collect()
}

async fn counts_open_streams(world: &World, count: usize) {
    let line = format!("fabric_gate_open_streams{{tenant=\"{TENANT}\"}} {count}\n");
    eventually("the count of open streams", async || {
        let metrics = world.gate.admin("GET", "/metrics", b"").await.text();
        metrics.contains(&line)
    })
    .await;
}

#[tokio::test]
async fn an_event_stream_ends_with_its_token_and_says_so_and_its_twin_goes_on() {
    let signal = Signal::new();
    let backend = streaming(&signal).await;
    let world = before(&backend).await;
    let brief = world.authorization_for(BRIEF);

    let ending = open(&world, "/h1/plain/events", &brief).await;
    let mut staying = open(&world, "/h1/plain/events", &world.authorization).await;
    counts_open_streams(&world, 2).await;
    assert_eq!(last_event(ending).await, "token_expired");

    signal.give();
    signal.give();
    staying.read_until("two").await;
    counts_open_streams(&world, 1).await;
    assert_eq!(reasons(&world, "h1.plain", 1).await, ["token_expired"]);
}

#[tokio::test]
async fn a_stream_whose_values_are_turned_back_ends_with_its_token_too() {
    let signal = Signal::new();
    let backend = streaming(&signal).await;
    let scoped = "[[routes]]\nname = \"restored\"\nupstream = \"h1\"\nmethods = [\"GET\"]\n\
                  path = \"/restored\"\nscoped = [\"header:idempotency-key\"]\n";
    let stage = Stage::new().upstream("h1", backend.url(), "");
    let world = stage
        .configured(|builder| builder.policy(scoped))
        .start()
        .await;
    let brief = world.authorization_for(BRIEF);
    let open_keyed = async |authorization: &str| {
        let mut client = RawClient::connect(world.gate.address()).await;
        let headers = [("Authorization", authorization), ("Idempotency-Key", "k")];
        let request = raw_client::request("GET", "/restored", &headers, b"");
        client.send(request).await;
        client.read_until("one").await;
        client
    };
    let ending = open_keyed(&brief).await;
    let mut staying = open_keyed(&world.authorization).await;
    assert_eq!(last_event(ending).await, "token_expired");
    signal.give();
    signal.give();
    staying.read_until("two").await;
}

#[tokio::test]
async fn what_has_no_last_word_is_broken_off_when_its_token_ends() {
    let backend = streaming(&Signal::new()).await;
    let world = before(&backend).await;
    for target in ["/h1/plain/chunks", "/h1/plain/half-an-event"] {
        let brief = world.authorization_for(BRIEF);
        let mut client = open(&world, target, &brief).await;
        let rest = String::from_utf8(client.read_to_end().await).unwrap();
        assert!(
            !rest.contains("0\r\n\r\n"),
            "{target} was ended as whole: {rest:?}"
        );
        assert!(!rest.contains("token_expired"), "{target}: {rest:?}");
    }
    let mut client = RawClient::connect(world.gate.address()).await;
    let brief = world.authorization_for(BRIEF);
    let headers = [("Authorization", brief.as_str())];
    let request = raw_client::request("GET", "/h1/plain/length", &headers, b"");
    client.send(request).await;
    let seen = client.read_to_end().await;
    assert!(
        seen.len() < 1000,
        "an answer with a length stays short of it"
    );
    let expired = reasons(&world, "h1.plain", 3).await;
    assert_eq!(expired, ["token_expired"; 3]);
}

#[tokio::test]
async fn a_socket_ends_with_its_token_and_says_so_to_both_sides_and_its_twin_goes_on() {
    let backend = streaming(&Signal::new()).await;
    let world = before(&backend).await;
    let ending = socket(&world, &world.authorization_for(BRIEF)).await;
    let mut staying = socket(&world, &world.authorization).await;

    assert_eq!(closed(ending).await, (1008, "token_expired".to_owned()));
    backend.wait_for_departures(1).await;
    assert!(echoes(&mut staying).await);
    assert_eq!(reasons(&world, "h1.socket", 1).await, ["token_expired"]);
    counts_open_streams(&world, 1).await;
}

#[tokio::test]
async fn over_http2_an_event_stream_ends_and_another_answer_is_reset() {
    let backend = streaming(&Signal::new()).await;
    let world = before(&backend).await;
    let client = H2Client::connect(world.gate.address()).await;
    let ask = async |target: &str, brief: String| {
        let mut sender = client.sender.clone().ready().await.unwrap();
        let request = h2_client::request("GET", target, &[("authorization", &brief)]);
        let (answer, _) = sender.send_request(request, true).unwrap();
        h2_client::read_whole(answer.await.unwrap()).await
    };
    let events = within(
        "the end of the events",
        ask("/h1/plain/events", world.authorization_for(BRIEF)),
    )
    .await
    .unwrap();
    let text = String::from_utf8(events.body.to_vec()).unwrap();
    assert!(text.contains("event: error\ndata: {"), "{text}");
    assert!(text.ends_with("\n\n"), "{text}");
    let chunks = within(
        "the end of the chunks",
        ask("/h1/plain/chunks", world.authorization_for(BRIEF)),
    )
    .await;
    assert!(chunks.is_err(), "{chunks:?}");
    assert_eq!(reasons(&world, "h1.plain", 2).await, ["token_expired"; 2]);
}

#[tokio::test]
async fn what_pingoras_loop_carries_ends_with_its_token_too() {
    let backend = streaming(&Signal::new()).await;
    let world = before(&backend).await;
    let brief = world.authorization_for(BRIEF);
    let mut client = world.client().await;
    let headers = [
        ("Authorization", brief.as_str()),
        ("Transfer-Encoding", "chunked"),
    ];
    let mut request = raw_client::request("POST", "/h1/plain/events", &headers, b"");
    request.extend_from_slice(b"1\r\nx\r\n0\r\n\r\n");
    client.send(request).await;
    client.read_until("one").await;
    let rest = String::from_utf8(client.read_to_end().await).unwrap();
    assert!(!rest.contains("0\r\n\r\n"), "ended as whole: {rest:?}");
    assert_eq!(reasons(&world, "h1.plain", 1).await, ["token_expired"]);
    let counted =
        "fabric_gate_requests_total{decision=\"permit\",route=\"h1.plain\",tenant=\"acme\"} 1";
    eventually("the count of requests", async || {
        let metrics = world.gate.admin("GET", "/metrics", b"").await.text();
        metrics.contains(counted)
    })
    .await;
    counts_open_streams(&world, 0).await;
}

#[tokio::test]
async fn a_call_of_grpc_that_is_silent_is_reset_when_its_token_ends() {
    let backend = H2Backend::start(|_| H2Answer {
        end: H2End::After(Signal::new()),
        ..H2Answer::grpc(b"one", 0)
    })
    .await;
    let stage = Stage::new().upstream("h2", backend.url(), "http2 = true");
    let world = stage.start().await;
    let brief = world.authorization_for(BRIEF);
    let client = world.h2_client().await;
    let mut sender = client.sender.clone().ready().await.unwrap();
    let headers = [
        ("authorization", brief.as_str()),
        ("content-type", "application/grpc"),
    ];
    let request = h2_client::request("POST", "/h2/plain/Service/Call", &headers);
    let (answer, mut upload) = sender.send_request(request, false).unwrap();
    upload.send_data(vec![0, 0, 0, 0, 0].into(), true).unwrap();
    let ended = within("the end of the call", async {
        h2_client::read_whole(answer.await?).await
    })
    .await;
    assert!(ended.is_err(), "{ended:?}");
    assert_eq!(reasons(&world, "h2.plain", 1).await, ["token_expired"]);
}

/// A reload and whom it is about: the policy file, what it says from then on, and the code of the
/// streams it ends.
struct Change {
    what: &'static str,
    file: &'static str,
    text: String,
    code: &'static str,
}

fn changes(url: &str) -> Vec<Change> {
    let upstream = format!("[[upstreams]]\nname = \"h1\"\nurl = \"{url}\"\n\n");
    let change = |what, file, text: &str, code| Change {
        what,
        file,
        text: text.to_owned(),
        code,
    };
    let forbid = "[[rules]]\nname = \"closed\"\neffect = \"forbid\"\nroutes = [\"h1.*\"]\n";
    let suspended = "[[tenants]]\nid = \"acme\"\nsuspended = true\n";
    let lead = routes("h1").replace("path = ", "roles = [\"lead\"]\npath = ");
    let gone = routes("h1").replace("/h1/", "/elsewhere/");
    vec![
        change(
            "the key is withdrawn",
            "03.toml",
            "# no key\n",
            "token_invalid",
        ),
        change(
            "the tenant is suspended",
            "01.toml",
            suspended,
            "tenant_suspended",
        ),
        change("a rule forbids it", "04.toml", forbid, "forbidden"),
        change(
            "a role is asked for",
            "02.toml",
            &(upstream.clone() + &lead),
            "role_required",
        ),
        change(
            "the route is gone",
            "02.toml",
            &(upstream + &gone),
            "not_found",
        ),
    ]
}

#[tokio::test]
async fn a_reload_ends_the_streams_that_it_would_not_let_in() {
    let backend = streaming(&Signal::new()).await;
    for change in changes(backend.url()) {
        let world = before(&backend).await;
        let key = format!("Bearer {KEY}");
        let events = open(&world, "/h1/plain/events", &key).await;
        let socket = socket(&world, &key).await;

        world.gate.write_policy(change.file, &change.text);
        let answer = world.gate.reload().await;
        assert_eq!(answer.status, 200, "{}: {}", change.what, answer.text());
        assert_eq!(last_event(events).await, change.code, "{}", change.what);
        assert_eq!(
            closed(socket).await,
            (1008, change.code.to_owned()),
            "{}",
            change.what
        );
        assert_eq!(reasons(&world, "h1.plain", 1).await, [change.code]);
        let rule = &world.record("h1.plain").await["rule"];
        assert_eq!(
            rule.is_null(),
            change.code != "forbidden",
            "{}: {rule}",
            change.what
        );
    }
}

#[tokio::test]
async fn a_reload_about_others_ends_nothing() {
    let signal = Signal::new();
    let backend = streaming(&signal).await;
    let world = before(&backend).await;
    let key = format!("Bearer {KEY}");
    let mut events = open(&world, "/h1/plain/events", &world.authorization).await;
    let mut by_key = open(&world, "/h1/plain/events", &key).await;
    let mut socket = socket(&world, &world.authorization).await;

    let reload = async |file: &str, text: &str| {
        world.gate.write_policy(file, text);
        let answer = world.gate.reload().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    let others = "[[tenants]]\nid = \"globex\"\nsuspended = true\n\
                  [[rules]]\nname = \"closed\"\neffect = \"forbid\"\nusers = [\"bob\"]\n";
    reload("04.toml", others).await;
    let upstream = format!(
        "[[upstreams]]\nname = \"h1\"\nurl = \"{}\"\n\n",
        backend.url()
    );
    let renamed = routes("h1").replace(
        "name = \"h1.plain\"",
        "name = \"h1.simple\"\ntimeout_seconds = 7",
    );
    reload("02.toml", &(upstream + &renamed)).await;
    assert!(echoes(&mut socket).await);
    // Whoever was to be ended would be by the time that a third stream was opened and ended.
    let brief = open(&world, "/h1/plain/events", &world.authorization_for(BRIEF)).await;
    assert_eq!(last_event(brief).await, "token_expired");

    for _ in 0..3 {
        signal.give();
    }
    events.read_until("two").await;
    by_key.read_until("two").await;
    assert!(echoes(&mut socket).await);

    // The same streams end when it is about them.
    reload("03.toml", "# no key\n").await;
    assert_eq!(last_event(by_key).await, "token_invalid");
    assert!(echoes(&mut socket).await, "the key was not the socket's");
}
