//! Clients that leave: the exchange with the backend ends, and the record says why.

use crate::stage::{Stage, WAYS, World};
use crate::support::recording_backend::{Answer, RecordingBackend};
use crate::support::within;

/// A backend that notices when its client leaves, before (`/silent`) or in the middle of an answer.
async fn noticing() -> (World, RecordingBackend) {
    let backend = RecordingBackend::start(|request| match request.target().as_str() {
        "/h1/plain/silent" => Answer::nothing().until_the_client_leaves(),
        _ => Answer::event_stream()
            .event("one")
            .until_the_client_leaves(),
    })
    .await;
    let world = Stage::new().upstream("h1", backend.url(), "").start().await;
    (world, backend)
}

async fn assert_client_closed(world: &World) {
    let record = world.record("h1.plain").await;
    assert_eq!(record["reason"], "client_closed", "{record:#}");
    assert_eq!(record["decision"], "permit");
}

#[tokio::test]
async fn a_client_that_leaves_an_answer_ends_it_at_the_backend() {
    for way in WAYS {
        let (world, backend) = noticing().await;
        let mut client = world.client().await;
        client
            .send(way.request(&world, "/h1/plain/events", &[]))
            .await;
        client.read_until("data: one").await;

        drop(client);

        backend.wait_for_departures(1).await;
        assert_client_closed(&world).await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_before_its_answer_ends_the_request_at_the_backend() {
    for way in WAYS {
        let (world, backend) = noticing().await;
        let mut client = world.client().await;
        client
            .send(way.request(&world, "/h1/plain/silent", &[]))
            .await;
        backend.wait_for_requests(1).await;

        client.reset();

        backend.wait_for_departures(1).await;
        assert_client_closed(&world).await;
    }
}

#[tokio::test]
async fn an_http2_stream_that_its_client_resets_ends_at_the_backend() {
    for target in ["/h1/plain/silent", "/h1/plain/events"] {
        for way in WAYS {
            let body = way.body();
            let (world, backend) = noticing().await;
            let client = world.h2_client().await;
            let mut sender = client.sender.clone().ready().await.unwrap();
            let request = world.h2_request(way.method, target, &[]);
            let (answer, mut stream) = sender.send_request(request, body.is_empty()).unwrap();
            if !body.is_empty() {
                stream.send_data(body.into(), true).unwrap();
            }
            backend.wait_for_requests(1).await;
            let incoming = if target.ends_with("events") {
                let mut incoming = within("an answer", answer).await.unwrap().into_body();
                within("an event", incoming.data()).await.unwrap().unwrap();
                Some(incoming)
            } else {
                drop(answer);
                None
            };

            stream.send_reset(h2::Reason::CANCEL);
            drop(incoming);

            backend.wait_for_departures(1).await;
            assert_client_closed(&world).await;
        }
    }
}

#[tokio::test]
async fn an_answer_that_was_read_to_its_end_is_recorded_as_whole() {
    let backend = RecordingBackend::ok().await;
    let world = Stage::new().upstream("h1", backend.url(), "").start().await;

    world.ask("GET", "/h1/plain/x", &[], b"").await;

    let record = world.record("h1.plain").await;
    assert_eq!(
        (&record["reason"], &record["status"]),
        (&"ok".into(), &200.into())
    );
}
