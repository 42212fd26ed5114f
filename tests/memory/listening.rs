//! The listener: transports, slow and silent peers, too many of them, and the end.

use std::convert::Infallible;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use fabric_gate::memory_api::server::{Server, ServerAddress, ServerSettings};
use fabric_gate::memory_api::{MemoryMetrics, Stopping};
use futures_util::{StreamExt, stream};
use nix::sys::signal::Signal;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::memory_process::MemoryProcess;
use crate::support::certificates::Authority;
use crate::support::h2_client::{self, H2Client};
use crate::support::raw_client::{RawClient, request};
use crate::support::transport::Address;
use crate::support::within;

/// A listener of this process with routes that take their time.
struct Listening {
    address: Address,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    /// Lets the requests to `/slow` go on.
    go_on: Arc<Notify>,
}

impl Listening {
    fn with(change: impl FnOnce(&mut ServerSettings)) -> Self {
        let mut settings = ServerSettings {
            address: ServerAddress::Tcp("127.0.0.1:0".parse().unwrap()),
            tls: None,
            connections: 100,
            header_timeout: Duration::from_millis(300),
            idle_timeout: Duration::from_millis(900),
            grace: Duration::from_secs(5),
        };
        change(&mut settings);
        let metrics = Arc::new(MemoryMetrics::new().unwrap());
        let server = Server::bind(settings, metrics).unwrap();
        let ServerAddress::Tcp(address) = server.address() else {
            panic!("it listens by TCP");
        };
        let (stop, stopping) = Stopping::new();
        let go_on = Arc::new(Notify::new());
        let serving = tokio::spawn(server.serve(routes(&go_on), stopping));
        Self {
            address: Address::Tcp(address),
            stop,
            serving,
            go_on,
        }
    }

    async fn get(&self, target: &str) -> u16 {
        let mut client = RawClient::connect(&self.address).await;
        client.send(request("GET", target, &[], b"")).await;
        client.read_response().await.status
    }
}

fn routes(go_on: &Arc<Notify>) -> Router {
    let go_on = Arc::clone(go_on);
    let slow = move || {
        let go_on = Arc::clone(&go_on);
        async move {
            go_on.notified().await;
            "done"
        }
    };
    let large = || async {
        let piece = Bytes::from(vec![b'x'; 64 * 1024]);
        Body::from_stream(stream::repeat(Ok::<_, Infallible>(piece)).take(4_096))
    };
    Router::new()
        .route("/", get(async || "here"))
        .route("/slow", get(slow))
        .route("/large", get(large))
        .route("/echo", post(async |body: Bytes| body))
}

/// Waits for the other side to close, and says how long it took.
async fn until_closed(client: &mut RawClient) -> Duration {
    let begun = Instant::now();
    within("the close", client.read_to_end()).await;
    begun.elapsed()
}

#[tokio::test]
async fn a_head_that_does_not_come_to_its_end_closes_the_connection() {
    // Silence alone would not close it within the time of a test.
    let listening = Listening::with(|settings| settings.idle_timeout = Duration::from_secs(600));
    let mut client = RawClient::connect(&listening.address).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n").await;
    let taken = until_closed(&mut client).await;
    assert!(taken >= Duration::from_millis(250), "{taken:?}");
    // Bytes that come one by one are no progress.
    let mut client = RawClient::connect(&listening.address).await;
    let begun = Instant::now();
    while client.try_send("x").await.is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(5), "still open");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_silent_connection_is_closed_after_its_time_and_a_busy_one_is_not() {
    let listening = Listening::with(|settings| {
        settings.header_timeout = Duration::from_millis(150);
        settings.idle_timeout = Duration::from_millis(900);
    });
    let mut client = RawClient::connect(&listening.address).await;
    for _ in 0..2 {
        client.send(request("GET", "/", &[], b"")).await;
        assert_eq!(client.read_response().await.status, 200);
        tokio::time::sleep(Duration::from_millis(450)).await;
    }
    client.send(request("GET", "/", &[], b"")).await;
    let served = client.read_response().await.status;
    assert_eq!(served, 200, "idle for less than the idle timeout");
    let taken = until_closed(&mut client).await;
    assert!(taken >= Duration::from_millis(800), "{taken:?}");
    let mut busy = RawClient::connect(&listening.address).await;
    busy.send(request("GET", "/slow", &[], b"")).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    listening.go_on.notify_one();
    let served = busy.read_response().await.status;
    assert_eq!(served, 200, "a request under way is no silence");
}

