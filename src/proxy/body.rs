//! Reading a whole request body before the decision that needs it.
//!
//! pingora replays a body that was read in `request_filter` from its retry buffer, which ends at
//! 64 KiB; a longer one never reaches the backend. A body that is read here is therefore sent by
//! [`super::exchange`] and not by pingora's proxy loop.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pingora::ErrorType;
use pingora::proxy::Session;
use pingora_timeout::fast_timeout::fast_timeout;

use super::memory_budget::{Holding, MemoryBudget};
use crate::decision::{Denial, DenialCode, FailureCode, Refusal};

/// A request body in memory, with its share of the budget.
#[derive(Debug)]
pub(super) struct CapturedBody {
    /// Every byte of it, as the client sent it (transfer coding removed).
    pub(super) bytes: Bytes,
    /// Kept for as long as the bytes are.
    _holding: Holding,
}

/// Bounds on one captured body.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyBounds {
    /// Largest body in bytes; one more and it is refused.
    pub(super) bytes: u64,
    /// For all of it.
    pub(super) deadline: Duration,
}

/// Slowest body that is waited for, in bytes per second over its whole length so far.
const SLOWEST: u64 = 256;

/// How slow a request body may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyPace {
    /// For all of a body that is read before the decision.
    pub(super) whole: Duration,
    /// Longest pause inside any body.
    pub(super) pause: Duration,
    /// A body may take its first seconds at any speed.
    grace: Duration,
}

impl BodyPace {
    /// The pace of a gate that reads a body for `timeout` at most.
    pub(super) fn within(timeout: Duration) -> Self {
        Self {
            whole: timeout,
            pause: timeout.min(Duration::from_secs(15)),
            grace: timeout.min(Duration::from_secs(20)),
        }
    }

    /// Whether a body that brought so many bytes in this time comes in too slowly.
    pub(super) fn is_missed(&self, elapsed: Duration, bytes: u64) -> bool {
        elapsed > self.grace && bytes / elapsed.as_secs().max(1) < SLOWEST
    }
}

/// Reads the body whole.
///
/// # Errors
/// `body_too_large`, `request_timeout`, `overloaded` when the shared budget is used up, and
/// `request_rejected` for a body that breaks off or is framed wrongly.
pub(super) async fn capture(
    session: &mut Session,
    declared_length: Option<u64>,
    bounds: BodyBounds,
    budget: &std::sync::Arc<MemoryBudget>,
) -> Result<CapturedBody, Refusal> {
    if declared_length.is_some_and(|length| length > bounds.bytes) {
        return Err(too_large(bounds.bytes));
    }
    let mut holding = budget.holding();
    if let Some(length) = declared_length {
        // Announcing a body costs its sender nothing, so it takes nothing from the others: memory is
        // held by what arrived. One that has no room as things stand is refused at once.
        budget
            .holding()
            .grow(length)
            .map_err(|_exhausted| Refusal::from(FailureCode::Overloaded))?;
    }
    expect(session).await?;
    let read = read_all(session, declared_length, bounds.bytes, &mut holding);
    match fast_timeout(bounds.deadline, read).await {
        Ok(bytes) => Ok(CapturedBody {
            bytes: bytes?,
            _holding: holding,
        }),
        Err(_elapsed) => Err(DenialCode::RequestTimeout.into()),
    }
}

/// Reads the body whole and keeps nothing of it; how many bytes it had.
///
/// # Errors
/// As [`capture`], but for the budget.
pub(super) async fn discard(
    session: &mut Session,
    declared_length: Option<u64>,
    bounds: BodyBounds,
) -> Result<usize, Refusal> {
    if declared_length.is_some_and(|length| length > bounds.bytes) {
        return Err(too_large(bounds.bytes));
    }
    expect(session).await?;
    let read = async {
        let mut total = 0;
        while let Some(chunk) = session
            .read_request_body()
            .await
            .map_err(|error| broken(&error))?
        {
            total += chunk.len();
            if total as u64 > bounds.bytes {
                return Err(too_large(bounds.bytes));
            }
        }
        Ok(total)
    };
    match fast_timeout(bounds.deadline, read).await {
        Ok(total) => total,
        Err(_elapsed) => Err(DenialCode::RequestTimeout.into()),
    }
}

/// Tells a client that waits for it to go on.
async fn expect(session: &mut Session) -> Result<(), Refusal> {
    // The client waits for this before it sends a byte (RFC 9110 section 10.1.1). One of HTTP/1.0
    // knows no interim answers, and would take it for the answer.
    let head = session.req_header();
    if head.version != http::Version::HTTP_10 && head.headers.contains_key(http::header::EXPECT) {
        session
            .write_continue_response()
            .await
            .map_err(|error| broken(&error))?;
    }
    Ok(())
}

async fn read_all(
    session: &mut Session,
    declared_length: Option<u64>,
    limit: u64,
    holding: &mut Holding,
) -> Result<Bytes, Refusal> {
    let capacity = declared_length
        .and_then(|length| usize::try_from(length).ok())
        .unwrap_or(0);
    let mut body = BytesMut::new();
    let mut first = None;
    while let Some(chunk) = session
        .read_request_body()
        .await
        .map_err(|error| broken(&error))?
    {
        let length = (body.len() + first.as_ref().map_or(0, Bytes::len) + chunk.len()) as u64;
        if length > limit {
            return Err(too_large(limit));
        }
        holding
            .grow(chunk.len() as u64)
            .map_err(|_exhausted| Refusal::from(FailureCode::Overloaded))?;
        // A body that arrives in one piece, as most do, is kept as it is.
        match (body.is_empty(), first.take()) {
            (true, None) => first = Some(chunk),
            (true, Some(head)) => {
                body.reserve(capacity.max(head.len() + chunk.len()));
                body.extend_from_slice(&head);
                body.extend_from_slice(&chunk);
            }
            (false, _) => body.extend_from_slice(&chunk),
        }
    }
    Ok(first.unwrap_or_else(|| body.freeze()))
}

fn too_large(limit: u64) -> Refusal {
    Denial::because(
        DenialCode::BodyTooLarge,
        format!("the limit is {limit} bytes"),
    )
    .into()
}

fn broken(error: &pingora::Error) -> Refusal {
    tracing::debug!(%error, "the request body broke off");
    if *error.etype() == ErrorType::ReadTimedout {
        return DenialCode::RequestTimeout.into();
    }
    Denial::because(
        DenialCode::RequestRejected,
        "the request body is incomplete or malformed",
    )
    .into()
}
