use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use futures_util::stream;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};

use super::super::{ApiLimits, ApiParts, Authenticator, Stopping};
use super::*;
use crate::clock::{SharedClock, SystemClock};
use crate::identity::jwks::{JwksSettings, KeySetRegistry};
use crate::memory::sqlite::{Settings, SqliteStore};
use crate::memory::{Bounds, Confidentiality, Memory, Quotas, Rules};
use crate::tenant::TenantGrammar;

/// A service with routes that go wrong in every way, and what stops it.
struct Stage {
    _folder: tempfile::TempDir,
    router: TowerToHyperService<Router>,
    stop: watch::Sender<bool>,
    go_on: Arc<Notify>,
}

fn stage() -> Stage {
    let clock: SharedClock = Arc::new(SystemClock);
    let registry =
        KeySetRegistry::new(Handle::current(), JwksSettings::default(), clock.clone()).unwrap();
    let grammar = TenantGrammar::default();
    let (stop, stopping) = Stopping::new();
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&Settings::new(folder.path().join("memory"))).unwrap();
    let store = Arc::new(store);
    let bounds = Bounds::default();
    let state = AppState::new(ApiParts {
        authenticator: Authenticator::new(None, &[], &grammar, &registry, &clock),
        rules: Rules {
            shared_write_roles: Vec::new(),
            tenant_admin_roles: Vec::new(),
            default_clearance: Confidentiality::Internal,
            clearances: Vec::new(),
        },
        memory: Memory::new(store, Quotas::default(), bounds, Arc::clone(&clock)),
        limits: ApiLimits {
            body_bytes: 100,
            import_bytes: 100,
            requests_at_once: 1,
            streams_at_once: 1,
            answer_bytes: 8 << 20,
            request_timeout: Duration::from_millis(100),
            bulk_timeout: Duration::from_secs(60),
        },
        metrics: Arc::new(MemoryMetrics::new().unwrap()),
        clock,
        stopping,
    });
    let go_on = Arc::new(Notify::new());
    let waiting = Arc::clone(&go_on);
    let router = Router::new()
        .route("/", get(async || "here"))
        .route("/panics", get(panics))
        .route("/never", get(std::future::pending::<()>))
        .route(
            "/v1/import",
            get(move || async move { waiting.notified().await }),
        )
        .route("/own-words", get(own_words))
        .route("/events", get(events))
        .layer(from_fn_with_state(state, run));
    Stage {
        _folder: folder,
        router: TowerToHyperService::new(router),
        stop,
        go_on,
    }
}

async fn panics() -> StatusCode {
    panic!("a defect")
}

/// A facade that tells a problem in another protocol's words.
async fn own_words() -> Response {
    let mut response = Problem::new(ProblemCode::NotFound).into_response();
    *response.body_mut() = Body::from("no such thing");
    response
}

async fn events() -> impl IntoResponse {
    let nothing = stream::pending::<Result<Bytes, std::io::Error>>();
    (
        [(header::CONTENT_TYPE, "text/event-stream")],
        Body::from_stream(nothing),
    )
}

impl Stage {
    async fn ask(&self, target: &str) -> Response {
        let request = Request::builder().uri(target).header("x-request-id", "r-1");
        let request = request.body(Body::empty()).unwrap();
        self.router.call(request).await.unwrap()
    }

    async fn refused(&self, target: &str) -> (StatusCode, String) {
        let response = self.ask(target).await;
        let status = response.status();
        let reading = to_bytes(response.into_body(), 10_000);
        let body = tokio::time::timeout(Duration::from_secs(5), reading).await;
        let body = body.expect("a refusal has an end").unwrap();
        let problem: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem["request_id"], "r-1");
        (status, problem["code"].as_str().unwrap().to_owned())
    }
}

fn is(status: u16, code: &str) -> (StatusCode, String) {
    (StatusCode::from_u16(status).unwrap(), code.to_owned())
}

#[tokio::test]
async fn a_panic_is_answered_and_the_next_request_is_served() {
    let stage = stage();
    assert_eq!(stage.refused("/panics").await, is(500, "internal"));
    assert_eq!(stage.ask("/").await.status(), 200);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_given_up_and_a_bulk_one_has_longer() {
    let stage = stage();
    assert_eq!(stage.refused("/never").await, is(503, "timed_out"));
    let bulk = async { stage.ask("/v1/import").await.status() };
    let later = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        stage.go_on.notify_one();
    };
    let (status, ()) = tokio::join!(bulk, later);
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_place_is_taken_until_the_last_byte_and_who_finds_none_is_told_when_to_come_back() {
    let stage = stage();
    let first = stage.ask("/").await;
    let refused = stage.ask("/").await;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
    assert_eq!(stage.refused("/").await, is(503, "overloaded"));
    drop(first);
    assert_eq!(stage.ask("/").await.status(), 200);
}

#[tokio::test]
async fn an_event_stream_has_a_place_of_its_own_and_ends_with_the_process() {
    let stage = stage();
    let events = stage.ask("/events").await;
    assert_eq!(events.status(), 200);
    assert_eq!(
        stage.ask("/").await.status(),
        200,
        "it is no request any more"
    );
    assert_eq!(stage.refused("/events").await, is(503, "overloaded"));
    let reading = tokio::spawn(to_bytes(events.into_body(), 10));
    stage.stop.send_replace(true);
    let read = tokio::time::timeout(Duration::from_secs(5), reading).await;
    assert!(read.unwrap().unwrap().unwrap().is_empty());
}

#[tokio::test]
async fn what_a_facade_says_in_its_own_words_stays_and_no_cache_may_keep_it() {
    let stage = stage();
    let response = stage.ask("/own-words").await;
    assert_eq!(response.status(), 404);
    assert_eq!(
        response.headers()[header::CACHE_CONTROL],
        "private, no-store"
    );
    let body = to_bytes(response.into_body(), 100).await.unwrap();
    assert_eq!(body, "no such thing");
}

#[tokio::test]
async fn a_compressed_body_is_not_unpacked() {
    let stage = stage();
    for (coding, status) in [("gzip", 415), ("identity, br", 415), ("identity", 200)] {
        let request = Request::builder()
            .uri("/")
            .header("content-encoding", coding);
        let request = request.body(Body::empty()).unwrap();
        let response = stage.router.call(request).await.unwrap();
        assert_eq!(response.status(), status, "{coding}");
    }
}
