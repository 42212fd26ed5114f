//! So many a second and so many at a time: whom a limit holds, and what frees a place again.

use std::time::{Duration, Instant};

use crate::stage::{Stage, WAYS, World, eventually};
use crate::support::h2_client;
use crate::support::raw_client::{self, RawClient, RawResponse};
use crate::support::recording_backend::{Answer, RecordingBackend, Signal};

/// A backend with an answer that goes on, one that waits for a signal, and a short one.
async fn backend(signal: &Signal) -> RecordingBackend {
    let signal = signal.clone();
    RecordingBackend::start(move |request| match request.target().as_str() {
        "/h1/plain/events" => Answer::event_stream()
            .event("one")
            .wait_for(&signal)
            .end_of_chunks(),
        "/h1/plain/held" => Answer::nothing()
            .wait_for(&signal)
            .then_answer(Answer::json(200, "{}")),
        "/h1/plain/torn" => Answer::event_stream()
            .event("one")
            .wait_for(&signal)
            .reset(),
        "/h1/socket" => Answer::echo_websocket(&request.head),
        _ => Answer::json(200, "{\"tenantId\":\"limited\"}"),
    })
    .await
}

fn tenants(stated: &str) -> String {
    ["limited", "also-limited"]
        .map(|id| format!("[[tenants]]\nid = \"{id}\"\n{stated}\n"))
        .concat()
}

/// A gate with two tenants of these limits.
async fn before(backend: &RecordingBackend, stated: &str) -> World {
    let stage = Stage::new().upstream("h1", backend.url(), "");
    let policy = tenants(stated);
    let stage = stage.configured(|builder| builder.policy(policy));
    stage.start().await
}

/// Where [`before`] put the tenants.
const TENANTS: &str = "03.toml";

async fn ask_as(
    world: &World,
    (tenant, user): (&str, &str),
    method: &str,
    target: &str,
) -> RawResponse {
    let authorization = world.authorization_of(tenant, user);
    let headers = [("Authorization", authorization.as_str())];
    let request = raw_client::request(method, target, &headers, b"");
    raw_client::exchange(world.gate.address(), request).await
}

async fn ask(world: &World, user: &str) -> RawResponse {
    ask_as(world, ("limited", user), "GET", "/h1/plain/short").await
}

/// Begins a request and does not wait for its answer.
async fn begin(world: &World, user: &str, target: &str) -> RawClient {
    let authorization = world.authorization_of("limited", user);
    let headers = [("Authorization", authorization.as_str())];
    let mut client = world.client().await;
    client
        .send(raw_client::request("GET", target, &headers, b""))
        .await;
    client
}

/// It is a refusal that says to come again after so many seconds, less those that passed between the
/// request that used up the limit and this one: up to a minute on a busy machine.
fn assert_refused(answer: &RawResponse, code: &str, retry_after: u64) {
    assert_eq!(answer.status, 429, "{}", answer.text());
    assert_eq!(answer.json()["code"], code);
    let told: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    let least = retry_after.saturating_sub(60).max(1);
    assert!((least..=retry_after).contains(&told), "{told} s");
}

