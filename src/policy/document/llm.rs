//! `[costs] llm_admin_roles`, and the route of the gate's own that it opens.

use std::sync::Arc;
use std::time::Duration;

use toml::de::DeTable;

use super::reader::Fields;
use super::sections::{Parsed, Sections};
use super::{keys, read, routes, values};
use crate::policy::problem::{Located, Report, SourceText};
use crate::policy::{
    LLM_SETTINGS_PATH, RoutePolicy, UpstreamAddress, UpstreamAuthorization, UpstreamPolicy,
    UpstreamProtocol,
};

/// Largest body that changes settings, in bytes.
const BODY_BYTES: u64 = 256 * 1024;

/// Reads the key: who may change which models its own tenant uses.
pub(super) fn llm_admin_roles(fields: Option<&Fields<'_>>) -> Vec<Located<Arc<str>>> {
    let roles = fields.and_then(|fields| fields.some_parsed("llm_admin_roles", values::role));
    roles.unwrap_or_default()
}

/// The page under which they do, as a route: what holds for every route holds for it too. It leads
/// to no backend; the gate answers.
///
/// `None` only with something in the report.
pub(in crate::policy) fn settings_page(
    roles: &[Located<Arc<str>>],
    report: &Report,
) -> Option<Arc<RoutePolicy>> {
    let roles: Vec<_> = roles
        .iter()
        .map(|role| format!("{:?}", &*role.value))
        .collect();
    let source = Arc::new(SourceText {
        path: "the gate's own pages".to_owned(),
        text: format!(
            "[[routes]]\nname = \"gate.llm\"\nupstream = \"gate\"\nmethods = [\"GET\", \"PATCH\"]\n\
             path = \"{LLM_SETTINGS_PATH}\"\nroles = [{}]\nbody_bytes = {BODY_BYTES}\n",
            roles.join(", ")
        ),
    });
    let (table, _sound) = DeTable::parse_recoverable(&source.text);
    let files = [Parsed {
        source: &source,
        table,
    }];
    let sections = Sections::new(report, &keys::POLICY, &files);
    let entry = read(&sections, "routes", routes::route).pop()?.value?;
    Some(Arc::new(entry.to_policy(Arc::new(nowhere()))))
}

/// What stands for the gate where a route has its upstream.
fn nowhere() -> UpstreamPolicy {
    UpstreamPolicy {
        name: "gate".into(),
        address: UpstreamAddress::Unix("/nonexistent".into()),
        protocol: UpstreamProtocol::Http1,
        authorization: UpstreamAuthorization::Strip,
        assertion: None,
        strip_prefix: None,
        ca: None,
        protected_resource: None,
        connect_timeout: Duration::ZERO,
        workspace: None,
        profile: None,
        costs: Vec::new(),
        identity_headers: Vec::new(),
    }
}
