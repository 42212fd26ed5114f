//! Answers that break off: they are broken off toward the client too, and never ended as whole.

use crate::stage::{Stage, WAYS, World};
use crate::support::h2_backend::{H2Answer, H2Backend, H2End};
use crate::support::recording_backend::{Answer, RecordingBackend, Signal};
use crate::support::within;

/// An answer that stops in the middle once the client has its beginning.
fn cut(request: &str, when: &Signal) -> Answer {
    let begun = match request {
        "/h1/plain/length-reset" | "/h1/plain/length-closed" => {
            Answer::head(200, &[("content-length", "100")]).send("beginning")
        }
        _ => Answer::head(200, &[("transfer-encoding", "chunked")]).chunk("beginning"),
    };
    let stopped = begun.wait_for(when);
    if request.ends_with("reset") {
        stopped.reset()
    } else {
        stopped.close()
    }
}

const CUTS: [&str; 4] = [
    "/h1/plain/length-reset",
    "/h1/plain/length-closed",
    "/h1/plain/chunks-reset",
    "/h1/plain/chunks-closed",
];

async fn before_a_cutting_backend() -> (World, RecordingBackend, Signal) {
    let signal = Signal::new();
    let held = signal.clone();
    let backend = RecordingBackend::start(move |request| cut(&request.target(), &held)).await;
    let world = Stage::new().upstream("h1", backend.url(), "").start().await;
    (world, backend, signal)
}

#[tokio::test]
async fn a_torn_answer_never_looks_whole_to_an_http1_client() {
    let (world, _backend, signal) = before_a_cutting_backend().await;
    for target in CUTS {
        for way in WAYS {
            let mut client = world.client().await;
            client.send(way.request(&world, target, &[])).await;
            // A body with a length is written when a buffer is full or the body ends, so only
            // chunks can be waited for.
            if target.contains("chunks") {
                client.read_until("beginning").await;
            }
            signal.give();

            let seen = String::from_utf8(client.read_to_end().await).unwrap();
            assert!(
                !seen.contains("0\r\n\r\n"),
                "{} {target} was ended as whole: {seen:?}",
                way.method
            );
        }
    }
    crate::stage::eventually("a record of every torn answer", async || {
        let records = world.records("h1.plain");
        let torn = |record: &&serde_json::Value| record["reason"] == "upstream_incomplete";
        records.iter().filter(torn).count() == CUTS.len() * WAYS.len()
    })
    .await;
}

#[tokio::test]
async fn a_torn_answer_resets_the_stream_of_an_http2_client() {
    let (world, _backend, signal) = before_a_cutting_backend().await;
    for target in CUTS {
        for way in WAYS {
            let (method, body) = (way.method, way.body());
            let client = world.h2_client().await;
            let mut sender = client.sender.clone().ready().await.unwrap();
            let request = world.h2_request(method, target, &[]);
            let (answer, mut upload) = sender.send_request(request, body.is_empty()).unwrap();
            if !body.is_empty() {
                upload.send_data(body.into(), true).unwrap();
            }
            let mut incoming = within("an answer", answer).await.unwrap().into_body();
            let begun = within("its beginning", incoming.data()).await.unwrap();
            assert_eq!(begun.unwrap(), "beginning");
            signal.give();

            let end = within("its end", incoming.data()).await;
            let error = end.and_then(Result::err);
            assert!(
                error.is_some_and(|error| error.is_reset()),
                "{method} {target} ended as if it were whole"
            );
        }
    }
}

#[tokio::test]
async fn a_stream_that_an_http2_backend_resets_is_torn_for_clients_of_both_versions() {
    let backend = H2Backend::start(|_| H2Answer {
        end: H2End::Reset(h2::Reason::INTERNAL_ERROR),
        ..H2Answer::new(200, "beginning")
    })
    .await;
    let stage = Stage::new().upstream("h2", backend.url(), "http2 = true");
    let world = stage.start().await;

    for way in WAYS {
        let method = way.method;
        let request = way.request(&world, "/h2/plain/x", &[("Connection", "close")]);
        let mut client = world.client().await;
        client.send(request).await;
        let seen = String::from_utf8(client.read_to_end().await).unwrap();
        // A reset may overtake what was sent before it: then nothing was begun, and a 502 is true.
        assert!(
            seen.starts_with("HTTP/1.1 502 ") || !seen.contains("\r\n0\r\n"),
            "{method}: {seen}"
        );

        let mut client = world.h2_client().await;
        let request = world.h2_request(method, "/h2/plain/x", &[]);
        match client.request(request, way.body(), None).await {
            Ok(answer) => assert_eq!(answer.head.status, 502, "{method}: {answer:?}"),
            Err(error) => assert!(error.is_reset(), "{method}: {error}"),
        }
    }
}

#[tokio::test]
async fn nothing_of_a_judged_answer_that_breaks_off_reaches_the_client() {
    let (world, backend, signal) = before_a_cutting_backend().await;
    backend.answer_by(|_| {
        let half = r#"{"tenantId":"acme","#;
        Answer::head(200, &[("content-length", "100")])
            .send(half)
            .close()
    });

    let answer = world.ask("GET", "/h1/judged-answer", &[], b"").await;

    assert_eq!(answer.status, 502);
    assert_eq!(answer.json()["code"], "upstream_unreachable");
    assert!(!answer.text().contains("acme"));
    drop(signal);
}
