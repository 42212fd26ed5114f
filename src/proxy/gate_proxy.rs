//! pingora's callbacks. Each says what happens in a few lines; the work is elsewhere.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType};

use super::body::{self, BodyBounds, BodyPace};
use super::context::Exchange;
use super::exchange::Exchanger;
use super::tls::ClientIdentity;
use super::upstreams::Upstreams;
use super::{failures, forward, respond};
use crate::decision::{Denial, DenialCode, Refusal};
use crate::pipeline::framing::{self, FramingFault};
use crate::pipeline::{Admission, Call, Gate, PeerFacts, Step};

/// Bodies up to this length are read before the exchange begins even where nobody looks at them:
/// they arrive with the head or right behind it, and the request takes the shorter way.
const SHORT_BODY: u64 = 16 * 1024;

/// The proxy: what pingora calls.
pub(super) struct GateProxy {
    pub(super) gate: Arc<Gate>,
    pub(super) upstreams: Arc<Upstreams>,
    pub(super) exchanger: Exchanger,
    pub(super) pace: BodyPace,
}

impl GateProxy {
    /// Decides about the request, and answers it where the answer is the gate's to give.
    ///
    /// `None`: it was answered.
    async fn decide(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
    ) -> pingora::Result<Option<Decided>> {
        let generation = self.gate.generation();
        let mut captured = None;
        loop {
            let peer = peer_facts(session);
            let body: Option<&[u8]> = captured
                .as_ref()
                .map(|body: &body::CapturedBody| &*body.bytes);
            let step = match call_of(session) {
                Ok(call) => {
                    self.gate
                        .admit(&generation, &call, &peer, body, exchange.trail_mut())
                        .await
                }
                Err(refusal) => Err(refusal),
            };
            match step {
                Ok(Step::Admitted(admission)) => {
                    let admission = Arc::new(admission);
                    exchange.admit(Arc::clone(&admission));
                    self.gate
                        .metrics()
                        .overhead(exchange.trail().started().elapsed());
                    return Ok(Some(Decided {
                        admission,
                        captured,
                    }));
                }
                Ok(Step::NeedsBody { limit }) => {
                    match self.capture(session, exchange, limit).await {
                        Ok(body) => captured = Some(body),
                        Err(refusal) => {
                            respond::refuse(session, exchange, &refusal).await?;
                            return Ok(None);
                        }
                    };
                }
                Err(refusal) => {
                    respond::refuse(session, exchange, &refusal).await?;
                    return Ok(None);
                }
            }
        }
    }

    async fn capture(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        limit: u64,
    ) -> Result<body::CapturedBody, Refusal> {
        let bounds = BodyBounds {
            bytes: limit,
            deadline: self.pace.whole,
        };
        let length = declared_length(session);
        let body = body::capture(session, length, bounds, &self.exchanger.budget).await?;
        exchange.trail_mut().count_in(body.bytes.len());
        Ok(body)
    }

    /// Whether the gate drives the exchange itself; a short body is read on the way.
    ///
    /// `Some(body)`: yes, with this body. `None`: pingora's loop does.
    async fn own_exchange(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        admission: &Admission,
    ) -> Result<Option<Option<body::CapturedBody>>, Refusal> {
        if admission.is_upgrade() {
            return Ok(None);
        }
        if session.is_body_empty() {
            return Ok(Some(None));
        }
        let short = declared_length(session).is_some_and(|length| length <= SHORT_BODY);
        if short || admission.route().needs_response_body() {
            return self
                .capture(session, exchange, admission.body_limit())
                .await
                .map(|body| Some(Some(body)));
        }
        Ok(None)
    }
}

/// A request that may pass.
struct Decided {
    admission: Arc<Admission>,
    captured: Option<body::CapturedBody>,
}

#[async_trait]
impl ProxyHttp for GateProxy {
    /// Boxed: pingora moves it from callback loop to callback loop.
    type CTX = Box<Exchange>;

    fn new_ctx(&self) -> Self::CTX {
        Box::new(Exchange::new(Arc::clone(&self.gate)))
    }

