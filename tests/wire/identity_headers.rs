//! What the backend is told about the caller: exactly one of each identity header with the verified
//! value, whatever the caller said under any spelling, on every way through the gate.

use crate::call::{Call, WAYS, Way};
use crate::support::recording_backend::Recorded;
use crate::support::tokens::claims;
use crate::world::World;

const ROUTES: &str = r#"
[[routes]]
name = "whoami"
upstream = "backend"
methods = ["GET", "POST"]
path = "/whoami"
[[routes]]
name = "open"
upstream = "backend"
methods = ["GET", "POST"]
path = "/open"
public = true
"#;

/// Fields by which a caller could claim to be somebody.
const CLAIMS: [&str; 22] = [
    "X-Fabric-User",
    "x-fabric-user",
    "X_Fabric_User",
    "X.Fabric.User",
    "X-Fabric_User",
    "x_fabric.user",
    "HTTP_X_FABRIC_USER",
    "Http-X-Fabric-User",
    "HTTP_HTTP_X_FABRIC_USER",
    "X-Fabric-Roles",
    "X_FABRIC_ROLES",
    "X-Fabric-Delegation",
    "X-Fabric-Assertion",
    "X_Fabric_Assertion",
    "X-Fabric-Anything",
    "X-Fabric-",
    "X-Request-Id",
    "X_Request_Id",
    "HTTP_X_REQUEST_ID",
    "Traceparent",
    "HTTP_TRACEPARENT",
    "x.request.id",
];

/// What a proxy in front would say of the client, and what makes a backend serve something else.
const CLAIMS_OF_PROXIES: [&str; 24] = [
    "Forwarded",
    "X-Forwarded-For",
    "X_Forwarded_For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-User",
    "X-Forwarded-Uri",
    "X-Forwarded-Prefix",
    "X.Forwarded.Email",
    "X-Real-Ip",
    "X-Client-Ip",
    "X-Cluster-Client-Ip",
    "True-Client-Ip",
    "CF-Connecting-IP",
    "Client-Cert",
    "X-SSL-Client-Cert",
    "SSL-Client-S-DN",
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X_Method_Override",
    "X-Original-URL",
    "X-Rewrite-URL",
    "Proxy",
    "Proxy-Authorization",
];

/// Fields that are nobody's claim, however much they look like one.
const INNOCENT: [(&str, &str); 6] = [
    ("X-Fabricated", "kept"),
    ("X-Forward", "kept"),
    ("X-Requested-With", "kept"),
    ("Accept", "text/html"),
    ("Cookie", "a=1"),
    ("Fabric-User", "kept"),
];

/// The value of the only field that a backend could take for `name`, folds and all.
fn only_reading(arrived: &Recorded, name: &str) -> String {
    let fields = arrived.head.fields();
    let read: Vec<_> = fields
        .iter()
        .filter(|(field, _)| folded(field) == name)
        .collect();
    let [(field, value)] = read.as_slice() else {
        panic!("one `{name}` and no alias of it: {}", arrived.head.text());
    };
    assert!(field.eq_ignore_ascii_case(name), "`{field}` is an alias");
    value.clone()
}

/// The name as a backend reads it that folds everything anybody folds.
fn folded(name: &str) -> String {
    let mut name = name.to_ascii_lowercase().replace(['_', '.'], "-");
    while let Some(rest) = name.strip_prefix("http-") {
        name = rest.to_owned();
    }
    name
}

fn fields_under(arrived: &Recorded, prefix: &str) -> Vec<String> {
    let fields = arrived.head.fields();
    let mut names: Vec<_> = fields.iter().map(|(name, _)| folded(name)).collect();
    names.retain(|name| name.starts_with(prefix));
    names.sort_unstable();
    names
}

const IDENTITY: [&str; 4] = [
    "x-fabric-delegation",
    "x-fabric-roles",
    "x-fabric-tenant",
    "x-fabric-user",
];

