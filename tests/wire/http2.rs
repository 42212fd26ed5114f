//! Requests over HTTP/2 that two parties could read differently.

use crate::call::{Call, Way};
use crate::world::World;

const ROUTES: &str = r#"
[[routes]]
name = "whoami"
upstream = "backend"
methods = ["GET"]
path = "/whoami"
"#;

const WAYS: [Way; 2] = [Way::Http2Exchange, Way::Http2Loop];

#[tokio::test]
async fn fields_that_could_be_read_in_two_ways_are_refused() {
    let mut world = World::with_routes(ROUTES).await;
    let alice = world.alice();
    let sound = Call::get("/whoami").bearer(&alice);
    let crowded = (0..100).fold(sound.clone(), |call, n| call.with(&format!("x-{n}"), "1"));
    for way in WAYS {
        for call in [
            sound.clone().bearer("another"),
            Call::get("/whoami")
                .with("x-api-key", "a")
                .with("x-api-key", "b"),
            sound.clone().with("x_api_key", "a"),
            sound.clone().with("content_length", "5"),
            sound.clone().with("transfer_encoding", "chunked"),
            sound.clone().with("http2-settings", "AAMAAABkAAQAAP__"),
            sound.clone().with("expect", "200-ok"),
            Call::new("TRACE", "/whoami").bearer(&alice),
            Call::new("PROPFIND", "/whoami").bearer(&alice),
            crowded.clone(),
        ] {
            world.refused(way, &call, 400, "request_rejected").await;
        }
        let agreeing = sound.clone().with("host", "gate.test");
        for call in [sound.clone(), agreeing.with("te", "trailers")] {
            world.forwarded(way, &call).await;
        }
    }
    world.end().await;
}

/// pingora answers these on the connection, before there is a session: with a bare 400, and without
/// an audit record.
#[tokio::test]
async fn a_host_beside_another_authority_is_refused_before_the_gate_sees_it() {
    let mut world = World::with_routes(ROUTES).await;
    let alice = world.alice();
    let sound = Call::get("/whoami").bearer(&alice);
    for way in WAYS {
        for host in ["other.test", "GATE.test", "gate.test:80", "user@gate.test"] {
            let reply = world.send(way, &sound.clone().with("host", host)).await;
            assert_eq!(reply.status, 400, "{host}");
            world.backend_heard_nothing(host);
            world.never_seen(1);
        }
        world.forwarded(way, &sound).await;
    }
    world.end().await;
}
