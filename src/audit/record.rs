//! What stands in a record, and its text.
//!
//! A record's *body* is the part between its sequence number and its place in the chain; the
//! writer thread adds those. There is no field for a credential, a query string or a body, so none
//! can get in: a path is the route's template, or, where no route was found, the raw path up to its
//! query.

use std::sync::Arc;

use super::json::{push_number, push_string, push_timestamp};
use crate::clock::Timestamp;
use crate::identity::{Delegation, Principal, PrincipalKind, UserId};
use crate::tenant::TenantId;

/// Longest identifier that is kept whole, in bytes.
const LONGEST_TEXT: usize = 512;
/// Longest raw path that is kept whole, in bytes.
const LONGEST_PATH: usize = 1024;
/// Most entries of a list that are kept.
const MOST_ENTRIES: usize = 100;

/// One request, however it ended. Text longer than 512 bytes (raw paths: 1024) is cut and ends in
/// `…`; lists keep their first 100 entries.
#[derive(Clone, Debug)]
pub struct RequestRecord<'a> {
    /// When the request arrived.
    pub ts: Timestamp,
    /// Its id, as answered to the caller.
    pub request_id: &'a str,
    /// W3C trace id, if any.
    pub trace_id: Option<&'a str>,
    /// Who called; `None` where no credential was verified.
    pub caller: Option<Caller<'a>>,
    /// HTTP method as received.
    pub method: &'a str,
    /// Path.
    pub path: RecordedPath<'a>,
    /// Route name; `None` where no route was found.
    pub route: Option<&'a str>,
    /// What the route does: `read`, `write`, `delete`.
    pub action: Option<&'a str>,
    /// The resource that was named.
    pub resource: Option<RecordedResource<'a>>,
    /// Tool of an MCP call.
    pub tool: Option<&'a str>,
    /// Model of a completion.
    pub model: Option<&'a str>,
    /// Permit or deny.
    pub decision: RecordedDecision,
    /// `ok`, or the refusal's code.
    pub reason: &'a str,
    /// The rule that decided.
    pub rule: Option<&'a str>,
    /// Why an operator has to look; left out of the record when there is no reason.
    pub alert: Option<&'a str>,
    /// `false` where the decision was recorded without being enforced.
    pub enforced: bool,
    /// Shadow rules that would have refused; left out of the record when empty.
    pub would_deny: &'a [Arc<str>],
    /// The tenant the request declared, where it is not the caller's; bytes of a stranger.
    pub declared_tenant: Option<&'a [u8]>,
    /// Status answered; `None` if the caller left before.
    pub status: Option<u16>,
    /// Upstream name.
    pub upstream: Option<&'a str>,
    /// Status the upstream answered.
    pub upstream_status: Option<u16>,
    /// Cost in USD as a decimal.
    pub cost_usd: Option<&'a str>,
    /// Tokens used.
    pub tokens: Option<TokenCounts>,
    /// Revision of the price list.
    pub price_revision: Option<&'a str>,
    /// From arrival to the answer's last byte, in microseconds.
    pub latency_us: u64,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// Revision of the policy that decided.
    pub policy_revision: Option<&'a str>,
}

/// The verified caller, as far as it is recorded.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// Tenant.
    pub tenant: &'a TenantId,
    /// User.
    pub user: &'a UserId,
    /// Kind.
    pub kind: PrincipalKind,
    /// Roles.
    pub roles: &'a [Arc<str>],
    /// Scopes; left out of the record when empty.
    pub scopes: &'a [Arc<str>],
    /// Who acts for whom.
    pub delegation: &'a Delegation,
    /// By which credential: `jwt:corp`.
    pub auth_method: &'a str,
    /// `jti`, key name or delivery; never a secret.
    pub token_id: Option<&'a str>,
}

impl<'a> From<&'a Principal> for Caller<'a> {
    fn from(principal: &'a Principal) -> Self {
        Self {
            tenant: principal.tenant(),
            user: principal.user(),
            kind: principal.kind(),
            roles: principal.roles(),
            scopes: principal.scopes(),
            delegation: principal.delegation(),
            auth_method: principal.method().as_str(),
            token_id: principal.token_id(),
        }
    }
}

/// The path in a record.
#[derive(Clone, Copy, Debug)]
pub enum RecordedPath<'a> {
    /// The template of the route.
    Template(&'a str),
    /// The target as received; only what can hold no secret of it is recorded.
    Unrouted(&'a [u8]),
}

/// What was permitted or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordedDecision {
    /// Permitted; the request may still have failed later.
    Permit,
    /// Refused, by rule or because nothing could be decided.
    Deny,
}

