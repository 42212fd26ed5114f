//! WebSocket: the handshake, and the socket behind it.
//!
//! pingora's proxy loop loses a socket whose backend answers before the loop first looks: it takes
//! the end of the (empty) request body, which is still in its queue then, for the end of the socket.
//! And it moves bytes without knowing what they are, so that it could neither end a connection in
//! good order nor look into it. The handshake goes through the gate's own exchange instead, and
//! behind it [`relay`] has both connections to itself.

mod flow;
mod handshake;
mod messages;
mod pulse;
mod relay;

use std::sync::Arc;

use bytes::BytesMut;
use http::header;
use pingora::Error;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::client::HttpSession as Upstream;
use pingora::protocols::tls::ALPN;
use pingora::proxy::Session;
use tokio::io::AsyncWriteExt;

pub(super) use handshake::offer;
use handshake::{Agreement, Handshake};
use messages::{Judgement, MessageCheck, Stop};
use pulse::Pulse;
use relay::{End, Ended, relay};

use super::carrier::{Carrier, Decided};
use super::context::Exchange;
use super::deliver::at_once;
use super::{forward, respond};
use crate::decision::{Denial, DenialCode, Failure, FailureCode, Refusal};
use crate::inspect::websocket::Sender;
use crate::policy::RoutePolicy;

/// A backend that switched protocols.
struct Switched {
    upstream: Box<Upstream>,
    agreement: Agreement,
    head: ResponseHeader,
    pulse: Pulse,
}

/// The handshake that a request asks for, if its route takes any.
///
/// # Errors
/// `request_rejected`.
pub(super) fn asked(request: &RequestHeader, route: &RoutePolicy) -> Result<Handshake, Denial> {
    if !route.websocket {
        let detail = "the route takes no upgrade";
        return Err(Denial::because(DenialCode::RequestRejected, detail));
    }
    Handshake::of(request, route.reads_messages())
}

impl Carrier {
    /// Serves one request that asks for another protocol. The connection is of no use for a further
    /// one afterwards, whatever the answer: `early` is what the client sent behind the head.
    pub(super) async fn serve_upgrade(&self, mut session: Session, early: BytesMut) {
        let mut exchange = Exchange::new(Arc::clone(&self.gate));
        let answered = match session.read_request().await {
            Ok(true) => {
                // INVARIANT: after the head is read, for that sets what the client asks for.
                session.set_keepalive(None);
                self.begin(&mut session, &mut exchange);
                self.switched(&mut session, &mut exchange).await
            }
            Ok(false) => return,
            Err(error) => {
                let detail = "the request head is malformed";
                let refusal = Denial::because(DenialCode::RequestRejected, detail).into();
                exchange.trail_mut().refused(&refusal);
                Err(error)
            }
        };
        match answered {
            Ok(Some(switched)) => {
                if let Err(error) = self
                    .carry_socket(session, early, switched, &mut exchange)
                    .await
                {
                    exchange.trail_mut().client_gone();
                    tracing::debug!(%error, "the client did not see its handshake answered");
                }
                self.end(&mut exchange, None).await;
            }
            Ok(None) => {
                self.end(&mut exchange, None).await;
                if let Err(error) = session.downstream_session.finish().await {
                    tracing::debug!(%error, "the client was gone after its answer");
                }
            }
            Err(error) => {
                self.end(&mut exchange, Some(&error)).await;
                tracing::debug!(request_id = %exchange.trail().request_id(), %error, "the exchange ended early");
                session.downstream_session.shutdown().await;
            }
        }
    }

    /// Decides about a handshake and puts it to the backend. `None`: the client has an ordinary
    /// answer.
    async fn switched(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
    ) -> Result<Option<Switched>, Box<Error>> {
        let Some(Decided { admission, .. }) = self.decide(session, exchange).await? else {
            return Ok(None);
        };
        let route = admission.route();
        session.set_write_timeout(Some(route.stream_idle));
        let asked = match asked(session.req_header(), route) {
            Ok(asked) => asked,
            Err(denial) => {
                respond::refuse(session, exchange, &denial.into()).await?;
                return Ok(None);
            }
        };
        if let Err(refusal) = self.wait_in_line(session, exchange, &admission).await? {
            respond::refuse(session, exchange, &refusal).await?;
            return Ok(None);
        }
        let mut destination = match self.upstreams.destination(route) {
            Ok(destination) => destination,
            Err(refusal) => {
                respond::refuse(session, exchange, &refusal).await?;
                return Ok(None);
            }
        };
        // A handshake is one of HTTP/1.1 whatever else the backend speaks (RFC 6455 section 4.1).
        destination.peer.options.alpn = ALPN::H1;
        let run = self
            .exchanger
            .switch(&destination, session, exchange, &admission);
        let Some(mut upstream) = run.await? else {
            return Ok(None);
        };
        let answer = upstream.response_header();
        let agreed = match answer {
            Some(answer) => asked.agreed(answer).map(|agreement| {
                let head = forward::answer_of(answer, exchange.trail());
                (agreement, head)
            }),
            None => Err("is none"),
        };
        match agreed {
            Ok((agreement, head)) => Ok(Some(Switched {
                upstream,
                agreement,
                head,
                pulse: Pulse::new(route.stream_idle),
            })),
            Err(why) => {
                upstream.shutdown().await;
                let log = format!("the answer to a WebSocket handshake {why}");
                let refusal = Failure::logged(FailureCode::UpstreamUnreadable, log).into();
                respond::refuse(session, exchange, &refusal).await?;
                Ok(None)
            }
        }
    }

