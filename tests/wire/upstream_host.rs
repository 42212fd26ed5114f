//! For which host the backend is asked: its own, or the caller's where it has none (a unix socket).

use crate::call::{Call, WAYS};
use crate::support::recording_backend::{Answer, RecordingBackend};
use crate::support::transport::Endpoint;
use crate::world::World;

fn route(upstream: &str) -> String {
    format!(
        "[[routes]]\nname = \"{upstream}\"\nupstream = \"{upstream}\"\nmethods = [\"GET\"]\n\
         path = \"/{upstream}\"\n"
    )
}

#[tokio::test]
async fn a_backend_with_an_address_is_asked_for_itself_whatever_host_the_caller_named() {
    let mut world = World::with_routes(&route("backend")).await;
    let alice = world.alice();
    let own = world.backend.address().authority();
    for way in WAYS {
        let call = Call::get("/backend").bearer(&alice);
        let arrived = world.forwarded(way, &call).await;
        assert_eq!(arrived.head.value("host"), Some(own.clone()), "{way:?}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_backend_on_a_unix_socket_is_asked_for_the_host_the_caller_named() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("backend.sock");
    let local = RecordingBackend::start_on(Endpoint::unix(&socket), |_| Answer::json(200, "{}"));
    let local = local.await;
    let upstream = format!(
        "[[upstreams]]\nname = \"local\"\nurl = \"{}\"\n",
        local.url()
    );
    let setup = World::setup().await.policy(&upstream);
    let mut world = setup.policy(&route("local")).start().await;
    let alice = world.alice();
    for (number, way) in WAYS.into_iter().enumerate() {
        let reply = world.send(way, &Call::get("/local").bearer(&alice)).await;
        assert_eq!(reply.status, 200, "{way:?}: {}", reply.text());
        let requests = local.requests();
        assert_eq!(requests.len(), number + 1);
        let host = requests[number].head.value("host");
        assert_eq!(host.as_deref(), Some("gate.test"), "{way:?}");
        assert_eq!(requests[number].target(), "/local", "{way:?}");
    }
    world.end().await;
}
