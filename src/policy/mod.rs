//! Who may do what: policy files compiled into one immutable [`PolicySnapshot`].
//!
//! ```text
//! PolicyDirectory::read ──> document (as written) ──> compile ──> PolicySnapshot ──> authorize
//!        bytes                 every mistake            every         a value          a pure
//!                              of each entry           mistake                        function
//!                                                    between them
//! ```
//!
//! Nothing here does IO save [`directory`](PolicyDirectory::read), the secrets that a file refers
//! to, and [`reload`]; a snapshot is a value, and every question that is asked of it is a pure
//! function, so that what is explained and tested is what production does.

mod check;
mod compile;
mod cost;
mod decide;
pub mod difference;
mod directory;
pub(crate) mod document;
mod follow;
mod limits;
mod line;
mod lint;
mod ownership;
pub(crate) mod problem;
pub mod profiles;
mod protected_resource;
pub mod reload;
mod render;
mod rewriting;
mod router;
mod shared_memory;
mod snapshot;
mod template;
mod upstream;
mod uses;

pub use check::{Checked, Summary, check};
pub use compile::compile;
pub use cost::{Ceilings, CostPolicy, CostSettings, CostSource};
pub use decide::{
    AuthorizeOutcome, Standing, UseOutcome, authorize, authorize_models, authorize_use,
    may_write_shared_memory, tenant_status,
};
pub use directory::{MAX_FILE_BYTES, MAX_FILES, PolicyDirectory, PolicyFile};
pub use document::built_in_prices;
pub use document::keys::{CASES_FILE, POLICY_FILE};
pub use follow::{AskPolicy, FollowPolicy, ReportsPolicy};
pub use limits::{Limits, TenantLimits};
pub use line::{LinePolicy, LineScope};
pub use lint::{LINTS, Lint, lint, lint_named};
pub use ownership::{
    Access, CreatesRule, ErrorShape, IdForm, ImpliedSession, ListRule, MCP_SESSION, OwnerScope,
    Paging, ResourceRule, StatedAbsence, UnknownResource,
};
pub use problem::{Position, Problem, ProblemKind, Severity};
pub use protected_resource::{METADATA_PATH, ProtectedResource};
pub use render::{render_github, render_human, render_json, render_sarif, render_text};
pub use rewriting::{AbsentValue, Place, PrefixRule, Rewriting, SetRule};
pub use router::{RouteConflict, RouteMatch, Router, serves};
pub use shared_memory::SharedMemoryWrite;
pub use snapshot::*;
pub use template::{Template, TemplateError};
pub use upstream::{UpstreamAddress, UpstreamAuthorization, UpstreamPolicy, UpstreamProtocol};
pub use uses::{UsePatterns, is_plain_uri};

pub use crate::inspect::Glob;
