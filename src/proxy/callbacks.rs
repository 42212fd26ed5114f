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

use super::carrier::Carrier;
use super::context::Exchange;
use super::{failures, forward, respond};
use crate::decision::DenialCode;
use crate::pipeline::Admission;

/// What pingora calls, for the requests its loop carries.
pub(super) struct Callbacks(pub(super) Arc<Carrier>);

#[async_trait]
impl ProxyHttp for Callbacks {
    /// Boxed: pingora moves it from callback loop to callback loop.
    type CTX = Box<Exchange>;

    fn new_ctx(&self) -> Self::CTX {
        Box::new(Exchange::new(Arc::clone(&self.0.gate)))
    }

    /// No module: the default one compresses answers, which the gate never does.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn early_request_filter(
        &self,
        session: &mut Session,
        exchange: &mut Self::CTX,
    ) -> pingora::Result<()> {
        self.0.begin(session, exchange);
        Ok(())
    }

    async fn request_filter(
        &self,
        session: &mut Session,
        exchange: &mut Self::CTX,
    ) -> pingora::Result<bool> {
        let answered = self.0.carry(session, exchange).await?;
        if !answered {
            exchange.watch(session.req_header());
        }
        Ok(answered)
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        exchange: &mut Self::CTX,
    ) -> pingora::Result<Box<HttpPeer>> {
        let admission = admission_of(exchange)?;
        exchange.trail_mut().calls();
        match self.0.upstreams.destination(admission.route()) {
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
        admission.goes_out();
        forward::prepare(request, &admission, exchange.trail(), exchange.host())
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        _end_of_stream: bool,
        exchange: &mut Self::CTX,
    ) -> pingora::Result<()> {
        let admission = admission_of(exchange)?;
        let trail = exchange.trail_mut();
        trail.count_in(body.as_ref().map_or(0, Bytes::len));
        trail.is_due();
        let refusal = if exchange.trail().bytes_in() > admission.body_limit() {
            DenialCode::BodyTooLarge
        } else if !in_conversation(session)
            && self.0.pace.is_missed(
                exchange.trail().started().elapsed(),
                exchange.trail().bytes_in(),
            )
        {
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
        if status == StatusCode::SWITCHING_PROTOCOLS {
            // Upgrades do not come this way. pingora would pass it on, and whatever follows with it.
            return Err(Error::explain(
                ErrorType::InvalidHTTPHeader,
                "the backend switches protocols unasked",
            )
            .into_up());
        } else if status.is_informational() {
            forward::drop_claims(answer);
            return Ok(());
        }
        if let Err(denial) = exchange.opens_stream(&answer.headers) {
            exchange.fail_with(denial.into());
            return Err(Error::new_up(ErrorType::InternalError));
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
        let begun = answer_begun(session);
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
        self.0.end(exchange, error).await;
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

/// Whether the client may send as slowly as it likes: the backend answers already, or the two speak
/// gRPC over HTTP/2, where messages come when there is something to say.
fn in_conversation(session: &Session) -> bool {
    answer_begun(session) || (session.is_http2() && respond::is_grpc(session))
}

/// Whether the client has the head of its answer.
fn answer_begun(session: &Session) -> bool {
    session
        .response_written()
        .is_some_and(|answer| !answer.status.is_informational())
}

fn unrecorded() -> Box<Error> {
    Error::explain(ErrorType::InternalError, "the audit log can't be written")
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
