//! What every request goes through before a backend sees it, and what is written down about it.
//!
//! Nothing here knows pingora or axum: a request is a [`Call`] of plain parts, and [`Gate::admit`]
//! turns it into an [`Admission`] or a refusal.

mod absence;
mod admission;
mod admit;
mod answer;
mod authenticate;
pub mod books;
pub mod canonical;
mod cost;
mod credentials;
pub mod declared_tenant;
mod events;
mod extract;
pub mod framing;
mod gate;
mod generation;
mod handles;
pub mod identity_headers;
mod inquiry;
pub mod later;
mod limits;
mod lines;
mod listing;
mod llm;
mod mcp;
mod models;
mod open_answers;
mod ownership;
mod pages;
mod question;
mod rewrite;
mod rpc;
pub mod shared_caches;
mod spending;
mod standing;
pub mod trace_context;
mod trail;

use std::sync::Arc;

use http::{HeaderMap, Method, header};

pub use absence::Absence;
pub use admission::{Admission, AuthorizationOut, MachineHeaders};
pub use admit::Step;
pub use answer::Answer;
pub use events::EventJudge;
pub use gate::{Gate, GateParts, GateSettings, InstallError, UnderWay};
pub use generation::Generation;
pub use handles::{CredentialHandles, HandleError};
pub use inquiry::{Asked, Held as HeldCost, Inquiry, Stage, Whose};
pub use lines::{LineKey, Lines, Turn};
pub use llm::Published;
pub use open_answers::{OpenAnswer, OpenAnswers, Opened};
pub use ownership::NamedResource;
pub use pages::{Paged, Pages};
pub use question::Question;
pub use rewrite::{HeaderChanges, Restoration, RestoringLines};
pub use spending::{Bill, Spending};
pub use trail::Trail;

use crate::identity::client_certificate::CertificateFacts;

/// One request as the pipeline sees it.
#[derive(Clone, Copy, Debug)]
pub struct Call<'request> {
    /// Method.
    pub method: &'request Method,
    /// Path and query as they came; an absolute-form target without its authority.
    pub target: &'request str,
    /// Host, or authority of HTTP/2, with its port.
    pub host: Option<&'request str>,
    /// Header fields.
    pub headers: &'request HeaderMap,
}

impl Call<'_> {
    /// The announced length of the body.
    fn content_length(&self) -> Option<u64> {
        self.headers
            .get(header::CONTENT_LENGTH)?
            .to_str()
            .ok()?
            .parse()
            .ok()
    }
}

/// What is known of the other end of the connection.
#[derive(Clone, Debug, Default)]
pub struct PeerFacts {
    /// The certificate TLS verified.
    pub certificate: Option<Arc<CertificateFacts>>,
}