impl RecordedDecision {
    /// The word in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Deny => "deny",
        }
    }
}

/// A thing on a backend.
#[derive(Clone, Copy, Debug)]
pub struct RecordedResource<'a> {
    /// `session`, `task`, …
    pub kind: &'a str,
    /// Its id on the backend.
    pub id: &'a str,
}

/// Tokens of a model call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenCounts {
    /// Read.
    pub input: u64,
    /// Written.
    pub output: u64,
    /// Of those read, taken from the provider's cache.
    pub cache_read: u64,
}

impl RequestRecord<'_> {
    /// Appends the body; `instance` is JSON already.
    pub(super) fn write_body(&self, out: &mut Vec<u8>, instance: &[u8]) {
        out.extend_from_slice(b"\"kind\":\"request\",\"ts\":");
        push_timestamp(out, self.ts);
        text(out, b",\"request_id\":", self.request_id);
        optional(out, b",\"trace_id\":", self.trace_id);
        self.write_caller(out);
        text(out, b",\"method\":", self.method);
        out.extend_from_slice(b",\"path\":");
        self.path.write(out);
        optional(out, b",\"route\":", self.route);
        optional(out, b",\"action\":", self.action);
        out.extend_from_slice(b",\"resource\":");
        match self.resource {
            Some(resource) => {
                text(out, b"{\"kind\":", resource.kind);
                text(out, b",\"id\":", resource.id);
                out.push(b'}');
            }
            None => out.extend_from_slice(b"null"),
        }
        optional(out, b",\"tool\":", self.tool);
        optional(out, b",\"model\":", self.model);
        plain(out, b",\"decision\":", self.decision.as_str());
        text(out, b",\"reason\":", self.reason);
        optional(out, b",\"rule\":", self.rule);
        out.extend_from_slice(if self.enforced {
            b",\"enforced\":true"
        } else {
            b",\"enforced\":false"
        });
        if let Some(alert) = self.alert {
            text(out, b",\"alert\":", alert);
        }
        if !self.would_deny.is_empty() {
            list(out, b",\"would_deny\":", self.would_deny);
        }
        out.extend_from_slice(b",\"declared_tenant\":");
        match self.declared_tenant {
            Some(declared) => push_string(out, declared, LONGEST_TEXT),
            None => out.extend_from_slice(b"null"),
        }
        self.write_outcome(out);
        out.extend_from_slice(b",\"instance\":");
        out.extend_from_slice(instance);
    }

    fn write_caller(&self, out: &mut Vec<u8>) {
        let Some(caller) = &self.caller else {
            out.extend_from_slice(
                b",\"tenant_id\":null,\"user_id\":null,\"principal\":null,\"roles\":[],\
                  \"delegation_chain\":[],\"auth_method\":null,\"token_id\":null",
            );
            return;
        };
        plain(out, b",\"tenant_id\":", caller.tenant.as_str());
        text(out, b",\"user_id\":", caller.user.as_str());
        plain(out, b",\"principal\":", caller.kind.as_str());
        list(out, b",\"roles\":", caller.roles);
        if !caller.scopes.is_empty() {
            list(out, b",\"scopes\":", caller.scopes);
        }
        list(out, b",\"delegation_chain\":", &caller.delegation.actors);
        if caller.delegation.dropped > 0 {
            number(
                out,
                b",\"delegation_dropped\":",
                caller.delegation.dropped.into(),
            );
        }
        text(out, b",\"auth_method\":", caller.auth_method);
        optional(out, b",\"token_id\":", caller.token_id);
    }

    fn write_outcome(&self, out: &mut Vec<u8>) {
        status(out, b",\"status\":", self.status);
        optional(out, b",\"upstream\":", self.upstream);
        status(out, b",\"upstream_status\":", self.upstream_status);
        optional(out, b",\"cost_usd\":", self.cost_usd);
        out.extend_from_slice(b",\"tokens\":");
        match self.tokens {
            Some(tokens) => {
                number(out, b"{\"input\":", tokens.input);
                number(out, b",\"output\":", tokens.output);
                number(out, b",\"cache_read\":", tokens.cache_read);
                out.push(b'}');
            }
            None => out.extend_from_slice(b"null"),
        }
        optional(out, b",\"price_revision\":", self.price_revision);
        number(out, b",\"latency_us\":", self.latency_us);
        number(out, b",\"bytes_in\":", self.bytes_in);
        number(out, b",\"bytes_out\":", self.bytes_out);
        optional(out, b",\"policy_revision\":", self.policy_revision);
    }
}

