//! What a tenant's administrator and an operator are shown.

use super::patch::{patterns_json, quoted};
use super::store::Chosen;
use super::{LlmSettings, ModelPolicy};
use crate::inspect::Glob;
use crate::tenant::TenantId;

/// The settings of a tenant as JSON: the keys that a patch changes with the values in force, which
/// of them were chosen and by whom, and what the policy files say.
pub fn document(
    tenant: &TenantId,
    files: &ModelPolicy,
    chosen: &LlmSettings,
    kept: Option<&Chosen>,
) -> String {
    let held = chosen.narrow(files);
    // Of the two lists the tenant's own is the narrower, or would be: what the files do not cover is
    // not in force.
    let own = chosen.allow.as_deref().map(|own| {
        let covered = |pattern: &&Glob| {
            let mut lists = files.allow.iter();
            lists.all(|list| list.iter().any(|wider| wider.contains(pattern)))
        };
        own.iter().filter(covered).cloned().collect::<Vec<_>>()
    });
    let allow = own.as_deref().or(files.allow.first().map(|list| &**list));
    let keys: Vec<_> = chosen.keys().into_iter().map(quoted).collect();
    let (at, by) = kept.map_or_else(
        || ("null".to_owned(), "null".to_owned()),
        |kept| (quoted(&kept.at.to_string()), quoted(&kept.by)),
    );
    format!(
        "{{\"tenant\":{},{},\"chosen\":[{}],\"chosen_at\":{at},\"chosen_by\":{by},\"files\":{{{}}}}}",
        quoted(tenant.as_str()),
        members(allow, &held),
        keys.join(","),
        members(files.allow.first().map(|list| &**list), files),
    )
}

fn members(allow: Option<&[Glob]>, policy: &ModelPolicy) -> String {
    let or_null = |text: Option<String>| text.unwrap_or_else(|| "null".to_owned());
    format!(
        "\"allow\":{},\"default\":{},\"default_temperature\":{},\"max_output_tokens\":{}",
        or_null(allow.map(patterns_json)),
        or_null(policy.default.as_deref().map(quoted)),
        or_null(policy.default_temperature.as_ref().map(ToString::to_string)),
        or_null(policy.max_output_tokens.map(|tokens| tokens.to_string())),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn a_document_shows_what_holds_what_was_chosen_and_what_the_files_say() {
        let tenant: TenantId = "acme".parse().unwrap();
        let files = ModelPolicy {
            allow: vec![Arc::from([Glob::new("gpt-4o"), Glob::new("claude-*")])],
            default: Some("gpt-4o".into()),
            default_temperature: "0.70".parse().ok(),
            max_output_tokens: Some(8192),
        };
        let chosen = LlmSettings::from_text(
            r#"{"allow":["claude-3*","o1"],"default":"claude-3","max_output_tokens":9000}"#,
        )
        .unwrap();
        let kept = Chosen {
            tenant: tenant.clone(),
            settings: chosen.to_text(),
            by: "user:alice".into(),
            at: Timestamp::from_seconds(0),
            change: 3,
        };
        assert_eq!(
            document(&tenant, &files, &chosen, Some(&kept)),
            concat!(
                r#"{"tenant":"acme","allow":["claude-3*"],"default":"claude-3","#,
                r#""default_temperature":0.70,"max_output_tokens":8192,"#,
                r#""chosen":["allow","default","max_output_tokens"],"#,
                r#""chosen_at":"1970-01-01T00:00:00.000000Z","chosen_by":"user:alice","#,
                r#""files":{"allow":["gpt-4o","claude-*"],"default":"gpt-4o","#,
                r#""default_temperature":0.70,"max_output_tokens":8192}}"#
            )
        );
        let nothing = document(
            &tenant,
            &ModelPolicy::default(),
            &LlmSettings::default(),
            None,
        );
        let read: serde_json::Value = serde_json::from_str(&nothing).unwrap();
        assert!(
            read["allow"].is_null() && read["files"]["allow"].is_null(),
            "{read}"
        );
    }
}
