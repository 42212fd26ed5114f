//! One exchange with a backend, driven by the gate itself on pingora's connectors.
//!
//! pingora's own proxy loop moves bodies while it has them, which is right for uploads that nobody
//! looks at, for gRPC and for WebSocket. It can neither send a body that was read before the
//! decision (beyond 64 KiB) nor hold an answer's header until the body has been judged. Those
//! requests come here, and with them the ones without a body or with a small one: for them
//! the loop below needs no second task and no channel between two halves.
//!
//! What holds for both ways: the request goes out once, and a second time only if it is idempotent
//! and a pooled connection turned out to be dead before a byte of an answer; a client that leaves
//! ends the exchange with the backend; an answer that breaks off is broken off toward the client
//! too, never ended as if it were whole.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, StatusCode};
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::protocols::http::client::HttpSession as Upstream;
use pingora::proxy::Session;
use pingora::upstreams::peer::Peer;
use pingora::{Error, ErrorType};
use pingora_timeout::fast_timeout::fast_timeout;

use super::body::CapturedBody;
use super::context::Exchange;
use super::deliver::{bodiless, gone_error, stream_answer};
use super::memory_budget::MemoryBudget;
use super::metered::answer_with_cost;
use super::sift::answer_head;
use super::upstreams::Destination;
use super::{failures, forward, hop, respond, restore, tunnel};
use crate::decision::{Denial, FailureCode, Refusal};
use crate::ownership::absence::Absences;
use crate::pipeline::{Admission, Trail};

/// Interim answers (1xx) that are skipped before the exchange is given up.
const MAX_INTERIM: usize = 8;

/// How an exchange ended early.
pub(super) enum Broken {
    /// Nothing was written to the client: it can still be told.
    Refused(Refusal),
    /// The client left.
    ClientGone(Box<Error>),
    /// The answer broke off in the middle.
    Torn(Box<Error>),
    /// What let the request in is gone, in the middle of the answer.
    Withdrawn {
        denial: Denial,
        /// The client was told, and its answer ended as its protocol has it.
        told: bool,
    },
}

impl From<FailureCode> for Broken {
    fn from(code: FailureCode) -> Self {
        Self::Refused(code.into())
    }
}

/// What exchanges share.
pub(super) struct Exchanger {
    /// Connections to backends, pooled.
    pub(super) connector: Connector,
    /// Largest answer that is read whole, in bytes.
    pub(super) answer_bytes: u64,
    /// What all buffered bodies share.
    pub(super) budget: Arc<MemoryBudget>,
    /// How backends say that something is not there.
    pub(super) absences: Absences,
}

impl Exchanger {
    /// Sends the admitted request with its captured body (if any) and writes the answer.
    ///
    /// # Errors
    /// Only when the client's connection can't be used any more: pingora then closes it. What can
    /// still be answered is answered, and `Ok` returned.
    pub(super) async fn run(
        &self,
        to: &Destination,
        session: &mut Session,
        exchange: &mut Exchange,
        admission: &Arc<Admission>,
        body: Option<CapturedBody>,
    ) -> pingora::Result<()> {
        exchange.trail_mut().calls();
        let done = self
            .converse(to, session, exchange, admission, body.as_ref())
            .await;
        match done {
            // A request that asks for no switch is answered.
            Ok(_) => Ok(()),
            Err(Broken::Refused(refusal)) => {
                let head = session.req_header();
                let came = super::carrier::target_of(head).unwrap_or_default();
                match admission.absent_after_all((&head.method, came), &refusal) {
                    Some(absence) => {
                        exchange.trail_mut().alerted(&refusal);
                        // Boxed, because it is rare.
                        Box::pin(self.run_absent(to, session, exchange, &absence)).await
                    }
                    None => respond::refuse(session, exchange, &refusal).await,
                }
            }
            Err(broken) => settle(session, exchange, broken).await,
        }
    }

    /// Puts a handshake to the backend: the exchange behind its `101`, or `None` where the client
    /// has an ordinary answer.
    ///
    /// # Errors
    /// As [`Exchanger::run`].
    pub(super) async fn switch(
        &self,
        to: &Destination,
        session: &mut Session,
        exchange: &mut Exchange,
        admission: &Admission,
    ) -> pingora::Result<Option<Box<Upstream>>> {
        exchange.trail_mut().calls();
        match self.converse(to, session, exchange, admission, None).await {
            Ok(switched) => Ok(switched),
            Err(broken) => settle(session, exchange, broken).await.map(|()| None),
        }
    }