impl RecordedPath<'_> {
    fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Template(template) => push_string(out, template.as_bytes(), LONGEST_PATH),
            Self::Unrouted(target) => {
                push_string(out, &unrouted(target), LONGEST_PATH);
            }
        }
    }
}

/// Longest segment of a raw path that is kept whole, in bytes: a UUID fits, a key or token does not.
const LONGEST_SEGMENT: usize = 40;
/// What is kept of a longer one.
const SEGMENT_BEGINNING: usize = 8;

/// A raw path without what holds secrets often enough. A query, or what was to be one, ends it:
/// callers write `/x&token=`, `/x;token=` and `/x%3Ftoken=` too, and those lead to no route. Of a
/// segment as long as a key or a token only the beginning stays.
fn unrouted(target: &[u8]) -> Vec<u8> {
    let begins_query = |at: usize| match target.get(at..).unwrap_or_default() {
        [b'?' | b'#' | b';' | b'&' | b'=', ..] => true,
        [b'%', high, low, ..] => matches!(
            (high, low.to_ascii_lowercase()),
            (b'2', b'3' | b'6') | (b'3', b'b' | b'd' | b'f')
        ),
        _ => false,
    };
    let end = (0..target.len())
        .find(|at| begins_query(*at))
        .unwrap_or(target.len());
    let mut kept = Vec::with_capacity(end);
    for segment in target
        .get(..end)
        .unwrap_or_default()
        .split_inclusive(|byte| *byte == b'/')
    {
        let name = segment.strip_suffix(b"/").unwrap_or(segment);
        if name.len() <= LONGEST_SEGMENT {
            kept.extend_from_slice(segment);
            continue;
        }
        kept.extend_from_slice(name.get(..SEGMENT_BEGINNING).unwrap_or(name));
        kept.extend_from_slice("…".as_bytes());
        if name.len() < segment.len() {
            kept.push(b'/');
        }
    }
    kept
}

pub(super) fn text(out: &mut Vec<u8>, name: &[u8], value: &str) {
    out.extend_from_slice(name);
    push_string(out, value.as_bytes(), LONGEST_TEXT);
}

/// For our own words and tenant ids, whose grammar leaves nothing to escape.
fn plain(out: &mut Vec<u8>, name: &[u8], value: &str) {
    out.extend_from_slice(name);
    out.push(b'"');
    out.extend_from_slice(value.as_bytes());
    out.push(b'"');
}

pub(super) fn number(out: &mut Vec<u8>, name: &[u8], value: u64) {
    out.extend_from_slice(name);
    push_number(out, value);
}

pub(super) fn optional(out: &mut Vec<u8>, name: &[u8], value: Option<&str>) {
    out.extend_from_slice(name);
    match value {
        Some(value) => push_string(out, value.as_bytes(), LONGEST_TEXT),
        None => out.extend_from_slice(b"null"),
    }
}

fn status(out: &mut Vec<u8>, name: &[u8], value: Option<u16>) {
    out.extend_from_slice(name);
    match value {
        Some(value) => push_number(out, value.into()),
        None => out.extend_from_slice(b"null"),
    }
}

