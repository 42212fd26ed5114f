//! `/v1/files`: the caller's files, by the commands of Anthropic's memory tool
//! ([`memory::files`](crate::memory::files)).

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{AppState, ObjectBody, Problem, ProblemCode, QueryOf};
use crate::memory::Caller;
use crate::memory::files::{Command, FileTool, ToolError};

/// The routes of this folder.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(run, read))
}

/// What the model is told.
#[derive(Debug, Serialize, ToSchema)]
struct ToolResult {
    /// The text of the `tool_result` block.
    #[schema(example = "File created successfully at: /memories/plan.md")]
    content: String,
    /// Its `is_error`.
    is_error: bool,
}

/// Carries out one command of the memory tool: the `input` of a `tool_use` block as the model sent
/// it. What the model can mend is told in the result, with `is_error`.
#[utoipa::path(
    post,
    path = "/v1/files",
    tag = "files",
    operation_id = "run_file_command",
    request_body(
        description = "`{\"command\": \"view|create|str_replace|insert|delete|rename\", …}`",
        content_type = "application/json"
    ),
    responses(
        (status = 200, description = "The result", body = ToolResult),
        (status = 400, description = "It is no command")
    )
)]
async fn run(
    State(state): State<AppState>,
    caller: Caller,
    ObjectBody(body): ObjectBody,
) -> Result<Json<ToolResult>, Problem> {
    let command = Command::read(body)
        .map_err(|error| Problem::because(ProblemCode::RequestRejected, error.to_string()))?;
    let tool = FileTool::new(&state.memory, &caller);
    match tool.run(&command).await {
        Ok(done) => {
            state.metrics.written(done.written);
            state.metrics.deleted(done.deleted);
            Ok(Json(ToolResult {
                content: done.content,
                is_error: false,
            }))
        }
        Err(ToolError::Told(content)) => Ok(Json(ToolResult {
            content,
            is_error: true,
        })),
        Err(ToolError::Failed(error)) => Err(error.into()),
    }
}

/// Which file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    path: String,
}

/// The text of one file.
#[utoipa::path(
    get,
    path = "/v1/files",
    tag = "files",
    operation_id = "get_file",
    params(("path" = String, Query, description = "The path, as the tool has it: `/memories/plan.md`")),
    responses(
        (status = 200, description = "The text", content_type = "text/plain"),
        (status = 404, description = "There is none for the caller")
    )
)]
async fn read(
    State(state): State<AppState>,
    caller: Caller,
    QueryOf(which): QueryOf<Which>,
) -> Result<Response, Problem> {
    let tool = FileTool::new(&state.memory, &caller);
    match tool.file(&which.path).await {
        Ok(file) => {
            let plain = [
                (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
                // A file is text that somebody wrote: no browser makes a page of it.
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            Ok((plain, file.fields.content).into_response())
        }
        Err(ToolError::Told(_)) => Err(Problem::new(ProblemCode::NotFound)),
        Err(ToolError::Failed(error)) => Err(error.into()),
    }
}
