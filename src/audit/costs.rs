//! What the log says was spent: the costs of requests, late settlements and adjustments.

use std::borrow::Cow;

use serde::Deserialize;

use super::export::ExportError;
use super::filter::{Filter, Matcher};
use super::keys::LogKeys;
use super::settings::Settings;
use super::walk::walk;

/// What a cost was booked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Booked<'line> {
    /// A request, by its id.
    Request(&'line str),
    /// An adjustment, by its id, with the signature of it.
    Adjustment {
        /// Its id.
        id: &'line str,
        /// [`super::AdjustmentFacts::sign`].
        signature: &'line str,
    },
}

/// One cost in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedCost<'line> {
    /// Whose.
    pub tenant: &'line str,
    /// When it counts, in RFC 3339.
    pub at: &'line str,
    /// For what.
    pub booked: Booked<'line>,
    /// USD as a decimal; adjustments may be below zero.
    pub cost_usd: &'line str,
}

/// Shows every cost that the log has, of those that match by tenant and by the time they count.
/// A record is written after its cost began to count, so files that end before `since` hold none.
/// Reads much of the log: not for a thread that serves requests.
///
/// # Errors
/// A file can't be read, there is no key, or a record is not as it was written.
pub fn costs(
    settings: &Settings,
    filter: &Filter,
    mut visit: impl FnMut(RecordedCost<'_>),
) -> Result<(), ExportError> {
    let keys = LogKeys::load(&settings.secret)?;
    let matcher = Matcher::new(filter);
    walk(settings, &keys, filter.since, |_, line| {
        if let Ok(costing) = serde_json::from_slice::<Costing<'_>>(line)
            && let Some(cost) = costing.cost()
            && matcher.matches_at(cost.tenant, cost.at)
        {
            visit(cost);
        }
        Ok(())
    })
}

/// The members that matter. Ids can hold what is escaped.
#[derive(Deserialize)]
struct Costing<'line> {
    ts: &'line str,
    arrived: Option<&'line str>,
    #[serde(borrow)]
    tenant_id: Option<&'line str>,
    #[serde(borrow)]
    request_id: Option<Cow<'line, str>>,
    #[serde(borrow)]
    adjustment: Option<Cow<'line, str>>,
    signature: Option<&'line str>,
    cost_usd: Option<&'line str>,
}

impl Costing<'_> {
    fn cost(&self) -> Option<RecordedCost<'_>> {
        let booked = match (&self.adjustment, &self.request_id) {
            (Some(id), _) => Booked::Adjustment {
                id,
                signature: self.signature.unwrap_or_default(),
            },
            (None, Some(id)) => Booked::Request(id),
            (None, None) => return None,
        };
        Some(RecordedCost {
            tenant: self.tenant_id?,
            at: self.arrived.unwrap_or(self.ts),
            booked,
            cost_usd: self.cost_usd?,
        })
    }
}
