//! Writing a backend's answer to the client.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Version, header};
use pingora::http::ResponseHeader;
use pingora::protocols::http::HttpTask;
use pingora::protocols::http::client::HttpSession as Upstream;
use pingora::proxy::Session;
use pingora::{Error, ErrorType};
use pingora_timeout::fast_timeout::fast_timeout;

use super::context::Exchange;
use super::exchange::Broken;
use super::last_word::{HALF_AN_EVENT, LastWord};
use super::lifetime::Lifetime;
use super::{failures, forward};
use crate::decision::{Denial, FailureCode};

/// How long the last write of an answer that has to end may take.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// Writes the answer as it comes: every piece goes out before the next is waited for.
pub(super) async fn stream_answer(
    upstream: &mut Upstream,
    session: &mut Session,
    exchange: &mut Exchange,
    mut answer: ResponseHeader,
) -> Result<(), Broken> {
    let bodiless = session.req_header().method == Method::HEAD || bodiless(answer.status);
    if bodiless || upstream.response_done() {
        // What an HTTP/2 backend sends behind the head of such an answer (an empty frame that ends
        // the stream) is not waited for.
        exchange.meter_end();
        let tasks = vec![HttpTask::Header(Box::new(answer), true)];
        return finish(session, exchange, tasks).await;
    }
    if exchange.hides_usage() {
        answer.remove_header(&header::CONTENT_LENGTH);
    }
    frame(session, &mut answer)?;
    let mut last_word = LastWord::of(&answer.headers);
    let header = HttpTask::Header(Box::new(answer), false);
    match at_once(upstream.read_response_body()).await {
        // The body's beginning came with the header: both leave in one write.
        Some(first) => {
            let first = first.map_err(|error| Broken::Refused(failures::of_upstream(&error)))?;
            let Some(bytes) = first else {
                exchange.meter_end();
                return end(upstream, session, exchange, Some(header)).await;
            };
            let last = is_last(upstream);
            let bytes = counted(exchange, bytes, last);
            if last {
                let tasks = vec![header, HttpTask::Body(Some(bytes), true)];
                return finish(session, exchange, tasks).await;
            }
            last_word.passed(&bytes);
            let body = (!bytes.is_empty()).then(|| HttpTask::Body(Some(bytes), false));
            write(session, std::iter::once(header).chain(body).collect()).await?;
            if let Err(denial) = exchange.keep_up() {
                return withdraw(upstream, session, exchange, last_word, denial).await;
            }
        }
        None => write(session, vec![header]).await?,
    }
    let lifetime = exchange
        .lifetime(session.req_header())
        .ok_or(FailureCode::Internal)?;
    relay(upstream, session, exchange, last_word, lifetime).await
}

/// An answer of no stated length goes out in chunks.
pub(super) fn frame(session: &Session, answer: &mut ResponseHeader) -> Result<(), Broken> {
    let framed = answer.headers.contains_key(header::CONTENT_LENGTH);
    if !framed && session.req_header().version == Version::HTTP_11 {
        answer
            .insert_header(header::TRANSFER_ENCODING, "chunked")
            .map_err(|error| Broken::Refused(failures::internal(&error)))?;
    }
    Ok(())
}

/// Passes on what is left of an answer that has begun.
pub(super) async fn relay(
    upstream: &mut Upstream,
    session: &mut Session,
    exchange: &mut Exchange,
    mut last_word: LastWord,
    mut lifetime: Lifetime,
) -> Result<(), Broken> {
    loop {
        let next = next_chunk(upstream, session);
        let bytes = match while_it_stands(&mut lifetime, next).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                let rest = exchange.meter_end();
                exchange.trail_mut().count_out(rest.len());
                let rest = (!rest.is_empty()).then(|| HttpTask::Body(Some(rest), false));
                return end(upstream, session, exchange, rest).await;
            }
            Err(Broken::Withdrawn { denial, .. }) => {
                return withdraw(upstream, session, exchange, last_word, denial).await;
            }
            Err(broken) => return Err(broken),
        };
        let last = is_last(upstream);
        let bytes = counted(exchange, bytes, last);
        if last {
            return finish(session, exchange, vec![HttpTask::Body(Some(bytes), true)]).await;
        }
        if !bytes.is_empty() {
            last_word.passed(&bytes);
            let written = write(session, vec![HttpTask::Body(Some(bytes), false)]);
            while_it_stands(&mut lifetime, written).await?;
        }
        if let Err(denial) = exchange.keep_up() {
            return withdraw(upstream, session, exchange, last_word, denial).await;
        }
    }
}

/// Whether nothing comes behind the piece that was read. HTTP/2 says so in a frame of its own.
fn is_last(upstream: &mut Upstream) -> bool {
    upstream.response_done() && upstream.as_http2().is_none()
}

/// A piece of the answer, metered and counted, with what was held back if it is the last.
fn counted(exchange: &mut Exchange, piece: Bytes, last: bool) -> Bytes {
    let mut passed = exchange.meter(piece);
    if last {
        let rest = exchange.meter_end();
        if !rest.is_empty() {
            passed = [passed, rest].concat().into();
        }
    }
    exchange.trail_mut().count_out(passed.len());
    passed
}

