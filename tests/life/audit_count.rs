//! One record for every request, however it ends.

use std::collections::HashMap;

use crate::records;
use crate::support::h2_client::{self, H2Client};
use crate::support::http1::{Connection, Unframed};
use crate::support::raw_client::request;
use crate::world::{self, World, eventually, get};

/// Kinds of requests in a mixed run, what answer they get (0: none, the client does not wait), and
/// the decision, reason and status of their record.
const KINDS: [(&str, u16, &str, &str); 8] = [
    ("allowed", 200, "permit", "ok"),
    ("without a credential", 401, "deny", "credentials_missing"),
    ("without the role", 403, "deny", "role_required"),
    ("to no route", 404, "deny", "not_found"),
    ("malformed", 400, "deny", "request_rejected"),
    (
        "to a backend that closes",
        502,
        "permit",
        "upstream_unreachable",
    ),
    ("torn by the backend", 0, "permit", "upstream_incomplete"),
    ("left by the client", 0, "permit", "client_closed"),
];

fn bytes_of(kind: &str, token: &str) -> Vec<u8> {
    match kind {
        "allowed" => get("/things/1", token),
        "without a credential" => request("GET", "/things/1", &[], b""),
        "without the role" => get("/reports/1", token),
        "to no route" => get("/nowhere", token),
        "malformed" => get("/things/%2e%2e/1", token),
        "to a backend that closes" => get("/things/broken", token),
        "torn by the backend" => get("/things/torn", token),
        "left by the client" => get(HTTP1_HANG, token),
        other => panic!("no such kind: {other}"),
    }
}

/// Sends `rounds` requests of every kind over HTTP/1.1, keeping the connection while it is kept.
async fn http1(world: &World, rounds: usize) {
    let token = world.member();
    let connect = async || Connection::new(world.gate.address().connect().await.unwrap());
    let (mut connection, mut left) = (connect().await, 0);
    for _ in 0..rounds {
        for (kind, status, ..) in KINDS {
            connection.send(&bytes_of(kind, &token)).await.unwrap();
            if kind == "left by the client" {
                left += 1;
                wait_for_hang(world, HTTP1_HANG, left).await;
                connection = connect().await;
                continue;
            }
            let head = connection.read_head().await.unwrap().expect(kind);
            let body = connection.read_body(&head, Unframed::ToTheEnd).await;
            if status == 0 {
                assert!(!body.complete, "{kind}");
            } else {
                assert_eq!(head.word(1), status.to_string(), "{kind}");
            }
            if !body.complete
                || head
                    .values("connection")
                    .iter()
                    .any(|value| value == "close")
            {
                connection = connect().await;
            }
        }
    }
}

/// What a client leaves, over HTTP/1.1 and over HTTP/2: each waits for its own.
const HTTP1_HANG: &str = "/things/hang?over=1";
const HTTP2_HANG: &str = "/things/hang?over=2";

/// The backend has the request that its client is about to leave, which is the `number`th of them.
async fn wait_for_hang(world: &World, target: &str, number: usize) {
    let hanging = || {
        let requests = world.backend.requests();
        let own = requests.iter().filter(|it| it.target() == target);
        own.count()
    };
    eventually("the request at the backend", async || hanging() >= number).await;
}

/// The same over one HTTP/2 connection, where a request that is left is a stream that is reset.
async fn http2(world: &World, rounds: usize) {
    let authorization = format!("Bearer {}", world.member());
    let mut client = H2Client::connect(world.gate.address()).await;
    let mut left = 0;
    for _ in 0..rounds {
        for (kind, status, ..) in KINDS {
            let with_token = [("authorization", authorization.as_str())];
            let (target, headers): (_, &[_]) = match kind {
                "allowed" => ("/things/1", &with_token),
                "without a credential" => ("/things/1", &[]),
                "without the role" => ("/reports/1", &with_token),
                "to no route" => ("/nowhere", &with_token),
                "malformed" => ("/things/%2e%2e/1", &with_token),
                "to a backend that closes" => ("/things/broken", &with_token),
                "torn by the backend" => ("/things/torn", &with_token),
                "left by the client" => (HTTP2_HANG, &with_token),
                other => panic!("no such kind: {other}"),
            };
            let request = h2_client::request("GET", target, headers);
            if kind == "left by the client" {
                let mut sender = client.sender.clone().ready().await.unwrap();
                let (response, mut stream) = sender.send_request(request, true).unwrap();
                left += 1;
                wait_for_hang(world, HTTP2_HANG, left).await;
                stream.send_reset(h2::Reason::CANCEL);
                drop(response);
                continue;
            }
            match client.request(request, b"", None).await {
                Ok(answer) => assert_eq!(answer.head.status.as_u16(), status, "{kind}"),
                Err(error) => assert_eq!(status, 0, "{kind}: {error}"),
            }
        }
    }
}

#[tokio::test]
async fn every_request_of_a_mixed_run_has_exactly_one_record_that_says_how_it_ended() {
    const ROUNDS: usize = 125;
    let world = world::start().await;

    tokio::join!(http1(&world, ROUNDS), http2(&world, ROUNDS));

    let sent = 2 * ROUNDS * KINDS.len();
    let folder = world.gate.folder().to_owned();
    eventually("the records on disk", async || {
        records::of_requests(&folder).len() >= sent
    })
    .await;
    let mut world = world;
    world.gate.stop().await;
    let recorded = records::by_request_id(&folder);
    assert_eq!(recorded.len(), sent, "records of {sent} requests");
    let mut endings: HashMap<(String, String), usize> = HashMap::new();
    for record in recorded.values() {
        let word = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        *endings
            .entry((word("decision"), word("reason")))
            .or_default() += 1;
    }
    let expected = KINDS
        .map(|(_, _, decision, reason)| ((decision.to_owned(), reason.to_owned()), 2 * ROUNDS));
    assert_eq!(endings, HashMap::from(expected));
    records::verified(&world.gate);
}

#[tokio::test]
async fn a_head_that_no_parser_may_see_has_a_record_and_a_silent_connection_has_none() {
    let mut world = world::start().await;
    let heads = [
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\n bad\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\nHost: a\n\n".to_owned(),
        "QUIT\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(70_000)),
    ];
    for head in &heads {
        let answer = crate::support::raw_client::exchange(world.gate.address(), head).await;
        assert_eq!(answer.status, 400, "{head:.40?}");
    }
    drop(world.gate.address().connect().await.unwrap());
    let mut half = Connection::new(world.gate.address().connect().await.unwrap());
    half.send(b"GET / HT").await.unwrap();
    drop(half);

    world.gate.stop().await;

    let recorded = records::of_requests(world.gate.folder());
    assert_eq!(recorded.len(), heads.len(), "{recorded:?}");
    for record in &recorded {
        assert_eq!(record["reason"], "request_rejected", "{record}");
        assert_eq!(record["tenant_id"], serde_json::Value::Null, "{record}");
    }
}

#[tokio::test]
async fn a_request_that_is_shorter_than_the_http2_preface_is_answered() {
    let world = world::start().await;

    let answer =
        crate::support::raw_client::exchange(world.gate.address(), "GET / HTTP/1.0\r\n\r\n").await;

    assert_eq!(answer.status, 404, "there is no such route");
}
