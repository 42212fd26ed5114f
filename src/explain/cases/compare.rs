//! What was expected against what came.

use serde_json::Value;

use super::case::{Expectation, ExpectedBackend};
use crate::explain::{BackendFacts, Explanation};

/// One expectation that was not met.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// What is compared: `decision`, `backend.headers.x-fabric-user`.
    pub what: String,
    /// What was expected.
    pub expected: String,
    /// What came.
    pub got: String,
}

/// Every expectation that is not met.
pub(super) fn differences(expect: &Expectation, told: &Explanation) -> Vec<Difference> {
    let mut found = Found(Vec::new());
    found.text("decision", expect.decision.as_deref(), Some(told.decision));
    found.text("code", expect.code.as_deref(), told.code.as_deref());
    let status = |status: Option<u16>| status.map(|it| it.to_string());
    let (expected, got) = (status(expect.status), status(told.status));
    found.text("status", expected.as_deref(), got.as_deref());
    let route = told.route.as_ref().map(|route| route.name.as_str());
    found.text("route", expect.route.as_deref(), route);
    found.text("rule", expect.rule.as_deref(), told.rule.as_deref());
    if let Some(expected) = &expect.would_deny {
        let (mut expected, mut got) = (expected.clone(), told.would_deny.clone());
        expected.sort();
        got.sort();
        found.put("would_deny", &format!("{expected:?}"), &format!("{got:?}"));
    }
    let who = told.principal.as_ref();
    let tenant = who.map(|who| who.tenant.as_str());
    found.text("tenant", expect.tenant.as_deref(), tenant);
    let user = who.map(|who| who.user.as_str());
    found.text("user", expect.user.as_deref(), user);
    found.text("model", expect.model.as_deref(), told.model.as_deref());
    let reserve = expect.reserve_usd.map(|amount| amount.to_string());
    let reserved = told.reserve_usd.as_deref();
    found.text("reserve_usd", reserve.as_deref(), reserved);
    match (&expect.backend, &told.backend) {
        (Some(expected), Some(got)) => found.backend(expected, got),
        (Some(_), None) => found.put("backend", "a request", "none"),
        (None, _) => {}
    }
    found.0
}

struct Found(Vec<Difference>);

impl Found {
    fn put(&mut self, what: &str, expected: &str, got: &str) {
        if expected != got {
            self.0.push(Difference {
                what: what.to_owned(),
                expected: expected.to_owned(),
                got: got.to_owned(),
            });
        }
    }

    fn text(&mut self, what: &str, expected: Option<&str>, got: Option<&str>) {
        if let Some(expected) = expected {
            self.put(what, expected, got.unwrap_or("nothing"));
        }
    }

    fn backend(&mut self, expected: &ExpectedBackend, got: &BackendFacts) {
        let method = expected.method.as_deref();
        self.text("backend.method", method, Some(&got.method));
        let target = expected.target.as_deref();
        self.text("backend.target", target, Some(&got.target));
        for (name, value) in &expected.headers {
            let values: Vec<&str> = of(got, name).collect();
            let what = format!("backend.headers.{name}");
            match values.as_slice() {
                [] => self.put(&what, value, "nothing"),
                [one] => self.put(&what, value, one),
                several => self.put(&what, value, &several.join(" | ")),
            }
        }
        for name in &expected.absent {
            if let Some(value) = of(got, name).next() {
                self.put(&format!("backend.headers.{name}"), "nothing", value);
            }
        }
        let body = got.body.as_deref().unwrap_or_default();
        match &expected.body {
            None => {}
            Some(Value::String(text)) => self.put("backend.body", text, body),
            Some(document) => {
                let came = serde_json::from_str::<Value>(body);
                if came.as_ref().ok() != Some(document) {
                    self.put("backend.body", &document.to_string(), body);
                }
            }
        }
    }
}

fn of<'facts>(got: &'facts BackendFacts, name: &str) -> impl Iterator<Item = &'facts str> {
    let name = name.to_ascii_lowercase();
    let fields = got.headers.iter().filter(move |(known, _)| *known == name);
    fields.map(|(_, value)| value.as_str())
}