    async fn converse(
        &self,
        to: &Destination,
        session: &mut Session,
        exchange: &mut Exchange,
        admission: &Admission,
        body: Option<&CapturedBody>,
    ) -> Result<Option<Box<Upstream>>, Broken> {
        let came = || body.map(|body| body.bytes.clone());
        let bytes = admission.body().cloned().or_else(came);
        let trail = exchange.trail();
        let composed = |session: &Session| composed(to, session, trail, admission);
        let parts = composed(session)?;
        let pages = admission.pages(&parts.method, &parts.uri, self.answer_bytes);
        if let Some(pages) = pages {
            // Boxed, because most requests ask for no list.
            let paging =
                self.answer_by_pages(to, session, exchange, admission, (parts, bytes), pages);
            return Box::pin(paging).await.map(|()| None);
        }
        let (mut upstream, answered) = self
            .answered(to, session, admission, (parts, &composed), bytes)
            .await?;
        exchange
            .trail_mut()
            .upstream_answered(answered.status.as_u16());
        // What a request waited for is told to whoever owns the thing when it comes.
        if let Err(refusal) = exchange.gate().still_held(admission).await {
            self.let_go(to, upstream, false).await;
            return Err(Broken::Refused(refusal));
        }
        let head = upstream.response_header();
        if let Err(denial) = head.map_or(Ok(()), |head| exchange.opens_stream(&head.headers)) {
            self.let_go(to, upstream, false).await;
            return Err(Broken::Refused(denial.into()));
        }
        if answered.status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Some(Box::new(upstream)));
        }
        let answer = match upstream.response_header() {
            Some(header) => {
                exchange.answer_begins(header.status, &header.headers);
                forward::answer_of(header, exchange.trail())
            }
            None => return Err(FailureCode::UpstreamUnreachable.into()),
        };
        let restoration = admission.restoration();
        let mut answer = restore::head(answer, restoration);
        exchange.say_cost(&mut answer)?;
        // A backend that sends content where HTTP has none sends it after its answer, and whoever is
        // served next on the connection would get it for an answer of its own.
        let no_content = session.req_header().method == Method::HEAD || bodiless(answered.status);
        let behind_nothing = upstream.as_http1().is_some() && no_content;
        let learned = match admission.route().reads_answer() {
            true => admission
                .learn_from_head(exchange.gate().registry(), answer.status, &answer.headers)
                .await
                .map_err(Broken::Refused),
            false => Ok(()),
        };
        let done = if let Err(broken) = learned {
            Err(broken)
        } else if no_content && admission.route().list.is_some() {
            answer_head(session, exchange, admission, answer).await
        } else if let Some(judge) = admission.event_judge(answer.status, &answer.headers)
            && !no_content
        {
            self.sift_answer(&mut upstream, session, exchange, admission, (judge, answer))
                .await
        } else if admission.route().needs_response_body()
            || admission.route().mcp
            || restoration.wants_whole(&answer.headers)
        {
            self.judge_then_answer(&mut upstream, session, exchange, admission, answer)
                .await
        } else if restoration.wants_lines(&answer.headers) {
            restore::stream_lines(&mut upstream, session, exchange, restoration, answer).await
        } else if !no_content && exchange.can_say_its_cost(&answer.headers) {
            answer_with_cost(&mut upstream, session, exchange, answer).await
        } else {
            stream_answer(&mut upstream, session, exchange, answer).await
        };
        let keep = done.is_ok() && answered.request_sent && !behind_nothing;
        self.let_go(to, upstream, keep).await;
        done.map(|()| None)
    }

    /// Keeps a connection for the next request, or closes it.
    ///
    /// INVARIANT: a connection is kept only behind a whole request. Behind the beginning of one, the
    /// backend would read the next caller's request as the rest of its body.
    pub(super) async fn let_go(&self, to: &Destination, mut upstream: Upstream, keep: bool) {
        if keep {
            self.connector
                .release_http_session(upstream, &*to.peer, to.peer.idle_timeout())
                .await;
        } else {
            upstream.shutdown().await;
        }
    }

    /// Connects, sends, and waits for the answer's final header; retries once where that is safe.
    /// `again` makes the request anew for the second time: a copy of every one, kept for the few
    /// that need it, would cost more than that.
    pub(super) async fn answered(
        &self,
        to: &Destination,
        session: &mut Session,
        admission: &Admission,
        (parts, again): (Parts, &Composed<'_>),
        body: Option<Bytes>,
    ) -> Result<(Upstream, Answered), Broken> {
        let idempotent = parts.method.is_idempotent();
        let mut first = Some(parts);
        loop {
            let retried = first.is_none();
            let parts = match first.take() {
                Some(parts) => parts,
                None => again(session)?,
            };
            let came_to = session.req_header().uri.authority();
            let request = hop::frame_request(parts, came_to, &to.peer, body.as_ref())
                .map_err(|error| Broken::Refused(failures::internal(&error)))?;
            let request = Box::new(request);
            let (mut upstream, reused) = self
                .connector
                .get_http_session(&*to.peer)
                .await
                .map_err(|error| Broken::Refused(failures::of_upstream(&error)))?;
            admission.goes_out();
            upstream.set_write_timeout(Some(admission.route().timeout));
            upstream.set_read_timeout(Some(admission.route().timeout));
            let switches = admission.is_upgrade();
            let attempt = send_and_wait(&mut upstream, session, request, body.clone(), switches);
            let error = match fast_timeout(admission.route().timeout, attempt).await {
                Ok(Ok(answered)) => {
                    upstream.set_read_timeout(Some(admission.route().stream_idle));
                    return Ok((upstream, answered));
                }
                Ok(Err(SendFailure::ClientGone(error))) => {
                    upstream.shutdown().await;
                    return Err(Broken::ClientGone(error));
                }
                Ok(Err(SendFailure::Upstream(error))) => error,
                Err(_elapsed) => {
                    upstream.shutdown().await;
                    return Err(FailureCode::UpstreamTimeout.into());
                }
            };
            upstream.shutdown().await;
            // A pooled connection that the backend closed in the meantime: nothing was processed,
            // and repeating an idempotent request is harmless if it was (RFC 9110 section 9.2.2).
            // One that says nothing in time is no such connection.
            let silent = *error.etype() == ErrorType::ReadTimedout;
            if reused && idempotent && !retried && !silent && upstream.response_header().is_none() {
                continue;
            }
            return Err(Broken::Refused(failures::of_upstream(&error)));
        }
    }
}

