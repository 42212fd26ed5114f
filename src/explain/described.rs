//! A request as somebody describes it.

use std::collections::BTreeMap;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::decision::{Denial, DenialCode};
use crate::pipeline::framing;

/// A request that is asked about. Members that are not known are ignored.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "Written")]
pub struct Described {
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Fields by name; several of one name as a list.
    pub headers: BTreeMap<String, OneOrMore>,
    /// The body: a text as it is, anything else as JSON.
    pub body: Option<Value>,
    /// Who calls; the credential among the headers where nobody is named.
    pub caller: Option<DescribedCaller>,
}

/// The same as it is written: who calls stands in `as`, or beside the method.
#[derive(Deserialize)]
struct Written {
    method: String,
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, OneOrMore>,
    #[serde(default)]
    body: Option<Value>,
    #[serde(default, rename = "as")]
    caller: Option<DescribedCaller>,
    #[serde(default)]
    tenant: Option<String>,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    claims: Map<String, Value>,
}

impl TryFrom<Written> for Described {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let beside = written.tenant.is_some()
            || written.user.is_some()
            || written.kind.is_some()
            || !(written.roles.is_empty() && written.scopes.is_empty())
            || !written.claims.is_empty();
        let caller = match (written.caller, written.tenant, written.user) {
            (caller, _, _) if !beside => caller,
            (None, Some(tenant), Some(user)) => Some(DescribedCaller {
                tenant,
                user,
                roles: written.roles,
                scopes: written.scopes,
                kind: written.kind,
                claims: written.claims,
            }),
            (None, _, _) => return Err("a caller is a `tenant` and a `user`"),
            (Some(_), _, _) => return Err("who calls stands in `as` or beside it, not in both"),
        };
        Ok(Self {
            method: written.method,
            path: written.path,
            headers: written.headers,
            body: written.body,
            caller,
        })
    }
}

/// One value of a field, or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum OneOrMore {
    /// One.
    One(String),
    /// Several, in their order.
    More(Vec<String>),
}

/// Who calls.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct DescribedCaller {
    /// The tenant.
    pub tenant: String,
    /// The user inside the tenant.
    pub user: String,
    /// Role names.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Scope names.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// `user` or `machine`; `user` where it is not said.
    #[serde(default)]
    pub kind: Option<String>,
    /// Claims of its token beside those that say all this; routes can name them as places of ids.
    #[serde(default)]
    pub claims: Map<String, Value>,
}

/// What is described is no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescribedError {
    /// Not a tenant id by the policies' grammar.
    #[error("`{tenant}` can be no tenant: {why}")]
    Tenant {
        /// What was given.
        tenant: String,
        /// Why not.
        why: String,
    },
    /// Not a user id.
    #[error("`{user}` can be no user: {why}")]
    User {
        /// What was given.
        user: String,
        /// Why not.
        why: String,
    },
    /// Not a name of a role or a scope.
    #[error("`{0}` can be no role or scope: no blank, comma or control may stand in it")]
    Name(String),
    /// Neither kind of caller.
    #[error("`{0}` is no kind of caller: `user` or `machine`")]
    Kind(String),
    /// More than a token can hold.
    #[error("these can be no claims of a token: {0}")]
    Claims(String),
}

/// A head and a body, as the gate would have read them.
pub(super) struct Read {
    pub(super) head: Parts,
    /// Path and query, as they were written.
    pub(super) target: String,
    pub(super) body: Option<Vec<u8>>,
}

/// The `Host` of requests that name none.
const NO_HOST: &str = "localhost";

/// What stands for the credential of a caller who is only described. It is never shown.
const NO_TOKEN: &str = "Bearer supposed";

impl OneOrMore {
    fn values(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::More(values) => values,
        }
    }
}

impl Described {
    /// Adds a field.
    pub fn header(&mut self, name: &str, value: &str) {
        let there = self.headers.remove(name);
        let mut values = there.map_or_else(Vec::new, |there| there.values().to_vec());
        values.push(value.to_owned());
        self.headers
            .insert(name.to_owned(), OneOrMore::More(values));
    }

