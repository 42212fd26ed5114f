//! `/v1/audit/tail`: records as they come onto the disk, as server-sent events.
//!
//! `open` comes first: from then on nothing is left out unsaid. `record` has a record's line; `gap` says how
//! many records, matching or not, came faster than they were read. A comment now and then shows
//! that the connection lives.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_core::Stream;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::{AdminState, problem};
use crate::audit::{Filter, Followed, Following};

/// Most tails at a time.
const MOST_TAILS: usize = 32;
/// Events that wait for a slow reader. What comes meanwhile waits in the log, and not for ever.
const WAITING: usize = 64;
/// How often a silent connection is shown to live.
const PULSE: Duration = Duration::from_secs(15);

/// Places for those who watch.
#[derive(Clone, Debug)]
pub(super) struct Tails(Arc<Semaphore>);

impl Default for Tails {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST_TAILS)))
    }
}

/// What may be asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    tenant: Option<String>,
    route: Option<String>,
    reason: Option<String>,
    decision: Option<String>,
}

/// Watches until the reader leaves.
pub(super) async fn show(
    State((state, tails)): State<(Arc<AdminState>, Tails)>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let asked = match asked {
        Ok(Query(asked)) => asked,
        Err(error) => return refused(&error.body_text()),
    };
    let filter = Filter::parse(
        asked.tenant.as_deref(),
        None,
        None,
        asked.decision.as_deref(),
        state.gate.now(),
    );
    let filter = match filter {
        Ok(filter) => Filter {
            route: asked.route,
            reason: asked.reason,
            ..filter
        },
        Err(error) => return refused(&error.to_string()),
    };
    let Ok(place) = tails.0.try_acquire_owned() else {
        return problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "as many tails are open as there may be",
        );
    };
    let (events, stream) = mpsc::channel(WAITING);
    let following = state.gate.audit().follow(&filter);
    tokio::spawn(tell(following, events, place));
    let headers = [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store"),
    ];
    (headers, Body::from_stream(EventStream(stream))).into_response()
}

async fn tell(mut following: Following, events: mpsc::Sender<Bytes>, _place: OwnedSemaphorePermit) {
    let mut event = Some(Bytes::from_static(b"event: open\ndata: {}\n\n"));
    loop {
        if let Some(event) = event.take()
            && events.send(event).await.is_err()
        {
            return;
        }
        event = tokio::select! {
            followed = following.next() => match followed {
                Some(Followed::Record(line)) => Some(format!("event: record\ndata: {line}\n\n").into()),
                Some(Followed::Missed(missed)) => {
                    Some(format!("event: gap\ndata: {{\"missed\":{missed}}}\n\n").into())
                }
                None => return,
            },
            () = tokio::time::sleep(PULSE) => Some(Bytes::from_static(b":\n\n")),
            () = events.closed() => return,
        };
    }
}

struct EventStream(mpsc::Receiver<Bytes>);

impl Stream for EventStream {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|event| event.map(Ok))
    }
}

fn refused(detail: &str) -> Response {
    problem(StatusCode::BAD_REQUEST, "request_rejected", detail)
}