/// Tells the client what it can still be told of an exchange that ended early.
///
/// # Errors
/// Its connection can't be used any more.
pub(super) async fn settle(
    session: &mut Session,
    exchange: &mut Exchange,
    broken: Broken,
) -> pingora::Result<()> {
    match broken {
        Broken::Refused(refusal) => respond::refuse(session, exchange, &refusal).await,
        Broken::ClientGone(error) => {
            exchange.trail_mut().client_gone();
            Err(error.into_down())
        }
        Broken::Torn(error) => {
            exchange.trail_mut().torn();
            Err(error.into_up())
        }
        Broken::Withdrawn { told: true, .. } => Ok(()),
        Broken::Withdrawn {
            denial,
            told: false,
        } => {
            exchange.trail_mut().withdrawn(&denial);
            let gone = "what let the request in is gone";
            Err(Error::explain(ErrorType::InternalError, gone))
        }
    }
}

/// Makes the request that the backend gets.
pub(super) type Composed<'exchange> =
    dyn Fn(&Session) -> Result<Parts, Broken> + Send + Sync + 'exchange;

/// The request as the backend gets it.
fn composed(
    to: &Destination,
    session: &Session,
    trail: &Trail,
    admission: &Admission,
) -> Result<Parts, Broken> {
    let came = session.req_header();
    let mut parts = forward::compose(came, admission, trail, to.host.as_ref())
        .map_err(|error| Broken::Refused(failures::internal(&error)))?;
    if admission.is_upgrade() {
        tunnel::offer(&mut parts.headers, admission.route().reads_messages());
    }
    parts.method = admission.asks_by(&parts.method);
    Ok(parts)
}

/// The final header of an answer is there.
pub(super) struct Answered {
    pub(super) status: StatusCode,
    /// Whether the whole request went out before.
    pub(super) request_sent: bool,
}

/// How sending the request failed.
enum SendFailure {
    ClientGone(Box<Error>),
    Upstream(Box<Error>),
}

async fn send_and_wait(
    upstream: &mut Upstream,
    session: &mut Session,
    request: Box<RequestHeader>,
    body: Option<Bytes>,
    switches: bool,
) -> Result<Answered, SendFailure> {
    let mut request_sent = true;
    let ends_with_header = body.as_ref().is_none_or(Bytes::is_empty);
    match upstream {
        Upstream::H1(h1) => {
            h1.write_request_header(request)
                .await
                .map_err(SendFailure::Upstream)?;
        }
        Upstream::H2(h2) => {
            h2.write_request_header(request, ends_with_header)
                .map_err(SendFailure::Upstream)?;
        }
        Upstream::Custom(()) => {
            return Err(SendFailure::Upstream(Error::new(ErrorType::InternalError)));
        }
    }
    if let Some(body) = body.filter(|body| !body.is_empty()) {
        // A backend may answer, and close, before it has read everything (a 413, say): its answer
        // counts more than the write that broke, so it is read all the same.
        if let Err(error) = upstream.write_request_body(body, true).await {
            request_sent = false;
            tracing::debug!(%error, "the backend stopped reading the request body");
        }
    }
    if let Err(error) = upstream.finish_request_body().await {
        request_sent = false;
        tracing::debug!(%error, "the backend closed before the request ended");
    }
    for _ in 0..MAX_INTERIM {
        tokio::select! {
            biased;
            read = upstream.read_response_header() => read.map_err(SendFailure::Upstream)?,
            gone = session.as_downstream_mut().read_body_or_idle(true) => {
                return Err(SendFailure::ClientGone(gone_error(gone)));
            }
        }
        match upstream.response_header() {
            Some(header) if header.status == StatusCode::SWITCHING_PROTOCOLS && !switches => break,
            Some(header) if header.status == StatusCode::SWITCHING_PROTOCOLS => {
                let status = header.status;
                return Ok(Answered {
                    status,
                    request_sent,
                });
            }
            Some(header) if header.status.is_informational() => {}
            Some(header) => {
                let status = header.status;
                return Ok(Answered {
                    status,
                    request_sent,
                });
            }
            None => break,
        }
    }
    Err(SendFailure::Upstream(Error::explain(
        ErrorType::InvalidHTTPHeader,
        "no final answer among the interim ones",
    )))
}