#[tokio::test]
async fn the_backend_gets_one_of_each_identity_header_with_the_verified_value() {
    let mut world = World::with_routes(ROUTES).await;
    let act = serde_json::json!({"sub": "agent:planner", "act": {"sub": "agent:coder"}});
    let token = world.sign(&claims("acme", "alice", &["lead", "member"]).with("act", act));
    for way in WAYS {
        let spoofed = CLAIMS.iter().fold(Call::get("/whoami"), |call, name| {
            call.with(name, "spoofed").with(name, "twice")
        });
        let arrived = world.forwarded(way, &spoofed.bearer(&token)).await;
        for (name, value) in [
            ("x-fabric-tenant", "acme"),
            ("x-fabric-user", "alice"),
            ("x-fabric-roles", "lead,member"),
            ("x-fabric-delegation", "agent:planner,agent:coder"),
        ] {
            assert_eq!(only_reading(&arrived, name), value, "{way:?}");
        }
        assert_eq!(fields_under(&arrived, "x-fabric-"), IDENTITY, "{way:?}");
        let text = arrived.head.text();
        assert!(
            !text.contains("spoofed") && !text.contains("twice"),
            "{text}"
        );
    }
    world.end().await;
}

#[tokio::test]
async fn an_alias_of_the_tenant_header_is_folded_into_the_verified_one() {
    let mut world = World::with_routes(ROUTES).await;
    let alice = world.alice();
    for way in WAYS {
        for name in [
            "X-Fabric-Tenant",
            "X_Fabric_Tenant",
            "x.fabric.tenant",
            "HTTP_X_FABRIC_TENANT",
        ] {
            let call = Call::get("/whoami").bearer(&alice).with(name, "acme");
            let arrived = world.forwarded(way, &call).await;
            assert_eq!(only_reading(&arrived, "x-fabric-tenant"), "acme", "{name}");
        }
    }
    world.end().await;
}

#[tokio::test]
async fn several_declarations_of_the_tenant_by_header_are_refused_even_when_they_agree() {
    let mut world = World::with_routes(ROUTES).await;
    let alice = world.alice();
    for way in WAYS {
        for second in ["X-Fabric-Tenant", "X_Fabric_Tenant", "http.x.fabric.tenant"] {
            let call = Call::get("/whoami")
                .bearer(&alice)
                .with("X-Fabric-Tenant", "acme")
                .with(second, "acme");
            world.refused(way, &call, 400, "request_rejected").await;
        }
    }
    world.end().await;
}

#[tokio::test]
async fn what_only_a_trusted_proxy_may_say_does_not_arrive() {
    let mut world = World::with_routes(ROUTES).await;
    let alice = world.alice();
    for way in WAYS {
        for target in ["/whoami", "/open"] {
            let said = CLAIMS_OF_PROXIES
                .iter()
                .fold(Call::get(target), |call, name| call.with(name, "spoofed"));
            let call = said.with_all(&INNOCENT).bearer(&alice);
            let arrived = world.forwarded(way, &call).await;
            let text = arrived.head.text();
            assert!(!text.contains("spoofed"), "{way:?}: {text}");
            for (name, value) in INNOCENT {
                let kept = arrived.head.value(name);
                assert_eq!(kept.as_deref(), Some(value), "{way:?} {name}");
            }
        }
    }
    world.end().await;
}

#[tokio::test]
async fn the_connection_field_removes_what_the_caller_sent_and_nothing_the_gate_says() {
    let mut world = World::with_routes(ROUTES).await;
    let alice = world.alice();
    let nominated = "close, X-Fabric-Tenant, x-fabric-user, X-Fabric-Roles, X-Fabric-Delegation, \
                     X-Request-Id, traceparent, X-Mine";
    for way in [Way::Exchange, Way::Loop] {
        let call = Call::get("/whoami")
            .bearer(&alice)
            .with("Connection", nominated)
            .with("X-Fabric-Tenant", "acme")
            .with("X-Mine", "hop")
            .with("Keep-Alive", "timeout=9")
            .with("TE", "trailers")
            .with("X-Kept", "end");
        let arrived = world.forwarded(way, &call).await;
        for name in IDENTITY
            .iter()
            .chain(&["x-request-id", "traceparent", "host"])
        {
            only_reading(&arrived, name);
        }
        for gone in ["x-mine", "keep-alive", "te"] {
            assert_eq!(arrived.head.value(gone), None, "{way:?} {gone}");
        }
        assert_eq!(arrived.head.value("x-kept").as_deref(), Some("end"));
    }
    world.end().await;
}

