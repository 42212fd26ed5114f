//! Which records somebody asks for.

use std::borrow::Cow;

use serde::Deserialize;

use super::record::RecordedDecision;
use crate::clock::Timestamp;
use crate::tenant::{TenantGrammar, TenantId};

/// Conditions on records; all that are given have to hold. Events are no decision, and few are about
/// a tenant: a condition leaves out what it does not fit.
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
    /// Only on the route of this name.
    pub route: Option<String>,
    /// Only with this reason: `ok`, or a refusal's code.
    pub reason: Option<String>,
}

/// Why a text is no condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// Not a tenant id.
    #[error("`{0}` is not a tenant id")]
    Tenant(String),
    /// Neither a time nor a time ago.
    #[error(
        "`{0}` is neither a time (`2026-11-21T10:00:00Z`), nor a day (`2026-11-21`, UTC), nor a time ago (`90s`, `15m`, `24h`, `7d`, `2w`)"
    )]
    Time(String),
    /// Neither of the two decisions.
    #[error("`{0}` is no decision: `permit` or `deny`")]
    Decision(String),
}

impl Filter {
    /// The filter of these texts, as commands and queries have them. Times are RFC 3339, the
    /// beginning of a day in UTC, or a time before `now`.
    ///
    /// # Errors
    /// The first text that is no condition.
    pub fn parse(
        tenant: Option<&str>,
        since: Option<&str>,
        until: Option<&str>,
        decision: Option<&str>,
        now: Timestamp,
    ) -> Result<Self, FilterError> {
        let any = TenantGrammar::new("^.*$").unwrap_or_default();
        let tenant = tenant
            .map(|text| {
                any.parse(text)
                    .map_err(|_| FilterError::Tenant(text.to_owned()))
            })
            .transpose()?;
        let decision = decision
            .map(|text| match text {
                "permit" => Ok(RecordedDecision::Permit),
                "deny" => Ok(RecordedDecision::Deny),
                other => Err(FilterError::Decision(other.to_owned())),
            })
            .transpose()?;
        let time = |text: Option<&str>| text.map(|text| parse_time(text, now)).transpose();
        Ok(Self {
            tenant,
            since: time(since)?,
            until: time(until)?,
            decision,
            route: None,
            reason: None,
        })
    }
}

fn parse_time(text: &str, now: Timestamp) -> Result<Timestamp, FilterError> {
    let ago = |text: &str| {
        let unit = text.chars().next_back()?;
        let number: i64 = text.strip_suffix(unit)?.parse().ok()?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        Some(now.plus_seconds(number.checked_mul(-seconds)?))
    };
    let at = |text: &str| {
        Some(Timestamp::from_micros(
            text.parse::<jiff::Timestamp>().ok()?.as_microsecond(),
        ))
    };
    let day = |text: &str| {
        let day: jiff::civil::Date = text.parse().ok()?;
        let begins = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
        Some(Timestamp::from_micros(begins.as_microsecond()))
    };
    at(text)
        .or_else(|| ago(text))
        .or_else(|| day(text))
        .ok_or_else(|| FilterError::Time(text.to_owned()))
}

/// What a filter looks at. Only the name of a route can have escapes; the rest can be borrowed.
#[derive(Debug, Deserialize)]
pub(super) struct Facets<'line> {
    pub(super) ts: &'line str,
    tenant_id: Option<&'line str>,
    decision: Option<&'line str>,
    #[serde(borrow)]
    route: Option<Cow<'line, str>>,
    #[serde(borrow)]
    reason: Option<Cow<'line, str>>,
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
    route: Option<String>,
    reason: Option<String>,
}

impl Matcher {
    pub(super) fn new(filter: &Filter) -> Self {
        Self {
            tenant: filter.tenant.clone(),
            since: filter.since.map(|time| time.to_string()),
            until: filter.until.map(|time| time.to_string()),
            decision: filter.decision.map(RecordedDecision::as_str),
            route: filter.route.clone(),
            reason: filter.reason.clone(),
        }
    }

    pub(super) fn matches(&self, facets: &Facets<'_>) -> bool {
        (self.tenant.is_none() || facets.tenant_id == self.tenant.as_ref().map(TenantId::as_str))
            && (self.decision.is_none() || facets.decision == self.decision)
            && (self.route.is_none() || facets.route.as_deref() == self.route.as_deref())
            && (self.reason.is_none() || facets.reason.as_deref() == self.reason.as_deref())
            && self.spans(facets.ts)
    }

    /// The same for what is no record: only tenant and time are looked at.
    pub(super) fn matches_at(&self, tenant: &str, at: &str) -> bool {
        let wanted = self.tenant.as_ref().map(TenantId::as_str);
        wanted.is_none_or(|wanted| wanted == tenant) && self.spans(at)
    }

    fn spans(&self, at: &str) -> bool {
        self.since.as_deref().is_none_or(|since| at >= since)
            && self.until.as_deref().is_none_or(|until| at < until)
    }
}
