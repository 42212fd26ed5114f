//! What the body decides on a route that speaks the Model Context Protocol, and what of the server's
//! messages the caller may see.
//!
//! A session belongs to the user it was opened for: `Mcp-Session-Id` is a resource like any other
//! ([`RoutePolicy::mcp`] implies it), so a token that is refreshed keeps the session and nobody
//! else's token reaches it. Tasks belong to their user too; their ids stand in bodies.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, header};

use super::admission::Admission;
use super::admit::is_coded;
use super::answer::Answer;
use super::ownership::{NamedResource, key, may_reach, owner, unavailable};
use super::trail::Trail;
use super::{Call, Gate};
use crate::decision::{Denial, DenialCode, Refusal};
use crate::identity::Principal;
use crate::inspect::json_rpc;
use crate::inspect::mcp::{Answer as Messages, CallKind, Calls, Listed, Subject, Use};
use crate::inspect::sse::Frame;
use crate::ownership::{Ownership, Registry, ResourceKey};
use crate::policy::{
    Access, Extractor, IdForm, MCP_SESSION, OwnerScope, PolicySnapshot, ResourceRule, RoutePolicy,
    Standing, authorize_use, is_plain_uri,
};

/// Kind of the tasks that a server keeps (2025-11-25, and SEP-2663).
const TASK: &str = "mcp-task";

/// What an admitted MCP request leaves for its answer.
#[derive(Clone, Debug)]
pub(super) struct McpAdmission {
    method: Method,
    standing: Standing,
}

/// Who asks for what on an MCP route.
pub(super) struct McpRequest<'request> {
    pub(super) snapshot: &'request PolicySnapshot,
    pub(super) route: &'request RoutePolicy,
    pub(super) principal: &'request Principal,
    pub(super) call: &'request Call<'request>,
    pub(super) standing: Standing,
}

impl McpRequest<'_> {
    /// Decides by the body, if the method has one, and returns the tasks it names.
    ///
    /// # Errors
    /// `request_rejected` for a body that is not as the protocol has it or that header fields
    /// contradict, `tool_forbidden` for what a rule forbids, `role_required` for what only a role
    /// opens.
    pub(super) fn decide(
        &self,
        body: Option<&[u8]>,
        trail: &mut Trail,
    ) -> Result<Vec<NamedResource>, Refusal> {
        let headers = self.call.headers;
        // A backend that reads `_` or `.` as `-` would find a session that nobody was asked about.
        if headers.keys().any(|name| is_alias(name.as_str())) {
            return Err(rejected("a header is spelled like one of the protocol's"));
        }
        let in_session = headers.contains_key(MCP_SESSION.header);
        if headers.contains_key("last-event-id") && !in_session {
            // Ids of events are the server's, and within its session everybody's who has it.
            return Err(rejected("a stream is resumed within a session"));
        }
        let Some(body) = body.filter(|_| *self.call.method == Method::POST) else {
            return Ok(Vec::new());
        };
        if is_coded(headers) {
            let detail = "the route reads the body, so it has to come without a content coding";
            return Err(Denial::because(DenialCode::EncodingUnsupported, detail).into());
        }
        let calls = Calls::read(body, headers).map_err(|fault| {
            trail.rpc_id = json_rpc::id_of(body);
            Denial::from(fault)
        })?;
        trail.rpc_id.clone_from(&calls.request_id);
        trail.tool = calls.tool().map(Arc::from);
        for call in &calls.calls {
            match call.kind {
                CallKind::Response if !in_session => {
                    return Err(rejected("an answer to the server belongs to a session"));
                }
                CallKind::Extension if self.standing == Standing::Uses => {
                    return Err(Denial::new(DenialCode::RoleRequired).into());
                }
                CallKind::Response
                | CallKind::Extension
                | CallKind::Initialize
                | CallKind::Protocol
                | CallKind::Notification => {}
            }
        }
        let by_uri = self.snapshot.judges_resource_uris();
        for used in calls.uses() {
            if by_uri && used.subject == Subject::Resource && !is_plain_uri(&used.name) {
                return Err(rejected(
                    "the URI of the resource is not in its normal form, and rules are about URIs as they stand",
                ));
            }
            let outcome = authorize_use(
                self.snapshot,
                self.route,
                self.principal,
                self.call.method,
                self.standing,
                used,
            );
            for rule in outcome.would_deny {
                if !trail.would_deny.contains(&rule) {
                    trail.would_deny.push(rule);
                }
            }
            trail.rule = outcome.rule.or_else(|| trail.rule.take());
            outcome.decision?;
        }
        let task: Arc<str> = TASK.into();
        let place = Extractor::Body(vec!["params".to_owned(), "taskId".to_owned()]);
        let named = calls.tasks().map(|id| NamedResource {
            key: key(self.route, &task, IdForm::Exact, id).ok(),
            kind: Arc::clone(&task),
            text: id.into(),
            place: place.clone(),
        });
        Ok(named.collect())
    }

    /// The origin of the page behind a request whose sender did not have to know a credential: who
    /// sends a token was not talked into it by a page ("Security & Endpoint" of 2026-07-28).
    pub(super) fn ambient_origin(&self) -> Option<&str> {
        let headers = self.call.headers;
        let knows =
            headers.contains_key(header::AUTHORIZATION) || headers.contains_key("x-api-key");
        let origin = headers.get(header::ORIGIN).filter(|_| !knows)?;
        Some(origin.to_str().unwrap_or_default())
    }

    /// What the answer has to know.
    pub(super) fn admitted(&self) -> McpAdmission {
        McpAdmission {
            method: self.call.method.clone(),
            standing: self.standing,
        }
    }
}