#[tokio::test]
async fn a_public_route_tells_the_backend_of_no_caller_at_all() {
    let mut world = World::with_routes(ROUTES).await;
    let alice = world.alice();
    for way in WAYS {
        let spoofed = CLAIMS
            .iter()
            .fold(Call::get("/open?tenant=globex&x=1"), |call, name| {
                call.with(name, "spoofed")
            });
        let call = spoofed
            .bearer(&alice)
            .with("X-Api-Key", "spoofed")
            .with("X-Fabric-Tenant", "globex");
        let arrived = world.forwarded(way, &call).await;
        assert_eq!(fields_under(&arrived, "x-fabric-"), [""; 0], "{way:?}");
        assert_eq!(arrived.target(), "/open?x=1");
        for gone in ["authorization", "x-api-key"] {
            assert_eq!(arrived.head.value(gone), None, "{way:?} {gone}");
        }
        only_reading(&arrived, "x-request-id");
        assert!(!arrived.head.text().contains("spoofed"), "{way:?}");
    }
    world.end().await;
}

#[tokio::test]
async fn the_request_id_is_the_gates_and_the_same_for_backend_client_and_record() {
    let mut world = World::with_routes(ROUTES).await;
    let alice = world.alice();
    let mut seen = Vec::new();
    for way in WAYS {
        let call = Call::get("/whoami")
            .bearer(&alice)
            .with("X-Request-Id", "mine");
        let (arrived, reply) = world.answered(way, &call).await;
        let id = only_reading(&arrived, "x-request-id");
        assert_eq!(reply.header("x-request-id").as_ref(), Some(&id), "{way:?}");
        assert_eq!(world.record_of(&reply).await["status"], 200);
        assert!(!seen.contains(&id), "an id is given twice");
        seen.push(id);
    }
    world.end().await;
}

#[tokio::test]
async fn a_valid_trace_is_continued_under_a_parent_of_the_gates() {
    let mut world = World::with_routes(ROUTES).await;
    let alice = world.alice();
    let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    for way in WAYS {
        let call = Call::get("/whoami")
            .bearer(&alice)
            .with("traceparent", &format!("00-{trace}-{parent}-01"))
            .with("tracestate", "vendor=1");
        let (arrived, reply) = world.answered(way, &call).await;
        let sent_on = only_reading(&arrived, "traceparent");
        let parts: Vec<_> = sent_on.split('-').collect();
        assert_eq!(
            (parts[0], parts[1], parts[3]),
            ("00", trace, "01"),
            "{way:?}"
        );
        assert_ne!(parts[2], parent, "the gate is a parent of its own");
        assert_eq!(only_reading(&arrived, "tracestate"), "vendor=1");
        assert_eq!(world.record_of(&reply).await["trace_id"], trace);
    }
    world.end().await;
}

#[tokio::test]
async fn an_invalid_trace_is_replaced_and_its_state_dropped() {
    let mut world = World::with_routes(ROUTES).await;
    let alice = world.alice();
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let zeros = "0".repeat(32);
    let invalid = [
        format!("00-{zeros}-b7ad6b7169203331-01"),
        format!("00-{trace}-0000000000000000-01"),
        format!("ff-{trace}-b7ad6b7169203331-01"),
        format!("00-{}-b7ad6b7169203331-01", trace.to_ascii_uppercase()),
        format!("00-{trace}-b7ad6b7169203331-01-more"),
        "garbage".to_owned(),
    ];
    for way in WAYS {
        for value in &invalid {
            let call = Call::get("/whoami")
                .bearer(&alice)
                .with("traceparent", value)
                .with("tracestate", "vendor=1");
            let (arrived, reply) = world.answered(way, &call).await;
            let sent_on = only_reading(&arrived, "traceparent");
            let begun = sent_on.split('-').nth(1).unwrap();
            assert_eq!(begun.len(), 32, "{sent_on}");
            assert!(
                begun != trace && begun != zeros,
                "{way:?} {value}: {sent_on}"
            );
            assert_eq!(arrived.head.value("tracestate"), None, "{way:?} {value}");
            assert_eq!(world.record_of(&reply).await["trace_id"], begun);
        }
    }
    world.end().await;
}
