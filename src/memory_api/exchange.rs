//! Around every request: its id, a place among those that are served at once, a time to be done by,
//! the problem document where one is answered, one line in the log, and the counters.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::body::Body as _;
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument;

use super::held::Held;
use super::request_id::{self, trace_parent};
use super::shares::Share;
use super::{AppState, MemoryMetrics, Problem, ProblemCode};

use crate::decision::{DenialCode, Refusal};
use crate::tenant::TenantId;

pub use super::request_id::RequestId;

/// Routes that move or erase a whole namespace, which takes its time.
const BULK: [&str; 4] = [
    "/v1/import",
    "/v1/export",
    "/v1/tenants/{tid}",
    "/v1/users/{uid}",
];

/// Answers of fewer bytes are held without being weighed: those of all places are bounded by these.
const LARGE: usize = 2 << 20;

/// What a tenant is told whose answers take as much memory as one tenant's may.
const ANSWERS_ARE_HELD: &str = "too many large answers of the tenant are still to be taken; read \
                                them, or ask for less at once";

/// What a response says instead where there is no room for it: what was done is done, and is told
/// even to a tenant that leaves its answers lying. It has the same media type and few bytes.
#[derive(Clone, Debug)]
pub(super) struct InShort(pub(super) Bytes);

/// The route of a request that no route takes.
const NO_ROUTE: &str = "none";

/// Serves one request.
pub(super) async fn run(
    State(state): State<AppState>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = RequestId::of(request.headers());
    let line = Line::begin(&state, &request, &id);
    let span = tracing::info_span!(
        "request",
        id = id.as_str(),
        traceparent = trace_parent(request.headers())
    );
    request.extensions_mut().insert(id.clone());
    let response = admit(&state, request, next, line.route.clone());
    let (response, place) = response.instrument(span).await;
    finish(&state, response, line, place)
}

/// Serves it if there is a place for it, within its time.
async fn admit(
    state: &AppState,
    request: Request,
    next: Next,
    route: Arc<str>,
) -> (Response, Option<OwnedSemaphorePermit>) {
    let Ok(place) = Arc::clone(&state.requests).try_acquire_owned() else {
        return (refusal(ProblemCode::Overloaded), None);
    };
    if is_coded(&request) {
        let refused = Refusal::from(DenialCode::EncodingUnsupported);
        return (Problem::from(refused).into_response(), Some(place));
    }
    let limit = time_limit(state, &route);
    let served = tokio::time::timeout(limit, caught(next.run(request))).await;
    let response = match served {
        Ok(Some(response)) => response,
        Ok(None) => refusal(ProblemCode::Internal),
        Err(_elapsed) => refusal(ProblemCode::TimedOut),
    };
    (response, Some(place))
}

