//! `POST /v1/import`: JSON Lines into a namespace, taken while they come.

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, BodyDataStream};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use futures_core::Stream;
use serde_json::{Map, Value, json};

use super::asked::Asked;
use super::lines::Lines;
use super::problems::invalid;
use super::schema::ImportAnswer;
use crate::memory::{Caller, Import, ImportReport, ImportRules, MemoryError};
use crate::memory_api::object_body::object;
use crate::memory_api::{AppState, Problem, ProblemCode};

/// What JSON Lines are called.
const TYPES: [&str; 4] = [
    "application/x-ndjson",
    "application/jsonl",
    "application/x-jsonlines",
    "application/json-lines",
];

/// Takes entries, one JSON object a line, into the caller's own or into shared memory. Each gets an
/// id of its own and the caller as author; whose it was is read over. Lines are written in chunks of
/// up to 500, each all or none; the first chunk with a line that can't be taken ends the import, and
/// the answer says which line, why, and how far it got. Sent again, what is there is not made twice.
#[utoipa::path(
    post,
    path = "/v1/import",
    operation_id = "import_memories",
    tag = "transfer",
    params(
        ("scope" = Option<String>, Query, description = "`user` (when absent) or `shared`"),
        ("foreign" = Option<bool>, Query, description = "`true`: take another tenant's export"),
        ("dry_run" = Option<bool>, Query, description = "`true`: judge every line, write none")
    ),
    request_body(content = String, content_type = "application/x-ndjson"),
    responses(
        (status = 200, description = "All lines were taken", body = ImportAnswer),
        (status = 400, description = "A line is wrong; with the members of the answer"),
        (status = 403, description = "`role_required`: it is shared memory"),
        (status = 409, description = "`key_taken`: another entry has a line's key"),
        (status = 413, description = "`body_too_large` or `entry_too_large`"),
        (status = 507, description = "`quota_exceeded`")
    )
)]
pub(super) async fn run(
    State(state): State<AppState>,
    caller: Caller,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let asked = Asked::read(query.as_deref(), &["scope", "foreign", "dry_run"])?;
    if !is_lines(&headers) {
        let detail = "the body has to be JSON Lines: `Content-Type: application/x-ndjson`";
        return Err(Problem::because(ProblemCode::MediaTypeUnsupported, detail));
    }
    let rules = ImportRules {
        foreign: asked.flag("foreign")?,
        dry_run: asked.flag("dry_run")?,
    };
    let memory = Arc::clone(&state.memory);
    // Escaped, a byte of text takes up to six.
    let line_bytes = usize::try_from(memory.bounds().entry_bytes).unwrap_or(usize::MAX);
    let line_bytes = line_bytes.saturating_mul(6).saturating_add(64 * 1024);
    let import = Import::new(memory, &caller, asked.scope()?, rules)?;
    let lines = Lines::new(line_bytes, state.limits.import_bytes);
    let (mut report, cut) = take(import, lines, body.into_data_stream()).await;
    state.metrics.written(match rules.dry_run {
        true => 0,
        false => report.created,
    });
    let refused: Vec<(u64, Problem)> = std::mem::take(&mut report.refused)
        .into_iter()
        .map(|refused| (refused.line, refused.error.into()))
        .collect();
    let members = members(&report, &refused, rules);
    match (cut, refused.into_iter().next()) {
        (None, None) => Ok(Json(Value::Object(members))),
        (Some(problem), None) => Err(with(problem, members)),
        (_, Some((line, problem))) => Err(with(problem, members).with("line", line)),
    }
}

/// Takes line after line; answers why the body was not read to its end, if it was not.
async fn take(
    mut import: Import,
    mut lines: Lines,
    mut body: BodyDataStream,
) -> (ImportReport, Option<Problem>) {
    loop {
        let part = poll_fn(|context| Pin::new(&mut body).poll_next(context)).await;
        let (more, fed) = match part {
            Some(Ok(part)) => (true, lines.feed(&part)),
            Some(Err(_error)) => return (import.finish().await, Some(broken())),
            None => (false, lines.end()),
        };
        while let Some((number, line)) = lines.next() {
            let members = members_of(&line);
            if let ControlFlow::Break(()) = import.line(number, members).await {
                return (import.finish().await, None);
            }
        }
        if let Err(too_long) = fed {
            let problem = Problem::because(ProblemCode::BodyTooLarge, too_long.to_string());
            return (import.finish().await, Some(problem));
        }
        if !more {
            return (import.finish().await, None);
        }
    }
}

fn members_of(line: &[u8]) -> Result<Map<String, Value>, MemoryError> {
    object(line).map_err(|problem| MemoryError::invalid("line", problem.message()))
}

fn broken() -> Problem {
    invalid("body", "it ended before all of it was here")
}

fn members(
    report: &ImportReport,
    refused: &[(u64, Problem)],
    rules: ImportRules,
) -> Map<String, Value> {
    let refused = refused.iter().map(|(line, problem)| {
        json!({ "line": line, "code": problem.code(), "detail": problem.message() })
    });
    let members = json!({
        "dry_run": rules.dry_run,
        "lines": report.lines,
        "imported_through": report.imported_through,
        "created": report.created,
        "existed": report.existed,
        "skipped": report.skipped,
        "unlinked": report.unlinked,
        "complete": report.complete,
        "refused": refused.collect::<Vec<_>>(),
    });
    match members {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn with(problem: Problem, members: Map<String, Value>) -> Problem {
    members
        .into_iter()
        .fold(problem, |problem, (name, value)| problem.with(&name, value))
}

fn is_lines(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let Some(kind) = kind.and_then(|kind| kind.to_str().ok()) else {
        return false;
    };
    let kind = kind.split(';').next().unwrap_or_default().trim();
    TYPES.contains(&kind.to_ascii_lowercase().as_str())
}
