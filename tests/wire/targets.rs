//! Request targets: taken as they stand, byte for byte, or refused; never normalised.

use crate::call::{Call, WAYS, Way};
use crate::world::World;

/// A route for each spelling it may opt into, one for none, and one for all.
const ROUTES: &str = r#"
[[routes]]
name = "strict"
upstream = "backend"
methods = ["GET"]
path = "/strict/{*rest}"
[[routes]]
name = "whoami"
upstream = "backend"
methods = ["GET"]
path = "/whoami"
[[routes]]
name = "encoded-slash"
upstream = "backend"
methods = ["GET"]
path = "/encoded-slash/{*rest}"
path_allows = ["encoded-slash"]
[[routes]]
name = "semicolon"
upstream = "backend"
methods = ["GET"]
path = "/semicolon/{*rest}"
path_allows = ["semicolon"]
[[routes]]
name = "double-slash"
upstream = "backend"
methods = ["GET"]
path = "/double-slash/{*rest}"
path_allows = ["double-slash"]
[[routes]]
name = "encoded-percent"
upstream = "backend"
methods = ["GET"]
path = "/encoded-percent/{*rest}"
path_allows = ["encoded-percent"]
[[routes]]
name = "needless-escape"
upstream = "backend"
methods = ["GET"]
path = "/needless-escape/{*rest}"
path_allows = ["needless-escape"]
[[routes]]
name = "lenient"
upstream = "backend"
methods = ["GET"]
path = "/lenient/{*rest}"
path_allows = ["encoded-slash", "semicolon", "double-slash", "encoded-percent", "needless-escape"]
"#;

/// Spellings that a route may opt into, with the name of the opt-in. Each is in the need of that
/// one alone.
const OPTIONAL: [(&str, &str); 10] = [
    ("encoded-slash", "a%2Fb"),
    ("encoded-slash", "a%2fb/c"),
    ("semicolon", "a;v=1/b"),
    ("semicolon", "a%3Bv=1"),
    ("double-slash", "a//b"),
    ("double-slash", "a///"),
    ("encoded-percent", "100%25"),
    ("encoded-percent", "a%252Fb"),
    ("needless-escape", "%41lice"),
    ("needless-escape", "a%2Dbc%7E"),
];

/// Spellings that no route may allow.
const NEVER: [&str; 35] = [
    "..",
    "../whoami",
    "a/../b",
    "a/..",
    "./a",
    "a/.",
    "%2e%2e/whoami",
    ".%2e/whoami",
    "%2E/a",
    "a/%252e%252e/b",
    "a/..%2Fb",
    "a%2F..%2Fb",
    "a%252F..%252Fb",
    "..;/whoami",
    "..;a=b/whoami",
    "a\\..\\b",
    "a\\b",
    "a%5Cb",
    "a%255Cb",
    "a%00b",
    "a%0d%0aX-Fabric-Tenant:%20globex",
    "a%2500",
    "a%20b",
    "a%09b",
    "a%7Fb",
    "a%3Fb",
    "a%23b",
    "a%C0%AFb",
    "a%C0%AE%C0%AE/b",
    "a%E0%80%AFb",
    "a%FFb",
    "a%ED%A0%80b",
    "a%",
    "a%4",
    "a%zz",
];

/// Spellings that a client library would not send, over HTTP/1.1 only.
const NEVER_RAW: [&str; 14] = [
    "/strict/a#b",
    "/whoami#",
    "/strict/a\"b",
    "/strict/a<b>",
    "/strict/a^b",
    "/strict/a|b",
    "/strict/a`b",
    "/strict/{a}",
    "/strict/%u002e%u002e/a",
    "/strict/\u{e9}",
    "/whoami?a#b",
    "/whoami?a<b",
    "/whoami?\"a\"",
    "/whoami?a=\u{e9}",
];

/// Queries that are refused on every route.
const NEVER_QUERY: [&str; 6] = ["a=%00", "a=%0a", "a=%C0%AF", "a=%FF", "a=%", "a=%zz"];

