//! Changes of path and query.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Changes, form::FormBody, rejected};
use crate::decision::Denial;
use crate::identity::Principal;
use crate::inspect::query;
use crate::pipeline::canonical::{CanonicalTarget, decode_segment};
use crate::pipeline::declared_tenant::TENANT_PARAMETER;
use crate::pipeline::extract::Source;
use crate::policy::{CredentialPlace, Place, RoutePolicy};

/// Everything but the unreserved characters (RFC 3986 section 2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The target without what says who calls: the query credential goes, `tenant` in every spelling
/// becomes the verified one. `None` where nothing changes.
pub(in crate::pipeline) fn query_without_identity(
    target: &CanonicalTarget<'_>,
    principal: Option<&Principal>,
    route: &RoutePolicy,
) -> Option<String> {
    let original = target.query()?;
    let mut changed: Option<String> = None;
    for place in &route.credentials {
        if let CredentialPlace::Query(name) = place {
            let present = changed.as_deref().unwrap_or(original);
            changed = query::remove(present, name).or(changed);
        }
    }
    let present = changed.as_deref().unwrap_or(original);
    changed = match principal {
        Some(principal) => query::replace(present, TENANT_PARAMETER, principal.tenant().as_str()),
        None => query::remove(present, TENANT_PARAMETER),
    }
    .or(changed);
    Some(joined(target.path(), &changed?))
}

/// Applies what concerns path and query; `changed` is the target so far, where it is not the one
/// that came. Nothing when nothing changes.
pub(super) fn rewrite(
    route: &RoutePolicy,
    source: &Source<'_, '_>,
    changed: Option<&str>,
    changes: &mut Changes<'_>,
) -> Result<Option<String>, Denial> {
    let so_far = changed.unwrap_or(source.target.as_str());
    let (path, query) = so_far.split_once('?').unwrap_or((so_far, ""));
    let mut query = Cow::Borrowed(query);
    let mut segments: Vec<(&str, String)> = Vec::new();
    for (place, change) in changes.steps.clone() {
        match place {
            Place::Query(name) => {
                let edited =
                    FormBody::UrlEncoded.apply(query.as_bytes(), name, &change, changes)?;
                if let Some(edited) = edited {
                    let text = String::from_utf8(edited)
                        .map_err(|_| rejected("the query is not UTF-8"))?;
                    query = Cow::Owned(text);
                }
            }
            Place::Path(name) => {
                let present = source.params.get(name).map(decode_segment);
                let value = match present {
                    Some(present) => changes.present(&change, &present)?,
                    None => None,
                };
                if let Some(value) = value {
                    segments.push((name, segment(&value)?));
                }
            }
            Place::Header(_) | Place::Body(_) | Place::Form(_) => {}
        }
    }
    let path = match segments.is_empty() {
        true => Cow::Borrowed(path),
        false => Cow::Owned(filled(route, source, &segments)),
    };
    let rewritten = joined(&path, &query);
    Ok((rewritten != so_far).then_some(rewritten))
}

fn joined(path: &str, query: &str) -> String {
    if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{query}")
    }
}

/// A value as one segment of a path, or a part of one.
fn segment(value: &str) -> Result<String, Denial> {
    if matches!(value, "" | "." | "..") {
        return Err(rejected(
            "a value that goes into the path is empty or a dot segment",
        ));
    }
    Ok(utf8_percent_encode(value, SEGMENT).to_string())
}

/// The route's path with these parameters, and the others as they came.
fn filled(route: &RoutePolicy, source: &Source<'_, '_>, segments: &[(&str, String)]) -> String {
    let mut path = String::new();
    let mut rest: &str = &route.path;
    while let Some((literal, after)) = rest.split_once('{') {
        path.push_str(&literal.replace("}}", "}"));
        if let Some(after) = after.strip_prefix('{') {
            path.push('{');
            rest = after;
            continue;
        }
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        let name = name.trim_start_matches('*');
        match segments.iter().find(|(changed, _)| *changed == name) {
            Some((_, value)) => path.push_str(value),
            None => path.push_str(source.params.get(name).unwrap_or_default()),
        }
        rest = after;
    }
    path.push_str(&rest.replace("}}", "}"));
    path
}
