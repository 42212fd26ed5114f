//! Which records somebody asks for.

use serde::Deserialize;

use super::record::RecordedDecision;
use crate::clock::Timestamp;
use crate::tenant::TenantId;

/// Conditions on records; all that are given have to hold. Events belong to no tenant and no
/// decision, so either condition leaves them out.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only this tenant's.
    pub tenant: Option<TenantId>,
    /// Not before this time.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// Only with this decision.
    pub decision: Option<RecordedDecision>,
}

/// What a filter looks at. All three are free of escapes, so they can be borrowed.
#[derive(Debug, Deserialize)]
pub(super) struct Facets<'line> {
    pub(super) ts: &'line str,
    tenant_id: Option<&'line str>,
    decision: Option<&'line str>,
}

impl<'line> Facets<'line> {
    /// Reads them; `None` if the line is no record.
    pub(super) fn of(line: &'line [u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }
}

/// A filter made ready: times of one width and zone compare as text.
#[derive(Clone, Debug)]
pub(super) struct Matcher {
    tenant: Option<TenantId>,
    since: Option<String>,
    until: Option<String>,
    decision: Option<&'static str>,
}

impl Matcher {
    pub(super) fn new(filter: &Filter) -> Self {
        Self {
            tenant: filter.tenant.clone(),
            since: filter.since.map(|time| time.to_string()),
            until: filter.until.map(|time| time.to_string()),
            decision: filter.decision.map(RecordedDecision::as_str),
        }
    }

    pub(super) fn matches(&self, facets: &Facets<'_>) -> bool {
        let tenant = self.tenant.as_ref().map(TenantId::as_str);
        (tenant.is_none() || facets.tenant_id == tenant)
            && (self.decision.is_none() || facets.decision == self.decision)
            && self.since.as_deref().is_none_or(|since| facets.ts >= since)
            && self.until.as_deref().is_none_or(|until| facets.ts < until)
    }
}
