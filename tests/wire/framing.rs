//! HTTP/1 heads that two parties could read differently: refused as the bytes they are, the
//! connection closed, and nothing of what stands behind them taken for a request.

use crate::call::{Call, Way};
use crate::heads::{HOSTS, LENGTHS, LINES, REPEATED, REQUEST_LINES, SOUND, Table};
use crate::support::raw_client::RawClient;
use crate::world::World;

const ROUTES: &str = r#"
[[routes]]
name = "whoami"
upstream = "backend"
methods = ["GET", "POST"]
path = "/whoami"
[[routes]]
name = "smuggled"
upstream = "backend"
methods = ["GET"]
path = "/smuggled"
"#;

fn filled(text: &str, token: &str) -> Vec<u8> {
    let field = format!("Authorization: Bearer {token}");
    text.replace("AUTH", &field).into_bytes()
}

async fn all_rejected(table: &Table) {
    let mut world = World::with_routes(ROUTES).await;
    let alice = world.alice();
    for (name, text) in table {
        let head = filled(text, &alice);
        world.rejected_with_what_follows(name, &head, &alice).await;
    }
    let smuggled = Call::get("/smuggled").bearer(&alice);
    world.forwarded(Way::Exchange, &smuggled).await;
    world.end().await;
}

#[tokio::test]
async fn a_message_whose_end_is_in_doubt_is_refused_with_all_behind_it() {
    all_rejected(LENGTHS).await;
}

#[tokio::test]
async fn a_line_that_ends_or_begins_in_doubt_is_refused_with_all_behind_it() {
    all_rejected(LINES).await;
}

#[tokio::test]
async fn a_request_line_of_any_other_form_is_refused_with_all_behind_it() {
    all_rejected(REQUEST_LINES).await;
}

#[tokio::test]
async fn a_request_without_exactly_one_sound_host_is_refused_with_all_behind_it() {
    all_rejected(HOSTS).await;
}

#[tokio::test]
async fn a_credential_that_stands_twice_is_refused_with_all_behind_it() {
    all_rejected(REPEATED).await;
}

#[tokio::test]
async fn what_is_sound_is_forwarded() {
    let mut world = World::with_routes(ROUTES).await;
    let alice = world.alice();
    for (name, text) in SOUND {
        let arrived = world.forwarded_raw(name, &filled(text, &alice)).await;
        assert_eq!(arrived.head.values("host").len(), 1, "{name}");
        let body: &[u8] = if text.starts_with("POST") {
            b"hello"
        } else {
            b""
        };
        assert_eq!(arrived.body.content, body, "{name}");
        assert!(arrived.body.complete, "{name}");
    }
    world.end().await;
}

#[tokio::test]
async fn an_absolute_target_that_agrees_with_the_host_arrives_in_origin_form() {
    let mut world = World::with_routes(ROUTES).await;
    let alice = world.alice();
    for (target, arrives) in [
        ("http://a/whoami", "/whoami"),
        ("HTTP://a/whoami?x=/a//b", "/whoami?x=/a//b"),
        ("https://a/whoami?", "/whoami?"),
    ] {
        let text = format!("GET {target} HTTP/1.1\r\nHost: a\r\nAUTH\r\n\r\n");
        let arrived = world.forwarded_raw(target, &filled(&text, &alice)).await;
        assert_eq!(arrived.target(), arrives);
    }
    world.end().await;
}

#[tokio::test]
async fn a_head_has_at_most_a_hundred_fields_and_64_kib() {
    let mut world = World::with_routes(ROUTES).await;
    let alice = world.alice();
    let with_fields = |fields: usize, value: &str| {
        // Host and Authorization are two of them.
        let others: String = (2..fields).map(|n| format!("X-{n}: {value}\r\n")).collect();
        let text = format!("GET /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\n{others}\r\n");
        filled(&text, &alice)
    };
    let long_target = |bytes: usize| {
        let path = "/whoami?";
        let padding = "x".repeat(bytes - path.len());
        let text = format!("GET {path}{padding} HTTP/1.1\r\nHost: a\r\nAUTH\r\n\r\n");
        filled(&text, &alice)
    };
    for (name, head) in [
        ("101 fields", with_fields(101, "1")),
        ("65 KiB", with_fields(3, &"x".repeat(65 * 1024))),
        ("a target of 8193 bytes", long_target(8193)),
    ] {
        world.rejected_with_what_follows(name, &head, &alice).await;
    }
    for (name, head) in [
        ("100 fields", with_fields(100, "1")),
        ("63 KiB", with_fields(3, &"x".repeat(63 * 1024 - 600))),
        ("a target of 8192 bytes", long_target(8192)),
    ] {
        world.forwarded_raw(name, &head).await;
    }
    world.end().await;
}

#[tokio::test]
async fn a_chunked_body_that_breaks_its_own_framing_ends_the_connection() {
    let mut world = World::with_routes(ROUTES).await;
    // The head goes ahead of a chunked body; a whole request must not come of it.
    world.ignore_cut_off();
    let alice = world.alice();
    for chunk in [
        "zz\r\nhello\r\n",
        "-5\r\nhello\r\n",
        "0x5\r\nhello\r\n",
        "5 5\r\nhello\r\n",
        "fffffffffffffffff\r\nhello\r\n",
        "3\r\nhello\r\n",
    ] {
        let head = "POST /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut bytes = filled(&format!("{head}{chunk}0\r\n\r\n"), &alice);
        bytes.extend_from_slice(
            &Call::get("/smuggled")
                .bearer(&alice)
                .to_http1(Way::Exchange),
        );
        let mut client = RawClient::connect(world.gate.address()).await;
        world.sent(1);
        client.send(&bytes).await;
        let answer = client.read_to_end().await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{chunk:?}: {answer}");
        assert_eq!(
            answer.matches("HTTP/1.1 ").count(),
            1,
            "{chunk:?}: {answer}"
        );
    }
    let smuggled = Call::get("/smuggled").bearer(&alice);
    world.forwarded(Way::Exchange, &smuggled).await;
    world.end().await;
}
