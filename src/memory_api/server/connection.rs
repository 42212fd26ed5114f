//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};

use super::activity::{Activity, Watched};
use crate::memory_api::Stopping;
use crate::memory_api::held::Held;

/// Most bytes of a request's head.
const HEAD_BYTES: usize = 64 * 1024;

/// Most streams of one HTTP/2 connection at once.
const STREAMS: u32 = 128;

/// How often an HTTP/2 peer that says nothing is asked whether it is there, and how long it may take.
const PING: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(10));

/// How long a connection that is told to end, with nothing under way, may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// How slow a connection may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectionSettings {
    /// For a request's head.
    pub(super) header: Duration,
    /// For silence between requests.
    pub(super) idle: Duration,
}

impl ConnectionSettings {
    /// How often it is looked at: often enough to end it near its time.
    fn look(&self) -> Duration {
        let shortest = self.header.min(self.idle);
        (shortest / 4).clamp(Duration::from_millis(20), Duration::from_secs(1))
    }
}

/// Serves one connection until either side ends it, it is too slow, or the process stops.
pub(super) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    settings: ConnectionSettings,
    stopping: Stopping,
) {
    let activity = Activity::new();
    let routes = TowerToHyperService::new(router);
    let seen = Arc::clone(&activity);
    let service = service_fn(move |request: Request<Incoming>| {
        let under_way = seen.request();
        let seen = Arc::clone(&seen);
        let answering = routes.call(request);
        async move {
            let response: Response = answering.await?;
            let held = |body| seen.answer(Body::new(Held::new(body, under_way)));
            Ok::<_, Infallible>(response.map(held))
        }
    });
    let builder = builder();
    let stream = TokioIo::new(Watched::new(stream, Arc::clone(&activity)));
    let mut connection = pin!(builder.serve_connection(stream, service));
    let mut stop = pin!(stopping.begun());
    let mut look = tokio::time::interval(settings.look());
    let mut stopped = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                }
                return;
            }
            () = &mut stop, if !stopped => {
                stopped = true;
                connection.as_mut().graceful_shutdown();
            }
            _ = look.tick() => {
                activity.let_go(settings.idle);
                if activity.is_expired(&settings) {
                    break;
                }
            }
        }
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(FAREWELL, connection).await;
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // Watched by `activity`, which tells an idle connection from a slow head.
        .header_read_timeout(None)
        .max_buf_size(HEAD_BYTES);
    let (interval, timeout) = PING;
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(64 * 1024)
        .keep_alive_interval(interval)
        .keep_alive_timeout(timeout);
    builder
}
