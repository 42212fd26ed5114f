//! What `profile = "…"` on an upstream brings: the routes of a known backend, read as if they stood
//! in one more policy file.

use std::borrow::Cow;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::sections::{Parsed, Sections};
use super::{Entry, RouteEntry, keys, read, routes, upstreams, values};
use crate::policy::UpstreamPolicy;
use crate::policy::problem::{Place, ProblemKind, Report, SourceText};
use crate::policy::profiles::Profile;

/// Adds what profiles bring to their upstreams, and to `routes`, which are the operator's own.
/// Where both speak of the same thing the operator's word counts: a route of the same name takes
/// the place of the profile's, one of the same path takes its own methods from it. Between two
/// profiles nothing gives way; the conflict is reported like any other.
pub(super) fn bring(
    upstreams: &mut [Entry<UpstreamPolicy>],
    routes: &mut Vec<Entry<RouteEntry>>,
    report: &Report,
) {
    let mut brought = Vec::new();
    for entry in upstreams.iter_mut() {
        let place = &entry.name.place;
        let Some(upstream) = entry.value.as_mut() else {
            continue;
        };
        if let Some(profile) = upstream.profile {
            let mut routes = of_profile(profile, upstream, report);
            say_costs(upstream, place, &mut routes, report);
            brought.append(&mut routes);
        }
    }
    brought.retain_mut(|entry| gives_way(entry, routes));
    routes.append(&mut brought);
}

/// Takes from a profile's route what the operator's own routes say; `false` when nothing is left.
fn gives_way(entry: &mut Entry<RouteEntry>, own: &[Entry<RouteEntry>]) -> bool {
    if own.iter().any(|other| other.name.value == entry.name.value) {
        return false;
    }
    // One that could not be read stays, so that what refers to it is not reported too.
    let Some(route) = entry.value.as_mut() else {
        return true;
    };
    let path = shape(&route.path.value);
    for other in own.iter().filter_map(|other| other.value.as_ref()) {
        if shape(&other.path.value) == path {
            route
                .methods
                .retain(|method| !other.methods.contains(method));
        }
    }
    !route.methods.is_empty()
}

/// A template without the names of its parameters: what it matches does not depend on them.
fn shape(template: &str) -> String {
    let mut shape = String::new();
    for segment in template.split_inclusive('/') {
        match (segment.find('{'), segment.rfind('}')) {
            (Some(open), Some(close)) if !segment.contains("{{") => {
                let star = if segment.contains("{*") { "*" } else { "" };
                shape.push_str(segment.get(..=open).unwrap_or_default());
                shape.push_str(star);
                shape.push_str(segment.get(close..).unwrap_or_default());
            }
            _ => shape.push_str(segment),
        }
    }
    shape
}

/// Reads a profile on behalf of an upstream.
fn of_profile(
    profile: &Profile,
    upstream: &mut UpstreamPolicy,
    report: &Report,
) -> Vec<Entry<RouteEntry>> {
    let source = Arc::new(SourceText {
        path: format!("profile {}", profile.name),
        text: profile.text.to_owned(),
    });
    let (mut table, errors) = DeTable::parse_recoverable(&source.text);
    for error in errors {
        let place = Place {
            source: Arc::clone(&source),
            offset: error.span().map_or(0, |span| span.start),
            section: "".into(),
            key: "",
        };
        report.add(&place, ProblemKind::Syntax, error.message());
    }
    assign(table.get_mut(), &upstream.name);
    let files = [Parsed {
        source: &source,
        table,
    }];
    let sections = Sections::new(report, &keys::PROFILE, &files);
    if let Some(fields) = sections.plain("profile") {
        let names = fields.all_parsed("identity_headers", values::identity_header);
        upstream.identity_headers.extend(super::bare(names));
        upstream.strip_prefix = fields
            .parsed("strip_prefix", upstreams::prefix)
            .map(|found| found.value)
            .or(upstream.strip_prefix.take());
        upstream.assertion = upstream.assertion.or(fields.stated_flag("assertion"));
    }
    read(&sections, "routes", routes::route)
}

/// Puts what the operator says of costs over what the profile says, and gives every route that the
/// gate asks by the name that it has here.
fn say_costs(
    upstream: &UpstreamPolicy,
    place: &Place,
    routes: &mut [Entry<RouteEntry>],
    report: &Report,
) {
    let mut used = vec![false; upstream.costs.len()];
    for entry in routes.iter_mut() {
        let Some(route) = entry.value.as_mut() else {
            continue;
        };
        let own = entry.name.value.strip_prefix(&*upstream.name);
        let own = own
            .and_then(|name| name.strip_prefix('.'))
            .unwrap_or_default();
        for ((pattern, cost), used) in upstream.costs.iter().zip(&mut used) {
            if pattern.matches(own) {
                route.cost.clone_from(cost);
                *used = true;
            }
        }
        let follow = route.cost.as_mut().and_then(|cost| cost.follow.as_mut());
        if let Some(ask) = follow.and_then(|follow| follow.ask.as_mut()) {
            ask.route = Profile::route_name(&upstream.name, &ask.route).into();
        }
    }
    for ((pattern, _), used) in upstream.costs.iter().zip(used) {
        if !used {
            let message = format!(
                "`costs` names `{}`, and the profile brings no such route",
                pattern.as_str()
            );
            report.add(place, ProblemKind::NothingThere, message);
        }
    }
}

/// Gives every route of the profile its upstream, and a name that no other upstream's route has.
fn assign(profile: &mut DeTable<'_>, upstream: &str) {
    let Some(DeValue::Array(entries)) = profile.get_mut("routes").map(Spanned::get_mut) else {
        return;
    };
    for entry in entries.iter_mut() {
        let start = entry.span().start;
        let DeValue::Table(route) = entry.get_mut() else {
            continue;
        };
        if let Some(DeValue::String(name)) = route.get_mut("name").map(Spanned::get_mut) {
            *name = Cow::Owned(Profile::route_name(upstream, name));
        }
        let key = Spanned::new(start..start, Cow::Borrowed("upstream"));
        let name = DeValue::String(Cow::Owned(upstream.to_owned()));
        route.insert(key, Spanned::new(start..start, name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_that_match_the_same_paths_have_one_shape() {
        assert_eq!(shape("/a/{id}/b"), shape("/a/{other}/b"));
        assert_eq!(shape("/tasks/{id}:cancel"), shape("/tasks/{task}:cancel"));
        assert_eq!(shape("/{*rest}"), shape("/{*tail}"));
        for (left, right) in [
            ("/a/{id}", "/a/{*id}"),
            ("/a/{id}", "/b/{id}"),
            ("/a/{id}:x", "/a/{id}:y"),
            ("/a/{{id}}", "/a/{{ex}}"),
        ] {
            assert_ne!(shape(left), shape(right), "{left} {right}");
        }
    }
}