fn list(out: &mut Vec<u8>, name: &[u8], values: &[Arc<str>]) {
    out.extend_from_slice(name);
    let mut separator = b'[';
    for value in values.iter().take(MOST_ENTRIES) {
        out.push(separator);
        push_string(out, value.as_bytes(), LONGEST_TEXT);
        separator = b',';
    }
    if separator == b'[' {
        out.push(b'[');
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_secret_in_a_path_without_a_route_is_not_kept() {
        let token = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl";
        for (target, kept) in [
            ("/a/b".to_owned(), "/a/b"),
            ("/a/".to_owned(), "/a/"),
            (
                "/a/0190c5f0-7c1e-7b7a-8f6e-2d1f3a4b5c6d/b".to_owned(),
                "/a/0190c5f0-7c1e-7b7a-8f6e-2d1f3a4b5c6d/b",
            ),
            (format!("/ws/{token}"), "/ws/eyJhbGci…"),
            (format!("/ws/{token}/b"), "/ws/eyJhbGci…/b"),
            ("/a?token=s3".to_owned(), "/a"),
            ("/a#token=s3".to_owned(), "/a"),
            ("/a&token=s3".to_owned(), "/a"),
            ("/a;token=s3".to_owned(), "/a"),
            ("/token=s3".to_owned(), "/token"),
            ("/a%3Ftoken=s3".to_owned(), "/a"),
            ("/a%26token=s3".to_owned(), "/a"),
            ("/a%3btoken%3Ds3".to_owned(), "/a"),
            ("/token%3ds3".to_owned(), "/token"),
            ("/a%2Fb".to_owned(), "/a%2Fb"),
            ("/a%".to_owned(), "/a%"),
        ] {
            let shown = String::from_utf8(unrouted(target.as_bytes())).unwrap();
            assert_eq!(shown, kept, "{target}");
        }
    }

    fn body_of(record: &RequestRecord<'_>) -> Value {
        let mut body = b"{".to_vec();
        record.write_body(&mut body, b"\"gate-1\"");
        body.push(b'}');
        serde_json::from_slice(&body).unwrap()
    }

    proptest! {
        #[test]
        fn any_record_parses_back_to_its_values(
            text in ".{0,60}",
            raw in prop::collection::vec(any::<u8>(), 0..60),
            names in prop::collection::vec("[a-z:\"\\\\\n]{0,8}", 0..4),
            number in any::<u64>(),
            small in any::<u16>(),
            flag in any::<bool>(),
        ) {
            let tenant: TenantId = "acme".parse().unwrap();
            let user = UserId::parse("al\"ice").unwrap();
            let plain = names.clone();
            let names: Vec<Arc<str>> = names.iter().map(|name| Arc::from(name.as_str())).collect();
            let delegation = Delegation { actors: names.clone().into(), dropped: small.into() };
            let record = RequestRecord {
                ts: Timestamp::from_micros(number as i64 >> 12),
                request_id: &text,
                trace_id: flag.then_some(&text),
                caller: Some(Caller {
                    tenant: &tenant,
                    user: &user,
                    kind: PrincipalKind::Machine,
                    roles: &names,
                    scopes: &names,
                    delegation: &delegation,
                    auth_method: "jwt:corp",
                    token_id: flag.then_some(&text),
                }),
                method: &text,
                path: RecordedPath::Template(&text),
                route: flag.then_some(&text),
                action: flag.then_some(&text),
                resource: flag.then_some(RecordedResource { kind: "session", id: &text }),
                tool: flag.then_some(&text),
                model: flag.then_some(&text),
                decision: RecordedDecision::Deny,
                reason: &text,
                rule: flag.then_some(&text),
                alert: flag.then_some("foreign_answer"),
                enforced: flag,
                would_deny: &names,
                declared_tenant: flag.then_some(&raw),
                status: flag.then_some(small),
                upstream: flag.then_some(&text),
                upstream_status: flag.then_some(small),
                cost_usd: flag.then_some("0.003125"),
                tokens: flag.then_some(TokenCounts { input: number, output: 0, cache_read: 1 }),
                price_revision: flag.then_some(&text),
                latency_us: number,
                bytes_in: number,
                bytes_out: 0,
                policy_revision: flag.then_some(&text),
            };
            let some = |value: &str| if flag { json!(value) } else { Value::Null };
            let mut expected = json!({
                "kind": "request", "ts": record.ts.to_string(), "request_id": text,
                "trace_id": some(&text), "tenant_id": "acme", "user_id": "al\"ice",
                "principal": "machine", "roles": plain, "delegation_chain": plain,
                "auth_method": "jwt:corp", "token_id": some(&text), "method": text, "path": text,
                "route": some(&text), "action": some(&text), "resource": null,
                "tool": some(&text), "model": some(&text), "decision": "deny", "reason": text,
                "rule": some(&text), "enforced": flag,
                "declared_tenant": some(&String::from_utf8_lossy(&raw)),
                "status": null, "upstream": some(&text), "upstream_status": null,
                "cost_usd": some("0.003125"), "tokens": null, "price_revision": some(&text),
                "latency_us": number, "bytes_in": number, "bytes_out": 0,
                "policy_revision": some(&text), "instance": "gate-1",
            });
            if flag {
                expected["resource"] = json!({ "kind": "session", "id": text });
                expected["alert"] = json!("foreign_answer");
                expected["status"] = json!(small);
                expected["upstream_status"] = json!(small);
                expected["tokens"] = json!({ "input": number, "output": 0, "cache_read": 1 });
            }
            if small > 0 {
                expected["delegation_dropped"] = json!(small);
            }
            if !names.is_empty() {
                expected["would_deny"] = json!(plain);
                expected["scopes"] = json!(plain);
            }
            prop_assert_eq!(body_of(&record), expected);
        }
    }
}
