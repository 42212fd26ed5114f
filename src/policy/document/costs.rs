//! `[costs]`: what holds for the cost of all requests.

use super::reader::Fields;
use crate::money::NanoUsd;
use crate::policy::CostSettings;

/// Reads the section. Absent is what [`CostSettings::default`] says.
pub(super) fn costs(fields: Option<&Fields<'_>>) -> CostSettings {
    let Some(fields) = fields else {
        return CostSettings::default();
    };
    // What it means is for the prices.
    fields.choice("unpriced", &[("deny", ()), ("default_price", ())]);
    let status = fields.integer_of("exhausted_status", &[429, 402]);
    let defaults = CostSettings::default();
    CostSettings {
        exhausted_status: status.unwrap_or(defaults.exhausted_status),
        reserve: fields
            .parsed("reserve_usd", str::parse::<NanoUsd>)
            .map(|amount| amount.value),
    }
}
