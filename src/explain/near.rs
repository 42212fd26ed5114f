//! Routes that a request nearly led to.

use http::Method;

use super::explanation::NearRoute;
use crate::policy::RoutePolicy;
use std::sync::Arc;

/// Most routes that are named.
const MOST: usize = 5;

/// The routes that come nearest to a method and path without a route, nearest first.
pub(super) fn near(routes: &[Arc<RoutePolicy>], method: &Method, path: &str) -> Vec<NearRoute> {
    let mut found: Vec<(usize, NearRoute)> = Vec::new();
    for route in routes {
        if let Some((distance, why)) = distance(route, method, path) {
            let near = NearRoute {
                name: route.name.to_string(),
                path: route.path.to_string(),
                methods: route.methods.iter().map(ToString::to_string).collect(),
                why,
            };
            found.push((distance, near));
        }
    }
    found.sort_by(|(one, a), (other, b)| one.cmp(other).then_with(|| a.name.cmp(&b.name)));
    found.truncate(MOST);
    found.into_iter().map(|(_, near)| near).collect()
}

fn distance(route: &RoutePolicy, method: &Method, path: &str) -> Option<(usize, String)> {
    let wanted: Vec<&str> = route.path.split('/').collect();
    let given: Vec<&str> = path.split('/').collect();
    let takes = crate::policy::serves(&route.methods, method);
    let tail = wanted.last().is_some_and(|last| last.starts_with("{*"));
    if wanted.len() != given.len() && !(tail && given.len() >= wanted.len()) {
        let only_slash = trimmed(path) == &*route.path
            || (given.len().abs_diff(wanted.len()) == 1 && fits(&wanted, &trim(&given)));
        return only_slash.then(|| (2, "the slash at the end makes another path".to_owned()));
    }
    let differs: Vec<(&str, &str)> = wanted
        .iter()
        .copied()
        .zip(given.iter().copied())
        .filter(|(wanted, given)| !segment_fits(wanted, given))
        .collect();
    match (differs.as_slice(), takes) {
        ([], false) => {
            let methods: Vec<String> = route.methods.iter().map(ToString::to_string).collect();
            Some((0, format!("it takes {}, not {method}", methods.join(", "))))
        }
        ([], true) => None,
        ([(wanted, given)], _) if wanted.eq_ignore_ascii_case(given) => {
            Some((1, format!("`{wanted}` is written `{given}`")))
        }
        ([(wanted, given)], _)
            if strsim::osa_distance(wanted, given) <= 2.max(wanted.len() / 3) =>
        {
            Some((3, format!("`{wanted}` is written `{given}`")))
        }
        _ => None,
    }
}

fn trimmed(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}

fn trim<'path>(segments: &[&'path str]) -> Vec<&'path str> {
    match segments {
        [rest @ .., ""] => rest.to_vec(),
        all => all.to_vec(),
    }
}

fn fits(wanted: &[&str], given: &[&str]) -> bool {
    wanted.len() == given.len()
        && wanted
            .iter()
            .zip(given)
            .all(|(wanted, given)| segment_fits(wanted, given))
}

/// Whether a segment of a template takes a segment of a path. A parameter may stand inside of one.
fn segment_fits(wanted: &str, given: &str) -> bool {
    match wanted.split_once('{') {
        None => wanted == given,
        Some((before, rest)) => {
            let after = rest.split_once('}').map_or("", |(_, after)| after);
            given.len() > before.len() + after.len()
                && given.starts_with(before)
                && given.ends_with(after)
        }
    }
}
