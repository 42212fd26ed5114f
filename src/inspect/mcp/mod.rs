//! The Model Context Protocol over streamable HTTP, as far as access depends on it.
//!
//! Versions 2025-03-26, 2025-06-18 and 2025-11-25 have sessions (`Mcp-Session-Id`), event streams
//! opened by GET, and messages of the server that the client answers by POST. Version 2026-07-28 has
//! none of these: every POST is one request that says its version and repeats what it is about in
//! header fields (SEP-2243), for those who decide without the body. The gate decides by the body and
//! refuses fields that say something else, so that nobody behind it is told another story.
//!
//! * [`Calls`] is what a client's body asks for: tools, prompts, resources, tasks.
//! * [`headers`] holds the header fields against it.
//! * [`Answer`] is what the server's messages show: lists, from which leaves what the caller may not
//!   use, and tasks, which get an owner.
//!
//! What can't be checked: `Mcp-Param-*` fields repeat arguments by the schema of a tool, which the
//! gate does not know; ids of events (`Last-Event-ID`) belong to a session, and within it to whoever
//! owns the session; handles that a tool returns inside of its result are text to the gate.

mod answer;
mod calls;
mod headers;

pub use answer::{Answer, Listed};
pub use calls::{Call, CallKind, Calls, Subject, Use};
pub use headers::HeaderMismatch;

use super::json_rpc::JsonRpcFault;
use crate::decision::{Denial, DenialCode};

/// Versions in which the header fields of SEP-2243 did not exist. Any other version, a later or a
/// made-up one, has to carry them.
const WITHOUT_MIRROR_FIELDS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// The one version whose bodies may be batches, and what a request without a version is taken for
/// (2025-11-25, "Protocol Version Header").
const WITH_BATCHES: &str = "2025-03-26";

/// Where a request of 2026-07-28 says its version, inside of `params`.
const VERSION_IN_BODY: &str = "io.modelcontextprotocol/protocolVersion";

/// Where a message says to which task it belongs (2025-11-25), inside of `params`.
const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";

/// Why a client's message is refused before anybody's rules are asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum McpFault {
    /// See there.
    #[error(transparent)]
    JsonRpc(#[from] JsonRpcFault),
    /// A method whose parameters don't say what it is about.
    #[error("`{0}` is not as the Model Context Protocol has it")]
    Params(&'static str),
    /// A batch in a version that has none.
    #[error("batches are part of version 2025-03-26 only")]
    Batch,
    /// See there.
    #[error(transparent)]
    Mismatch(#[from] HeaderMismatch),
}

impl From<McpFault> for Denial {
    fn from(fault: McpFault) -> Self {
        let code = match fault {
            McpFault::Mismatch(_) => DenialCode::HeaderMismatch,
            McpFault::JsonRpc(_) | McpFault::Params(_) | McpFault::Batch => {
                DenialCode::RequestRejected
            }
        };
        Self::because(code, fault.to_string())
    }
}