    /// Reads it as the gate reads a head of HTTP/1.1: the bytes are made, and inspected.
    ///
    /// # Errors
    /// `request_rejected`, as for a head that came.
    pub(super) fn read(&self) -> Result<Read, Denial> {
        let body = self.body_bytes();
        let fields = self.fields(body.as_deref());
        for (name, value) in &fields {
            // A line break would make two fields of one, which is no question about this request.
            if [name, value]
                .iter()
                .any(|it| it.contains(['\r', '\n', '\0']))
            {
                return Err(rejected("a header holds a line break"));
            }
        }
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        for (name, value) in &fields {
            bytes.push_str(&format!("{name}: {value}\r\n"));
        }
        bytes.push_str("\r\n");
        let raw =
            framing::inspect(bytes.as_bytes()).map_err(|fault| rejected(&fault.to_string()))?;
        let malformed = |_| rejected("the request head is malformed");
        let method = Method::from_bytes(raw.method.as_bytes())
            .map_err(|_| rejected("the request head is malformed"))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &fields {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| malformed(()))?;
            let value =
                HeaderValue::from_bytes(value.trim().as_bytes()).map_err(|_| malformed(()))?;
            headers.append(name, value);
        }
        let target = raw.target.to_owned();
        let (mut head, ()) = Request::new(()).into_parts();
        head.method = method;
        head.uri = target.parse::<Uri>().map_err(|_| malformed(()))?;
        head.headers = headers;
        Ok(Read { head, target, body })
    }

    /// The fields that a client would send: those that are said, and what goes with them.
    fn fields(&self, body: Option<&[u8]>) -> Vec<(String, String)> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for (name, values) in &self.headers {
            fields.extend(values.values().iter().map(|it| (name.clone(), it.clone())));
        }
        let mut lacking = |name: &HeaderName, value: String| {
            let there = fields
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(name.as_str()));
            if !there {
                fields.push((name.as_str().to_owned(), value));
            }
            there
        };
        lacking(&header::HOST, NO_HOST.to_owned());
        if let Some(body) = body {
            let chunked = self
                .headers
                .keys()
                .any(|name| name.eq_ignore_ascii_case("transfer-encoding"));
            if !chunked {
                lacking(&header::CONTENT_LENGTH, body.len().to_string());
            }
            if !matches!(self.body, Some(Value::String(_))) {
                lacking(&header::CONTENT_TYPE, "application/json".to_owned());
            }
        }
        let keyed = self
            .headers
            .keys()
            .any(|name| name.eq_ignore_ascii_case("x-api-key"));
        if self.caller.is_some() && !keyed {
            lacking(&header::AUTHORIZATION, NO_TOKEN.to_owned());
        }
        fields
    }

    fn body_bytes(&self) -> Option<Vec<u8>> {
        match &self.body {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.is_empty() => None,
            Some(Value::String(text)) => Some(text.clone().into_bytes()),
            Some(value) => Some(value.to_string().into_bytes()),
        }
    }
}

fn rejected(why: &str) -> Denial {
    Denial::because(DenialCode::RequestRejected, why.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn described(document: Value) -> Described {
        serde_json::from_value(document).unwrap()
    }

    #[test]
    fn what_a_client_would_add_is_added_and_what_it_says_stays() {
        let asked = described(json!({
            "method": "POST", "path": "/echo?x=1", "body": {"a": 1},
            "headers": {"Accept": ["a", "b"], "Host": "gate.test"}, "unknown": true,
        }));
        let read = asked.read().unwrap();
        assert_eq!(read.body.as_deref(), Some(&b"{\"a\":1}"[..]));
        assert_eq!(read.head.headers["content-length"], "7");
        assert_eq!(read.head.headers["content-type"], "application/json");
        assert_eq!(read.head.headers["host"], "gate.test");
        assert_eq!(read.head.headers.get_all("accept").iter().count(), 2);
        assert!(!read.head.headers.contains_key("authorization"));
    }

    #[test]
    fn who_calls_stands_in_a_member_of_its_own_or_beside_the_method() {
        let alice = json!({"tenant": "acme", "user": "alice", "roles": ["lead"]});
        let mut beside = alice.clone();
        beside["method"] = "GET".into();
        beside["path"] = "/".into();
        let inside = json!({"method": "GET", "path": "/", "as": alice});
        for document in [&beside, &inside] {
            let caller = described(document.clone()).caller.unwrap();
            assert_eq!((&*caller.tenant, &*caller.user), ("acme", "alice"));
            assert_eq!(caller.roles, ["lead"]);
        }
        let mut both = beside.clone();
        both["as"] = inside["as"].clone();
        let nobody = json!({"method": "GET", "path": "/", "roles": ["lead"]});
        for document in [both, nobody] {
            let error = serde_json::from_value::<Described>(document.clone());
            assert!(error.is_err(), "{document}");
        }
    }

    #[test]
    fn a_text_is_sent_as_it_is_and_nothing_is_said_of_its_type() {
        let read = described(json!({"method": "POST", "path": "/", "body": "a=b"}))
            .read()
            .unwrap();
        assert_eq!(read.body.as_deref(), Some(&b"a=b"[..]));
        assert!(!read.head.headers.contains_key("content-type"));
    }

    #[test]
    fn what_no_gate_would_read_is_refused_as_it_would_be() {
        for document in [
            json!({"method": "TRACE", "path": "/"}),
            json!({"method": "GET", "path": "no-slash"}),
            json!({"method": "GET", "path": "/a b"}),
            json!({"method": "GET", "path": "/", "headers": {"x": "a\r\nx-fabric-tenant: b"}}),
            json!({"method": "GET", "path": "/", "headers": {"Host": ["a", "b"]}}),
            json!({"method": "POST", "path": "/", "headers": {"Transfer-Encoding": "gzip"}}),
        ] {
            let denial = described(document.clone()).read().err().unwrap();
            assert_eq!(denial.code, DenialCode::RequestRejected, "{document}");
        }
    }
}
