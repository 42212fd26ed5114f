//! `models` of a tenant and of `[defaults]`: which models may be used, and what requests say that
//! say nothing.

use super::reader::Fields;
use super::{bare, values};
use crate::budget::models::settings::MAX_OUTPUT_TOKENS;
use crate::budget::models::{ModelPolicy, Temperature};
use crate::policy::problem::Place;

/// The key as written, with its place for what is found out about it later.
#[derive(Clone, Debug)]
pub(in crate::policy) struct ModelsEntry {
    pub(in crate::policy) place: Place,
    pub(in crate::policy) policy: ModelPolicy,
}

/// Reads the key; `None` where it is absent.
pub(super) fn models(fields: &Fields<'_>) -> Option<ModelsEntry> {
    let table = fields.table("models")?;
    let allow = table.some_parsed("allow", values::model_pattern);
    let default = table.parsed("default", values::model);
    let temperature = table
        .decimal("default_temperature")
        .and_then(|text| table.parse(text, str::parse::<Temperature>));
    Some(ModelsEntry {
        place: table.place().clone(),
        policy: ModelPolicy {
            allow: allow
                .map(|patterns| bare(patterns).into())
                .into_iter()
                .collect(),
            default: default.map(|model| model.value),
            default_temperature: temperature.map(|temperature| temperature.value),
            max_output_tokens: table.integer("max_output_tokens", 1..=MAX_OUTPUT_TOKENS),
        },
    })
}
