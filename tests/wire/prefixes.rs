//! `strip_prefix`: the beginning of a path that only the gate knows.

use crate::call::{Call, WAYS, Way};
use crate::support::recording_backend::{Answer, RecordingBackend};
use crate::world::{Setup, World};

const ROUTES: &str = r#"
[[routes]]
name = "page"
upstream = "mounted"
methods = ["GET", "POST"]
path = "/apps/memory/pages/{*rest}"
[[routes]]
name = "open"
upstream = "mounted"
methods = ["GET", "POST"]
path = "/apps/memory/open"
public = true
"#;

async fn setup() -> Setup {
    let setup = World::setup().await;
    let upstream = format!(
        "[[upstreams]]\nname = \"mounted\"\nurl = \"{}\"\nstrip_prefix = \"/apps/memory\"\n",
        setup.backend_url()
    );
    setup.policy(&upstream)
}

#[tokio::test]
async fn the_backend_gets_the_path_without_the_prefix_and_the_rest_as_it_was() {
    let mut world = setup().await.policy(ROUTES).start().await;
    let alice = world.alice();
    for way in WAYS {
        for (asked, arrives) in [
            ("/apps/memory/pages/a", "/pages/a"),
            (
                "/apps/memory/pages/a%7Cb/c?x=%2F&y",
                "/pages/a%7Cb/c?x=%2F&y",
            ),
            (
                "/apps/memory/pages/a?tenant=acme&x=1",
                "/pages/a?tenant=acme&x=1",
            ),
            (
                "/apps/memory/pages/apps/memory/pages",
                "/pages/apps/memory/pages",
            ),
            ("/apps/memory/open?tenant=globex&x=1", "/open?x=1"),
        ] {
            let call = Call::get(asked);
            let call = match asked.contains("open") {
                true => call,
                false => call.bearer(&alice),
            };
            let arrived = world.forwarded(way, &call).await;
            assert_eq!(arrived.target(), arrives, "{way:?} {asked}");
        }
    }
    world.end().await;
}

#[tokio::test]
async fn without_the_prefix_there_is_no_route() {
    let mut world = setup().await.policy(ROUTES).start().await;
    let alice = world.alice();
    for way in WAYS {
        for target in [
            "/pages/a",
            "/apps/pages/a",
            "/apps/memoryx/pages/a",
            "/apps/memory",
        ] {
            let call = Call::get(target).bearer(&alice);
            world.refused(way, &call, 404, "not_found").await;
        }
        let call = Call::get("/apps//memory/pages/a").bearer(&alice);
        world.refused(way, &call, 400, "request_rejected").await;
    }
    world.end().await;
}

#[tokio::test]
async fn the_record_has_the_path_that_was_asked_for() {
    let mut world = setup().await.policy(ROUTES).start().await;
    let alice = world.alice();
    let call = Call::get("/apps/memory/pages/a").bearer(&alice);
    let (_, reply) = world.answered(Way::Exchange, &call).await;
    let record = world.record_of(&reply).await;
    assert_eq!(record["path"], "/apps/memory/pages/{*rest}");
    world.end().await;
}

#[tokio::test]
async fn what_another_owns_is_asked_about_without_the_prefix_too() {
    let backend = RecordingBackend::start(|request| match request.method().as_str() {
        "POST" => Answer::json(201, r#"{"id":"n-1"}"#),
        _ if request.target().starts_with("/notes/n-1") => Answer::json(200, r#"{"id":"n-1"}"#),
        _ => Answer::json(404, r#"{"error":"no such note"}"#),
    });
    let backend = backend.await;
    let policy = format!(
        "[[upstreams]]\nname = \"notes\"\nurl = \"{}\"\nstrip_prefix = \"/apps\"\n\
         [[routes]]\nname = \"note.make\"\nupstream = \"notes\"\nmethods = [\"POST\"]\n\
         path = \"/apps/notes\"\ncreates = {{ kind = \"note\", id = \"body:/id\" }}\n\
         [[routes]]\nname = \"note.read\"\nupstream = \"notes\"\nmethods = [\"GET\"]\n\
         path = \"/apps/notes/{{id}}\"\nresource = {{ kind = \"note\", id = \"path:id\" }}\n",
        backend.url()
    );
    let mut world = World::setup().await.policy(&policy).start().await;
    let (alice, carol) = (world.alice(), world.token("globex", "carol", &[]));
    let make = Call::new("POST", "/apps/notes").bearer(&alice);
    assert_eq!(world.send(Way::Exchange, &make).await.status, 201);
    let read = |token: &str| Call::get("/apps/notes/n-1").bearer(token);
    assert_eq!(world.send(Way::Exchange, &read(&alice)).await.status, 200);
    let foreign = world.send(Way::Exchange, &read(&carol)).await;
    assert_eq!(foreign.status, 404);
    assert!(
        foreign.text().contains("no such note"),
        "{}",
        foreign.text()
    );
    let asked: Vec<_> = backend.requests().iter().map(|it| it.target()).collect();
    assert!(
        asked.iter().all(|target| target.starts_with("/notes")),
        "{asked:?}"
    );
    assert!(!asked[2..].contains(&"/notes/n-1".to_owned()), "{asked:?}");
    world.end().await;
}
