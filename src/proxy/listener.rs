//! One client connection: admission to the process, and every HTTP/1 head on it.
//!
//! HTTP/2 connections go to pingora as they are; its h2 library bounds header lists and streams.
//! For HTTP/1 the loop over requests is here, so that the gate reads each head itself
//! (see [`super::head_reader`]).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use http::{HeaderMap, Method};
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ServerApp};
use pingora::protocols::Stream;
use pingora::protocols::tls::ALPN;
use pingora::proxy::Session;
use pingora::server::ShutdownWatch;
use pingora_timeout::fast_timeout::fast_timeout;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

use super::carrier::Carrier;
use super::head_reader::{HeadDeadlines, HeadRead, read_head};
use super::watched::Watched;
use crate::decision::{CONTENT_TYPE, Denial, DenialCode, FailureCode, Problem, Refusal};
use crate::pipeline::Gate;
use crate::pipeline::framing::{self, BodyFraming, RawHead};
use crate::telemetry::Metrics;

/// The first bytes of an HTTP/2 connection (RFC 9113 section 3.4).
const H2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long an idle connection is kept at shutdown for a request that is already under way.
const LINGER: Duration = Duration::from_secs(2);

/// How long a refused client may take to read its answer and stop sending.
const FAREWELL: Duration = Duration::from_millis(500);

/// Requests on one HTTP/1 connection before it is closed.
const REQUESTS_PER_CONNECTION: u32 = 1_000;

/// Bounds on client connections.
#[derive(Clone, Copy, Debug)]
pub struct ListenerBounds {
    /// Connections at a time.
    pub connections: usize,
    /// For a whole request head, from its first byte.
    pub header: Duration,
    /// Silence between requests.
    pub idle: Duration,
    /// Whether HTTP/2 is spoken without TLS, by prior knowledge.
    pub h2c: bool,
}

/// The application pingora hands connections to.
pub(super) struct ConnectionApp {
    pub(super) gate: Arc<Gate>,
    pub(super) carrier: Arc<Carrier>,
    pub(super) proxy: Arc<Watched>,
    pub(super) bounds: ListenerBounds,
    pub(super) places: Arc<Semaphore>,
}

#[async_trait]
impl ServerApp for ConnectionApp {
    async fn process_new(
        self: &Arc<Self>,
        mut stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let Ok(_place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.gate.metrics().connection_refused();
            self.turn_away(stream, &FailureCode::Overloaded.into(), None)
                .await;
            return None;
        };
        let _open = Open::new(self.gate.metrics());
        match self.speaks_h2(&mut stream).await {
            Some(true) => ServerApp::process_new(&self.proxy, stream, shutdown).await,
            Some(false) => {
                self.serve_http1(stream, shutdown).await;
                None
            }
            None => None,
        }
    }

    async fn cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}

/// Counts a connection for as long as it is open.
struct Open<'gate>(&'gate Metrics);

impl<'gate> Open<'gate> {
    fn new(metrics: &'gate Metrics) -> Self {
        metrics.connection(1);
        Self(metrics)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.connection(-1);
    }
}

/// Who carries a request of HTTP/1.
#[derive(Clone, Copy)]
enum Way {
    /// The gate alone.
    Own,
    /// The gate, and behind the answer a socket; what follows the head is the socket's.
    Upgrade { head_length: usize },
    /// pingora's loop.
    Loop,
}

impl Way {
    fn of(head: &RawHead<'_>, head_length: usize) -> Self {
        match (head.upgrade, head.body) {
            (true, BodyFraming::None) => Self::Upgrade { head_length },
            _ if Carrier::serves(head) => Self::Own,
            _ => Self::Loop,
        }
    }
}

impl ConnectionApp {
    /// Whether the client speaks HTTP/2; `None` when it says nothing in time.
    async fn speaks_h2(&self, stream: &mut Stream) -> Option<bool> {
        if matches!(stream.selected_alpn_proto(), Some(ALPN::H2)) {
            return Some(true);
        }
        if !self.bounds.h2c || stream.get_ssl_digest().is_some() {
            return Some(false);
        }
        match fast_timeout(self.bounds.header, begins_with_preface(stream)).await {
            Ok(Ok(preface)) => Some(preface),
            Ok(Err(_)) | Err(_) => None,
        }
    }

