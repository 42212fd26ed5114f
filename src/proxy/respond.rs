//! Writing the gate's own answers: refusals.

use std::time::Duration;

use bytes::Bytes;
use http::header;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora_timeout::fast_timeout::fast_timeout;

use super::context::Exchange;
use super::wording;
use crate::decision::{DenialCode, FailureCode, Problem, Refusal};
use crate::pipeline::{Published, Trail};
use crate::policy::ErrorShape;

/// Largest rest of a refused body that is read to keep the connection usable; beyond it the
/// connection is closed, so that unread bytes can never be taken for a next request.
const MAX_DRAIN: u64 = 64 * 1024;

/// How long reading the rest of a short body may take.
const DRAIN: Duration = Duration::from_secs(2);

/// How long a client that is still sending is listened to after its refusal.
const LINGER: Duration = Duration::from_millis(500);

/// Answers with the refusal, after its audit record was handed over.
///
/// # Errors
/// The client's connection failed.
pub(super) async fn refuse(
    session: &mut Session,
    exchange: &mut Exchange,
    refusal: &Refusal,
) -> pingora::Result<()> {
    let grpc_call = is_grpc(session);
    let shows_body = !grpc_call && session.req_header().method != http::Method::HEAD;
    let mut problem = worded(refusal, exchange.trail());
    exchange.give_back(refusal);
    exchange.trail_mut().refused(refusal);
    if shows_body {
        exchange.trail_mut().count_out(problem.body.len());
    }
    if exchange.record().await.is_err() {
        let failure = Refusal::from(FailureCode::AuditUnavailable);
        problem = worded(&failure, exchange.trail());
    }
    let response = if grpc_call {
        grpc(&problem)?
    } else {
        http(&problem, exchange)?
    };
    if refusal.code() == DenialCode::RequestTimeout.facts().code {
        // Who was too slow is not waited for again.
        session.set_keepalive(None);
    } else {
        settle_body(session).await;
    }
    let body = if shows_body {
        Bytes::from(problem.body)
    } else {
        Bytes::new()
    };
    let ends = body.is_empty();
    session
        .write_response_header(Box::new(response), ends)
        .await?;
    if !ends {
        session.write_response_body(Some(body), true).await?;
    }
    linger(session).await;
    Ok(())
}

/// The refusal in the words of the protocol that the route speaks.
pub(super) fn worded(refusal: &Refusal, trail: &Trail) -> Problem {
    let request_id = trail.request_id().as_str();
    match trail.route().map(|route| route.errors) {
        Some(ErrorShape::JsonRpc) => Problem::json_rpc(refusal, request_id, trail.rpc_id()),
        Some(ErrorShape::OpenAi) => wording::open_ai(Problem::of(refusal, request_id)),
        Some(ErrorShape::Anthropic) => {
            wording::anthropic(Problem::of(refusal, request_id), request_id)
        }
        Some(ErrorShape::Problem) | None => Problem::of(refusal, request_id),
    }
}

/// Answers with a JSON document of the gate's own, after its audit record was handed over.
///
/// # Errors
/// The client's connection failed.
pub(super) async fn publish(
    session: &mut Session,
    exchange: &mut Exchange,
    document: &Published,
) -> pingora::Result<()> {
    let shows_body = session.req_header().method != http::Method::HEAD;
    exchange.trail_mut().answered(200);
    if shows_body {
        exchange.trail_mut().count_out(document.body.len());
    }
    if exchange.record().await.is_err() {
        return refuse(session, exchange, &FailureCode::AuditUnavailable.into()).await;
    }
    let mut response = ResponseHeader::build(200, Some(4))?;
    response.insert_header(header::CONTENT_TYPE, "application/json")?;
    response.insert_header(header::CONTENT_LENGTH, document.body.len())?;
    match &document.etag {
        Some(etag) => {
            response.insert_header(header::ETAG, etag.as_str())?;
            response.insert_header(header::CACHE_CONTROL, "no-store")?;
        }
        None => response.insert_header(header::CACHE_CONTROL, "no-cache")?,
    }
    response.insert_header("X-Request-Id", exchange.trail().request_id().header_value())?;
    settle_body(session).await;
    session
        .write_response_header(Box::new(response), !shows_body)
        .await?;
    if !shows_body {
        return Ok(());
    }
    let body = Bytes::copy_from_slice(&document.body);
    session.write_response_body(Some(body), true).await
}

fn http(problem: &Problem, exchange: &Exchange) -> pingora::Result<ResponseHeader> {
    let mut response = ResponseHeader::build(problem.status, Some(8))?;
    response.insert_header(header::CONTENT_TYPE, problem.content_type)?;
    response.insert_header(header::CONTENT_LENGTH, problem.body.len())?;
    response.insert_header(header::CACHE_CONTROL, "no-store")?;
    response.insert_header("X-Request-Id", exchange.trail().request_id().header_value())?;
    if let Some(challenge) = &problem.challenge {
        response.insert_header(header::WWW_AUTHENTICATE, challenge.as_str())?;
    }
    if let Some(allow) = &problem.allow {
        response.insert_header(header::ALLOW, allow.as_str())?;
    }
    if let Some(seconds) = problem.retry_after {
        response.insert_header(header::RETRY_AFTER, seconds)?;
    }
    if problem.lasting {
        // The OpenAI and Anthropic client libraries retry a 429 otherwise.
        response.insert_header("x-should-retry", "false")?;
    }
    for (name, value) in exchange.trail().limit_fields() {
        response.append_header(name, value)?;
    }
    Ok(response)
}

/// Whether the request is a gRPC call.
pub(super) fn is_grpc(session: &Session) -> bool {
    session
        .req_header()
        .headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// The same refusal as a gRPC client understands it: an answer of trailers only
/// (gRPC over HTTP/2, "Responses"), with the status that the HTTP one stands for.
fn grpc(problem: &Problem) -> pingora::Result<ResponseHeader> {
    let code = match problem.status {
        400 | 413 | 415 => "3",
        401 => "16",
        403 => "7",
        404 => "5",
        405 => "12",
        408 | 504 => "4",
        429 => "8",
        502 | 503 => "14",
        _ => "13",
    };
    let mut response = ResponseHeader::build(200, Some(4))?;
    response.insert_header(header::CONTENT_TYPE, "application/grpc")?;
    response.insert_header("grpc-status", code)?;
    response.insert_header("grpc-message", problem.code)?;
    Ok(response)
}

/// Deals with a body that a refused request still has to send.
///
/// A short one is read, which keeps the connection usable. After a longer one the connection is
/// closed, so that unread bytes can never be taken for a next request.
async fn settle_body(session: &mut Session) {
    if session.is_body_done() {
        return;
    }
    let length = session
        .req_header()
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<u64>().ok());
    let waits = session.req_header().headers.contains_key(header::EXPECT);
    let short = !waits && length.is_some_and(|length| length <= MAX_DRAIN);
    if !short
        || !matches!(
            fast_timeout(DRAIN, session.drain_request_body()).await,
            Ok(Ok(()))
        )
    {
        session.set_keepalive(None);
    }
}

/// Reads on for a moment after the answer to a request whose body was not read: closing with unread
/// input resets the connection, and the reset can overtake the answer.
async fn linger(session: &mut Session) {
    if session.is_http2() || session.is_body_done() {
        return;
    }
    let rest = async { while let Ok(Some(_)) = session.read_request_body().await {} };
    match fast_timeout(LINGER, rest).await {
        Ok(()) | Err(_) => {}
    }
}
