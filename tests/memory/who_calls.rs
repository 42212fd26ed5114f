//! Who calls: the gate's assertion or an issuer's token, one of them, and nothing else.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::jwks_server::Mode;
use crate::memory_process::{MemoryProcess, assertion};
use crate::support::raw_client::RawResponse;
use crate::support::tokens::{self, Claims, SigningKey};

const PATH: &str = "/v1/caller";

async fn with(process: &MemoryProcess, headers: &[(&str, &str)]) -> RawResponse {
    process.ask("GET", PATH, headers, b"").await
}

async fn asserted(process: &MemoryProcess, token: &str) -> RawResponse {
    with(process, &[("X-Fabric-Assertion", token)]).await
}

/// A refusal with this status and code, that no cache may keep and that names its request.
fn assert_refused(response: &RawResponse, status: u16, code: &str, why: &str) {
    assert_eq!(response.status, status, "{why}: {response:?}");
    let problem = response.json();
    assert_eq!(problem["code"], code, "{why}: {problem}");
    assert_eq!(problem["status"], status, "{why}");
    assert_eq!(
        response.header("content-type").as_deref(),
        Some("application/problem+json")
    );
    assert_eq!(
        response.header("cache-control").as_deref(),
        Some("private, no-store")
    );
    assert_eq!(
        response.header("x-request-id").map(Value::from),
        Some(problem["request_id"].clone())
    );
    if status == 401 {
        let challenge = response.header("www-authenticate");
        assert!(
            challenge.is_some_and(|challenge| challenge.starts_with("Bearer ")),
            "{why}: RFC 9110 section 11.6.1"
        );
    }
}

#[tokio::test]
async fn an_assertion_of_the_gate_says_who_calls_and_no_other_header_does() {
    let process = MemoryProcess::builder().start().await;
    let token = process.assertion("acme", "alice", &["lead"]);
    let headers = [
        ("X-Fabric-Assertion", token.as_str()),
        ("X-Fabric-Tenant", "globex"),
        ("X-Fabric-User", "bob"),
        ("X-Fabric-Roles", "tenant-admin"),
        ("X-Request-Id", "r-1"),
    ];
    let response = with(&process, &headers).await;
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(
        response.json(),
        json!({
            "tenant": "acme",
            "user": "alice",
            "clearance": "internal",
            "writes_shared": true,
            "namespaces": ["tenant:acme:user:alice:", "tenant:acme:shared:"],
        })
    );
    assert_eq!(response.header("x-request-id").as_deref(), Some("r-1"));
    assert_eq!(
        response.header("cache-control").as_deref(),
        Some("private, no-store")
    );
}

#[tokio::test]
async fn roles_of_the_token_give_the_clearance_that_the_configuration_says() {
    let extra = "[memory]\nshared_write_roles = [\"editor\"]\ndefault_clearance = \"public\"\n\
                 [memory.clearance]\nboss = \"restricted\"";
    let process = MemoryProcess::builder().extra(extra).start().await;
    for (role, clearance, writes) in [
        ("boss", "restricted", false),
        ("editor", "public", true),
        ("lead", "public", false),
    ] {
        let who = ("acme", "alice", &[role][..]);
        let document = process.ask_as(who, "GET", PATH, b"").await.json();
        assert_eq!(document["clearance"], clearance, "{role}");
        assert_eq!(document["writes_shared"], writes, "{role}");
    }
}

#[tokio::test]
async fn no_identity_or_more_than_one_is_refused() {
    let process = MemoryProcess::builder().start().await;
    let good = process.assertion("acme", "alice", &[]);
    let bearer = format!("Bearer {good}");
    let plain = [("X-Fabric-Tenant", "acme"), ("X-Fabric-User", "alice")];
    assert_refused(
        &with(&process, &[]).await,
        401,
        "credentials_missing",
        "none",
    );
    assert_refused(
        &with(&process, &plain).await,
        401,
        "credentials_missing",
        "plain headers are nobody",
    );
    for (why, headers) in [
        (
            "an assertion and a token",
            [
                ("X-Fabric-Assertion", good.as_str()),
                ("Authorization", bearer.as_str()),
            ],
        ),
        (
            "two assertions, even the same one",
            [
                ("X-Fabric-Assertion", good.as_str()),
                ("x-fabric-assertion", good.as_str()),
            ],
        ),
        (
            "two tokens",
            [
                ("Authorization", bearer.as_str()),
                ("Authorization", bearer.as_str()),
            ],
        ),
    ] {
        assert_refused(
            &with(&process, &headers).await,
            400,
            "request_rejected",
            why,
        );
    }
    assert_eq!(asserted(&process, &good).await.status, 200, "one is enough");
}

