//! What a record holds of a decision.

use std::borrow::Cow;

use serde::Deserialize;

/// A record of a request, as far as it is judged again.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "as in the log")]
pub struct Recorded<'line> {
    #[serde(default)]
    pub seq: u64,
    #[serde(borrow)]
    pub ts: Cow<'line, str>,
    #[serde(borrow, default)]
    pub kind: Cow<'line, str>,
    #[serde(borrow, default)]
    pub request_id: Cow<'line, str>,
    #[serde(borrow, default)]
    pub tenant_id: Option<Cow<'line, str>>,
    #[serde(borrow, default)]
    pub user_id: Option<Cow<'line, str>>,
    #[serde(borrow, default)]
    pub principal: Option<Cow<'line, str>>,
    #[serde(borrow, default)]
    pub roles: Vec<Cow<'line, str>>,
    /// Absent in records of versions that did not keep them, and where there are none.
    #[serde(borrow, default)]
    pub scopes: Option<Vec<Cow<'line, str>>>,
    #[serde(borrow, default)]
    pub auth_method: Option<Cow<'line, str>>,
    #[serde(borrow, default)]
    pub method: Cow<'line, str>,
    #[serde(borrow, default)]
    pub path: Cow<'line, str>,
    #[serde(borrow, default)]
    pub route: Option<Cow<'line, str>>,
    #[serde(borrow, default)]
    pub tool: Option<Cow<'line, str>>,
    #[serde(borrow, default)]
    pub model: Option<Cow<'line, str>>,
    #[serde(borrow, default)]
    pub decision: Cow<'line, str>,
    #[serde(borrow, default)]
    pub reason: Cow<'line, str>,
    #[serde(borrow, default)]
    pub rule: Option<Cow<'line, str>>,
    #[serde(borrow, default)]
    pub would_deny: Vec<Cow<'line, str>>,
    #[serde(borrow, default)]
    pub policy_revision: Option<Cow<'line, str>>,
}

impl<'line> Recorded<'line> {
    /// Reads a line of the log; `None` for events and whatever else is no request.
    pub fn of(line: &'line [u8]) -> Option<Self> {
        let record: Self = serde_json::from_slice(line).ok()?;
        (record.kind == "request").then_some(record)
    }

    /// All that a judgement looks at, in one text: records that agree in it are judged alike.
    pub(super) fn key(&self) -> String {
        let mut key = String::with_capacity(160);
        let mut put = |part: &str| {
            key.push_str(part);
            key.push('\0');
        };
        let whole = |part: &Option<Cow<'line, str>>| part.as_deref().unwrap_or("\u{1}").to_owned();
        for part in [
            &self.tenant_id,
            &self.user_id,
            &self.principal,
            &self.auth_method,
        ] {
            put(&whole(part));
        }
        for part in [&self.method, &self.path, &self.decision, &self.reason] {
            put(part);
        }
        for part in [&self.route, &self.tool, &self.model] {
            put(&whole(part));
        }
        for role in &self.roles {
            put(role);
        }
        put("\u{2}");
        for scope in self.scopes.iter().flatten() {
            put(scope);
        }
        put(if self.scopes.is_some() { "y" } else { "n" });
        key
    }
}
