//! A question of the gate's own: about work that somebody began, on behalf of whoever that was.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use http::{HeaderMap, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::super::admission::Admission;
use super::super::canonical::CanonicalTarget;
use super::super::extract::Source;
use super::super::ownership::{NamedResource, key};
use super::super::rewrite::rewrite;
use super::super::{Call, Gate};
use super::Reporting;
use crate::budget::Spender;
use crate::budget::later::Followed;
use crate::identity::Principal;
use crate::policy::{AskPolicy, Extractor, PolicySnapshot, RouteMatch, RoutePolicy, tenant_status};

/// Everything but the unreserved characters (RFC 3986 section 2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Longest path that is asked for, in bytes.
const LONGEST_PATH: usize = 8 * 1024;

/// A reading that the gate makes by itself.
#[derive(Debug)]
pub struct OwnQuestion {
    /// By what it may reach the backend.
    pub admission: Arc<Admission>,
    /// Path and query, before the route's changes.
    pub target: String,
    /// What is to be read of the answer.
    pub reporting: Reporting,
}

/// How the policy in force has the gate ask about work that a request of this route began.
pub(super) fn asking<'snapshot>(
    snapshot: &'snapshot PolicySnapshot,
    route: &str,
) -> Option<&'snapshot AskPolicy> {
    let mut routes = snapshot.routes.iter();
    let route = routes.find(|other| *other.name == *route)?;
    route.cost.as_ref()?.follow.as_ref()?.ask.as_ref()
}

impl Gate {
    /// The question about work that `spender` began. `None` where the policy in force has the gate
    /// ask nothing about it, or not on behalf of this tenant.
    pub fn question_about(&self, spender: &Spender, note: &Followed) -> Option<OwnQuestion> {
        let generation = self.generation();
        let snapshot = generation.snapshot();
        let ask = asking(snapshot, &spender.route)?;
        let asked = snapshot.routes.iter().find(|it| it.name == ask.route)?;
        tenant_status(snapshot, &spender.tenant).ok()?;
        let roles = note.roles.iter().map(|role| Arc::from(role.as_str()));
        let caller = Principal::on_behalf_of(
            spender.tenant.clone(),
            &spender.user,
            roles.collect(),
            note.machine,
        )?;
        let rule = asked.resources.first()?;
        let target = target(asked, &note.id)?;
        let parsed = CanonicalTarget::parse(&target).ok()?;
        parsed.permitted_by(&asked.path_allows).ok()?;
        let RouteMatch::Found {
            siblings, params, ..
        } = snapshot.router.route(&Method::GET, parsed.path())
        else {
            return None;
        };
        // The id is somebody else's text: it must not lead to another route.
        siblings.iter().find(|it| it.name == asked.name)?;
        let fields = HeaderMap::new();
        let call = Call {
            method: &Method::GET,
            target: &target,
            host: None,
            headers: &fields,
        };
        let source = Source {
            call: &call,
            target: &parsed,
            params: &params,
            body: None,
            claims: None,
        };
        let rewritten = rewrite(asked, &caller, &source).ok()?;
        let named = NamedResource {
            key: Some(key(asked, &rule.kind, rule.form, &note.id).ok()?),
            kind: Arc::clone(&rule.kind),
            text: note.id.as_str().into(),
            place: rule.ids.first()?.clone(),
        };
        let reporting = Reporting::of(asked, &spender.tenant, std::slice::from_ref(&named))?;
        let authorization = self.authorization_out(asked, &caller).ok()?;
        let admission = Admission {
            route: Arc::clone(asked),
            principal: Some(Arc::new(caller)),
            rewritten,
            authorization,
            body_limit: 0,
            upgrade: false,
            delivery: None,
            resources: vec![named],
            mcp: None,
            deletes: false,
            sent: AtomicBool::new(false),
            began: OnceLock::new(),
            generation,
        };
        Some(OwnQuestion {
            admission: Arc::new(admission),
            target,
            reporting,
        })
    }
}

/// The route's path with the id where the route has it. What other parameters there are is for the
/// route's own changes to fill.
fn target(route: &RoutePolicy, id: &str) -> Option<String> {
    let Some(Extractor::Path(wanted)) = route.resources.first()?.ids.first() else {
        return None;
    };
    let mut path = String::new();
    let mut rest: &str = &route.path;
    while let Some((literal, after)) = rest.split_once('{') {
        path.push_str(&literal.replace("}}", "}"));
        if let Some(after) = after.strip_prefix('{') {
            path.push('{');
            rest = after;
            continue;
        }
        let (name, after) = after.split_once('}')?;
        match name == wanted {
            true => path.extend(utf8_percent_encode(id, SEGMENT)),
            false => path.push('-'),
        }
        rest = after;
    }
    path.push_str(&rest.replace("}}", "}"));
    (path.len() <= LONGEST_PATH).then_some(path)
}
