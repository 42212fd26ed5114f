//! The spans of a request: the gate's own, and below it the exchange with the backend.
//!
//! Names are those of OpenTelemetry's semantic conventions 1.42.0 (HTTP spans are stable, GenAI is in
//! development), and `fabric.*` for what they have no name for. `url.full` of the exchange is left
//! out though the conventions want it: a target holds ids, and its query anything.

use std::time::Duration;

use http::Method;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};

use super::Detail;
use super::attributes::Attributes;
use super::request::{EndedRequest, GenAi, TraceIds, UpstreamCall, after, nanos};

/// The version of the conventions.
pub(super) const SCHEMA: &str = "https://opentelemetry.io/schemas/1.42.0";

/// Whether the parent is in another process is said, and it is (bits 8 and 9 of a span's flags).
const REMOTE_KNOWN: u32 = 0x100;
const REMOTE: u32 = 0x200;

/// Both spans, or the gate's alone where no backend was asked.
pub(super) fn of(request: &EndedRequest, detail: &Detail) -> Vec<Span> {
    let gate = gate_span(request, detail);
    match &request.upstream {
        Some(call) => vec![gate, upstream_span(request, call, detail)],
        None => vec![gate],
    }
}

fn gate_span(request: &EndedRequest, detail: &Detail) -> Span {
    let mut of = Attributes::default();
    of.text("http.request.method", method(&request.method));
    of.text("url.scheme", detail.scheme);
    if let Some((host, port)) = &detail.server {
        of.text("server.address", host);
        of.number("server.port", (*port).into());
    }
    if let Some((name, path)) = &request.route {
        of.text("http.route", path);
        // The template: a path as it came holds ids, and what a stranger made up.
        of.text("url.path", path);
        of.text("fabric.route", name);
    }
    if let Some(status) = request.status {
        of.number("http.response.status_code", status.into());
    }
    if request.failed() {
        of.text("error.type", request.reason);
    }
    common(&mut of, request, detail);
    of.text(
        "fabric.request_id",
        String::from_utf8_lossy(&request.request_id),
    );
    of.optional("fabric.rule", request.rule.as_deref());
    of.texts("fabric.would_deny", &request.would_deny);
    of.optional("fabric.policy_revision", request.policy_revision.as_deref());
    of.optional("fabric.cost_usd", request.cost.map(|cost| cost.to_string()));
    of.number("http.request.body.size", request.bytes_in);
    of.number("http.response.body.size", request.bytes_out);
    let remote = request.ids.caller.map_or(0, |_| REMOTE);
    Span {
        parent_span_id: request.ids.caller.map(Vec::from).unwrap_or_default(),
        span_id: request.ids.gate.into(),
        name: named(request),
        kind: SpanKind::Server.into(),
        start_time_unix_nano: nanos(request.begun),
        end_time_unix_nano: nanos(request.ended()),
        attributes: of.into_inner(),
        status: Some(status(request.failed(), request.reason)),
        ..blank(&request.ids, remote)
    }
}

fn upstream_span(request: &EndedRequest, call: &UpstreamCall, detail: &Detail) -> Span {
    let mut of = Attributes::default();
    of.text("http.request.method", method(&request.method));
    of.text("fabric.upstream", &call.name);
    if let Some((_, path)) = &request.route {
        of.text("url.template", path);
    }
    if let Some((host, port)) = &call.server {
        of.text("server.address", host);
        of.number("server.port", (*port).into());
    }
    // Seen from the client's side every status from 400 on is an error. Without one nothing is known
    // but whether the gate blames the backend: one that was asked how it says that something is not
    // there did its part.
    let failed = match call.status {
        Some(status) => status >= 400 || request.failed(),
        None => request.reason.starts_with("upstream_"),
    };
    if let Some(code) = call.status {
        of.number("http.response.status_code", code.into());
    }
    match call.status {
        Some(code) if code >= 400 => of.text("error.type", code.to_string()),
        Some(_) | None if failed => of.text("error.type", request.reason),
        Some(_) | None => {}
    }
    let mut name = named(request);
    if let (Some(asked), true) = (&call.gen_ai, detail.gen_ai) {
        let operation = operation(request);
        gen_ai(&mut of, asked, operation);
        if let (Some(operation), Some(model)) = (operation, &asked.model) {
            name = format!("{operation} {model}");
        }
    }
    let ended = call.ended.max(call.begun);
    let at = |passed: Duration| nanos(after(request.begun, passed));
    Span {
        parent_span_id: request.ids.gate.into(),
        span_id: request.ids.upstream.into(),
        name,
        kind: SpanKind::Client.into(),
        start_time_unix_nano: at(call.begun),
        end_time_unix_nano: at(ended),
        attributes: of.into_inner(),
        status: Some(status(failed, "")),
        ..blank(&request.ids, 0)
    }
}

