//! Keys that come and go, and those who would use that against the gate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fabric_gate::identity::jwks::JwksSettings;
use serde_json::{Value, json};

use crate::gate::{Gate, PATIENCE, claims, issuer, quick};
use crate::jwks_server::JwksServer;
use crate::signer::{Signer, jwks};

fn unknown(signer: &Signer, kid: usize) -> String {
    let header = json!({"alg": "EdDSA", "kid": format!("kid-{kid}")});
    signer.sign_raw(&header.to_string(), &claims().to_string())
}

#[tokio::test]
async fn the_first_token_of_a_new_key_passes_after_one_fetch() {
    let (server, old, new) = (
        JwksServer::start().await,
        Signer::ed25519("old"),
        Signer::ed25519("new"),
    );
    server.set_keys(&jwks(&[&old]));
    let gate = Gate::new(&[issuer(&server)]);
    gate.until_fresh().await;
    assert_eq!(server.fetches(), 1);
    server.set_keys(&jwks(&[&old, &new]));
    assert_eq!(gate.outcome(&new.sign(&claims())).await, "ok");
    assert_eq!(server.fetches(), 2);
    assert_eq!(gate.outcome(&old.sign(&claims())).await, "ok");
}

#[tokio::test]
async fn a_removed_key_is_gone_for_cached_tokens_too() {
    let (server, old, new) = (
        JwksServer::start().await,
        Signer::ed25519("old"),
        Signer::ed25519("new"),
    );
    server.set_keys(&jwks(&[&old, &new]));
    let gate = Gate::new(&[issuer(&server)]);
    let (by_old, by_new) = (old.sign(&claims()), new.sign(&claims()));
    for token in [&by_old, &by_new] {
        gate.tokens.verify(token).await.unwrap();
        assert!(gate.tokens.cached(token).is_some());
    }
    server.set_keys(&jwks(&[&new]));
    assert_eq!(gate.outcome(&unknown(&old, 0)).await, "token_invalid");
    assert!(gate.tokens.cached(&by_old).is_none());
    assert_eq!(gate.outcome(&by_old).await, "token_invalid");
    assert_eq!(gate.outcome(&by_new).await, "ok");
    assert!(gate.tokens.cached(&by_new).is_some());
}

#[tokio::test]
async fn a_key_that_changes_under_its_id_ends_what_the_first_one_verified() {
    let (server, first, second) = (
        JwksServer::start().await,
        Signer::ed25519("k"),
        Signer::ed25519("k"),
    );
    server.set_keys(&jwks(&[&first]));
    let gate = Gate::new(&[issuer(&server)]);
    let token = first.sign(&claims());
    gate.tokens.verify(&token).await.unwrap();
    server.set_keys(&jwks(&[&second]));
    assert_eq!(gate.outcome(&unknown(&first, 0)).await, "token_invalid");
    assert!(gate.tokens.cached(&token).is_none());
    assert_eq!(gate.outcome(&second.sign(&claims())).await, "ok");
}