/// The rule under which tasks are held.
pub(super) fn task_rule() -> ResourceRule {
    ResourceRule {
        kind: TASK.into(),
        ids: Vec::new(),
        form: IdForm::Exact,
        claim: false,
        optional: true,
        objects: false,
        access: Access {
            scope: OwnerScope::User,
            unless_roles: Vec::new(),
        },
    }
}

/// Whether a field is one of the protocol's to those who fold `_` and `.`, and another to the rest.
fn is_alias(name: &str) -> bool {
    let folded = name.replace(['_', '.'], "-");
    folded != name && (folded.starts_with("mcp-") || folded == "last-event-id")
}

fn rejected(detail: &'static str) -> Refusal {
    Denial::because(DenialCode::RequestRejected, detail).into()
}

impl Admission {
    /// An event as the caller may see it.
    ///
    /// # Errors
    /// As [`Admission::judge_answer`].
    pub(super) async fn judge_event(
        &self,
        registry: &Registry,
        frame: &Frame,
    ) -> Result<Bytes, Refusal> {
        let Some(data) = frame.data() else {
            return Ok(frame.bytes().clone());
        };
        // The first event of a stream may be there for its id alone (2025-11-25, "Sending Messages").
        if data.trim_ascii().is_empty() {
            return Ok(frame.bytes().clone());
        }
        let edited = self.judge_messages(registry, &data).await?;
        Ok(match edited {
            Some(edited) => frame.with_data(&edited),
            None => frame.bytes().clone(),
        })
    }

    /// An answer that was read whole, as the caller may see it.
    pub(super) async fn judge_mcp(
        &self,
        registry: &Registry,
        mut answer: Answer,
    ) -> Result<Answer, Refusal> {
        if answer.body.is_empty() {
            return Ok(answer);
        }
        if is_coded(&answer.headers) {
            return Err(self.unreadable("is compressed"));
        }
        if !answer.status.is_success() && Messages::read(&answer.body).is_err() {
            // An error page need not be a message, and what is none lists nothing.
            return Ok(answer);
        }
        if let Some(edited) = self.judge_messages(registry, &answer.body).await? {
            answer.body = Bytes::from(edited);
            for name in CONTENT_MARKS {
                answer.headers.remove(name);
            }
        }
        Ok(answer)
    }

    /// Learns the tasks that messages begin, and takes out of lists what the caller may not use;
    /// `None` where nothing changes.
    async fn judge_messages(
        &self,
        registry: &Registry,
        body: &[u8],
    ) -> Result<Option<Vec<u8>>, Refusal> {
        let (Some(principal), Some(mcp)) = (self.principal.as_deref(), &self.mcp) else {
            return Ok(None);
        };
        let messages = Messages::read(body).map_err(|fault| self.unreadable(&fault.to_string()))?;
        let kind: Arc<str> = TASK.into();
        let keyed = |id: &str| key(&self.route, &kind, IdForm::Exact, id);
        let access = task_rule().access;
        for id in messages.created_tasks() {
            let task = keyed(id).map_err(|error| {
                self.unreadable(&format!("begins what can be no task: {error}"))
            })?;
            let owned = registry
                .mint(&task, &owner(principal))
                .await
                .map_err(unavailable)?;
            if !is_reached(&owned, &access, principal) {
                return Err(self.foreign("begins a task that belongs to another"));
            }
        }
        let (ids, keys): (Vec<&str>, Vec<ResourceKey>) = messages
            .listed_tasks()
            .filter_map(|id| Some((id, keyed(id).ok()?)))
            .unzip();
        let owners = registry.owners(&keys).await.map_err(unavailable)?;
        let own: HashSet<&str> = ids
            .into_iter()
            .zip(&owners)
            .filter(|(_, owned)| is_reached(owned, &access, principal))
            .map(|(id, _)| id)
            .collect();
        let may_use = |subject, name: &str| {
            let used = Use {
                subject,
                name: name.to_owned(),
            };
            let outcome = authorize_use(
                self.generation.snapshot(),
                &self.route,
                principal,
                &mcp.method,
                mcp.standing,
                &used,
            );
            outcome.decision.is_ok()
        };
        Ok(messages.filtered(|listed| match listed {
            Listed::Tool(name) => may_use(Subject::Tool, name),
            Listed::Prompt(name) => may_use(Subject::Prompt, name),
            Listed::Resource(uri) => may_use(Subject::Resource, uri),
            Listed::Task(id) => own.contains(id),
        }))
    }
}

/// Fields that are true of the bytes the server sent, and of no others.
const CONTENT_MARKS: [header::HeaderName; 4] = [
    header::ETAG,
    header::HeaderName::from_static("content-md5"),
    header::HeaderName::from_static("content-digest"),
    header::HeaderName::from_static("repr-digest"),
];

fn is_reached(owned: &Ownership, access: &Access, principal: &Principal) -> bool {
    match owned {
        Ownership::Owned(owner) => may_reach(owner, access, principal),
        Ownership::Unknown | Ownership::Retired => false,
    }
}

impl Gate {
    /// A refusal of a credential, with what a client has to know to get another one (RFC 9728
    /// section 5.1): where that is said, and which scopes the route asks for (RFC 6750 section 3).
    pub(super) fn advise(refusal: Refusal, route: Option<&Arc<RoutePolicy>>) -> Refusal {
        let resource = route.and_then(|route| route.upstream.protected_resource.as_ref());
        let (Refusal::Denied(mut denial), Some(route), Some(resource)) =
            (refusal.clone(), route, resource)
        else {
            return refusal;
        };
        denial.resource_metadata = Some(Arc::clone(resource.metadata_url()));
        if denial.code.facts().status == 401 && !route.scopes.is_empty() {
            denial.required = Some(route.scopes.join(" ").into());
        }
        denial.into()
    }
}
