//! What the backend would get, with nothing in it that is a secret.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::Value;

use super::described::Read;
use super::explanation::BackendFacts;
use crate::pipeline::Admission;
use crate::policy::{Place, RoutePolicy};
use crate::proxy::Outgoing;

/// In place of what nobody is shown.
const HIDDEN: &str = "…";

/// Fields whose values are credentials, whoever put them there.
const CREDENTIALS: [&str; 5] = [
    "cookie",
    "proxy-authorization",
    "x-amz-security-token",
    "x-api-key",
    "x-fabric-assertion",
];

pub(super) fn facts(
    read: &Read,
    sent: Outgoing,
    admission: &Admission,
    came: Option<&Bytes>,
) -> BackendFacts {
    let mut headers: Vec<(String, String)> = sent
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), shown(name, value)))
        .collect();
    headers.sort();
    let body = admission.body().or(came);
    BackendFacts {
        method: sent.method.to_string(),
        target: sent.target,
        headers,
        stripped: stripped(&read.head.headers, &sent.headers),
        body: body.and_then(|body| std::str::from_utf8(body).ok().map(str::to_owned)),
        body_changed_at: changed_at(admission, came),
        in_line: admission.line().is_some(),
    }
}

fn shown(name: &HeaderName, value: &HeaderValue) -> String {
    let text = String::from_utf8_lossy(value.as_bytes());
    if *name == header::AUTHORIZATION {
        let scheme = text.split(' ').next().unwrap_or_default();
        let known = ["Bearer", "Basic", "DPoP"];
        return match known.iter().find(|it| it.eq_ignore_ascii_case(scheme)) {
            Some(scheme) => format!("{scheme} {HIDDEN}"),
            None => HIDDEN.to_owned(),
        };
    }
    match value.is_sensitive() || CREDENTIALS.contains(&name.as_str()) {
        true => HIDDEN.to_owned(),
        false => text.into_owned(),
    }
}

/// Names of fields that came and do not go on as they came.
fn stripped(came: &HeaderMap, sent: &HeaderMap) -> Vec<String> {
    let same = |name: &HeaderName| came.get_all(name).iter().eq(sent.get_all(name).iter());
    let mut names: Vec<String> = came
        .keys()
        .filter(|name| **name != header::HOST && !same(name))
        .map(|name| name.as_str().to_owned())
        .collect();
    names.sort();
    names
}

fn changed_at(admission: &Admission, came: Option<&Bytes>) -> Vec<String> {
    let Some(sent) = admission.body() else {
        return Vec::new();
    };
    let read = |bytes: &Bytes| serde_json::from_slice::<Value>(bytes).ok();
    match (came.and_then(read), read(sent)) {
        (Some(before), Some(after)) => {
            let mut places = Vec::new();
            differences("", &before, &after, &mut places);
            places
        }
        _ => forms_of(admission.route()),
    }
}

/// Where two documents differ, as JSON pointers (RFC 6901).
fn differences(at: &str, before: &Value, after: &Value, places: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                let inner = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                match (old.get(name), new.get(name)) {
                    (Some(old), Some(new)) => differences(&inner, old, new, places),
                    _ => places.push(inner),
                }
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                differences(&format!("{at}/{index}"), old, new, places);
            }
        }
        (old, new) if old == new => {}
        _ => places.push(at.to_owned()),
    }
}

/// Of a form, the fields that the route changes.
fn forms_of(route: &RoutePolicy) -> Vec<String> {
    let rules = &route.rewriting;
    let places = rules
        .remove
        .iter()
        .chain(&rules.scoped)
        .chain(rules.prefix.iter().map(|rule| &rule.at))
        .chain(rules.set.iter().map(|rule| &rule.at));
    places
        .filter_map(|place| match place {
            Place::Form(name) => Some(format!("form:{name}")),
            Place::Body(_) | Place::Path(_) | Place::Query(_) | Place::Header(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_changed_is_named() {
        let mut places = Vec::new();
        let before = json!({"a": 1, "b": {"c": [1, 2]}, "gone": 0, "s/t": 1});
        let after = json!({"a": 1, "b": {"c": [1, 3]}, "s/t": 2, "user": "alice"});
        differences("", &before, &after, &mut places);
        assert_eq!(places, ["/b/c/1", "/gone", "/s~1t", "/user"]);
    }

    #[test]
    fn no_credential_is_shown() {
        let of = |name: &'static str, value: &'static str| {
            shown(
                &HeaderName::from_static(name),
                &HeaderValue::from_static(value),
            )
        };
        assert_eq!(of("authorization", "Bearer eyJ.a.b"), "Bearer …");
        assert_eq!(of("authorization", "s3cret"), "…");
        assert_eq!(of("authorization", "token s3cret"), "…");
        assert_eq!(of("x-api-key", "s3cret"), "…");
        assert_eq!(of("x-fabric-assertion", "eyJ.a.b"), "…");
        assert_eq!(of("cookie", "session=s3cret"), "…");
        assert_eq!(of("accept", "*/*"), "*/*");
        let mut handle = HeaderValue::from_static("s3cret");
        handle.set_sensitive(true);
        assert_eq!(shown(&HeaderName::from_static("x-other"), &handle), "…");
    }
}
