//! `limits` and `user_limits` of `[defaults]` and `[[tenants]]`.

use super::reader::Fields;
use super::tenants::MAX_BODY_BYTES;
use crate::budget::limits::PerSecond;
use crate::policy::problem::ProblemKind;
use crate::policy::{Limits, TenantLimits};

/// Most requests at once or at a time that can be configured.
pub(super) const MOST: u64 = 1_000_000;

/// Reads both tables. `defaults` is what holds where they say nothing.
pub(super) fn limits(fields: &Fields<'_>, defaults: TenantLimits) -> TenantLimits {
    TenantLimits {
        tenant: table(fields, "limits", defaults.tenant),
        user: table(fields, "user_limits", defaults.user),
    }
}

fn table(fields: &Fields<'_>, key: &'static str, defaults: Limits) -> Limits {
    let Some(table) = fields.table(key) else {
        return Limits::default();
    };
    let rate = table.decimal("requests_per_second");
    let rate = rate.and_then(|text| table.parse(text, str::parse::<PerSecond>));
    let count = |key| {
        let number = table.integer(key, 1..=MOST)?;
        u32::try_from(number).ok()
    };
    let limits = Limits {
        body_bytes: table.integer("body_bytes", 0..=MAX_BODY_BYTES),
        requests_per_second: rate.map(|rate| rate.value),
        burst: count("burst"),
        concurrent_requests: count("concurrent_requests"),
        open_streams: count("open_streams"),
    };
    let rated = table.has("requests_per_second") || defaults.requests_per_second.is_some();
    if limits.burst.is_some() && !rated {
        table.report().add(
            table.place(),
            ProblemKind::Conflict,
            "a `burst` is one of `requests_per_second`, which stands neither beside it nor in the \
             defaults",
        );
    }
    limits
}