    async fn serve_http1(&self, mut stream: Stream, shutdown: &ShutdownWatch) {
        let mut stopping = shutdown.clone();
        let mut settings: Option<HttpPersistentSettings> = None;
        let mut deadlines = HeadDeadlines {
            first_byte: self.bounds.header,
            whole_head: self.bounds.header,
        };
        loop {
            let (mut buffer, way) =
                match read_head(&mut stream, deadlines, &mut stopping, LINGER).await {
                    HeadRead::Complete {
                        buffer,
                        head_length,
                    } => {
                        let head = buffer.get(..head_length).unwrap_or_default();
                        let way = match framing::inspect(head) {
                            Ok(head) => Way::of(&head, head_length),
                            Err(fault) => {
                                let refusal =
                                    Denial::because(DenialCode::RequestRejected, fault.to_string())
                                        .into();
                                self.turn_away(stream, &refusal, Some(head)).await;
                                return;
                            }
                        };
                        (buffer, way)
                    }
                    HeadRead::Gone => return,
                    HeadRead::TooSlow => {
                        self.turn_away(stream, &DenialCode::RequestTimeout.into(), None)
                            .await;
                        return;
                    }
                    HeadRead::TooLarge => {
                        let refusal = Denial::because(
                            DenialCode::RequestRejected,
                            "the request head is too large",
                        );
                        self.turn_away(stream, &refusal.into(), None).await;
                        return;
                    }
                };
            let early = match way {
                Way::Upgrade { head_length } => buffer.split_off(head_length),
                Way::Own | Way::Loop => BytesMut::new(),
            };
            let mut session = Session::new_h1(stream);
            match settings.take() {
                Some(settings) => settings.apply_to_session(&mut session),
                None => {
                    session.set_keepalive(Some(self.bounds.idle.as_secs()));
                    session.set_keepalive_reuses_remaining(Some(REQUESTS_PER_CONNECTION));
                }
            }
            session.set_pipelined_prefix(buffer);
            let reused = match way {
                Way::Own => self.carrier.serve(session, shutdown).await,
                Way::Upgrade { .. } => {
                    // Boxed, because it is rare and large: the future of every connection would
                    // carry it.
                    Box::pin(self.carrier.serve_upgrade(session, early)).await;
                    None
                }
                Way::Loop => {
                    let session = *session.downstream_session;
                    self.proxy.process_new_http(session, shutdown).await
                }
            };
            let Some(reused) = reused else {
                return;
            };
            (stream, settings) = reused.consume();
            deadlines.first_byte = self.bounds.idle;
        }
    }

    /// Refuses a request that no parser should see, and closes the connection.
    async fn turn_away(&self, mut stream: Stream, refusal: &Refusal, head: Option<&[u8]>) {
        let mut trail = self.gate.begin();
        let (method, target) = head.map(request_line).unwrap_or_default();
        trail.asked(&method, target, &HeaderMap::new());
        trail.refused(refusal);
        if self.gate.record(&mut trail).await.is_err() {
            tracing::error!(request_id = %trail.request_id(), trace_id = trail.trace_id(), "a request ended without an audit record");
        }
        self.gate.observe(&trail);
        let problem = Problem::of(refusal, trail.request_id().as_str());
        let retry = problem
            .retry_after
            .map_or_else(String::new, |seconds| format!("Retry-After: {seconds}\r\n"));
        let mut answer = format!(
            "HTTP/1.1 {status} {reason}\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {length}\r\n\
             Cache-Control: no-store\r\nX-Request-Id: {id}\r\n{retry}Connection: close\r\n\r\n",
            status = problem.status,
            reason = http::StatusCode::from_u16(problem.status).ok().and_then(|s| s.canonical_reason()).unwrap_or(""),
            length = problem.body.len(),
            id = trail.request_id(),
        )
        .into_bytes();
        answer.extend_from_slice(&problem.body);
        // Unread input would turn the close into a reset, and the reset would take the answer with
        // it: what still comes is read and thrown away, for a moment.
        let farewell = async {
            stream.write_all(&answer).await?;
            stream.flush().await?;
            stream.shutdown().await?;
            let mut rest = [0_u8; 4096];
            while stream.read(&mut rest).await? > 0 {}
            Ok::<(), std::io::Error>(())
        };
        match fast_timeout(FAREWELL, farewell).await {
            Ok(Ok(())) | Err(_) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a refused client was gone"),
        }
    }
}

/// Whether the preface comes first. A peek waits for all it asks for, and a whole HTTP/1 request can
/// be shorter than the preface, so the rest is asked for only where no served method begins alike.
async fn begins_with_preface(stream: &mut Stream) -> std::io::Result<bool> {
    let mut beginning = *b"PRI ";
    if !stream.try_peek(&mut beginning).await? || !H2_PREFACE.starts_with(&beginning) {
        return Ok(false);
    }
    let mut first = [0_u8; H2_PREFACE.len()];
    Ok(stream.try_peek(&mut first).await? && first == *H2_PREFACE)
}

/// Method and target of a head that was refused, for its record: as far as they can be told.
fn request_line(head: &[u8]) -> (Method, &[u8]) {
    let line = head
        .split(|byte| matches!(byte, b'\r' | b'\n'))
        .next()
        .unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let method = words.next().and_then(|word| Method::from_bytes(word).ok());
    match method {
        Some(method) if framing::is_served_method(method.as_str().as_bytes()) => {
            (method, words.next().unwrap_or_default())
        }
        // What is no request may be anything, the rest of a body among it: none of it is kept.
        Some(_) | None => (Method::default(), &[]),
    }
}