    /// No module: the default one compresses answers, which the gate never does.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn early_request_filter(
        &self,
        session: &mut Session,
        exchange: &mut Self::CTX,
    ) -> pingora::Result<()> {
        let head = session.req_header();
        exchange
            .trail_mut()
            .asked(&head.method, head.raw_path(), &head.headers);
        session.set_read_timeout(Some(self.pace.pause));
        Ok(())
    }

    async fn request_filter(
        &self,
        session: &mut Session,
        exchange: &mut Self::CTX,
    ) -> pingora::Result<bool> {
        let Some(Decided {
            admission,
            captured,
        }) = self.decide(session, exchange).await?
        else {
            return Ok(true);
        };
        let own = match captured {
            Some(body) => Ok(Some(Some(body))),
            None => self.own_exchange(session, exchange, &admission).await,
        };
        match own {
            Ok(None) => Ok(false),
            Ok(Some(body)) => {
                match self.upstreams.destination(admission.route()) {
                    Ok(destination) => {
                        self.exchanger
                            .run(&destination, session, exchange, &admission, body)
                            .await?;
                    }
                    Err(refusal) => respond::refuse(session, exchange, &refusal).await?,
                }
                Ok(true)
            }
            Err(refusal) => {
                respond::refuse(session, exchange, &refusal).await?;
                Ok(true)
            }
        }
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        exchange: &mut Self::CTX,
    ) -> pingora::Result<Box<HttpPeer>> {
        let admission = admission_of(exchange)?;
        match self.upstreams.destination(admission.route()) {
            Ok(destination) => {
                exchange.send_to(destination.host);
                Ok(destination.peer)
            }
            Err(refusal) => {
                exchange.fail_with(refusal);
                Err(Error::new_up(ErrorType::ConnectError))
            }
        }
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        request: &mut RequestHeader,
        exchange: &mut Self::CTX,
    ) -> pingora::Result<()> {
        let admission = admission_of(exchange)?;
        forward::prepare(request, &admission, exchange.trail(), exchange.host())
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        _end_of_stream: bool,
        exchange: &mut Self::CTX,
    ) -> pingora::Result<()> {
        let admission = admission_of(exchange)?;
        exchange
            .trail_mut()
            .count_in(body.as_ref().map_or(0, Bytes::len));
        let refusal = if exchange.trail().bytes_in() > admission.body_limit() {
            DenialCode::BodyTooLarge
        } else if self.pace.is_missed(
            exchange.trail().started().elapsed(),
            exchange.trail().bytes_in(),
        ) {
            DenialCode::RequestTimeout
        } else {
            return Ok(());
        };
        exchange.fail_with(refusal.into());
        Err(Error::new_down(ErrorType::InternalError))
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        answer: &mut ResponseHeader,
        exchange: &mut Self::CTX,
    ) -> pingora::Result<()> {
        let status = answer.status;
        if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
            forward::drop_claims(answer);
            return Ok(());
        }
        forward::clean_answer(answer, exchange.trail())?;
        exchange.trail_mut().upstream_answered(status.as_u16());
        if ends_with_header(&session.req_header().method, answer) {
            exchange
                .record()
                .await
                .map_err(|_unavailable| unrecorded())?;
        }
        Ok(())
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        exchange: &mut Self::CTX,
    ) -> pingora::Result<Option<Duration>> {
        exchange
            .trail_mut()
            .count_out(body.as_ref().map_or(0, Bytes::len));
        if end_of_stream {
            exchange
                .record_blocking()
                .map_err(|_unavailable| unrecorded())?;
        }
        Ok(None)
    }

    async fn response_trailer_filter(
        &self,
        _session: &mut Session,
        trailers: &mut HeaderMap,
        exchange: &mut Self::CTX,
    ) -> pingora::Result<Option<Bytes>> {
        forward::drop_trailer_claims(trailers);
        exchange
            .record()
            .await
            .map_err(|_unavailable| unrecorded())?;
        Ok(None)
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        exchange: &mut Self::CTX,
    ) -> FailToProxy {
        let refusal = exchange
            .take_failure()
            .or_else(|| failures::of_proxy(error));
        let begun = session
            .response_written()
            .is_some_and(|header| !header.status.is_informational());
        let mut error_code = 0;
        match refusal {
            Some(refusal) if !begun => {
                error_code = refusal.status();
                if let Err(error) = respond::refuse(session, exchange, &refusal).await {
                    tracing::debug!(%error, "the refusal could not be written");
                }
            }
            Some(_) => exchange.trail_mut().torn(),
            None => exchange.trail_mut().client_gone(),
        }
        FailToProxy {
            error_code,
            can_reuse_downstream: false,
        }
    }

    /// Denials are no errors, and failures are logged with their request id where they are made.
    fn suppress_error_log(&self, _session: &Session, exchange: &Self::CTX, error: &Error) -> bool {
        tracing::debug!(request_id = %exchange.trail().request_id(), %error, "the exchange ended early");
        true
    }

    /// pingora's own summary prints path and query, and with them tokens.
    fn request_summary(&self, _session: &Session, exchange: &Self::CTX) -> String {
        format!("request {}", exchange.trail().request_id())
    }

    async fn logging(
        &self,
        _session: &mut Session,
        error: Option<&Error>,
        exchange: &mut Self::CTX,
    ) {
        if error.is_some() {
            exchange.trail_mut().broke_off();
        }
        if exchange.record().await.is_err() {
            tracing::error!(request_id = %exchange.trail().request_id(), "a request ended without an audit record");
        }
        self.gate
            .metrics()
            .body_memory(self.exchanger.budget.used());
        self.gate
            .observe(exchange.trail(), exchange.admission().map(AsRef::as_ref));
    }
}