#[tokio::test]
async fn who_does_not_take_its_answer_is_let_go_of() {
    let listening = Listening::with(|settings| {
        settings.idle_timeout = Duration::from_millis(300);
        settings.connections = 1;
    });
    let mut client = RawClient::connect(&listening.address).await;
    client.send(request("GET", "/large", &[], b"")).await;
    assert_eq!(client.read_response_to_head().await.status, 200);
    // It reads no further. Its place is the only one.
    let begun = Instant::now();
    loop {
        let mut next = RawClient::connect(&listening.address).await;
        let answer = next.try_exchange(&request("GET", "/", &[], b"")).await;
        if answer.is_some_and(|answer| answer.status == 200) {
            break;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(8),
            "it holds its place"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(
        begun.elapsed() >= Duration::from_millis(250),
        "it had its time"
    );
}

#[tokio::test]
async fn one_connection_too_many_is_closed_and_the_others_are_served_on() {
    let listening = Listening::with(|settings| {
        settings.connections = 1;
        settings.idle_timeout = Duration::from_secs(30);
    });
    let mut first = RawClient::connect(&listening.address).await;
    first.send(request("GET", "/", &[], b"")).await;
    assert_eq!(first.read_response().await.status, 200);
    let mut second = RawClient::connect(&listening.address).await;
    let refused = second.try_exchange(&request("GET", "/", &[], b"")).await;
    assert!(refused.is_none(), "{refused:?}");
    first.send(request("GET", "/", &[], b"")).await;
    assert_eq!(first.read_response().await.status, 200);
}

#[tokio::test]
async fn a_stop_lets_requests_under_way_finish_and_lets_no_new_one_in() {
    let listening = Listening::with(|settings| settings.idle_timeout = Duration::from_secs(30));
    let mut idle = RawClient::connect(&listening.address).await;
    idle.send(request("GET", "/", &[], b"")).await;
    assert_eq!(idle.read_response().await.status, 200);
    let mut busy = RawClient::connect(&listening.address).await;
    busy.send(request("GET", "/slow", &[], b"")).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    listening.stop.send_replace(true);
    let taken = until_closed(&mut idle).await;
    assert!(
        taken < Duration::from_secs(2),
        "an idle one ends at once: {taken:?}"
    );
    let begun = Instant::now();
    while listening.address.connect().await.is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(2), "still connecting");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    listening.go_on.notify_one();
    let response = busy.read_response().await;
    assert_eq!((response.status, response.text().as_str()), (200, "done"));
    within("the end", listening.serving).await.unwrap();
}

#[tokio::test]
async fn what_outlives_the_grace_is_cut_off() {
    let listening = Listening::with(|settings| settings.grace = Duration::from_millis(200));
    let mut busy = RawClient::connect(&listening.address).await;
    busy.send(request("GET", "/slow", &[], b"")).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begun = Instant::now();
    listening.stop.send_replace(true);
    within("the end", listening.serving).await.unwrap();
    let taken = begun.elapsed();
    assert!(
        taken >= Duration::from_millis(150),
        "it had its grace: {taken:?}"
    );
    assert!(taken < Duration::from_secs(3), "{taken:?}");
}

#[tokio::test]
async fn http1_and_http2_are_served_on_the_same_plain_port() {
    let listening = Listening::with(|_| {});
    assert_eq!(listening.get("/").await, 200);
    let mut client = H2Client::connect(&listening.address).await;
    let asked = h2_client::request("POST", "/echo", &[]);
    let response = client.request(asked, b"text", None).await;
    assert_eq!(response.unwrap().body, b"text");
    tokio::time::sleep(Duration::from_millis(500)).await;
    let asked = h2_client::request("POST", "/echo", &[]);
    let again = client.request(asked, b"more", None).await;
    assert_eq!(
        again.unwrap().body,
        b"more",
        "between requests HTTP/2 is idle and not slow with a head"
    );
}

#[tokio::test]
async fn tls_is_spoken_in_both_versions_and_a_client_without_certificate_stays_out() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("memory test");
    let server = authority.server(folder.path(), "server", &["memory.test"]);
    let gate = authority.client(folder.path(), "gate", Vec::new());
    let roots = authority.write(folder.path(), "roots");
    for client_ca in [None, Some(roots)] {
        let ca = client_ca.as_ref().map_or_else(String::new, |path| {
            format!(", client_ca = \"{}\"", path.display())
        });
        let tls = format!(
            "tls = {{ certificate = \"{}\", private_key = \"{}\"{ca} }}",
            server.certificate.display(),
            server.private_key.display()
        );
        let process = MemoryProcess::builder().listen_extra(&tls).start().await;
        let identity = client_ca.is_some().then_some(&gate);
        let token = process.assertion("acme", "alice", &[]);
        let headers = [("X-Fabric-Assertion", token.as_str())];
        let asked = request("GET", "/v1/caller", &headers, b"");
        let plain = authority.client_config(&["http/1.1"], identity);
        let mut client = RawClient::connect_tls(process.address(), "memory.test", plain)
            .await
            .unwrap();
        let response = client.try_exchange(&asked).await.unwrap();
        assert_eq!(response.status, 200, "{response:?}");
        let h2 = authority.client_config(&["h2"], identity);
        let mut client = H2Client::connect_tls(process.address(), "memory.test", h2).await;
        let asked_h2 = h2_client::request("GET", "/v1/caller", &headers);
        let response = client.request(asked_h2, b"", None).await.unwrap();
        assert_eq!(response.head.status, 200);
        if client_ca.is_some() {
            // With TLS 1.3 a client learns that it is refused only from the first read.
            let nobody = authority.client_config(&["http/1.1"], None);
            let client = RawClient::connect_tls(process.address(), "memory.test", nobody).await;
            if let Ok(mut client) = client {
                let response = client.try_exchange(&asked).await;
                assert!(response.is_none(), "{response:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_unix_socket_is_for_owner_and_group_and_goes_with_the_process() {
    let mut process = MemoryProcess::builder().on_unix_socket().start().await;
    let path: PathBuf = process.folder().join("m.sock");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let who = ("acme", "alice", &[][..]);
    assert_eq!(
        process.ask_as(who, "GET", "/v1/caller", b"").await.status,
        200
    );
    process.kill();
    assert!(path.exists(), "a killed process leaves it behind");
    process.start_again().await;
    assert_eq!(
        process.ask_as(who, "GET", "/v1/caller", b"").await.status,
        200
    );
    assert!(process.stop().await.success());
    assert!(!path.exists());
}

#[tokio::test]
async fn both_signals_end_the_process_in_good_order() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut process = MemoryProcess::builder().start().await;
        process.signal(signal);
        let status = process.wait_for_exit().await;
        assert!(status.success(), "{signal}: {status}\n{}", process.stderr());
    }
}

#[tokio::test]
async fn metrics_are_on_the_operators_address_only_and_health_on_both() {
    let process = MemoryProcess::builder().start().await;
    let token = process.assertion("canary-tenant", "canary-user", &[]);
    let headers = [("X-Fabric-Assertion", token.as_str())];
    assert_eq!(
        process.ask("GET", "/v1/caller", &headers, b"").await.status,
        200
    );
    assert_eq!(process.ask("GET", "/v1/caller", &[], b"").await.status, 401);
    assert_eq!(
        process.ask("GET", "/metrics", &headers, b"").await.status,
        404
    );
    for path in ["/livez", "/readyz"] {
        assert_eq!(process.ask("GET", path, &[], b"").await.status, 200);
        assert_eq!(process.operate(path).await.status, 200);
    }
    let metrics = process.operate("/metrics").await;
    assert_eq!(metrics.status, 200);
    let text = metrics.text();
    for line in [
        "fabric_memory_requests_total{method=\"GET\",route=\"/v1/caller\",status=\"2xx\"} 1",
        "fabric_memory_refusals_total{code=\"credentials_missing\"} 1",
        "fabric_memory_keys_usable{issuer=\"fabric-gate\"} 1",
    ] {
        assert!(text.contains(line), "`{line}` is not in\n{text}");
    }
    assert!(!text.contains("canary"), "{text}");
    assert_eq!(
        process.operate("/v1/caller").await.status,
        404,
        "no caller's route is on the operators' address"
    );
}

#[tokio::test]
async fn the_log_has_one_line_for_a_request_and_no_token_query_or_user_in_it() {
    let process = MemoryProcess::builder().start().await;
    let token = process.assertion("acme", "canary-user", &[]);
    let headers = [
        ("X-Fabric-Assertion", token.as_str()),
        ("X-Request-Id", "r-77"),
    ];
    let target = "/v1/caller?note=canary-query";
    assert_eq!(process.ask("GET", target, &headers, b"").await.status, 200);
    let log = process.stderr();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("r-77")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    for part in ["/v1/caller", "tenant=\"acme\"", "status=200"] {
        assert!(lines[0].contains(part), "`{part}` is not in {}", lines[0]);
    }
    assert!(!log.contains("canary"), "{log}");
    assert!(!log.contains(&token), "{log}");
}