/// Whether the body is compressed. No route takes such a one: what it unpacks to is not bounded.
fn is_coded(request: &Request) -> bool {
    let codings = request.headers().get_all(header::CONTENT_ENCODING);
    codings
        .iter()
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn refusal(code: ProblemCode) -> Response {
    Problem::new(code).into_response()
}

fn time_limit(state: &AppState, route: &str) -> Duration {
    if BULK.contains(&route) {
        state.limits.bulk_timeout
    } else {
        state.limits.request_timeout
    }
}

/// The outcome, or `None` for a panic, which is logged where it happens and hurts this request only.
async fn caught(serving: impl Future<Output = Response>) -> Option<Response> {
    let mut serving = pin!(serving);
    poll_fn(|context| {
        // What the panicking handler held is dropped with it and seen by nobody afterwards.
        match catch_unwind(AssertUnwindSafe(|| serving.as_mut().poll(context))) {
            Ok(Poll::Ready(response)) => Poll::Ready(Some(response)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_panic) => Poll::Ready(None),
        }
    })
    .await
}

/// Writes the problem document, sets the headers of every answer, and holds what ends with it.
fn finish(
    state: &AppState,
    mut response: Response,
    mut line: Line,
    place: Option<OwnedSemaphorePermit>,
) -> Response {
    line.tenant = response.extensions_mut().remove();
    let mut share: Option<Share> = response.extensions_mut().remove();
    let place = if is_event_stream(&response) {
        let place = Arc::clone(&state.streams).try_acquire_owned().ok();
        let shares = &state.streams_of_tenants;
        let held = line.tenant.as_ref().map(|tenant| shares.take(tenant));
        if place.is_none() || matches!(held, Some(None)) {
            response = refusal(ProblemCode::Overloaded);
        }
        share = held.flatten();
        place
    } else {
        place
    };
    // An answer is held until a slow peer has taken it; its place says nothing of how large it is.
    let weight = weight(&response);
    let short: Option<InShort> = response.extensions_mut().remove();
    let tenant = line.tenant.as_ref().filter(|_| weight >= LARGE);
    let room = tenant.map(|tenant| state.answers_of_tenants.weigh(tenant, weight));
    if matches!(room, Some(None)) {
        match short {
            Some(InShort(short)) => *response.body_mut() = Body::from(short),
            None => {
                let problem = Problem::because(ProblemCode::Overloaded, ANSWERS_ARE_HELD);
                response = problem.into_response();
            }
        }
    }
    let room = room.flatten();
    if let Some(problem) = response.extensions().get::<Problem>().cloned() {
        line.code = Some(problem.code());
        if problem.is_of_the_store() {
            state.metrics.store_failed();
        }
        if is_unwritten(&response) {
            let allow = response.headers_mut().remove(header::ALLOW);
            response = problem.answer(line.id.as_str());
            if let Some(allow) = allow {
                response.headers_mut().insert(header::ALLOW, allow);
            }
        }
    }
    line.status = response.status();
    let headers = response.headers_mut();
    let private = HeaderValue::from_static("private, no-store");
    headers.insert(header::CACHE_CONTROL, private);
    headers.insert(request_id::HEADER, line.id.header_value());
    let streams = is_event_stream(&response);
    response.map(|body| {
        let held = Held::new(body, (line, place, share, room));
        Body::new(match streams {
            true => held.until(state.stopping.clone().begun()),
            false => held,
        })
    })
}

/// Whether a problem is still to be written down. One that a facade has put in its own words is not.
fn is_unwritten(response: &Response) -> bool {
    response.body().is_end_stream()
}

/// Bytes of an answer that is whole in memory; one that is sent while it is made has none.
fn weight(response: &Response) -> usize {
    let exact = response.body().size_hint().exact().unwrap_or_default();
    usize::try_from(exact).unwrap_or(usize::MAX)
}

fn is_event_stream(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// What is told of a request when its answer is through or its peer has gone. No content, no token
/// and no query is in it.
struct Line {
    id: RequestId,
    method: Method,
    route: Arc<str>,
    tenant: Option<TenantId>,
    status: StatusCode,
    code: Option<&'static str>,
    begun: Instant,
    metrics: Arc<MemoryMetrics>,
}

impl Line {
    fn begin(state: &AppState, request: &Request, id: &RequestId) -> Self {
        let route = request.extensions().get::<MatchedPath>();
        Self {
            id: id.clone(),
            method: request.method().clone(),
            route: route.map_or(NO_ROUTE, MatchedPath::as_str).into(),
            tenant: None,
            // Stands if the request is dropped before there is an answer: nginx' word for it.
            status: StatusCode::from_u16(499).unwrap_or_default(),
            code: None,
            begun: Instant::now(),
            metrics: Arc::clone(&state.metrics),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let taken = self.begun.elapsed();
        self.metrics
            .ended(&self.method, &self.route, self.status, self.code, taken);
        tracing::info!(
            request_id = self.id.as_str(),
            method = %self.method,
            route = &*self.route,
            tenant = self.tenant.as_ref().map(TenantId::as_str),
            status = self.status.as_u16(),
            code = self.code,
            microseconds = u64::try_from(taken.as_micros()).unwrap_or(u64::MAX),
            "served"
        );
    }
}

#[cfg(test)]
mod tests;
