//! What the client gets of the backend's answer, and what the backend gets of the client's
//! credential.

use crate::call::{Call, WAYS, Way};
use crate::support::h2_backend::{H2Answer, H2Backend, H2End};
use crate::support::h2_client::{self, H2Client};
use crate::support::raw_client::RawClient;
use crate::support::recording_backend::Answer;
use crate::world::{Setup, World};

/// One upstream for each thing that can become of a credential.
fn routes_of_three(setup: &Setup) -> String {
    let upstream = |name: &str, authorization: &str| {
        let url = setup.backend_url();
        format!(
            "[[upstreams]]\nname = \"{name}\"\nurl = \"{url}\"\nauthorization = \"{authorization}\"\n\
             [[routes]]\nname = \"{name}\"\nupstream = \"{name}\"\nmethods = [\"GET\", \"POST\"]\n\
             path = \"/{name}\"\n"
        )
    };
    [
        upstream("strip", "strip"),
        upstream("forward", "forward"),
        upstream("handle", "handle:tenant/{tenant}/token"),
    ]
    .concat()
}

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
[[routes]]
name = "guarded"
upstream = "backend"
methods = ["GET", "POST"]
path = "/guarded"
guard = { tenant = "body:/tenantId" }
"#;

#[tokio::test]
async fn a_credential_is_stripped_forwarded_or_replaced_as_its_upstream_says() {
    let setup = World::setup().await;
    let secrets = setup.folder().join("secrets");
    for tenant in ["acme", "globex"] {
        let folder = secrets.join("tenant").join(tenant);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("token"), format!("secret-of-{tenant}\n")).unwrap();
    }
    let routes = routes_of_three(&setup);
    let directory = format!("directory = \"{}\"", secrets.display());
    let mut world = setup
        .policy(&routes)
        .with(|gate| gate.section("secrets", &directory))
        .start()
        .await;
    let tokens = [
        ("acme", world.token("acme", "alice", &[])),
        ("globex", world.token("globex", "bob", &[])),
    ];
    for secret in ["secret-of-acme", "secret-of-globex"] {
        world.keep_secret(secret);
    }
    for way in WAYS {
        for (tenant, token) in &tokens {
            for (path, expected) in [
                ("/strip", None),
                ("/forward", Some(format!("Bearer {token}"))),
                ("/handle", Some(format!("Bearer secret-of-{tenant}"))),
            ] {
                let arrived = world.forwarded(way, &Call::get(path).bearer(token)).await;
                let got = arrived.head.value("authorization");
                assert_eq!(got, expected, "{way:?} {path} {tenant}");
            }
        }
    }
    world.end().await;
}

#[tokio::test]
async fn a_handle_without_a_secret_reaches_no_backend() {
    let setup = World::setup().await;
    let routes = routes_of_three(&setup);
    let mut world = setup.policy(&routes).start().await;
    let alice = world.alice();
    for way in WAYS {
        let call = Call::get("/handle").bearer(&alice);
        let reply = world.refused(way, &call, 503, "state_unavailable").await;
        assert!(!reply.text().contains("tenant/acme"), "the handle is told");
        world
            .forwarded(way, &Call::get("/strip").bearer(&alice))
            .await;
    }
    world.end().await;
}

#[tokio::test]
async fn what_the_backend_says_under_the_gates_names_does_not_reach_the_client() {
    let mut world = World::with_routes(ROUTES).await;
    world.backend.answer_by(|_| {
        let headers = [
            ("X-Fabric-Cost-Usd", "spoofed"),
            ("x_fabric_tenant", "spoofed"),
            ("X.Fabric.Anything", "spoofed"),
            ("X-Request-Id", "spoofed"),
            ("X-Kept", "said"),
        ];
        Answer::new(200, &headers, r#"{"tenantId":"acme"}"#)
    });
    let alice = world.alice();
    for way in WAYS {
        for target in ["/whoami", "/open"] {
            let (_, reply) = world.answered(way, &Call::get(target).bearer(&alice)).await;
            assert!(!format!("{reply:?}").contains("spoofed"), "{reply:?}");
            assert_eq!(reply.header("x-kept").as_deref(), Some("said"), "{way:?}");
        }
    }
    let call = Call::get("/guarded").bearer(&alice);
    let (_, reply) = world.answered(Way::Exchange, &call).await;
    assert!(!format!("{reply:?}").contains("spoofed"), "{reply:?}");
    world.end().await;
}

#[tokio::test]
async fn an_interim_answer_of_the_backend_says_nothing_under_the_gates_names() {
    let mut world = World::with_routes(ROUTES).await;
    world.backend.answer_by(|_| {
        Answer::bytes("HTTP/1.1 103 Early Hints\r\nX-Fabric-Tenant: spoofed\r\nLink: </a>\r\n\r\n")
            .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    });
    let alice = world.alice();
    for way in [Way::Exchange, Way::Loop] {
        let mut client = RawClient::connect(world.gate.address()).await;
        world.sent(1);
        let call = Call::get("/whoami")
            .bearer(&alice)
            .with("Connection", "close");
        client.send(call.to_http1(way)).await;
        let answer = String::from_utf8_lossy(&client.read_to_end().await).into_owned();
        assert!(answer.contains(" 200 "), "{way:?}: {answer}");
        assert!(!answer.contains("spoofed"), "{way:?}: {answer}");
        world.arrival();
    }
    world.end().await;
}

#[tokio::test]
async fn trailers_say_nothing_under_the_gates_names_either_way() {
    let mut spoofed = http::HeaderMap::new();
    for (name, value) in [
        ("x-fabric-user", "spoofed"),
        ("x_fabric_user", "spoofed"),
        ("x-sum", "7"),
    ] {
        spoofed.insert(name, value.parse().unwrap());
    }
    let trailers = spoofed.clone();
    let backend = H2Backend::start(move |_| H2Answer {
        end: H2End::Trailers(trailers.clone()),
        ..H2Answer::new(200, "{}")
    })
    .await;
    let setup = World::setup().await;
    let url = backend.url();
    let upstream = format!(
        "[[upstreams]]\nname = \"grpc\"\nurl = \"{url}\"\nhttp2 = true\n\
         [[routes]]\nname = \"grpc\"\nupstream = \"grpc\"\nmethods = [\"POST\"]\npath = \"/grpc\"\n"
    );
    let mut world = setup.policy(&upstream).start().await;
    let authorization = format!("Bearer {}", world.alice());
    let mut client = H2Client::connect(world.gate.address()).await;
    for fields in [
        &[("authorization", authorization.as_str())][..],
        &[("authorization", &authorization), ("content-length", "4")],
    ] {
        world.sent(1);
        let request = h2_client::request("POST", "/grpc", fields);
        let answer = client
            .request(request, b"ping", Some(spoofed.clone()))
            .await;
        let answer = answer.unwrap();
        assert_eq!(answer.head.status, 200);
        let to_client = format!("{:?} {:?}", answer.head.headers, answer.trailers);
        assert!(!to_client.contains("spoofed"), "{to_client}");
        assert_eq!(answer.trailers.unwrap()["x-sum"], "7");
        let arrived = backend.requests().pop().unwrap();
        let to_backend = format!("{:?} {:?}", arrived.head.headers, arrived.trailers);
        assert!(!to_backend.contains("spoofed"), "{to_backend}");
    }
    world.end().await;
}
