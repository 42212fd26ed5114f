//! Clients that wear an HTTP/2 connection out: others are served meanwhile.

use h2::Reason;

use crate::stage::{Stage, World, eventually};
use crate::support::recording_backend::{Answer, RecordingBackend};

async fn before(backend: &RecordingBackend) -> World {
    Stage::new().upstream("h1", backend.url(), "").start().await
}

/// A good request on a connection of its own, which has to be answered.
async fn serves_others(world: &World) {
    let answer = world.ask("GET", "/h1/plain/good", &[], b"").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn streams_that_are_reset_at_once_keep_nobody_from_being_served() {
    let backend = RecordingBackend::ok().await;
    let world = before(&backend).await;
    let before = world.resident_mib();
    let abuse = world.h2_client().await;

    for count in 0..600 {
        let Ok(mut sender) = abuse.sender.clone().ready().await else {
            // The gate may end the connection of such a client.
            break;
        };
        let request = world.h2_request("GET", "/h1/plain/abuse", &[]);
        let Ok((_answer, mut stream)) = sender.send_request(request, false) else {
            break;
        };
        stream.send_reset(Reason::CANCEL);
        if count % 200 == 100 {
            serves_others(&world).await;
        }
    }

    serves_others(&world).await;
    let grown = world.resident_mib().saturating_sub(before);
    assert!(grown < 64, "{grown} MiB more than before");
}

#[tokio::test]
async fn a_header_list_beyond_the_limit_is_refused_and_one_below_passes() {
    let backend = RecordingBackend::ok().await;
    let world = before(&backend).await;
    for (kib, passes) in [(32, true), (80, false)] {
        let mut client = world.h2_client().await;
        let value = "v".repeat(1000);
        let names: Vec<String> = (0..kib).map(|count| format!("x-{count}")).collect();
        let headers: Vec<_> = names.iter().map(|name| (&**name, &*value)).collect();
        let request = world.h2_request("GET", "/h1/plain/x", &headers);
        let answer = client.request(request, b"", None).await;
        let status = answer.map(|answer| answer.head.status.as_u16());
        assert_eq!(
            matches!(status, Ok(200)),
            passes,
            "{kib} KiB of headers: {status:?}"
        );
        serves_others(&world).await;
    }
    let reached = backend.requests();
    let large = reached.iter().filter(|it| it.head.bytes.len() > 70_000);
    assert_eq!(large.count(), 0);
}

#[tokio::test]
async fn one_connection_carries_no_more_streams_than_allowed_and_all_are_served() {
    let backend = RecordingBackend::ok().await;
    backend.answer_by(|_| Answer::json(200, "{}"));
    let world = before(&backend).await;
    let mut client = world.h2_client().await;
    // With the first answer the client knows how many streams it may open.
    let request = world.h2_request("GET", "/h1/plain/x", &[]);
    client.request(request, b"", None).await.unwrap();
    let mut answers = tokio::task::JoinSet::new();

    let mut sender = client.sender.clone();
    for _ in 0..200 {
        // `ready` waits while as many streams are open as the gate allows.
        sender = sender.ready().await.unwrap();
        let request = world.h2_request("GET", "/h1/plain/x", &[]);
        let (answer, _) = sender.send_request(request, true).unwrap();
        answers.spawn(async move { answer.await.unwrap().status() });
    }
    serves_others(&world).await;

    let all = async {
        while let Some(status) = answers.join_next().await {
            assert_eq!(status.unwrap(), 200);
        }
    };
    crate::support::within("every answer", all).await;
    assert!(client.sender.current_max_send_streams() <= 100);
    eventually("every request", async || backend.requests().len() == 202).await;
}
