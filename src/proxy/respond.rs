//! Writing the gate's own answers: refusals.

use bytes::Bytes;
use http::header;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use super::context::Exchange;
use crate::decision::{CONTENT_TYPE, FailureCode, Problem, Refusal};

/// Largest rest of a refused body that is read to keep the connection usable; beyond it the
/// connection is closed, so that unread bytes can never be taken for a next request.
const MAX_DRAIN: u64 = 64 * 1024;

/// Answers with the refusal, after its audit record was handed over.
///
/// # Errors
/// The client's connection failed.
pub(super) async fn refuse(
    session: &mut Session,
    exchange: &mut Exchange,
    refusal: &Refusal,
) -> pingora::Result<()> {
    exchange.trail_mut().refused(refusal);
    let unrecorded = exchange.record().await.is_err();
    let audit_failed = Refusal::from(FailureCode::AuditUnavailable);
    let shown = if unrecorded { &audit_failed } else { refusal };
    let problem = Problem::of(shown, exchange.trail().request_id().as_str());
    let response = if is_grpc(session) {
        grpc(&problem)?
    } else {
        http(&problem, exchange)?
    };
    close_unless_short(session);
    let body = if is_grpc(session) || session.req_header().method == http::Method::HEAD {
        Bytes::new()
    } else {
        Bytes::from(problem.body)
    };
    let ends = body.is_empty();
    session
        .write_response_header(Box::new(response), ends)
        .await?;
    if !ends {
        session.write_response_body(Some(body), true).await?;
    }
    Ok(())
}

fn http(problem: &Problem, exchange: &Exchange) -> pingora::Result<ResponseHeader> {
    let mut response = ResponseHeader::build(problem.status, Some(8))?;
    response.insert_header(header::CONTENT_TYPE, CONTENT_TYPE)?;
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
    Ok(response)
}

fn is_grpc(session: &Session) -> bool {
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

/// After a refusal with a body still to come, closes the connection unless what is left is short.
fn close_unless_short(session: &mut Session) {
    if session.is_body_done() {
        return;
    }
    let length = session
        .req_header()
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<u64>().ok());
    let expects = session.req_header().headers.contains_key(header::EXPECT);
    if expects || length.is_none_or(|length| length > MAX_DRAIN) {
        session.set_keepalive(None);
    }
}