/// Does a part of the work, unless what let the request in goes first.
pub(super) async fn while_it_stands<T>(
    lifetime: &mut Lifetime,
    work: impl Future<Output = Result<T, Broken>>,
) -> Result<T, Broken> {
    tokio::select! {
        // Asked first: a backend that always has something to say would never let it be asked.
        biased;
        denial = lifetime.ended() => Err(Broken::Withdrawn { denial, told: false }),
        done = work => done,
    }
}

/// Ends an answer before it is whole, with a last word where its protocol has one.
async fn withdraw(
    upstream: &mut Upstream,
    session: &mut Session,
    exchange: &mut Exchange,
    mut last_word: LastWord,
    denial: Denial,
) -> Result<(), Broken> {
    let to_a_boundary = async {
        while last_word.has_to_wait() {
            let Ok(Some(bytes)) = next_chunk(upstream, session).await else {
                break;
            };
            let bytes = counted(exchange, bytes, false);
            if bytes.is_empty() {
                continue;
            }
            last_word.passed(&bytes);
            write(session, vec![HttpTask::Body(Some(bytes), false)]).await?;
        }
        Ok::<(), Broken>(())
    };
    match fast_timeout(HALF_AN_EVENT, to_a_boundary).await {
        Ok(reached) => reached?,
        Err(_elapsed) => {
            return Err(Broken::Withdrawn {
                denial,
                told: false,
            });
        }
    }
    say_last(session, exchange, &last_word, denial).await
}

/// Ends an answer with its last word, if it has one.
pub(super) async fn say_last(
    session: &mut Session,
    exchange: &mut Exchange,
    last_word: &LastWord,
    denial: Denial,
) -> Result<(), Broken> {
    let Some(event) = last_word.said(&denial, exchange.trail()) else {
        return Err(Broken::Withdrawn {
            denial,
            told: false,
        });
    };
    exchange.trail_mut().count_out(event.len());
    exchange.trail_mut().withdrawn(&denial);
    let told = finish(session, exchange, vec![HttpTask::Body(Some(event), true)]);
    match fast_timeout(LAST_WRITE, told).await {
        Ok(done) => done.and(Err(Broken::Withdrawn { denial, told: true })),
        Err(_elapsed) => Err(Broken::Withdrawn {
            denial,
            told: false,
        }),
    }
}

/// The next piece of the answer, unless the client leaves first.
pub(super) async fn next_chunk(
    upstream: &mut Upstream,
    session: &mut Session,
) -> Result<Option<Bytes>, Broken> {
    tokio::select! {
        biased;
        chunk = upstream.read_response_body() => chunk.map_err(Broken::Torn),
        gone = session.as_downstream_mut().read_body_or_idle(true) => Err(Broken::ClientGone(gone_error(gone))),
    }
}

/// Ends an answer whose body is through, with its trailers if it has any, behind what was not
/// written yet.
pub(super) async fn end(
    upstream: &mut Upstream,
    session: &mut Session,
    exchange: &mut Exchange,
    before: Option<HttpTask>,
) -> Result<(), Broken> {
    let last = match trailers_of(upstream).await.map_err(Broken::Torn)? {
        Some(trailers) => HttpTask::Trailer(Some(Box::new(trailers))),
        None => HttpTask::Body(None, true),
    };
    let tasks = before.into_iter().chain([last]).collect();
    finish(session, exchange, tasks).await
}

/// Writes the last of an answer. The audit record is handed over first, so that no answer is
/// complete without one.
pub(super) async fn finish(
    session: &mut Session,
    exchange: &mut Exchange,
    tasks: Vec<HttpTask>,
) -> Result<(), Broken> {
    if let Some(HttpTask::Header(header, _)) = tasks.first() {
        exchange.trail_mut().answered(header.status.as_u16());
        if exchange.record().await.is_err() {
            return Err(FailureCode::AuditUnavailable.into());
        }
    } else if exchange.record().await.is_err() {
        return Err(Broken::Torn(Error::explain(
            ErrorType::InternalError,
            "the audit log can't be written",
        )));
    }
    session
        .write_response_tasks(tasks)
        .await
        .map_err(Broken::ClientGone)?;
    Ok(())
}

pub(super) async fn write(session: &mut Session, tasks: Vec<HttpTask>) -> Result<(), Broken> {
    session
        .write_response_tasks(tasks)
        .await
        .map_err(Broken::ClientGone)?;
    Ok(())
}

pub(super) async fn trailers_of(upstream: &mut Upstream) -> pingora::Result<Option<HeaderMap>> {
    let mut trailers = match upstream {
        Upstream::H2(h2) => h2.read_trailers().await?,
        Upstream::H1(_) | Upstream::Custom(()) => None,
    };
    if let Some(trailers) = &mut trailers {
        forward::drop_trailer_claims(trailers);
    }
    Ok(trailers)
}

/// Answers that have no body whatever their fields say (RFC 9110 section 6.4.1).
pub(super) fn bodiless(status: StatusCode) -> bool {
    status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED
}

/// What a future has ready at its first poll, if anything. It is dropped otherwise, so it has to be
/// one that loses nothing by that; reading from a connection is.
pub(super) async fn at_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|context| {
        Poll::Ready(match future.as_mut().poll(context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

/// Why the idle read of a client connection returned: it closed, failed, or sent what it must not.
pub(super) fn gone_error(read: pingora::Result<Option<Bytes>>) -> Box<Error> {
    match read {
        Err(error) => error,
        Ok(_) => Error::explain(
            ErrorType::ConnectionClosed,
            "the client closed or sent data out of turn",
        ),
    }
}
