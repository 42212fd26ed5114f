//! What a client's body asks for.

use std::borrow::Cow;

use http::HeaderMap;

use super::{McpFault, RELATED_TASK, VERSION_IN_BODY, WITH_BATCHES, headers};
use crate::inspect::json::{JsonFault, Limits, Value};
use crate::inspect::json_rpc::{Body, JsonRpcFault, Message};

/// Longest name of a tool, prompt or task and longest URI of a resource, in bytes.
const MAX_NAME: usize = 4096;

/// Most things that one message may name.
const MAX_NAMED: usize = 1000;

/// What kind of thing is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// `tools/call`.
    Tool,
    /// `prompts/get`, and completion of its arguments.
    Prompt,
    /// `resources/read` and subscriptions, by URI; completion, by the URI template.
    Resource,
}

/// One thing that a message would use.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Use {
    /// What kind of thing.
    pub subject: Subject,
    /// Its name, or the URI of a resource.
    pub name: String,
}

/// What a message is, to those who grant access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    /// `initialize`: the answer to it may open a session.
    Initialize,
    /// A method of the protocol that uses nothing, or what [`Call::uses`] and [`Call::tasks`] name.
    Protocol,
    /// Something the client tells.
    Notification,
    /// The client's answer to a request of the server (until 2025-11-25).
    Response,
    /// A method that the protocol does not have: an extension.
    Extension,
}

/// One message of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What it is.
    pub kind: CallKind,
    /// Tools, prompts and resources it would use.
    pub uses: Vec<Use>,
    /// Ids of tasks of the server that it is about.
    pub tasks: Vec<String>,
}

/// The messages of one POST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calls {
    /// In order; never empty.
    pub calls: Vec<Call>,
    /// The id of the request as it is written, where there is exactly one message.
    pub request_id: Option<String>,
}

impl Calls {
    /// Reads a client's body and holds the header fields against it.
    ///
    /// # Errors
    /// See [`McpFault`]. Every message of a batch has to be sound.
    pub fn read(body: &[u8], fields: &HeaderMap) -> Result<Self, McpFault> {
        let body = Body::parse(body, &Limits::default())?;
        let version = headers::version(fields)?;
        if matches!(body, Body::Batch(_)) && version.is_some_and(|version| version != WITH_BATCHES)
        {
            return Err(McpFault::Batch);
        }
        let alone = matches!(body, Body::One(_));
        let mut calls = Vec::with_capacity(body.messages().len());
        for message in body.messages() {
            let (call, mirrored) = Call::of(message)?;
            headers::check(fields, version, alone, &mirrored)?;
            calls.push(call);
        }
        Ok(Self {
            calls,
            request_id: match body {
                Body::One(message) => message.request_id().map(str::to_owned),
                Body::Batch(_) => None,
            },
        })
    }

    /// Whether the answer may open a session. Such a request names none.
    pub fn initializes(&self) -> bool {
        self.calls
            .iter()
            .any(|call| call.kind == CallKind::Initialize)
    }

    /// Everything the messages would use, in order.
    pub fn uses(&self) -> impl Iterator<Item = &Use> {
        self.calls.iter().flat_map(|call| &call.uses)
    }

    /// Every task the messages are about, in order.
    pub fn tasks(&self) -> impl Iterator<Item = &str> {
        let tasks = self.calls.iter().flat_map(|call| &call.tasks);
        tasks.map(String::as_str)
    }

    /// The tool that records name: the first.
    pub fn tool(&self) -> Option<&str> {
        self.uses()
            .find(|used| used.subject == Subject::Tool)
            .map(|used| used.name.as_str())
    }
}

/// What the header fields of a message have to repeat.
#[derive(Clone, Debug)]
pub(super) struct Mirrored<'body> {
    /// A request: in 2026-07-28 it has to carry the fields, where others may.
    pub(super) is_request: bool,
    /// For `Mcp-Method`.
    pub(super) method: Option<&'body str>,
    /// For `MCP-Protocol-Version`.
    pub(super) version: Option<Cow<'body, str>>,
    /// For `Mcp-Name`.
    pub(super) name: Option<Cow<'body, str>>,
    /// Whether `Mcp-Name` has to be there.
    pub(super) named: bool,
}

