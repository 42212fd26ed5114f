//! `X-Fabric-Assertion`: what the gate says under its signature of who calls, and the keys it
//! verifies by.

use std::path::Path;

use fabric_gate::identity::signing_key::SigningKey;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use crate::call::{Call, WAYS, Way};
use crate::support::gate_process::GateProcess;
use crate::support::raw_client::{self, RawResponse};
use crate::support::recording_backend::Recorded;
use crate::support::tokens::claims;
use crate::world::{Setup, World};

const ASSERTION: &str = "x-fabric-assertion";

/// Spellings of the field that some backend takes for it.
const SPELLINGS: [&str; 7] = [
    "X-Fabric-Assertion",
    "X_Fabric_Assertion",
    "x.fabric.assertion",
    "X-Fabric_Assertion",
    "HTTP_X_FABRIC_ASSERTION",
    "Http-X-Fabric-Assertion",
    "HTTP_HTTP_X_FABRIC_ASSERTION",
];

fn route(upstream: &str, more: &str) -> String {
    format!(
        "[[routes]]\nname = \"{upstream}.page\"\nupstream = \"{upstream}\"\n\
         methods = [\"GET\", \"POST\"]\npath = \"/{upstream}/page\"\n{more}"
    )
}

/// The upstreams `signed`, which gets assertions, and `backend`, which gets none, with a page each.
async fn setup() -> Setup {
    let setup = World::setup().await;
    let signed = format!(
        "[[upstreams]]\nname = \"signed\"\nurl = \"{}\"\nassertion = true\n",
        setup.backend_url()
    );
    let open = "[[routes]]\nname = \"signed.open\"\nupstream = \"signed\"\nmethods = [\"GET\", \"POST\"]\n\
                path = \"/signed/open\"\npublic = true\n";
    let routes = [route("signed", ""), route("backend", ""), open.to_owned()];
    setup.policy(&signed).policy(&routes.join("\n"))
}

/// What a backend takes for the assertion: every field that folds to its name.
fn assertions(arrived: &Recorded) -> Vec<(String, String)> {
    let mut fields = arrived.head.fields();
    fields.retain(|(name, _)| {
        let folded = name.to_ascii_lowercase().replace(['_', '.'], "-");
        folded.ends_with(ASSERTION)
    });
    fields
}

/// The one assertion that arrived.
fn the_assertion(arrived: &Recorded) -> String {
    match assertions(arrived).as_slice() {
        [(name, value)] if name.eq_ignore_ascii_case(ASSERTION) => value.clone(),
        other => panic!(
            "{other:?} in place of one assertion: {}",
            arrived.head.text()
        ),
    }
}

async fn published(gate: &GateProcess) -> RawResponse {
    let request = raw_client::request(
        "GET",
        "/.well-known/jwks.json",
        &[("Connection", "close")],
        b"",
    );
    raw_client::exchange(gate.admin_address(), request).await
}

async fn key_set(gate: &GateProcess) -> JwkSet {
    serde_json::from_value(published(gate).await.json()).unwrap()
}