#[tokio::test]
async fn a_place_is_free_again_once_a_client_has_left_its_stream() {
    let signal = Signal::new();
    let backend = backend(&signal).await;
    let mut world = before(&backend, "limits = { concurrent_requests = 1 }").await;
    world.authorization = world.authorization_of("limited", "alice");
    for way in WAYS {
        for _ in 0..3 {
            let mut client = world.client().await;
            client
                .send(way.request(&world, "/h1/plain/events", &[]))
                .await;
            client.read_until("one").await;
            assert_refused(&ask(&world, "bob").await, "concurrency_limited", 1);
            drop(client);
            eventually("a free place", async || {
                ask(&world, "bob").await.status == 200
            })
            .await;
        }
    }
    let mut client = world.h2_client().await;
    let request = world.h2_request("GET", "/h1/plain/events", &[]);
    let (response, _) = client.sender.send_request(request, true).unwrap();
    let response = response.await.unwrap();
    assert_refused(&ask(&world, "bob").await, "concurrency_limited", 1);
    drop((response, client));
    eventually("a free place", async || {
        ask(&world, "bob").await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_place_is_free_again_however_an_answer_ends() {
    let signal = Signal::new();
    let backend = backend(&signal).await;
    let world = before(&backend, "limits = { concurrent_requests = 1 }").await;

    // A backend that breaks off.
    let mut torn = begin(&world, "alice", "/h1/plain/torn").await;
    torn.read_until("one").await;
    signal.give();
    torn.read_to_end().await;
    assert_eq!(ask(&world, "bob").await.status, 200);
    // One that says nothing in time.
    let silent = ask_as(&world, ("limited", "alice"), "GET", "/h1/brief/held").await;
    assert_eq!(silent.status, 200, "the backend knows no such path");
    backend.answer_by(|_| Answer::nothing().hang());
    let silent = ask_as(&world, ("limited", "alice"), "GET", "/h1/brief/held").await;
    assert_eq!(silent.status, 504);
    backend.answer_by(|_| Answer::json(200, "{}"));
    assert_eq!(ask(&world, "bob").await.status, 200);
    // A policy that would not let it in any more.
    backend.answer_by(|_| Answer::event_stream().event("one").hang());
    let mut stream = begin(&world, "alice", "/h1/plain/events").await;
    stream.read_until("one").await;
    world.gate.write_policy(
        TENANTS,
        &tenants("limits = { concurrent_requests = 1 }\nsuspended = true"),
    );
    assert_eq!(world.gate.reload().await.status, 200);
    stream.read_until("tenant_suspended").await;
    world
        .gate
        .write_policy(TENANTS, &tenants("limits = { concurrent_requests = 1 }"));
    assert_eq!(world.gate.reload().await.status, 200);
    backend.answer_by(|_| Answer::json(200, "{}"));
    assert_eq!(ask(&world, "bob").await.status, 200);
}

#[tokio::test]
async fn who_asks_one_after_the_other_never_meets_itself() {
    let backend = backend(&Signal::new()).await;
    let limits = "limits = { concurrent_requests = 1, open_streams = 1 }";
    let mut world = before(&backend, limits).await;
    world.authorization = world.authorization_of("limited", "alice");
    for (number, way) in WAYS.iter().cycle().take(200).enumerate() {
        if number == 100 {
            let script = |_: &_| Answer::event_stream().event("x").end_of_chunks();
            backend.answer_by(script);
        }
        let mut client = world.client().await;
        for _ in 0..3 {
            client
                .send(way.request(&world, "/h1/plain/short", &[]))
                .await;
            assert_eq!(client.read_response().await.status, 200, "{number}");
        }
    }
    let mut client = world.h2_client().await;
    for _ in 0..200 {
        let request = world.h2_request("GET", "/h1/plain/short", &[]);
        let answer = client.request(request, b"", None).await.unwrap();
        assert_eq!(answer.head.status, 200);
    }
}

#[tokio::test]
async fn of_many_at_once_exactly_as_many_as_the_limit_reach_the_backend() {
    let signal = Signal::new();
    let backend = backend(&signal).await;
    let world = before(&backend, "limits = { concurrent_requests = 3 }").await;
    let mut clients = Vec::new();
    for number in 0..32 {
        let user = if number % 2 == 0 { "alice" } else { "bob" };
        clients.push(begin(&world, user, "/h1/plain/held").await);
    }
    backend.wait_for_requests(3).await;
    // The others have their answers before anybody is let go.
    eventually("29 refusals", async || {
        world.records("h1.plain").len() == 29
    })
    .await;
    assert_eq!(backend.requests().len(), 3);
    (0..3).for_each(|_| signal.give());
    let mut passed = 0;
    for client in &mut clients {
        let answer = client.read_response().await;
        if answer.status == 200 {
            passed += 1;
        } else {
            assert_refused(&answer, "concurrency_limited", 1);
        }
    }
    assert_eq!(passed, 3);
    assert_eq!(ask(&world, "alice").await.status, 200);
}

#[tokio::test]
async fn what_has_no_place_uses_up_nothing_of_the_rate() {
    let signal = Signal::new();
    let backend = backend(&signal).await;
    let limits = "limits = { requests_per_second = \"0.001\", burst = 3, concurrent_requests = 1 }";
    let world = before(&backend, limits).await;
    let mut held = begin(&world, "alice", "/h1/plain/held").await;
    backend.wait_for_requests(1).await;
    for _ in 0..20 {
        assert_refused(&ask(&world, "alice").await, "concurrency_limited", 1);
    }
    signal.give();
    assert_eq!(held.read_response().await.status, 200);
    assert_eq!(
        ask(&world, "alice").await.status,
        200,
        "the second of three"
    );
    assert_eq!(ask(&world, "alice").await.status, 200, "the third");
    let limited = ask(&world, "alice").await;
    assert_refused(&limited, "rate_limited", 1000);
    assert_eq!(
        limited.json()["detail"],
        "the tenant's limit of 0.001 requests per second (3 at once) is reached"
    );
    assert_eq!(backend.requests().len(), 3);
}

#[tokio::test]
async fn the_rate_lets_the_next_one_pass_when_it_is_due() {
    const PAUSE: u64 = 5;
    let backend = backend(&Signal::new()).await;
    let world = before(&backend, "limits = { requests_per_second = \"0.2\" }").await;
    assert_eq!(ask(&world, "alice").await.status, 200);
    let first = Instant::now();
    assert_refused(&ask(&world, "alice").await, "rate_limited", PAUSE);
    tokio::time::sleep(Duration::from_secs(PAUSE).saturating_sub(first.elapsed())).await;
    assert_eq!(ask(&world, "alice").await.status, 200);
}

#[tokio::test]
async fn a_tenant_at_its_limits_is_in_nobody_elses_way() {
    let signal = Signal::new();
    let backend = backend(&signal).await;
    let limits = "limits = { requests_per_second = \"0.001\", burst = 5, concurrent_requests = 1 }";
    let world = before(&backend, limits).await;
    let _held = begin(&world, "alice", "/h1/plain/held").await;
    backend.wait_for_requests(1).await;
    assert_eq!(ask(&world, "alice").await.status, 429);
    let other = ask_as(&world, ("also-limited", "alice"), "GET", "/h1/plain/short").await;
    assert_eq!(other.status, 200);
    let left = other.header("ratelimit").unwrap();
    assert!(left.starts_with("\"tenant\";r=4;"), "{left}");
    let unlimited = ask_as(&world, ("acme", "alice"), "GET", "/h1/plain/short").await;
    assert_eq!(unlimited.status, 200);
    assert_eq!(unlimited.header("ratelimit"), None);
    assert_eq!(unlimited.header("ratelimit-policy"), None);
}

#[tokio::test]
async fn each_user_has_its_own_limit_beside_the_tenants() {
    let signal = Signal::new();
    let backend = backend(&signal).await;
    let limits = "limits = { concurrent_requests = 2 }\nuser_limits = { concurrent_requests = 1 }";
    let world = before(&backend, limits).await;
    let _alices = begin(&world, "alice", "/h1/plain/held").await;
    backend.wait_for_requests(1).await;
    let limited = ask(&world, "alice").await;
    assert_refused(&limited, "concurrency_limited", 1);
    assert_eq!(
        limited.json()["detail"],
        "the user's limit of 1 requests at a time is reached"
    );
    let _bobs = begin(&world, "bob", "/h1/plain/held").await;
    backend.wait_for_requests(2).await;
    let limited = ask(&world, "carol").await;
    assert_eq!(
        limited.json()["detail"],
        "the tenant's limit of 2 requests at a time is reached"
    );
}

#[tokio::test]
async fn a_reload_changes_limits_at_once_and_forgets_nothing() {
    let signal = Signal::new();
    let backend = backend(&signal).await;
    let limits = |rest: &str| format!("limits = {{ {rest} }}");
    let world = before(&backend, &limits("concurrent_requests = 2")).await;
    let reload = async |rest: &str| {
        world.gate.write_policy(TENANTS, &tenants(&limits(rest)));
        assert_eq!(world.gate.reload().await.status, 200);
    };
    let held = [
        begin(&world, "alice", "/h1/plain/held").await,
        begin(&world, "alice", "/h1/plain/held").await,
    ];
    backend.wait_for_requests(2).await;
    assert_eq!(ask(&world, "bob").await.status, 429);
    reload("concurrent_requests = 3").await;
    assert_eq!(ask(&world, "bob").await.status, 200);
    reload("concurrent_requests = 2").await;
    assert_eq!(ask(&world, "bob").await.status, 429, "two are under way");
    drop(held);
    eventually("a free place", async || {
        ask(&world, "bob").await.status == 200
    })
    .await;

    reload("requests_per_second = \"0.001\", burst = 4").await;
    for _ in 0..3 {
        assert_eq!(ask(&world, "bob").await.status, 200);
    }
    reload("requests_per_second = \"0.001\", burst = 3").await;
    assert_refused(&ask(&world, "bob").await, "rate_limited", 1000);
    reload("requests_per_second = \"0.01\", burst = 3").await;
    assert_refused(&ask(&world, "bob").await, "rate_limited", 100);
    reload("requests_per_second = \"0.001\", burst = 4").await;
    assert_eq!(ask(&world, "bob").await.status, 200, "the fourth");
}

#[tokio::test]
async fn a_socket_takes_a_place_among_the_streams_until_it_is_closed() {
    let backend = backend(&Signal::new()).await;
    let world = before(&backend, "limits = { open_streams = 1 }").await;
    let authorization = world.authorization_of("limited", "alice");
    let handshake = format!(
        "GET /h1/socket HTTP/1.1\r\nHost: gate.test\r\nAuthorization: {authorization}\r\n\
         Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let open = async || {
        let mut client = world.client().await;
        client.send(&handshake).await;
        let status = client.read_head().await.word(1);
        (client, status)
    };
    let (socket, status) = open().await;
    assert_eq!(status, "101");
    assert_eq!(open().await.1, "429");
    assert_eq!(backend.requests().len(), 1, "the backend heard of one");
    assert_eq!(ask(&world, "alice").await.status, 200, "what is no stream");
    drop(socket);
    eventually("a free place", async || open().await.1 == "101").await;
}

#[tokio::test]
async fn an_answer_that_turns_out_to_be_one_stream_too_many_is_refused() {
    let signal = Signal::new();
    let backend = backend(&signal).await;
    let mut world = before(&backend, "limits = { open_streams = 1 }").await;
    world.authorization = world.authorization_of("limited", "alice");
    for way in WAYS {
        let mut stream = world.client().await;
        stream
            .send(way.request(&world, "/h1/plain/events", &[]))
            .await;
        stream.read_until("one").await;
        let mut second = world.client().await;
        second
            .send(way.request(&world, "/h1/plain/events", &[]))
            .await;
        let refused = second.read_response().await;
        assert_refused(&refused, "concurrency_limited", 1);
        assert_eq!(
            refused.json()["detail"],
            "the tenant's limit of 1 open streams at a time is reached"
        );
        drop(stream);
        eventually("a free place", async || {
            let mut third = world.client().await;
            third
                .send(way.request(&world, "/h1/plain/events", &[]))
                .await;
            third.read_head().await.word(1) == "200"
        })
        .await;
        eventually("all to have left", async || {
            let metrics = world.gate.admin("GET", "/metrics", b"").await.text();
            metrics.contains("fabric_gate_open_streams{tenant=\"limited\"} 0")
        })
        .await;
    }
    // Who takes nothing but a stream is refused before the backend is asked.
    let mut stream = begin(&world, "alice", "/h1/plain/events").await;
    stream.read_until("one").await;
    let asked = backend.requests().len();
    let accept = [("Accept", "text/event-stream")];
    let refused = world.ask("GET", "/h1/plain/events", &accept, b"").await;
    assert_refused(&refused, "concurrency_limited", 1);
    assert_eq!(backend.requests().len(), asked);
}

#[tokio::test]
async fn who_is_limited_is_told_before_a_body_is_read() {
    let backend = backend(&Signal::new()).await;
    let limits = "limits = { requests_per_second = \"0.001\" }";
    let mut world = before(&backend, limits).await;
    world.authorization = world.authorization_of("limited", "alice");
    assert_eq!(ask(&world, "alice").await.status, 200);
    let mut client = world.client().await;
    let authorization = &world.authorization;
    client
        .send(format!(
            "POST /h1/judged-request HTTP/1.1\r\nHost: gate.test\r\n\
             Authorization: {authorization}\r\nContent-Length: 1000000\r\n\r\n"
        ))
        .await;
    assert_refused(&client.read_response().await, "rate_limited", 1000);
}

#[tokio::test]
async fn over_http2_a_refused_request_leaves_the_others_alone() {
    let signal = Signal::new();
    let backend = backend(&signal).await;
    let mut world = before(&backend, "limits = { concurrent_requests = 1 }").await;
    world.authorization = world.authorization_of("limited", "alice");
    let mut client = world.h2_client().await;
    let held = world.h2_request("GET", "/h1/plain/held", &[]);
    let (held, _) = client.sender.send_request(held, true).unwrap();
    backend.wait_for_requests(1).await;
    let request = world.h2_request("GET", "/h1/plain/short", &[]);
    let refused = client.request(request, b"", None).await.unwrap();
    assert_eq!(refused.head.status, 429);
    assert_eq!(refused.json()["code"], "concurrency_limited");
    assert_eq!(refused.head.headers["retry-after"], "1");
    signal.give();
    let held = h2_client::read_whole(held.await.unwrap()).await.unwrap();
    assert_eq!(held.head.status, 200);
    let request = world.h2_request("GET", "/h1/plain/short", &[]);
    let next = client.request(request, b"", None).await.unwrap();
    assert_eq!(next.head.status, 200);
}