#[tokio::test]
async fn an_added_key_leaves_cached_tokens_alone() {
    let (server, old, new) = (
        JwksServer::start().await,
        Signer::ed25519("old"),
        Signer::ed25519("new"),
    );
    server.set_keys(&jwks(&[&old]));
    let gate = Gate::new(&[issuer(&server)]);
    let token = old.sign(&claims());
    gate.tokens.verify(&token).await.unwrap();
    server.set_keys(&jwks(&[&new, &old]));
    assert_eq!(gate.outcome(&new.sign(&claims())).await, "ok");
    assert!(gate.tokens.cached(&token).is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_invented_key_ids_costs_few_fetches_and_hides_no_rotation() {
    let (server, old, new) = (
        JwksServer::start().await,
        Signer::ed25519("old"),
        Signer::ed25519("new"),
    );
    server.set_keys(&jwks(&[&old]));
    let cooldown = Duration::from_millis(100);
    let settings = JwksSettings {
        unknown_kid_cooldown: cooldown,
        ..quick()
    };
    let gate = Arc::new(Gate::with(&[issuer(&server)], settings));
    gate.until_fresh().await;
    let begun = Instant::now();
    let good = old.sign(&claims());
    let goes_on = Arc::new(AtomicBool::new(true));
    let mut attackers = tokio::task::JoinSet::new();
    for attacker in 0..500 {
        let (gate, goes_on) = (Arc::clone(&gate), Arc::clone(&goes_on));
        let tokens: Vec<String> = (0..20).map(|n| unknown(&old, attacker * 20 + n)).collect();
        attackers.spawn(async move {
            for token in tokens.iter().cycle() {
                assert_eq!(gate.outcome(token).await, "token_invalid");
                if !goes_on.load(Ordering::SeqCst) {
                    break;
                }
                tokio::task::yield_now().await;
            }
        });
    }
    for _ in 0..50 {
        let outcome = gate.outcome_at_once(&good);
        assert_eq!(
            outcome,
            Some("ok"),
            "a known key waits for nothing meanwhile"
        );
        tokio::task::yield_now().await;
    }
    server.set_keys(&jwks(&[&old, &new]));
    let rotated = Instant::now();
    let by_new = new.sign(&claims());
    while gate.outcome(&by_new).await != "ok" {
        assert!(rotated.elapsed() < PATIENCE, "the rotation is not seen");
        tokio::task::yield_now().await;
    }
    goes_on.store(false, Ordering::SeqCst);
    while let Some(attacker) = attackers.join_next().await {
        attacker.unwrap();
    }
    let fetches = server.fetches() as u128;
    let permitted = 3 + begun.elapsed().as_millis() / cooldown.as_millis();
    assert!(
        fetches <= permitted,
        "{fetches} fetches where {permitted} are permitted"
    );
}

#[tokio::test]
async fn a_key_id_that_was_looked_for_in_vain_asks_for_nothing_for_a_while() {
    let (server, signer) = (JwksServer::start().await, Signer::ed25519("ed"));
    server.set_keys(&jwks(&[&signer]));
    let gate = Gate::new(&[issuer(&server)]);
    gate.until_fresh().await;
    for _ in 0..20 {
        assert_eq!(gate.outcome(&unknown(&signer, 1)).await, "token_invalid");
    }
    assert_eq!(
        server.fetches(),
        2,
        "the first set and one look for the unknown id"
    );
}

#[tokio::test]
async fn a_key_without_an_id_verifies_tokens_without_one() {
    let (server, signer, other) = (
        JwksServer::start().await,
        Signer::ed25519("a"),
        Signer::ed25519("b"),
    );
    let mut keys = jwks(&[&other, &signer]);
    keys["keys"][1].as_object_mut().unwrap().remove("kid");
    server.set_keys(&keys);
    let gate = Gate::new(&[issuer(&server)]);
    let nameless = |signer: &Signer| signer.sign_raw(r#"{"alg":"EdDSA"}"#, &claims().to_string());
    assert_eq!(gate.outcome(&nameless(&signer)).await, "ok");
    assert_eq!(
        gate.outcome(&nameless(&Signer::ed25519("c"))).await,
        "token_invalid"
    );
}

#[tokio::test]
async fn unusable_keys_are_left_out_one_by_one() {
    let (server, good) = (JwksServer::start().await, Signer::p256("good"));
    let with = |signer: &Signer, member: &str, value: Value| {
        let mut jwk = signer.jwk();
        jwk[member] = value;
        jwk
    };
    let bad = Signer::p256("bad");
    let rsa = Signer::shared_rsa();
    let weak = "A".repeat(170);
    let candidates = [
        ("an encryption key", with(&bad, "use", json!("enc"))),
        ("a signing-only key", with(&bad, "key_ops", json!(["sign"]))),
        ("another alg", with(&bad, "alg", json!("ES384"))),
        ("an unknown alg", with(&bad, "alg", json!("XX1"))),
        ("another curve", with(&bad, "crv", json!("P-521"))),
        ("secp256k1", with(&bad, "crv", json!("secp256k1"))),
        (
            "a point off the curve",
            with(&bad, "x", bad.jwk()["y"].clone()),
        ),
        ("a short coordinate", with(&bad, "x", json!("AAAA"))),
        ("kid is a number", with(&bad, "kid", json!(7))),
        ("1024 bit RSA", with(rsa, "n", json!(format!("w{weak}")))),
        ("exponent 3", with(rsa, "e", json!("Aw"))),
        ("exponent 1", with(rsa, "e", json!("AQ"))),
        ("an even exponent", with(rsa, "e", json!("AQAC"))),
        (
            "a symmetric key",
            json!({"kty": "oct", "k": "c2VjcmV0", "kid": "bad", "alg": "HS256"}),
        ),
        (
            "X25519",
            json!({"kty": "OKP", "crv": "X25519", "x": "AA", "kid": "bad"}),
        ),
        ("an unknown type", json!({"kty": "LWE", "kid": "bad"})),
        ("no object", json!("bad")),
        ("null", json!(null)),
    ];
    let mut keys: Vec<Value> = candidates.iter().map(|(_, jwk)| jwk.clone()).collect();
    keys.push(good.jwk());
    server.set_keys(&json!({ "keys": keys }));
    let gate = Gate::new(&[issuer(&server)]);
    let status = gate.until(|status| status.last_success.is_some()).await;
    assert_eq!(status.keys, 1, "only the good one");
    assert_eq!(gate.outcome(&good.sign(&claims())).await, "ok");
    assert_eq!(gate.outcome(&bad.sign(&claims())).await, "token_invalid");

    for (what, jwk) in candidates {
        server.set_keys(&json!({"keys": [jwk]}));
        let gate = Gate::new(&[issuer(&server)]);
        let status = gate
            .until(|status| status.fetches_failed + status.fetches_ok > 0)
            .await;
        assert_eq!((status.fetches_ok, status.keys), (0, 0), "{what}");
    }
}

#[tokio::test]
async fn a_reload_shares_the_keys_and_the_last_user_ends_them() {
    let (server, signer) = (JwksServer::start().await, Signer::ed25519("ed"));
    server.set_keys(&jwks(&[&signer]));
    let gate = Gate::new(&[issuer(&server)]);
    gate.until_fresh().await;
    let mut renamed = issuer(&server);
    renamed.name = "corporate".to_owned();
    let next = gate.reload(&[renamed], 2);
    let token = signer.sign(&claims());
    assert!(next.verify(&token).await.is_ok());
    assert_eq!(server.fetches(), 1, "the keys were there");
    let Gate {
        tokens, registry, ..
    } = gate;
    drop(tokens);
    assert_eq!(
        registry.statuses().len(),
        1,
        "the next generation holds them"
    );
    drop(next);
    assert!(registry.statuses().is_empty());
}