/// The claims of an assertion, as a backend that trusts this key set for this audience reads them.
fn verified(token: &str, keys: &JwkSet, audience: &str) -> jsonwebtoken::errors::Result<Value> {
    let kid = jsonwebtoken::decode_header(token)?.kid.unwrap();
    let Some(key) = keys.find(&kid) else {
        return Err(jsonwebtoken::errors::ErrorKind::InvalidToken.into());
    };
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.leeway = 0;
    validation.set_audience(&[audience]);
    validation.set_issuer(&["fabric-gate"]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let key = DecodingKey::from_jwk(key)?;
    Ok(jsonwebtoken::decode::<Value>(token, &key, &validation)?.claims)
}

#[tokio::test]
async fn the_backend_gets_one_assertion_that_verifies_by_the_published_keys() {
    let mut world = setup().await.start().await;
    let act = json!({"sub": "agent:planner", "act": {"sub": "agent:coder"}});
    let caller = claims("acme", "alice", &["lead", "member"])
        .with("act", act.clone())
        .with("scope", json!("tasks:run tasks:read"));
    let token = world.sign(&caller);
    let keys = key_set(&world.gate).await;
    for way in WAYS {
        let arrived = world
            .forwarded(way, &Call::get("/signed/page").bearer(&token))
            .await;
        let assertion = the_assertion(&arrived);
        world.keep_secret(&assertion);
        let said = verified(&assertion, &keys, "signed").unwrap();
        for (claim, value) in [
            ("sub", json!("alice")),
            ("tid", json!("acme")),
            ("kind", json!("user")),
            ("roles", json!(["lead", "member"])),
            ("scope", json!("tasks:run tasks:read")),
            ("act", act.clone()),
        ] {
            assert_eq!(said[claim], value, "{way:?} {claim}");
        }
        let lasts = said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap();
        assert!((1..=60).contains(&lasts), "{said}");
        let elsewhere = verified(&assertion, &keys, "backend");
        assert!(elsewhere.is_err(), "it is for its own backend alone");
        for (name, value) in [("x-fabric-tenant", "acme"), ("x-fabric-user", "alice")] {
            assert_eq!(arrived.head.value(name).as_deref(), Some(value));
        }
    }
    world.end().await;
}

#[tokio::test]
async fn an_assertion_of_the_callers_own_arrives_in_no_spelling() {
    let mut world = setup().await.start().await;
    let alice = world.alice();
    let folder = tempfile::tempdir().unwrap();
    let forger = SigningKey::load_or_create(&folder.path().join("key")).unwrap();
    let forged = json!({
        "iss": "fabric-gate", "aud": "signed", "sub": "root", "tid": "globex", "roles": ["admin"],
        "iat": 1, "exp": 4_000_000_000_u64,
    });
    let forged = forger.sign(&forged).unwrap();
    let keys = key_set(&world.gate).await;
    for way in WAYS {
        for (target, own) in [
            ("/signed/page", 1),
            ("/backend/page", 0),
            ("/signed/open", 0),
        ] {
            let call = SPELLINGS
                .iter()
                .fold(Call::get(target), |call, name| call.with(name, &forged));
            let call = match target {
                "/signed/open" => call,
                _ => call.bearer(&alice),
            };
            let arrived = world.forwarded(way, &call).await;
            assert!(!arrived.head.text().contains(&forged), "{way:?} {target}");
            assert_eq!(assertions(&arrived).len(), own, "{way:?} {target}");
            if own == 1 {
                let said = verified(&the_assertion(&arrived), &keys, "signed").unwrap();
                assert_eq!(
                    (&said["sub"], &said["tid"]),
                    (&json!("alice"), &json!("acme"))
                );
            }
        }
    }
    world.end().await;
}

#[tokio::test]
async fn the_connection_field_cannot_have_the_assertion_removed() {
    let mut world = setup().await.start().await;
    let alice = world.alice();
    for way in [Way::Exchange, Way::Loop] {
        let call = Call::get("/signed/page")
            .bearer(&alice)
            .with("Connection", "close, X-Fabric-Assertion");
        the_assertion(&world.forwarded(way, &call).await);
    }
    world.end().await;
}

#[tokio::test]
async fn an_assertion_ends_with_the_callers_token() {
    let mut world = setup().await.start().await;
    let caller = claims("acme", "alice", &[]).expires_in(-30);
    let (ends, token) = (caller.0["exp"].as_i64().unwrap(), world.sign(&caller));
    let call = Call::get("/signed/page").bearer(&token);
    let arrived = world.forwarded(Way::Exchange, &call).await;
    let keys = key_set(&world.gate).await;
    let said = verified(&the_assertion(&arrived), &keys, "signed").unwrap();
    // The issuer's leeway, by which the token is still good, is 60 seconds.
    let last = ends + 60;
    assert!(said["exp"].as_i64().unwrap() <= last, "{said} past {last}");
    world.end().await;
}

fn api_key(roles: &str) -> String {
    // SHA-256 of `foo`.
    format!(
        "[[api_keys]]\nname = \"ci\"\n\
         sha256 = \"2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae\"\n\
         tenant = \"acme\"\nuser = \"svc-ci\"\nroles = [{roles}]\n"
    )
}

#[tokio::test]
async fn a_role_that_a_reload_takes_away_is_gone_from_the_next_assertion() {
    let mut world = setup()
        .await
        .policy(&api_key("\"lead\", \"service\""))
        .start()
        .await;
    let keys = key_set(&world.gate).await;
    let call = Call::get("/signed/page").with("X-Api-Key", "foo");
    for roles in [json!(["lead", "service"]), json!(["service"])] {
        if roles.as_array().unwrap().len() == 1 {
            let policy = api_key("\"service\"");
            world.gate.write_policy("05.toml", &policy);
            assert_eq!(world.gate.reload().await.status, 200);
        }
        for way in WAYS {
            let arrived = world.forwarded(way, &call).await;
            let said = verified(&the_assertion(&arrived), &keys, "signed").unwrap();
            assert_eq!(said["roles"], roles, "{way:?}");
        }
    }
    world.end().await;
}

#[tokio::test]
async fn a_reload_switches_assertions_on_for_the_next_request() {
    let mut world = setup().await.start().await;
    let alice = world.alice();
    let call = Call::get("/backend/page").bearer(&alice);
    let arrived = world.forwarded(Way::Exchange, &call).await;
    assert_eq!(assertions(&arrived), []);

    let upstream = format!(
        "[[upstreams]]\nname = \"backend\"\nurl = \"{}\"\nassertion = true\n",
        world.backend.url()
    );
    world.gate.write_policy("01.toml", &upstream);
    assert_eq!(world.gate.reload().await.status, 200);
    let arrived = world.forwarded(Way::Exchange, &call).await;
    let keys = key_set(&world.gate).await;
    verified(&the_assertion(&arrived), &keys, "backend").unwrap();
    world.end().await;
}

#[tokio::test]
async fn the_keys_are_open_to_everybody_and_hold_no_private_half() {
    let mut world = setup().await.start().await;
    let answer = published(&world.gate).await;
    assert_eq!(answer.status, 200);
    let fields = ["cache-control", "content-type"].map(|name| answer.header(name).unwrap());
    assert_eq!(fields, ["public, max-age=300", "application/jwk-set+json"]);
    let document = answer.json();
    let [key] = document["keys"].as_array().unwrap().as_slice() else {
        panic!("one key: {document}");
    };
    let mut members: Vec<_> = key.as_object().unwrap().keys().cloned().collect();
    members.sort();
    assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]);

    let alice = world.alice();
    let public = Call::get("/.well-known/jwks.json").bearer(&alice);
    world
        .refused(Way::Exchange, &public, 404, "not_found")
        .await;
    world.end().await;
}

