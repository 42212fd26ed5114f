//! `GET /v1/export`: a namespace as JSON Lines, sent while it is read.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use tokio::sync::mpsc;

use super::asked::Asked;
use crate::memory::{Caller, Export, Scope, StoreError};
use crate::memory_api::{AppState, MemoryMetrics, Problem};

/// The media type of JSON Lines, as most of its readers know it.
pub(super) const JSON_LINES: &str = "application/x-ndjson";

/// Parts that may wait for a slow reader.
const AHEAD: usize = 2;

/// Everything of one scope that the caller may see, of all doors: memories, items and files. The
/// last line tells that the file is whole.
#[utoipa::path(
    get,
    path = "/v1/export",
    operation_id = "export_memories",
    tag = "transfer",
    params(
        ("scope" = Option<String>, Query, description = "`user` (when absent) or `shared`"),
        ("history" = Option<bool>, Query, description = "`true`: earlier versions as well")
    ),
    responses((status = 200, description = "JSON Lines", content_type = "application/x-ndjson", body = String))
)]
pub(super) async fn run(
    State(state): State<AppState>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let asked = Asked::read(query.as_deref(), &["scope", "history"])?;
    let reach = caller.reach(asked.scope()?.unwrap_or(Scope::User));
    let history = asked.flag("history")?;
    let mut export = Export::new(Arc::clone(&state.memory), reach, history);
    // A store that does not answer at all is told by a status; later only the missing end tells.
    let mut beginning = Vec::new();
    for _ in 0..2 {
        beginning.extend(export.next().await?.unwrap_or_default());
    }
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(send(export, beginning, sender, Arc::clone(&state.metrics)));
    let name = format!("attachment; filename=\"{}.jsonl\"", caller.tenant());
    let headers = [
        (header::CONTENT_TYPE, JSON_LINES.to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, Body::from_stream(Parts(receiver))).into_response())
}

type Part = Result<Bytes, StoreError>;

/// Reads ahead of the reader, and ends when it goes away.
async fn send(
    mut export: Export,
    beginning: Vec<u8>,
    parts: mpsc::Sender<Part>,
    metrics: Arc<MemoryMetrics>,
) {
    if parts.send(Ok(beginning.into())).await.is_err() {
        return;
    }
    loop {
        let part = match export.next().await {
            Ok(None) => return,
            Ok(Some(lines)) => Ok(lines.into()),
            Err(error) => {
                metrics.store_failed();
                tracing::error!(%error, "an export was cut short");
                Err(error)
            }
        };
        let last = part.is_err();
        if parts.send(part).await.is_err() || last {
            return;
        }
    }
}

struct Parts(mpsc::Receiver<Part>);

impl Stream for Parts {
    type Item = Part;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Part>> {
        self.0.poll_recv(context)
    }
}
