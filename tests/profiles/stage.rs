//! A gate with one profile before one stand-in, and callers of two tenants.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::standins::StandIn;
use crate::support::gate_process::GateProcess;
use crate::support::raw_client::{self, RawClient, RawResponse};
use crate::support::tokens::{SigningKey, claims};
use crate::support::transport::Address;

/// An id that nobody ever made, as a UUID.
pub const NEVER: &str = "6a1f2c3d-4b5e-4f60-8a7b-9c0d1e2f3a4b";

/// A price for whatever is asked.
const PRICES: &str = "[costs]\nunpriced = \"default_price\"\n\
                      default_price = { input = \"1.00\", output = \"1.00\" }\nreserve_usd = \"0.10\"\n";

/// Who may write what a tenant shares, where a profile has such routes.
const SHARED_MEMORY: &str = "[memory]\nshared_write_roles = [\"lead\"]\n";

/// Answers' fields that differ from one answer to the next whatever was asked.
const VOLATILE: [&str; 2] = ["date", "x-request-id"];

/// A running gate before a running stand-in.
pub struct Stage {
    /// The gate.
    pub gate: GateProcess,
    /// The stand-in.
    pub backend: StandIn,
    key: SigningKey,
}

/// Somebody who calls.
#[derive(Clone, Debug)]
pub struct Caller {
    address: Address,
    /// The token.
    pub token: String,
}

/// A request whose id is still open: `{id}` in target and body.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'t> {
    /// The method.
    pub method: &'t str,
    /// The target.
    pub target: &'t str,
    /// A JSON body; empty is none.
    pub body: &'t str,
}

/// A request without a body.
pub fn ask<'t>(method: &'t str, target: &'t str) -> Ask<'t> {
    Ask {
        method,
        target,
        body: "",
    }
}

/// A POST.
pub fn ask_posting<'t>(target: &'t str, body: &'t str) -> Ask<'t> {
    Ask {
        method: "POST",
        target,
        body,
    }
}

impl Stage {
    /// A gate whose upstream `backend` has this profile.
    pub async fn start(profile: &str, backend: StandIn) -> Self {
        let builder = GateProcess::builder();
        let key = SigningKey::ed25519("profiles");
        let jwks = key.write_jwks(builder.folder());
        let issuer = key.policy(&jwks);
        let upstream = format!(
            "[[upstreams]]\nname = \"backend\"\nurl = \"{}\"\nprofile = \"{profile}\"\n",
            backend.url
        );
        let gate = builder
            .policy(issuer)
            .policy("[[tenants]]\nid = \"acme\"\n[[tenants]]\nid = \"globex\"\n")
            // What these callers ask is known by no price list.
            .policy(PRICES)
            .policy(SHARED_MEMORY)
            .policy(upstream)
            .start()
            .await;
        Self { gate, backend, key }
    }

    /// A caller with these roles.
    pub fn caller(&self, tenant: &str, user: &str, roles: &[&str]) -> Caller {
        Caller {
            address: self.gate.address().clone(),
            token: self.key.sign(&claims(tenant, user, roles)),
        }
    }

    /// Alice of acme.
    pub fn alice(&self) -> Caller {
        self.caller("acme", "alice", &["member"])
    }

    /// Bob of globex.
    pub fn bob(&self) -> Caller {
        self.caller("globex", "bob", &["member"])
    }

    /// Sends around the gate.
    pub async fn directly(&self, asked: Ask<'_>, id: &str) -> RawResponse {
        let headers = [("Content-Type", "application/json")];
        send(&Address::Tcp(self.backend.address), asked, id, &headers).await
    }

    /// Holds the gate to one answer for what is another's, what never was, and what the backend
    /// itself does not find: same status, same fields, same body but for the id.
    pub async fn absent_for(&self, caller: &Caller, asked: Ask<'_>, foreign: &str, unknown: &str) {
        let of_foreign = caller.send(asked, foreign).await;
        let of_unknown = caller.send(asked, unknown).await;
        let own = self.directly(asked, unknown).await;
        let told = format!("{asked:?} of {foreign}: {of_foreign:?}");
        assert_eq!(of_foreign.status, own.status, "{told}\nbackend: {own:?}");
        assert_eq!(of_unknown.status, own.status, "{told}");
        assert_eq!(fields(&of_foreign), fields(&of_unknown), "{told}");
        assert_eq!(names(&of_foreign), names(&own), "{told}\nbackend: {own:?}");
        let blank = |answer: &RawResponse, id: &str| answer.text().replace(id, "{id}");
        assert_eq!(blank(&of_foreign, foreign), blank(&of_unknown, unknown));
        assert_eq!(blank(&of_foreign, foreign), blank(&own, unknown), "{told}");
    }