/// A gate whose assertions are signed by the key in one file of its folder, with that in another
/// beside it.
fn keys_of(folder: &Path, current: &str, previous: &str) -> String {
    format!(
        "key = \"file:{0}/{current}\"\nprevious = [\"file:{0}/{previous}\"]",
        folder.display()
    )
}

#[tokio::test]
async fn what_was_signed_before_a_rotation_verifies_after_it() {
    let setup = setup().await;
    let folder = setup.folder().to_owned();
    for name in ["first.pem", "second.pem"] {
        SigningKey::load_or_create(&folder.join(name)).unwrap();
    }
    let section = keys_of(&folder, "first.pem", "second.pem");
    let setup = setup.with(|builder| builder.section("assertion", &section));
    let mut world = setup.start().await;
    let alice = world.alice();
    let call = Call::get("/signed/page").bearer(&alice);
    let before = the_assertion(&world.forwarded(Way::Exchange, &call).await);
    let config = folder.join("gate.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let rotated = text.replace(&section, &keys_of(&folder, "second.pem", "first.pem"));
    assert_ne!(rotated, text);
    std::fs::write(&config, rotated).unwrap();
    world.gate.stop().await;
    world.gate.start_again().await;

    let after = the_assertion(&world.forwarded(Way::Exchange, &call).await);
    let keys = key_set(&world.gate).await;
    let kid = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid;
    assert_ne!(kid(&before), kid(&after));
    for token in [&before, &after] {
        assert_eq!(verified(token, &keys, "signed").unwrap()["sub"], "alice");
    }
    assert_eq!(keys.keys.len(), 2);
    world.end().await;
}

#[tokio::test]
async fn a_restart_keeps_the_key_and_a_key_open_to_others_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let mut world = setup().await.start().await;
    let alice = world.alice();
    let call = Call::get("/signed/page").bearer(&alice);
    let before = the_assertion(&world.forwarded(Way::Exchange, &call).await);
    world.gate.stop().await;
    world.gate.start_again().await;
    let keys = key_set(&world.gate).await;
    verified(&before, &keys, "signed").unwrap();
    world.end().await;

    let setup = setup().await;
    let key = setup.folder().join("data/gate.assertion.key");
    SigningKey::load_or_create(&key).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let Err(failed) = setup.try_start().await else {
        panic!("a gate started with a key that everybody may read");
    };
    assert_eq!(failed.status.code(), Some(2), "{}", failed.stderr);
    assert!(failed.stderr.contains("mode 0600"), "{}", failed.stderr);
}

#[tokio::test]
async fn an_assertion_is_a_token_for_whoever_trusts_the_gate_as_an_issuer() {
    let mut first = setup().await.start().await;
    let alice = first.token("acme", "alice", &["lead"]);
    let call = Call::get("/signed/page").bearer(&alice);
    let assertion = the_assertion(&first.forwarded(Way::Exchange, &call).await);

    let second = World::without_issuer().await;
    let issuer = format!(
        "[[issuers]]\nname = \"gate\"\nissuer = \"fabric-gate\"\naudiences = [\"signed\"]\n\
         jwks_url = \"http://{}/.well-known/jwks.json\"\nalgorithms = [\"EdDSA\"]\n",
        first.gate.admin_address().authority()
    );
    let routes = route("backend", "roles = [\"lead\"]\n");
    let mut second = second.policy(&issuer).policy(&routes).start().await;
    let call = Call::get("/backend/page").bearer(&assertion);
    let arrived = second.forwarded(Way::Exchange, &call).await;
    assert_eq!(
        arrived.head.value("x-fabric-user").as_deref(),
        Some("alice")
    );
    assert_eq!(
        arrived.head.value("x-fabric-tenant").as_deref(),
        Some("acme")
    );
    second.end().await;
    first.end().await;
}
