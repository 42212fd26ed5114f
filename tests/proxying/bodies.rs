//! Bodies that are read before the decision: 10 MiB both ways, over every pair of HTTP versions,
//! arriving as the bytes that were sent, or not at all.

use http::HeaderMap;

use crate::stage::{Stage, World};
use crate::support::h2_backend::{H2Answer, H2Backend};
use crate::support::recording_backend::{Answer, RecordingBackend};

const LARGE: usize = 10 << 20;

/// A JSON object of this tenant and 10 MiB of content that no two places share, so that bytes that
/// were swapped, doubled or lost change the hash.
fn large_json(tenant: &str) -> Vec<u8> {
    let mut body = format!(r#"{{"tenantId":"{tenant}","content":""#).into_bytes();
    let mut block = 0_u64;
    while body.len() < LARGE - 2 {
        let hash = blake3::hash(&block.to_le_bytes()).to_hex();
        let room = LARGE - 2 - body.len();
        body.extend(hash.bytes().take(room));
        block += 1;
    }
    body.extend_from_slice(b"\"}");
    assert_eq!(body.len(), LARGE);
    body
}

fn hash(bytes: &[u8]) -> String {
    format!("{} bytes {}", bytes.len(), blake3::hash(bytes).to_hex())
}

/// `body` in chunks of uneven sizes.
fn chunked(body: &[u8]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(body.len() + body.len() / 64);
    let mut rest = body;
    let mut size = 1;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(size.min(rest.len()));
        framed.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        framed.extend_from_slice(chunk);
        framed.extend_from_slice(b"\r\n");
        rest = after;
        size = (size * 3 + 7) % 70_001 + 1;
    }
    framed.extend_from_slice(b"0\r\n\r\n");
    framed
}

/// An answer to compare, whatever protocol carried it.
struct Seen {
    status: u16,
    body: Vec<u8>,
    headers: Vec<String>,
}

/// Sends a request with this body in each way a client can frame it: by its length, in chunks, and
/// over HTTP/2.
async fn by_every_framing(
    world: &World,
    method: &str,
    target: &str,
    body: &[u8],
) -> Vec<(&'static str, Seen)> {
    let mut seen = Vec::new();
    let mut raw = vec![("its length", world.request(method, target, &[], body))];
    if !body.is_empty() {
        let headers = [("Transfer-Encoding", "chunked")];
        let mut request = world.request(method, target, &headers, b"");
        request.extend_from_slice(&chunked(body));
        raw.push(("chunks", request));
    }
    for (framing, request) in raw {
        let mut client = world.client().await;
        client.send(request).await;
        let answer = client.read_response().await;
        assert!(answer.body.complete, "{framing}: the answer broke off");
        let headers = answer.head.fields().into_iter().map(|(name, _)| name);
        seen.push((
            framing,
            Seen {
                status: answer.status,
                headers: headers.collect(),
                body: answer.body.content,
            },
        ));
    }
    let request = world.h2_request(method, target, &[]);
    let mut client = world.h2_client().await;
    let answer = client.request(request, body, None).await.unwrap();
    let names = answer.head.headers.keys().map(ToString::to_string);
    seen.push((
        "HTTP/2",
        Seen {
            status: answer.head.status.as_u16(),
            headers: names.collect(),
            body: answer.body,
        },
    ));
    seen
}

/// Two backends that answer everything with `answer`, and a gate before them: `/h1` speaks HTTP/1.1
/// to its backend, `/h2` HTTP/2.
async fn before_both(answer: Vec<u8>) -> (World, RecordingBackend, H2Backend) {
    let again = answer.clone();
    let headers = [("x-secret-of-the-answer", "1")];
    let h1 = RecordingBackend::start(move |_| Answer::new(200, &headers, &again)).await;
    let h2 = H2Backend::start(move |_| {
        let mut answer = H2Answer::new(200, &answer);
        let secret = ("x-secret-of-the-answer".to_owned(), "1".to_owned());
        answer.headers.push(secret);
        answer
    })
    .await;
    let world = Stage::new()
        .upstream("h1", h1.url(), "")
        .upstream("h2", h2.url(), "http2 = true")
        .start()
        .await;
    (world, h1, h2)
}

#[tokio::test]
async fn a_request_body_that_is_read_before_the_decision_reaches_the_backend_byte_for_byte() {
    let (world, h1, h2) = before_both(b"{}".to_vec()).await;
    let body = large_json("acme");

    for target in ["/h1/judged-request", "/h2/judged-request"] {
        for (framing, answer) in by_every_framing(&world, "POST", target, &body).await {
            assert_eq!(answer.status, 200, "{target} by {framing}");
        }
    }

    let over_h1 = h1.requests();
    assert_eq!(over_h1.len(), 3);
    for request in &over_h1 {
        assert_eq!(hash(&request.body.content), hash(&body));
        let length = request.head.value("content-length");
        let expected = LARGE.to_string();
        assert_eq!(length, Some(expected), "what was read whole has a length");
    }
    let over_h2 = h2.requests();
    assert_eq!(over_h2.len(), 3);
    for request in &over_h2 {
        assert_eq!(hash(&request.body), hash(&body));
    }
}