impl Call {
    fn of<'body>(message: &'body Message<'body>) -> Result<(Self, Mirrored<'body>), McpFault> {
        let params = message.params();
        if params.is_some_and(|params| !params.is_object()) {
            return Err(McpFault::Params("params"));
        }
        let meta = inner(params, &["_meta"])?;
        let mut mirrored = Mirrored {
            is_request: matches!(message, Message::Request { .. }),
            method: message.method(),
            version: optional_text(inner(meta, &[VERSION_IN_BODY])?, "protocolVersion")?,
            name: None,
            named: false,
        };
        let mut call = Self {
            kind: CallKind::Response,
            uses: Vec::new(),
            tasks: Vec::new(),
        };
        if let Message::Request { method, .. } | Message::Notification { method, .. } = message {
            let field = call.ask(method, params)?;
            mirrored.named = field.is_some();
            mirrored.name = match field {
                Some(field) => optional_text(inner(params, &[field])?, field)?,
                None => None,
            };
        }
        if mirrored.is_request
            && let Some(task) = inner(meta, &[RELATED_TASK, "taskId"])?
        {
            // A client may keep tasks of its own (2025-11-25); only of requests to the server it is
            // said that the task is the server's.
            call.tasks.push(text(Some(task), RELATED_TASK)?);
        }
        if matches!(message, Message::Notification { .. }) {
            call.kind = CallKind::Notification;
        }
        if call.uses.len() + call.tasks.len() > MAX_NAMED {
            return Err(JsonRpcFault::TooMany.into());
        }
        Ok((call, mirrored))
    }

    /// Notes what the method is about, and returns the parameter that `Mcp-Name` repeats
    /// (SEP-2243, and SEP-2663 for tasks).
    fn ask(
        &mut self,
        method: &str,
        params: Option<Value<'_>>,
    ) -> Result<Option<&'static str>, McpFault> {
        self.kind = CallKind::Protocol;
        let mut uses = |subject, name| self.uses.push(Use { subject, name });
        match method {
            "initialize" => self.kind = CallKind::Initialize,
            "tools/call" => {
                uses(
                    Subject::Tool,
                    text(inner(params, &["name"])?, "params.name")?,
                );
                return Ok(Some("name"));
            }
            "prompts/get" => {
                uses(
                    Subject::Prompt,
                    text(inner(params, &["name"])?, "params.name")?,
                );
                return Ok(Some("name"));
            }
            "resources/read" => {
                uses(
                    Subject::Resource,
                    text(inner(params, &["uri"])?, "params.uri")?,
                );
                return Ok(Some("uri"));
            }
            "resources/subscribe" | "resources/unsubscribe" => {
                uses(
                    Subject::Resource,
                    text(inner(params, &["uri"])?, "params.uri")?,
                );
            }
            "completion/complete" => {
                let kind = text(inner(params, &["ref", "type"])?, "params.ref.type")?;
                let (subject, field) = match kind.as_str() {
                    "ref/prompt" => (Subject::Prompt, "name"),
                    "ref/resource" => (Subject::Resource, "uri"),
                    _ => return Err(McpFault::Params("params.ref.type")),
                };
                uses(
                    subject,
                    text(inner(params, &["ref", field])?, "params.ref")?,
                );
            }
            "subscriptions/listen" => {
                let wanted = inner(params, &["notifications"])?;
                for uri in texts(inner(wanted, &["resourceSubscriptions"])?, "params")? {
                    uses(Subject::Resource, uri);
                }
                self.tasks = texts(inner(wanted, &["taskIds"])?, "params")?;
            }
            "tasks/get" | "tasks/cancel" | "tasks/update" => {
                let task = inner(params, &["taskId"])?;
                self.tasks.push(text(task, "params.taskId")?);
                return Ok(Some("taskId"));
            }
            "tasks/result" => {
                let task = inner(params, &["taskId"])?;
                self.tasks.push(text(task, "params.taskId")?);
            }
            "ping"
            | "server/discover"
            | "logging/setLevel"
            | "tools/list"
            | "prompts/list"
            | "resources/list"
            | "resources/templates/list"
            | "tasks/list" => {}
            _ => self.kind = CallKind::Extension,
        }
        Ok(None)
    }
}

fn inner<'body>(
    value: Option<Value<'body>>,
    path: &[&str],
) -> Result<Option<Value<'body>>, JsonRpcFault> {
    let found = value.map(|value| value.at(path)).transpose();
    found.map(Option::flatten).map_err(JsonRpcFault::from)
}

fn text(value: Option<Value<'_>>, what: &'static str) -> Result<String, McpFault> {
    optional_text(value, what)?
        .map(Cow::into_owned)
        .ok_or(McpFault::Params(what))
}

fn optional_text<'body>(
    value: Option<Value<'body>>,
    what: &'static str,
) -> Result<Option<Cow<'body, str>>, McpFault> {
    let Some(value) = value else { return Ok(None) };
    value
        .text()
        .filter(|text| text.len() <= MAX_NAME)
        .map(Some)
        .ok_or(McpFault::Params(what))
}

fn texts(value: Option<Value<'_>>, what: &'static str) -> Result<Vec<String>, McpFault> {
    let Some(value) = value else {
        return Ok(Vec::new());
    };
    if !value.is_array() {
        return Err(McpFault::Params(what));
    }
    if value.elements().nth(MAX_NAMED).is_some() {
        return Err(JsonFault::TooMany.into());
    }
    value
        .elements()
        .map(|element| text(Some(element), what))
        .collect()
}

impl From<JsonFault> for McpFault {
    fn from(fault: JsonFault) -> Self {
        JsonRpcFault::from(fault).into()
    }
}

#[cfg(test)]
mod tests;
