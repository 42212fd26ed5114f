//! One request from its parsed head to its end, whoever drives it.
//!
//! Most HTTP/1 requests are carried from here alone ([`Carrier::serve`]): nothing of pingora's proxy
//! loop runs for them, only its sessions and connectors. The rest (HTTP/2, uploads nobody looks at,
//! upgrades) comes through pingora's callbacks ([`super::callbacks`]), which ask the same questions
//! in the same order.

use std::sync::Arc;

use http::header;
use pingora::Error;
use pingora::apps::{HttpPersistentSettings, ReusedHttpStream};
use pingora::http::RequestHeader;
use pingora::proxy::Session;
use pingora::server::ShutdownWatch;

use super::absence;
use super::body::{self, BodyBounds, BodyPace};
use super::context::Exchange;
use super::exchange::Exchanger;
use super::respond;
use super::tls::ClientIdentity;
use super::upstreams::Upstreams;
use crate::decision::{Denial, DenialCode, FailureCode, Refusal};
use crate::pipeline::framing::{self, BodyFraming, FramingFault, RawHead};
use crate::pipeline::{Absence, Admission, Call, Gate, PeerFacts, Step};

/// Bodies up to this length are read before the exchange begins even where nobody looks at them:
/// they arrive with the head or right behind it, and the request takes the shorter way.
const SHORT_BODY: u64 = 16 * 1024;

/// What carrying requests needs.
pub(super) struct Carrier {
    pub(super) gate: Arc<Gate>,
    pub(super) upstreams: Arc<Upstreams>,
    pub(super) exchanger: Exchanger,
    pub(super) pace: BodyPace,
}

impl Carrier {
    /// Whether a head announces a request that never needs pingora's loop: without a body or with a
    /// short one, and not asking to leave HTTP.
    pub(super) fn serves(head: &RawHead<'_>) -> bool {
        let short = match head.body {
            BodyFraming::None => true,
            BodyFraming::Length(length) => length <= SHORT_BODY,
            BodyFraming::Chunked => false,
        };
        short && !head.upgrade
    }

    /// Serves one request whose head [`Carrier::serves`] said yes to, and gives the connection back
    /// where it can be used again.
    pub(super) async fn serve(
        &self,
        mut session: Session,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let mut exchange = Exchange::new(Arc::clone(&self.gate));
        let answered = match session.read_request().await {
            Ok(true) => {
                // INVARIANT: after the head is read, for that sets what the client asks for. A
                // process that ends would go on for as long as its clients do.
                if *shutdown.borrow() {
                    session.set_keepalive(None);
                }
                self.begin(&mut session, &mut exchange);
                self.carry(&mut session, &mut exchange).await
            }
            // The head stood whole in the buffer and passed inspection.
            Ok(false) => return None,
            Err(error) => {
                let detail = "the request head is malformed";
                let refusal = Denial::because(DenialCode::RequestRejected, detail).into();
                tracing::debug!(%error, "pingora refused a head that passed inspection");
                exchange.trail_mut().refused(&refusal);
                Err(error)
            }
        };
        // INVARIANT: what `serves` lets in, `carry` answers. A request that it hands on has nobody
        // to go to, and ends here.
        let answered = match answered {
            Ok(false) => {
                respond::refuse(&mut session, &mut exchange, &FailureCode::Internal.into()).await
            }
            Ok(true) => Ok(()),
            Err(error) => Err(error),
        };
        self.end(&mut exchange, answered.as_ref().err().map(AsRef::as_ref))
            .await;
        if let Err(error) = answered {
            tracing::debug!(request_id = %exchange.trail().request_id(), %error, "the exchange ended early");
            session.downstream_session.shutdown().await;
            return None;
        }
        let settings = HttpPersistentSettings::for_session(&session);
        let stream = session.downstream_session.finish().await.ok().flatten()?;
        Some(ReusedHttpStream::from_reusable_stream(stream, settings))
    }

    /// Notes what was asked for.
    pub(super) fn begin(&self, session: &mut Session, exchange: &mut Exchange) {
        let head = session.req_header();
        exchange
            .trail_mut()
            .asked(&head.method, head.raw_path(), &head.headers);
        self.gate.sample(exchange.trail_mut());
        session.set_read_timeout(Some(self.pace.pause));
        session.set_write_timeout(Some(self.pace.pause));
    }