/// Who asked, and what was decided: on the gate's span and on the record of a refusal.
pub(super) fn common(of: &mut Attributes, request: &EndedRequest, detail: &Detail) {
    if let Some(principal) = &request.principal {
        of.text("fabric.tenant", principal.tenant().as_str());
        if detail.users {
            of.text("fabric.user", principal.user().as_str());
        }
    }
    of.text("fabric.decision", request.decision);
    of.text("fabric.reason", request.reason);
}

/// `GET /sessions/{id}`, or the method alone where no route was found.
pub(super) fn named(request: &EndedRequest) -> String {
    let method = match method(&request.method) {
        "_OTHER" => "HTTP",
        known => known,
    };
    match &request.route {
        Some((_, path)) => format!("{method} {path}"),
        None => method.to_owned(),
    }
}

/// The method, where it is one that everybody knows: any other is a word of a stranger.
pub(super) fn method(method: &Method) -> &str {
    const KNOWN: [Method; 9] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::CONNECT,
        Method::OPTIONS,
        Method::TRACE,
        Method::PATCH,
    ];
    if KNOWN.contains(method) {
        method.as_str()
    } else {
        "_OTHER"
    }
}

fn gen_ai(of: &mut Attributes, asked: &GenAi, operation: Option<&str>) {
    of.optional("gen_ai.operation.name", operation);
    of.optional("gen_ai.provider.name", asked.provider);
    of.optional("gen_ai.request.model", asked.model.as_deref());
    of.optional("gen_ai.response.model", asked.answered_by.as_deref());
    if let Some(tokens) = &asked.tokens {
        // The conventions count what came from the provider's cache among the input; the bill counts it
        // apart, for it has a price of its own.
        let input = tokens.input.saturating_add(tokens.cache_read);
        of.number("gen_ai.usage.input_tokens", input);
        of.number("gen_ai.usage.output_tokens", tokens.output);
        of.number("gen_ai.usage.cache_read.input_tokens", tokens.cache_read);
    }
}

/// What a model is asked to do, by the end of the route's template.
fn operation(request: &EndedRequest) -> Option<&'static str> {
    const BY_END: [(&str, &str); 9] = [
        ("/chat/completions", "chat"),
        ("/messages", "chat"),
        ("/responses", "chat"),
        ("/converse", "chat"),
        ("/converse-stream", "chat"),
        ("/completions", "text_completion"),
        ("/embeddings", "embeddings"),
        (":generateContent", "generate_content"),
        (":streamGenerateContent", "generate_content"),
    ];
    let (_, path) = request.route.as_ref()?;
    let known = BY_END.iter().find(|(end, _)| path.ends_with(end));
    known.map(|(_, operation)| *operation)
}

fn status(failed: bool, message: &str) -> Status {
    let (code, message) = if failed {
        (StatusCode::Error, message)
    } else {
        (StatusCode::Unset, "")
    };
    Status {
        message: message.to_owned(),
        code: code.into(),
    }
}

/// What both spans have in common.
fn blank(ids: &TraceIds, remote: u32) -> Span {
    Span {
        trace_id: ids.trace.into(),
        flags: u32::from(ids.sampled) | REMOTE_KNOWN | remote,
        ..Span::default()
    }
}
