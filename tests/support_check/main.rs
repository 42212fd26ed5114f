//! The instruments of the other tests, held against each other: what a client here sends has to be
//! what a backend here records, byte for byte, or their verdicts on the gate mean nothing.

#[path = "../support/mod.rs"]
mod support;

use futures_util::{SinkExt, StreamExt};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation};
use tokio_tungstenite::tungstenite::Message;

use support::certificates::{Authority, dns};
use support::h2_backend::{H2Answer, H2Backend};
use support::h2_client::{self, H2Client};
use support::raw_client::{self, RawClient};
use support::recording_backend::{Answer, OnHead, RecordingBackend, Signal};
use support::tokens::{AUDIENCE, ISSUER, SigningKey, claims, jwks};
use support::transport::Endpoint;
use support::within;

#[tokio::test]
async fn a_request_is_recorded_byte_for_byte() {
    let backend = RecordingBackend::ok().await;
    let head = "POST /a%2Fb?x=1 HTTP/1.1\r\nhOsT:  gate.test \r\nX_Odd:a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let body = "3;note=1\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n";

    let answer = raw_client::exchange(backend.address(), format!("{head}{body}")).await;

    let request = backend.only_request();
    assert_eq!(request.head.text(), head);
    assert_eq!(request.body.raw, body.as_bytes());
    assert_eq!(request.body.content, b"abc");
    assert_eq!(request.body.trailers, [("X-Sum".into(), "7".into())]);
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (200, r#"{"ok":true}"#)
    );
}

#[tokio::test]
async fn a_trickled_chunked_answer_reads_like_a_whole_one() {
    let backend = RecordingBackend::start(|_| {
        Answer::chunked(200, &[("x-a", "1")], &[b"one", b"two"]).trickled()
    })
    .await;
    let mut client = RawClient::connect(backend.address()).await;

    for _ in 0..2 {
        client.send(raw_client::request("GET", "/", &[], b"")).await;
        let answer = client.read_response().await;
        assert_eq!(answer.text(), "onetwo");
        assert!(answer.body.complete);
    }

    assert_eq!(backend.connections(), 1, "the connection is kept");
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_told_from_a_whole_one() {
    let backend = RecordingBackend::start(|request| {
        let cut = Answer::head(200, &[("content-length", "10")]).send("half");
        match request.target().as_str() {
            "/closed" => cut.close(),
            _ => cut.reset(),
        }
    })
    .await;
    for target in ["/closed", "/reset"] {
        let request = raw_client::request("GET", target, &[], b"");
        let answer = raw_client::exchange(backend.address(), request).await;
        assert!(!answer.body.complete, "{target}");
    }
}

#[tokio::test]
async fn an_event_goes_out_when_the_test_says_so_and_the_departure_is_seen() {
    let signal = Signal::new();
    let held = signal.clone();
    let backend = RecordingBackend::start(move |_| {
        Answer::event_stream()
            .event("first")
            .wait_for(&held)
            .event("second")
            .until_the_client_leaves()
    })
    .await;
    let mut client = RawClient::connect(backend.address()).await;
    client.send(raw_client::request("GET", "/", &[], b"")).await;

    let before = client.read_until("first").await;
    assert!(!before.contains("second"));
    signal.give();
    client.read_until("second").await;
    drop(client);

    backend.wait_for_departures(1).await;
}

#[tokio::test]
async fn a_backend_can_ask_for_the_body_or_answer_without_it() {
    let backend = RecordingBackend::ok().await;
    let mut client = RawClient::connect(backend.address()).await;
    let head = "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";

    client.send(head).await;
    assert_eq!(client.read_head().await.word(1), "100");
    client.send("ok").await;
    assert_eq!(client.read_response().await.status, 200);

    backend.on_head(|_| OnHead::Answer(Answer::json(413, "{}").close()));
    client.send(head).await;
    assert_eq!(client.read_response().await.status, 413);
    assert!(client.read_to_end().await.is_empty());
}

#[tokio::test]
async fn a_websocket_message_comes_back_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::unix(&folder.path().join("backend.sock"));
    let backend =
        RecordingBackend::start_on(endpoint, |request| Answer::echo_websocket(&request.head)).await;
    let mut client = RawClient::connect(backend.address()).await;
    let headers = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    client
        .send(raw_client::request("GET", "/ws", &headers, b""))
        .await;
    let head = client.read_head().await;
    // The key and its answer are the example of RFC 6455 section 1.3.
    let accept = head.value("sec-websocket-accept");
    assert_eq!(accept.as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));

    let mut socket = client.into_websocket().await;
    socket.send(Message::text("hello")).await.unwrap();
    let echoed = within("the echo", socket.next()).await.unwrap().unwrap();
    assert_eq!(echoed, Message::text("hello"));
}

