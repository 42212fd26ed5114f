//! What requests and answers travel on: TLS and unix sockets, to the gate and to backends.

use crate::stage::{Stage, World};
use crate::support::certificates::Authority;
use crate::support::h2_backend::{H2Answer, H2Backend};
use crate::support::h2_client::H2Client;
use crate::support::raw_client::RawClient;
use crate::support::recording_backend::RecordingBackend;
use crate::support::transport::{Address, Endpoint};

/// A gate with a certificate of this authority, for `gate.test`, before a backend.
async fn with_tls(authority: &Authority, backend: &RecordingBackend) -> World {
    Stage::new()
        .upstream("h1", backend.url(), "")
        .configured(|builder| {
            let identity = authority.server(builder.folder(), "gate", &["gate.test"]);
            builder.tls(&identity, None)
        })
        .start()
        .await
}

#[tokio::test]
async fn a_tls_client_gets_the_protocol_it_asks_for() {
    let backend = RecordingBackend::ok().await;
    let authority = Authority::new("clients trust this");
    let world = with_tls(&authority, &backend).await;
    let address = world.gate.address();

    let config = authority.client_config(&["h2", "http/1.1"], None);
    let mut client = H2Client::connect_tls(address, "gate.test", config).await;
    let request = world.h2_request("GET", "/h1/plain/x", &[]);
    let answer = client.request(request, b"", None).await.unwrap();
    assert_eq!(answer.head.status, 200);

    for alpn in [&["http/1.1"][..], &[]] {
        let config = authority.client_config(alpn, None);
        let mut client = RawClient::connect_tls(address, "gate.test", config)
            .await
            .unwrap();
        client
            .send(world.request("GET", "/h1/plain/x", &[], b""))
            .await;
        assert_eq!(client.read_response().await.status, 200, "{alpn:?}");
    }
    assert_eq!(backend.requests().len(), 3);
}

#[tokio::test]
async fn a_tls_listener_serves_nothing_in_plain() {
    let backend = RecordingBackend::ok().await;
    let world = with_tls(&Authority::new("any"), &backend).await;

    let mut client = world.client().await;
    client
        .send(world.request("GET", "/h1/plain/x", &[], b""))
        .await;
    let seen = client.read_to_end().await;

    assert!(
        !seen.starts_with(b"HTTP/"),
        "{}",
        String::from_utf8_lossy(&seen)
    );
    assert_eq!(backend.connections(), 0);
}

#[tokio::test]
async fn a_backend_is_reached_by_tls_when_its_authority_is_the_configured_one() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("backends");
    let identity = authority.server(folder.path(), "backend", &["localhost"]);
    let h1 = RecordingBackend::start_on(Endpoint::tls(&identity, &["http/1.1"]), |_| {
        crate::support::recording_backend::Answer::json(200, "{}")
    })
    .await;
    let h2 = H2Backend::start_on(Endpoint::tls(&identity, &["h2"]), |_| {
        H2Answer::new(200, "over h2")
    })
    .await;
    let ca = authority.write(folder.path(), "ca");
    let ca = format!("ca = \"{}\"", ca.display());
    let world = Stage::new()
        .upstream("h1", h1.url(), &ca)
        .upstream("h2", h2.url(), &format!("{ca}\nhttp2 = true"))
        .start()
        .await;

    let answer = world.ask("GET", "/h1/plain/x", &[], b"").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let host = h1.only_request().head.value("host").unwrap();
    assert!(
        host.starts_with("localhost:"),
        "the backend's own name: {host}"
    );
    let answer = world.ask("GET", "/h2/plain/x", &[], b"").await;
    assert_eq!(answer.text(), "over h2");
}

#[tokio::test]
async fn a_backend_that_another_authority_vouches_for_gets_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let identity = Authority::new("impostor").server(folder.path(), "backend", &["localhost"]);
    let other_name = Authority::new("backends");
    let wrong_name = other_name.server(folder.path(), "elsewhere", &["elsewhere.test"]);
    let ca = other_name.write(folder.path(), "ca");
    let ca = format!("ca = \"{}\"", ca.display());
    let ok = |_: &_| crate::support::recording_backend::Answer::json(200, "{}");
    let impostor = RecordingBackend::start_on(Endpoint::tls(&identity, &[]), ok).await;
    let misnamed = RecordingBackend::start_on(Endpoint::tls(&wrong_name, &[]), ok).await;
    let world = Stage::new()
        .upstream("impostor", impostor.url(), &ca)
        .upstream("misnamed", misnamed.url(), &ca)
        .start()
        .await;

    for name in ["impostor", "misnamed"] {
        for (method, body) in [("GET", vec![]), ("POST", vec![b'x'; 20_000])] {
            let target = format!("/{name}/plain/x");
            let answer = world.ask(method, &target, &[], &body).await;
            assert_eq!(answer.status, 502, "{method} {name}");
            assert_eq!(answer.json()["code"], "upstream_unreachable");
            assert!(
                !answer.text().contains("certificate"),
                "why is for the log: {}",
                answer.text()
            );
        }
    }
    assert!(impostor.requests().is_empty() && misnamed.requests().is_empty());
}

#[tokio::test]
async fn requests_and_answers_pass_through_unix_sockets_on_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backend.sock");
    let backend = RecordingBackend::start_on(Endpoint::unix(&path), |_| {
        crate::support::recording_backend::Answer::json(200, "{}")
    })
    .await;
    let world = Stage::new()
        .upstream("h1", backend.url(), "")
        .configured(|builder| builder.on_unix_socket())
        .start()
        .await;
    assert!(matches!(world.gate.address(), Address::Unix(_)));

    let body = vec![b'x'; 100_000];
    for (method, body) in [("GET", &[][..]), ("POST", &body)] {
        let answer = world.ask(method, "/h1/plain/x", &[], body).await;
        assert_eq!(answer.status, 200, "{method}");
    }
    let mut client = world.h2_client().await;
    let request = world.h2_request("GET", "/h1/plain/x", &[]);
    let answer = client.request(request, b"", None).await.unwrap();
    assert_eq!(answer.head.status, 200, "over HTTP/2");

    let requests = backend.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[1].body.content, body);
    assert_eq!(
        requests[0].head.value("host").as_deref(),
        Some("gate.test"),
        "a socket has no name of its own"
    );
}