#[tokio::test]
async fn a_request_body_that_names_another_tenant_is_refused_and_reaches_no_backend() {
    let (world, h1, h2) = before_both(b"{}".to_vec()).await;
    let body = large_json("globex");

    for target in ["/h1/judged-request", "/h2/judged-request"] {
        for (framing, answer) in by_every_framing(&world, "POST", target, &body).await {
            assert_eq!(answer.status, 403, "{target} by {framing}");
            let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(problem["code"], "tenant_mismatch", "{target} by {framing}");
        }
    }

    assert_eq!((h1.connections(), h1.requests().len()), (0, 0));
    assert!(h2.requests().is_empty());
}

#[tokio::test]
async fn an_answer_that_is_judged_by_its_body_reaches_the_client_byte_for_byte() {
    let body = large_json("acme");
    let (world, _h1, _h2) = before_both(body.clone()).await;

    for target in ["/h1/judged-answer", "/h2/judged-answer"] {
        for (framing, answer) in by_every_framing(&world, "GET", target, b"").await {
            assert_eq!(answer.status, 200, "{target} by {framing}");
            assert_eq!(hash(&answer.body), hash(&body), "{target} by {framing}");
        }
    }
}

#[tokio::test]
async fn nothing_of_an_answer_that_names_another_tenant_reaches_the_client() {
    let (world, _h1, _h2) = before_both(large_json("globex")).await;

    for target in ["/h1/judged-answer", "/h2/judged-answer"] {
        for (framing, answer) in by_every_framing(&world, "GET", target, b"").await {
            assert_eq!(answer.status, 404, "{target} by {framing}");
            let text = String::from_utf8(answer.body).unwrap();
            assert!(
                text.contains("\"code\":\"not_found\"") && !text.contains("globex"),
                "{target} by {framing}: {text}"
            );
            assert!(
                !answer
                    .headers
                    .iter()
                    .any(|name| name.eq_ignore_ascii_case("x-secret-of-the-answer")),
                "{target} by {framing}: {:?}",
                answer.headers
            );
        }
    }
}

#[tokio::test]
async fn a_large_body_goes_through_in_both_directions_at_once() {
    let body = large_json("acme");
    let (world, h1, h2) = before_both(body.clone()).await;

    for target in ["/h1/judged-answer", "/h2/judged-answer"] {
        for (framing, answer) in by_every_framing(&world, "POST", target, &body).await {
            assert_eq!(answer.status, 200, "{target} by {framing}");
            assert_eq!(hash(&answer.body), hash(&body), "{target} by {framing}");
        }
    }

    let sent = hash(&body);
    let arrived = h1.requests().into_iter().map(|it| it.body.content);
    for arrived in arrived.chain(h2.requests().into_iter().map(|it| it.body)) {
        assert_eq!(hash(&arrived), sent);
    }
}

#[tokio::test]
async fn a_body_that_nobody_looks_at_passes_byte_for_byte() {
    let body = large_json("whoever");
    let (world, h1, h2) = before_both(body.clone()).await;

    for target in ["/h1/plain/x", "/h2/plain/x"] {
        for (framing, answer) in by_every_framing(&world, "POST", target, &body).await {
            assert_eq!(answer.status, 200, "{target} by {framing}");
            assert_eq!(hash(&answer.body), hash(&body), "{target} by {framing}");
        }
    }

    let sent = hash(&body);
    assert_eq!((h1.requests().len(), h2.requests().len()), (3, 3));
    let arrived = h1.requests().into_iter().map(|it| it.body.content);
    for arrived in arrived.chain(h2.requests().into_iter().map(|it| it.body)) {
        assert_eq!(hash(&arrived), sent);
    }
}

#[tokio::test]
async fn an_answer_without_content_names_no_other_tenant_and_passes() {
    let backend = RecordingBackend::start(|_| Answer::head(204, &[])).await;
    let world = Stage::new().upstream("h1", backend.url(), "").start().await;

    let answer = world.ask("DELETE", "/h1/judged-answer", &[], b"").await;

    assert_eq!(answer.status, 204, "{}", answer.text());
}

#[tokio::test]
async fn trailers_of_a_judged_answer_reach_an_http2_client() {
    let backend = H2Backend::start(|_| {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "7".parse().unwrap());
        let mut answer = H2Answer::new(200, r#"{"tenantId":"acme"}"#);
        answer.end = crate::support::h2_backend::H2End::Trailers(trailers);
        answer
    })
    .await;
    let world = Stage::new()
        .upstream("h2", backend.url(), "http2 = true")
        .start()
        .await;
    let mut client = world.h2_client().await;

    let request = world.h2_request("GET", "/h2/judged-answer", &[]);
    let answer = client.request(request, b"", None).await.unwrap();

    assert_eq!(answer.head.status, 200);
    assert_eq!(answer.body, br#"{"tenantId":"acme"}"#);
    assert_eq!(answer.trailers.unwrap()["x-sum"], "7");
}