#[tokio::test]
async fn http2_over_tls_carries_trailers_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("test authority");
    let server = authority.server(folder.path(), "server", &["localhost"]);
    let endpoint = Endpoint::tls(&server, &["h2"]);
    let backend = H2Backend::start_on(endpoint, |_| H2Answer::grpc(b"pong", 7)).await;
    let config = authority.client_config(&["h2"], None);
    let mut client = H2Client::connect_tls(backend.address(), "localhost", config).await;
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-sum", 7.into());

    let request = h2_client::request("POST", "/svc/Call", &[("te", "trailers")]);
    let answer = client
        .request(request, b"ping", Some(trailers.clone()))
        .await;

    let answer = answer.unwrap();
    assert_eq!(answer.body, b"\0\0\0\0\x04pong");
    assert_eq!(answer.trailers.unwrap()["grpc-status"], "7");
    let recorded = backend.requests().remove(0);
    assert_eq!(
        (recorded.body.as_slice(), recorded.trailers),
        (&b"ping"[..], Some(trailers))
    );
}

#[tokio::test]
async fn a_client_trusts_its_own_authority_and_no_other_of_the_same_name() {
    let folder = tempfile::tempdir().unwrap();
    let [ours, other] = [(); 2].map(|()| Authority::new("authority"));
    let server = ours.server(folder.path(), "server", &["localhost", "127.0.0.1"]);
    let client = ours.client(folder.path(), "client", vec![dns("agent.test")]);
    let backend =
        RecordingBackend::start_on(Endpoint::tls(&server, &[]), |_| Answer::json(200, "{}")).await;

    let trusting = ours.client_config(&[], Some(&client));
    let mut connected = RawClient::connect_tls(backend.address(), "localhost", trusting)
        .await
        .unwrap();
    connected
        .send(raw_client::request("GET", "/", &[], b""))
        .await;
    assert_eq!(connected.read_response().await.status, 200);

    let distrusting = other.client_config(&[], None);
    let refused = RawClient::connect_tls(backend.address(), "localhost", distrusting).await;
    assert!(refused.is_err());
}

#[test]
fn a_token_verifies_by_the_jwks_of_its_key_alone() {
    let keys = [
        SigningKey::ed25519("ed"),
        SigningKey::es256("ec"),
        SigningKey::rs256("rsa"),
    ];
    let set: JwkSet = serde_json::from_value(jwks(&keys.each_ref())).unwrap();
    for key in &keys {
        let token = key.sign(&claims("acme", "alice", &["lead"]));
        let mut validation = Validation::new(key.algorithm);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[ISSUER]);
        let jwk = set.find(&key.kid).unwrap();
        let trusted = DecodingKey::from_jwk(jwk).unwrap();
        let decoded = jsonwebtoken::decode::<serde_json::Value>(&token, &trusted, &validation);
        assert_eq!(decoded.unwrap().claims["tid"], "acme");

        let namesake = SigningKey::ed25519(&key.kid);
        let foreign: JwkSet = serde_json::from_value(jwks(&[&namesake])).unwrap();
        let stranger = DecodingKey::from_jwk(&foreign.keys[0]).unwrap();
        let decoded = jsonwebtoken::decode::<serde_json::Value>(&token, &stranger, &validation);
        assert!(decoded.is_err(), "{} by a key of the same name", key.kid);
    }
}