/// Targets that are nobody's riddle, and have to arrive as they are.
const PLAIN: [&str; 10] = [
    "/strict/a",
    "/strict/a/",
    "/strict/a.b/..c/d..",
    "/strict/.hidden",
    "/strict/a:b@c,d+e!$&'()*=~-_",
    "/strict/caf%C3%A9",
    "/strict/a%40b%3A",
    "/whoami?",
    "/whoami?x=a%2Fb//c/../d;e%20f&%41&&y=1",
    "/whoami?redirect=http://a/?b&[x]={y}|z^`\\",
];

/// By which ways a GET without a body goes.
const PROTOCOLS: [Way; 2] = [Way::Exchange, Way::Http2Exchange];

#[tokio::test]
async fn a_plain_target_arrives_byte_for_byte() {
    let mut world = World::with_routes(ROUTES).await;
    let alice = world.alice();
    for way in WAYS {
        for target in PLAIN {
            let arrived = world
                .forwarded(way, &Call::get(target).bearer(&alice))
                .await;
            assert_eq!(arrived.target(), target, "{way:?}");
        }
    }
    world.end().await;
}

#[tokio::test]
async fn a_spelling_passes_byte_for_byte_where_its_route_opted_in_and_nowhere_else() {
    let mut world = World::with_routes(ROUTES).await;
    let alice = world.alice();
    for way in PROTOCOLS {
        for (needs, spelling) in OPTIONAL {
            for (route, _) in OPTIONAL.iter().step_by(2).chain(&[("strict", "")]) {
                let target = format!("/{route}/{spelling}");
                let call = Call::get(&target).bearer(&alice);
                if *route == needs {
                    let arrived = world.forwarded(way, &call).await;
                    assert_eq!(arrived.target(), target, "{way:?}");
                } else {
                    world.refused(way, &call, 400, "request_rejected").await;
                }
            }
        }
    }
    world.end().await;
}

#[tokio::test]
async fn no_opt_in_lets_a_dot_segment_a_control_or_broken_utf8_through() {
    let mut world = World::with_routes(ROUTES).await;
    let alice = world.alice();
    for way in PROTOCOLS {
        for spelling in NEVER {
            for route in ["strict", "lenient"] {
                let call = Call::get(&format!("/{route}/{spelling}")).bearer(&alice);
                world.refused(way, &call, 400, "request_rejected").await;
            }
        }
        let call = Call::get("/lenient/a//b;c%2Fd%25%41").bearer(&alice);
        world.forwarded(way, &call).await;
    }
    world.end().await;
}

#[tokio::test]
async fn a_query_that_decodes_to_controls_or_no_utf8_is_refused() {
    let mut world = World::with_routes(ROUTES).await;
    let alice = world.alice();
    for way in PROTOCOLS {
        for query in NEVER_QUERY {
            let call = Call::get(&format!("/whoami?{query}")).bearer(&alice);
            world.refused(way, &call, 400, "request_rejected").await;
        }
        let call = Call::get("/whoami?a=%C3%A9").bearer(&alice);
        world.forwarded(way, &call).await;
    }
    world.end().await;
}

#[tokio::test]
async fn what_no_client_library_sends_is_refused_as_raw_bytes_too() {
    let mut world = World::with_routes(ROUTES).await;
    let alice = world.alice();
    for target in NEVER_RAW {
        let call = Call::get(target).bearer(&alice);
        world
            .refused(Way::Exchange, &call, 400, "request_rejected")
            .await;
    }
    world.end().await;
}

#[tokio::test]
async fn a_target_that_leads_nowhere_is_refused_as_ambiguous_only_if_it_is() {
    let mut world = World::with_routes(ROUTES).await;
    let alice = world.alice();
    for way in PROTOCOLS {
        for (target, status, code) in [
            ("/nowhere", 404, "not_found"),
            ("/nowhere/a%2Fb", 400, "request_rejected"),
            ("//whoami", 400, "request_rejected"),
            ("/whoami;v=1", 400, "request_rejected"),
            ("/%77hoami", 400, "request_rejected"),
            ("/WhoAmI", 404, "not_found"),
            ("/whoami/", 404, "not_found"),
        ] {
            let call = Call::get(target).bearer(&alice);
            world.refused(way, &call, status, code).await;
        }
        world
            .forwarded(way, &Call::get("/whoami").bearer(&alice))
            .await;
    }
    world.end().await;
}
