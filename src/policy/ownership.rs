//! What a route says about owned resources: which ids it takes, mints, releases and lists.
//!
//! A resource is a thing on a backend that a tenant owns (a session, task, thread, run, approval,
//! file). It is known by upstream, kind and id; nothing else of it is the gate's business.

use std::sync::Arc;

use http::{HeaderName, Method};

use super::{Extractor, RoutePolicy};
use crate::ownership::list::ListShape;

/// How two spellings of an id are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IdForm {
    /// Byte for byte.
    #[default]
    Exact,
    /// As backends parse a UUID (RFC 9562 section 4): case, hyphens, braces and `urn:uuid:` do not
    /// count.
    Uuid,
    /// A UUID, or the name of something the backend came with, which is no UUID in any spelling.
    UuidOrName,
}

/// To whom a resource belongs inside its tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OwnerScope {
    /// To everybody of the tenant.
    #[default]
    Tenant,
    /// To the user who made it.
    User,
}

/// Who of the owner's tenant reaches a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Everybody, or its user alone.
    pub scope: OwnerScope,
    /// Roles for which the tenant's ownership is enough.
    pub unless_roles: Vec<Arc<str>>,
}

/// What becomes of an id whose owner nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UnknownResource {
    /// It does not exist.
    #[default]
    Deny,
    /// The caller owns it from now on.
    Adopt,
    /// It is nobody's, and everybody reaches it.
    Pass,
}

/// `resource`: ids in a request, every one of which has to be the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceRule {
    /// Kind: `session`.
    pub kind: Arc<str>,
    /// Where the ids are; what one of them yields counts, and what another yields counts too.
    pub ids: Vec<Extractor>,
    /// How ids are compared.
    pub form: IdForm,
    /// Whoever uses a free id first owns it.
    pub claim: bool,
    /// A request without an id passes.
    pub optional: bool,
    /// What is no text where an id may be (an object of settings, say) is none, and passes.
    pub objects: bool,
    /// Who reaches it.
    pub access: Access,
}

/// `creates`: ids that the backend mints in its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatesRule {
    /// Kind: `task`.
    pub kind: Arc<str>,
    /// Where the answer has them.
    pub ids: Vec<Extractor>,
    /// How ids are compared.
    pub form: IdForm,
    /// Who reaches an id that was there before.
    pub access: Access,
}

/// `list`: an answer that names many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListRule {
    /// Kind: `task`.
    pub kind: Arc<str>,
    /// Where its parts are in the answer.
    pub shape: ListShape,
    /// Fields that say how many there are.
    pub total_fields: Vec<HeaderName>,
    /// How the backend's pages follow each other.
    pub paging: Option<Paging>,
    /// How ids are compared.
    pub form: IdForm,
    /// Who reaches the items.
    pub access: Access,
}

/// How a list goes on behind a page. Names are those of parameters of the query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Paging {
    /// The next page is the one behind an item, which is named.
    After {
        /// Names the item.
        after: Arc<str>,
        /// Most pages that the gate asks for to find one that holds something of the caller's.
        pages: u32,
    },
    /// Pages begin at a place, counted from the beginning of the list.
    Offset {
        /// The place.
        offset: Arc<str>,
        /// How many items a page has.
        limit: Arc<str>,
        /// What the gate asks for as a limit; the caller's own otherwise.
        page: Option<u64>,
        /// Most pages that the gate asks for to fill one of the caller's.
        pages: u32,
    },
}

/// `not_found`: the backend's words for what does not exist, where they can't be learned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StatedAbsence {
    /// HTTP status.
    pub status: u16,
    /// Media type of the body.
    pub content_type: Arc<str>,
    /// The body; `{id}` stands for the id asked for, `{rpc_id}` for the id of a JSON-RPC request.
    pub body: Arc<str>,
}

/// In whose words a refusal is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ErrorShape {
    /// `application/problem+json` (RFC 9457).
    #[default]
    Problem,
    /// A JSON-RPC 2.0 error object.
    JsonRpc,
    /// The error object of OpenAI's API.
    OpenAi,
    /// The error object of Anthropic's API.
    Anthropic,
}

/// The sessions of MCP servers: a resource that `mcp = true` brings along.
pub const MCP_SESSION: ImpliedSession = ImpliedSession {
    kind: "mcp-session",
    header: "mcp-session-id",
};

/// What the sessions of a protocol are called.
#[derive(Clone, Copy, Debug)]
pub struct ImpliedSession {
    /// Kind of resource.
    pub kind: &'static str,
    /// The header field with the id, in requests and answers.
    pub header: &'static str,
}

impl RoutePolicy {
    /// Whether the answer's head or body teaches the gate something or has to be changed, so that
    /// the gate drives the exchange itself.
    pub fn reads_answer(&self) -> bool {
        !self.guard_tenant.is_empty()
            || !self.creates.is_empty()
            || self.list.is_some()
            || self.deletes
            || self.rewriting.restores_answers()
            || self.mcp
            || self.cost.is_some()
    }

    /// Whether the answer is held against more than its list.
    pub fn reads_more_than_a_list(&self) -> bool {
        !self.guard_tenant.is_empty() || !self.creates.is_empty() || self.deletes
    }

    /// Whether a success of a request by `method` releases its ids. A reading never does, and where
    /// DELETE is among the route's methods nothing else: a change leaves what it changed, and who
    /// claimed its id next would have that.
    pub fn releases(&self, method: &Method) -> bool {
        let by_delete_alone = self.mcp || self.methods.contains(&Method::DELETE);
        self.deletes && !method.is_safe() && (!by_delete_alone || *method == Method::DELETE)
    }

    /// Whether the request names resources.
    pub fn names_resources(&self) -> bool {
        !self.resources.is_empty()
    }
}