    /// Answers the handshake and carries the socket to its end.
    async fn carry_socket(
        &self,
        session: Session,
        early: BytesMut,
        switched: Switched,
        exchange: &mut Exchange,
    ) -> std::io::Result<()> {
        let gone = || std::io::Error::from(std::io::ErrorKind::NotConnected);
        let mut lifetime = exchange.lifetime(session.req_header()).ok_or_else(gone)?;
        let check = self.check_of(exchange);
        let Switched {
            mut upstream,
            agreement,
            mut head,
            pulse,
        } = switched;
        // What the backend said right behind its answer was read with it.
        let ahead = match at_once(upstream.read_response_body()).await {
            Some(Ok(Some(bytes))) => BytesMut::from(bytes),
            Some(Ok(None) | Err(_)) | None => BytesMut::new(),
        };
        let (Some(backend), Some(mut client)) = (raw_upstream(*upstream), raw_client(session))
        else {
            return Err(gone());
        };
        head.remove_header(&header::CONTENT_LENGTH);
        client.write_all(&handshake::answered(&head)).await?;
        client.flush().await?;
        let counted = Counted { exchange, pulse };
        let ended = relay(
            End {
                stream: client,
                ahead: early,
            },
            End {
                stream: backend,
                ahead,
            },
            agreement.compresses,
            check,
            &counted.pulse,
            lifetime.ended(),
        )
        .await;
        let trail = counted.exchange.trail_mut();
        match ended {
            Ended::Closed => {}
            Ended::Left(Sender::Client) => trail.client_gone(),
            Ended::Left(Sender::Server) => trail.torn(),
            Ended::Stopped(sender, stop) => match (sender, stop) {
                (Sender::Server, _) => trail.torn(),
                (Sender::Client, Stop::Broke(fault)) => {
                    tracing::debug!(%fault, "a client speaks no WebSocket");
                    trail.withdrawn(&Denial::new(DenialCode::RequestRejected));
                }
                (Sender::Client, Stop::Refused(_, Refusal::Denied(denial))) => {
                    trail.withdrawn(&denial);
                }
                (Sender::Client, Stop::Refused(_, Refusal::Failed(_))) => trail.cut_off(),
            },
            Ended::Silent => trail.cut_off(),
            Ended::Withdrawn(denial) => trail.withdrawn(&denial),
        }
        Ok(())
    }

    /// What looks into the client's messages, where the route reads them.
    fn check_of(&self, exchange: &Exchange) -> Option<MessageCheck> {
        let admission = exchange.admission()?;
        if !admission.route().reads_messages() {
            return None;
        }
        let (gate, admission) = (Arc::clone(&self.gate), Arc::clone(admission));
        let limit = admission.body_limit();
        let judge = move |message: Vec<u8>| -> Judgement {
            let (gate, admission) = (Arc::clone(&gate), Arc::clone(&admission));
            Box::pin(async move { admission.judge_message(gate.registry(), &message).await })
        };
        Some(MessageCheck::new(limit, &self.exchanger.budget, judge))
    }
}

/// Puts into the trail what passed, however the socket ends.
struct Counted<'exchange> {
    exchange: &'exchange mut Exchange,
    pulse: Pulse,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let bytes = |sum: u64| usize::try_from(sum).unwrap_or(usize::MAX);
        let trail = self.exchange.trail_mut();
        trail.count_in(bytes(self.pulse.up()));
        trail.count_out(bytes(self.pulse.down()));
    }
}

fn raw_upstream(upstream: Upstream) -> Option<Stream> {
    match upstream {
        Upstream::H1(h1) => Some(h1.into_inner()),
        Upstream::H2(_) | Upstream::Custom(()) => None,
    }
}

fn raw_client(session: Session) -> Option<Stream> {
    match *session.downstream_session {
        ServerSession::H1(h1) => Some(h1.into_inner()),
        _ => None,
    }
}