fn admission_of(exchange: &Exchange) -> pingora::Result<Arc<Admission>> {
    // INVARIANT: without an admission nothing reaches a backend. A check that was forgotten ends
    // here, as an internal error.
    exchange
        .admission()
        .cloned()
        .ok_or_else(|| Error::explain(ErrorType::InternalError, "no admission"))
}

fn unrecorded() -> Box<Error> {
    Error::explain(ErrorType::InternalError, "the audit log can't be written")
}

fn declared_length(session: &Session) -> Option<u64> {
    let value = session.req_header().headers.get(header::CONTENT_LENGTH)?;
    value.to_str().ok()?.trim().parse().ok()
}

fn ends_with_header(method: &Method, answer: &ResponseHeader) -> bool {
    method == Method::HEAD
        || answer.status == StatusCode::NO_CONTENT
        || answer.status == StatusCode::NOT_MODIFIED
        || answer
            .headers
            .get(header::CONTENT_LENGTH)
            .is_some_and(|length| length.as_bytes() == b"0")
}

fn peer_facts(session: &Session) -> PeerFacts {
    let certificate = session
        .digest()
        .and_then(|digest| digest.ssl_digest.as_ref())
        .and_then(|tls| tls.extension.get::<ClientIdentity>().cloned());
    PeerFacts {
        certificate: certificate.map(|identity| identity.0),
    }
}

/// The request in plain parts. HTTP/1 heads were inspected before pingora parsed them; the fields
/// of an HTTP/2 request are inspected here.
fn call_of(session: &Session) -> Result<Call<'_>, Refusal> {
    let head = session.req_header();
    let rejected =
        |fault: FramingFault| Denial::because(DenialCode::RequestRejected, fault.to_string());
    let host = if session.is_http2() {
        Some(
            framing::inspect_fields(&head.method, &head.uri, &head.headers)
                .map_err(rejected)?
                .host,
        )
    } else {
        head.headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
    };
    let target = match std::str::from_utf8(head.raw_path()) {
        Ok(raw) if raw.starts_with('/') => raw,
        Ok(_) => head
            .uri
            .path_and_query()
            .map_or("", |target| target.as_str()),
        Err(_) => return Err(rejected(FramingFault::TargetForm).into()),
    };
    Ok(Call {
        method: &head.method,
        target,
        host,
        headers: &head.headers,
    })
}
