//! `/v1/tenants/{id}/statement`: what a tenant was charged, line by line.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_core::Stream;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::{AdminState, problem};
use crate::audit::Filter;
use crate::budget::{StatementFormat, StatementHead, write_statement};
use crate::tenant::TenantId;

/// Size of the pieces that a statement is sent in, in bytes.
const PIECE: usize = 64 << 10;
/// Pieces that wait for a slow reader.
const WAITING: usize = 4;

/// What may be asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    since: Option<String>,
    until: Option<String>,
    format: Option<String>,
}

/// A statement, sent as it is read. One that can't be read to its end breaks off: as JSON it is then
/// no document, and as CSV its transfer has no end.
pub(super) async fn show(
    State(state): State<Arc<AdminState>>,
    Path(tenant): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let asked = match asked {
        Ok(Query(asked)) => asked,
        Err(error) => return refused(&error.body_text()),
    };
    let format = match asked.format.as_deref() {
        None | Some("json") => StatementFormat::Json,
        Some("csv") => StatementFormat::Csv,
        Some(other) => return refused(&format!("`{other}` is no format: `json` or `csv`")),
    };
    let tenant = match TenantId::kept(&tenant) {
        Ok(tenant) => tenant,
        Err(error) => return refused(&error.to_string()),
    };
    let times = Filter::parse(
        None,
        asked.since.as_deref(),
        asked.until.as_deref(),
        None,
        state.gate.now(),
    );
    let head = match times {
        Ok(Filter { since, until, .. }) => StatementHead {
            tenant,
            since,
            until,
        },
        Err(error) => return refused(&error.to_string()),
    };
    let (pieces, stream) = mpsc::channel(WAITING);
    let ledger = Arc::clone(state.gate.ledger());
    tokio::task::spawn_blocking(move || {
        let out = Pieces {
            held: Vec::with_capacity(PIECE),
            pieces: pieces.clone(),
        };
        if let Err(error) = write_statement(&ledger, &head, format, out) {
            tracing::error!(tenant = %head.tenant, %error, "a statement broke off");
            // A reader that left hears nothing of it.
            let _left = pieces.blocking_send(Err(error));
        }
    });
    let kind = match format {
        StatementFormat::Csv => "text/csv; charset=utf-8; header=present",
        StatementFormat::Json => "application/json",
    };
    let headers = [("content-type", kind), ("cache-control", "no-store")];
    (headers, Body::from_stream(PieceStream(stream))).into_response()
}

/// Gathers what is written into pieces and hands them to the answer.
struct Pieces {
    held: Vec<u8>,
    pieces: mpsc::Sender<io::Result<Bytes>>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        if self.held.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = std::mem::take(&mut self.held);
        self.pieces
            .blocking_send(Ok(piece.into()))
            .map_err(|_left| io::ErrorKind::BrokenPipe.into())
    }
}

struct PieceStream(mpsc::Receiver<io::Result<Bytes>>);

impl Stream for PieceStream {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

fn refused(detail: &str) -> Response {
    problem(StatusCode::BAD_REQUEST, "request_rejected", detail)
}