    /// Holds pages to being closed: no caller reaches them, whatever the role.
    pub async fn closed(&self, pages: &[&str]) {
        let before = self.backend.seen().len();
        let everything = self.caller("acme", "root", &["admin", "reviewer", "operator"]);
        for page in pages {
            let answer = everything.get(page).await;
            assert!(matches!(answer.status, 404 | 405), "{page}: {answer:?}");
        }
        assert_eq!(self.backend.seen().len(), before, "a closed page was asked");
    }
}

/// Names and values of an answer's fields but the volatile ones.
fn fields(answer: &RawResponse) -> Vec<(String, String)> {
    let mut fields: Vec<_> = answer
        .head
        .fields()
        .into_iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .filter(|(name, _)| !VOLATILE.contains(&name.as_str()))
        .collect();
    fields.sort();
    fields
}

/// Names of the fields a backend says.
fn names(answer: &RawResponse) -> BTreeSet<String> {
    let gates = ["cache-control", "connection", "keep-alive"];
    let names = fields(answer).into_iter().map(|(name, _)| name);
    names
        .filter(|name| !gates.contains(&name.as_str()))
        .collect()
}

impl Caller {
    /// Sends a request about this id.
    pub async fn send(&self, asked: Ask<'_>, id: &str) -> RawResponse {
        let authorization = format!("Bearer {}", self.token);
        let headers = [
            ("Authorization", authorization.as_str()),
            ("Content-Type", "application/json"),
        ];
        send(&self.address, asked, id, &headers).await
    }

    /// Sends a request with further headers.
    pub async fn send_with(&self, asked: Ask<'_>, more: &[(&str, &str)]) -> RawResponse {
        let authorization = format!("Bearer {}", self.token);
        let mut headers = vec![
            ("Authorization", authorization.as_str()),
            ("Content-Type", "application/json"),
        ];
        headers.extend_from_slice(more);
        send(&self.address, asked, "", &headers).await
    }

    /// GET.
    pub async fn get(&self, target: &str) -> RawResponse {
        self.send(ask("GET", target), "").await
    }

    /// POST of a JSON document.
    pub async fn post(&self, target: &str, body: Value) -> RawResponse {
        self.send(ask_posting(target, &body.to_string()), "").await
    }

    /// What a successful POST answers.
    pub async fn make(&self, target: &str, body: Value) -> Value {
        let answer = self.post(target, body).await;
        assert!((200..300).contains(&answer.status), "{target}: {answer:?}");
        answer.json()
    }

    /// The text under `pointer` of what a successful POST answers.
    pub async fn make_id(&self, target: &str, body: Value, pointer: &str) -> String {
        let made = self.make(target, body).await;
        let id = made.pointer(pointer).and_then(Value::as_str);
        id.unwrap_or_else(|| panic!("no {pointer} in {made}"))
            .to_owned()
    }

    /// What a successful GET answers.
    pub async fn read(&self, target: &str) -> Value {
        let answer = self.get(target).await;
        assert_eq!(answer.status, 200, "{target}: {answer:?}");
        answer.json()
    }
}

/// Reads the head of a stream that may have no end, and the rest if it has one.
async fn send(
    address: &Address,
    asked: Ask<'_>,
    id: &str,
    headers: &[(&str, &str)],
) -> RawResponse {
    let target = asked.target.replace("{id}", id);
    let body = asked.body.replace("{id}", id);
    let request = raw_client::request(asked.method, &target, headers, body.as_bytes());
    let mut client = RawClient::connect(address).await;
    client.send(request).await;
    if asked.method == "HEAD" {
        client.read_response_to_head().await
    } else {
        client.read_response().await
    }
}

/// The texts under `pointer` in every element of an array.
pub fn column(array: &Value, pointer: &str) -> Vec<String> {
    let elements = array
        .as_array()
        .unwrap_or_else(|| panic!("no array: {array}"));
    let mut column: Vec<_> = elements
        .iter()
        .map(|element| {
            element
                .pointer(pointer)
                .unwrap()
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    column.sort();
    column
}

/// A JSON-RPC call.
pub fn call(method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": "c-1", "method": method, "params": params})
}