#[tokio::test]
async fn an_assertion_that_does_not_hold_is_refused() {
    let process = MemoryProcess::builder().start().await;
    let claims = || assertion("acme", "alice", &[]);
    let signed = |claims: Claims| process.key.sign(&claims);
    let stranger = SigningKey::ed25519("gate-1");
    let other_kid = SigningKey::ed25519("gate-2");
    let long = claims().expires_in(66);
    for (why, token) in [
        ("not a token", "acme.alice".to_owned()),
        ("another key under the same id", stranger.sign(&claims())),
        ("an unknown key", other_kid.sign(&claims())),
        ("another audience", signed(claims().with("aud", "harness"))),
        ("no audience", signed(claims().without("aud"))),
        (
            "another issuer",
            signed(claims().with("iss", "fabric-gates")),
        ),
        ("no end", signed(claims().without("exp"))),
        ("too long a life", signed(long)),
        ("no tenant", signed(claims().without("tid"))),
        (
            "a tenant that is a path",
            signed(claims().with("tid", "../acme")),
        ),
        ("no user", signed(claims().without("sub"))),
        (
            "a user with a line end",
            signed(claims().with("sub", "al\nice")),
        ),
        ("alg none", unsigned(&claims())),
        ("HS256 with the public key", hmac(&process.key, &claims())),
        ("its signature cut off", cut(&signed(claims()))),
    ] {
        assert_refused(&asserted(&process, &token).await, 401, "token_invalid", why);
    }
    let expired = signed(claims().expires_in(-6));
    let response = asserted(&process, &expired).await;
    assert_refused(
        &response,
        401,
        "token_expired",
        "past its end and the leeway",
    );
    let nearly = signed(claims().expires_in(-2));
    assert_eq!(
        asserted(&process, &nearly).await.status,
        200,
        "clocks may differ by a few seconds"
    );
}

#[tokio::test]
async fn an_assertion_is_no_bearer_token_and_an_issuers_token_no_assertion() {
    let folder = tempfile::tempdir().unwrap();
    let corp = SigningKey::es256("corp-1");
    let issuer = corp.policy(&corp.write_jwks(folder.path()));
    let process = MemoryProcess::builder().extra(&issuer).start().await;
    let theirs = corp.sign(&tokens::claims("acme", "alice", &[]));
    let bearer = format!("Bearer {theirs}");
    let response = with(&process, &[("Authorization", &bearer)]).await;
    assert_eq!(response.status, 200, "a configured issuer: {response:?}");
    assert_eq!(response.json()["user"], "alice");
    assert_refused(
        &asserted(&process, &theirs).await,
        401,
        "token_invalid",
        "an issuer's token in the place of the gate's",
    );
    let assertion = process.assertion("acme", "alice", &[]);
    let bearer = format!("Bearer {assertion}");
    assert_refused(
        &with(&process, &[("Authorization", &bearer)]).await,
        401,
        "token_invalid",
        "an assertion as a bearer token",
    );
    // What the one has verified before, the other does not know.
    assert_eq!(asserted(&process, &assertion).await.status, 200);
    assert_refused(
        &with(&process, &[("Authorization", &bearer)]).await,
        401,
        "token_invalid",
        "the same once it is cached",
    );
    for (why, value) in [
        ("another scheme", "Basic YTpi"),
        ("no token", "Bearer"),
        ("two tokens in one", "Bearer a.b.c, d.e.f"),
    ] {
        let response = with(&process, &[("Authorization", value)]).await;
        assert_refused(&response, 401, "token_invalid", why);
    }
}

#[tokio::test]
async fn a_key_that_the_gate_has_changed_to_is_learned_and_one_it_has_dropped_is_forgotten() {
    let process = MemoryProcess::builder().start().await;
    let old = process.assertion("acme", "alice", &[]);
    assert_eq!(asserted(&process, &old).await.status, 200);
    let next = SigningKey::ed25519("gate-2");
    process.gate.set_keys(&tokens::jwks(&[&next]));
    let new = next.sign(&assertion("acme", "alice", &[]));
    assert_eq!(
        asserted(&process, &new).await.status,
        200,
        "an unknown key id is asked for"
    );
    assert_refused(
        &asserted(&process, &old).await,
        401,
        "token_invalid",
        "though it was verified and is not over",
    );
}

#[tokio::test]
async fn without_the_gates_keys_nobody_is_let_in_until_they_come() {
    let process = MemoryProcess::builder().before_the_gate().start().await;
    let good = process.assertion("acme", "alice", &[]);
    let response = asserted(&process, &good).await;
    assert_refused(&response, 503, "keys_unavailable", "no keys yet");
    assert!(response.header("retry-after").is_some());
    assert_eq!(process.operate("/livez").await.status, 200);
    let ready = process.operate("/readyz").await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["checks"]["keys"]["ok"], false);
    process.gate.set_keys(&tokens::jwks(&[&process.key]));
    process.gate.set_mode(Mode::Good);
    process.until_ready().await;
    assert_eq!(asserted(&process, &good).await.status, 200);
}

/// A token with `alg: none` and no signature.
fn unsigned(claims: &Claims) -> String {
    let header = json!({"alg": "none", "typ": "JWT", "kid": "gate-1"});
    format!("{}.{}.", encoded(&header), encoded(&claims.0))
}

/// A token that is signed by HMAC with the bytes of the public key (RFC 8725 section 2.1).
fn hmac(key: &SigningKey, claims: &Claims) -> String {
    let jwk = key.jwk();
    let secret = EncodingKey::from_secret(jwk["x"].as_str().unwrap().as_bytes());
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(key.kid.clone());
    jsonwebtoken::encode(&header, &claims.0, &secret).unwrap()
}

fn cut(token: &str) -> String {
    let (signed, _) = token.rsplit_once('.').unwrap();
    format!("{signed}.")
}

fn encoded(value: &Value) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string())
}