    /// Decides, and carries the request to its backend and the answer back. `false`: it may pass, and
    /// is for pingora's loop to carry.
    ///
    /// # Errors
    /// The client's connection can't be used any more.
    pub(super) async fn carry(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
    ) -> pingora::Result<bool> {
        let Some(Decided {
            admission,
            captured,
        }) = self.decide(session, exchange).await?
        else {
            return Ok(true);
        };
        // Who does not read its answer holds a place here and a connection to the backend.
        session.set_write_timeout(Some(admission.route().stream_idle));
        let own = match captured {
            Some(body) => Ok(Some(Some(body))),
            None => self.own_exchange(session, exchange, &admission).await,
        };
        // The body is there by then: who sends slowly holds up nobody else's turn.
        let own = match own {
            Ok(own) => self
                .wait_in_line(session, exchange, &admission)
                .await?
                .map(|()| own),
            Err(refusal) => Err(refusal),
        };
        let own = match own {
            Ok(own) => self.gate.still_held(&admission).await.map(|()| own),
            Err(refusal) => Err(refusal),
        };
        match own {
            Ok(None) => return Ok(false),
            Ok(Some(body)) => match self.upstreams.destination(admission.route()) {
                Ok(destination) => {
                    self.exchanger
                        .run(&destination, session, exchange, &admission, body)
                        .await?;
                }
                Err(refusal) => respond::refuse(session, exchange, &refusal).await?,
            },
            Err(refusal) => respond::refuse(session, exchange, &refusal).await?,
        }
        Ok(true)
    }

    /// Records and counts a request that has ended.
    pub(super) async fn end(&self, exchange: &mut Exchange, error: Option<&Error>) {
        exchange.leave_line();
        if error.is_some() {
            exchange.trail_mut().broke_off();
        }
        if exchange.record().await.is_err() {
            tracing::error!(request_id = %exchange.trail().request_id(), trace_id = exchange.trail().trace_id(), "a request ended without an audit record");
        }
        absence::observe(&self.exchanger.absences, exchange.trail());
        self.gate
            .metrics()
            .body_memory(self.exchanger.budget.used());
        self.gate.observe(exchange.trail());
    }

    /// Decides about the request, and answers it where the answer is the gate's to give.
    ///
    /// `None`: it was answered.
    pub(super) async fn decide(
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
                    exchange.admit(Arc::clone(&admission));
                    self.gate
                        .metrics()
                        .overhead(exchange.trail().started().elapsed());
                    return Ok(Some(Decided {
                        admission,
                        captured,
                    }));
                }
                Ok(Step::Published(document)) => {
                    respond::publish(session, exchange, &document).await?;
                    return Ok(None);
                }
                Ok(Step::Absent(absence)) => {
                    exchange.absent(Arc::clone(absence.admission()));
                    self.say_absent(session, exchange, &absence, captured.is_some())
                        .await?;
                    return Ok(None);
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

    /// Answers that something is not there, once the request is there whole: an answer in the
    /// middle of it would tell that nobody else was asked.
    async fn say_absent(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        absence: &Absence,
        body_read: bool,
    ) -> pingora::Result<()> {
        let admission = absence.admission();
        session.set_write_timeout(Some(admission.route().stream_idle));
        if !body_read && !session.is_body_empty() {
            let bounds = BodyBounds {
                bytes: admission.body_limit(),
                deadline: self.pace.whole,
            };
            match body::discard(session, declared_length(session), bounds).await {
                Ok(bytes) => {
                    exchange.trail_mut().count_in(bytes);
                    exchange.trail_mut().is_due();
                }
                Err(refusal) => return respond::refuse(session, exchange, &refusal).await,
            }
        }
        match self.upstreams.destination(admission.route()) {
            Ok(destination) => {
                self.exchanger
                    .run_absent(&destination, session, exchange, absence)
                    .await
            }
            Err(refusal) => respond::refuse(session, exchange, &refusal).await,
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
        exchange.trail_mut().is_due();
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
            // One without a body is for [`Carrier::serve_upgrade`].
            let detail = "an upgrade comes without a body";
            return Err(Denial::because(DenialCode::RequestRejected, detail).into());
        }
        if session.is_body_empty() {
            return Ok(Some(None));
        }
        let short = declared_length(session).is_some_and(|length| length <= SHORT_BODY);
        if short || admission.route().reads_answer() {
            return self
                .capture(session, exchange, admission.body_limit())
                .await
                .map(|body| Some(Some(body)));
        }
        Ok(None)
    }
}

/// A request that may pass.
pub(super) struct Decided {
    pub(super) admission: Arc<Admission>,
    captured: Option<body::CapturedBody>,
}

fn declared_length(session: &Session) -> Option<u64> {
    let value = session.req_header().headers.get(header::CONTENT_LENGTH)?;
    value.to_str().ok()?.trim().parse().ok()
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
    let target = target_of(head).ok_or_else(|| rejected(FramingFault::TargetForm))?;
    Ok(Call {
        method: &head.method,
        target,
        host,
        headers: &head.headers,
    })
}

/// Path and query as they came, without the authority of an absolute-form target; `None` for bytes
/// that are no text.
pub(super) fn target_of(head: &RequestHeader) -> Option<&str> {
    match std::str::from_utf8(head.raw_path()) {
        Ok(raw) if raw.starts_with('/') => Some(raw),
        Ok(_) => Some(head.uri.path_and_query().map_or("", |it| it.as_str())),
        Err(_) => None,
    }
}
