//! An issuer that is down, slow or talks nonsense.

use std::time::Duration;

use fabric_gate::identity::jwks::{JwksSettings, KeySetState};
use fabric_gate::identity::settings::KeySource;
use serde_json::json;

use crate::gate::{Gate, PATIENCE, claims, issuer, quick};
use crate::jwks_server::{JwksServer, Mode};
use crate::signer::{Signer, jwks};

/// Every way of being ill.
fn ills(elsewhere: &JwksServer) -> Vec<Mode> {
    vec![
        Mode::Status(500),
        Mode::Status(404),
        Mode::Status(204),
        Mode::Html,
        Mode::EmptySet,
        Mode::CutJson,
        Mode::Endless,
        Mode::Hang,
        Mode::Close,
        Mode::Redirect(elsewhere.url()),
    ]
}

#[tokio::test]
async fn an_issuer_that_is_ill_at_start_gives_503_until_it_is_well() {
    let (server, elsewhere) = (JwksServer::start().await, JwksServer::start().await);
    let signer = Signer::ed25519("ed");
    let token = signer.sign(&claims());
    server.set_keys(&jwks(&[&signer]));
    elsewhere.set_keys(&jwks(&[&signer]));
    for ill in ills(&elsewhere) {
        server.set_mode(ill.clone());
        let settings = JwksSettings {
            sick_wait: Duration::from_millis(50),
            ..quick()
        };
        let gate = Gate::with(&[issuer(&server)], settings);
        let refusal = gate.principal(&token).await.unwrap_err();
        assert_eq!(
            (refusal.code(), refusal.status()),
            ("keys_unavailable", 503),
            "{ill:?}"
        );
        let status = gate.until(|status| status.fetches_failed > 0).await;
        assert_eq!(status.state, KeySetState::Missing);
        assert!(!status.state.is_usable(), "readiness is false");

        server.set_mode(Mode::Good);
        gate.until_fresh().await;
        assert_eq!(gate.outcome(&token).await, "ok", "{ill:?}");
    }
    assert_eq!(elsewhere.fetches(), 0, "a redirect is not followed");
}

#[tokio::test]
async fn nobody_waits_for_the_end_of_a_fetch_that_hangs() {
    let (server, signer) = (JwksServer::start().await, Signer::ed25519("ed"));
    server.set_keys(&jwks(&[&signer]));
    server.set_mode(Mode::Hang);
    let settings = JwksSettings {
        fetch_timeout: Duration::from_secs(3_600),
        sick_wait: Duration::from_millis(50),
        unknown_kid_wait: Duration::from_millis(50),
        ..quick()
    };
    let gate = Gate::with(&[issuer(&server)], settings);
    for _ in 0..3 {
        let token = signer.sign(&claims());
        let asked = tokio::time::timeout(PATIENCE, gate.outcome(&token)).await;
        assert_eq!(asked, Ok("keys_unavailable"));
    }
    assert!(
        server.fetches() <= 1,
        "no second fetch beside one that hangs"
    );
}

#[tokio::test]
async fn the_last_good_keys_serve_while_the_issuer_is_ill() {
    let (server, elsewhere) = (JwksServer::start().await, JwksServer::start().await);
    let (signer, other) = (Signer::ed25519("ed"), Signer::ed25519("other"));
    server.set_keys(&jwks(&[&signer]));
    elsewhere.set_keys(&jwks(&[&other]));
    let gate = Gate::new(&[issuer(&server)]);
    gate.until_fresh().await;
    for ill in ills(&elsewhere) {
        let failed = gate.until(|_| true).await.fetches_failed;
        server.set_mode(ill.clone());
        assert_eq!(
            gate.outcome(&other.sign(&claims())).await,
            "token_invalid",
            "{ill:?}"
        );
        gate.until(|status| status.fetches_failed > failed).await;
        let token = signer.sign(&claims());
        let outcome = gate.outcome_at_once(&token);
        assert_eq!(
            outcome,
            Some("ok"),
            "{ill:?}: a known key waits for nothing"
        );
        server.set_mode(Mode::Good);
        gate.until_fresh().await;
    }
}

#[tokio::test]
async fn an_unknown_key_id_does_not_wait_for_the_end_of_a_fetch_that_hangs() {
    let (server, signer) = (JwksServer::start().await, Signer::ed25519("ed"));
    server.set_keys(&jwks(&[&signer]));
    let settings = JwksSettings {
        fetch_timeout: Duration::from_secs(3_600),
        unknown_kid_wait: Duration::from_millis(300),
        ..quick()
    };
    let gate = Gate::with(&[issuer(&server)], settings);
    gate.until_fresh().await;
    server.set_mode(Mode::Hang);
    let stranger = Signer::ed25519("stranger").sign(&claims());
    for _ in 0..3 {
        let asked = tokio::time::timeout(PATIENCE, gate.outcome(&stranger)).await;
        assert_eq!(asked, Ok("token_invalid"));
    }
    assert_eq!(
        server.fetches(),
        2,
        "one fetch hangs, and no second one beside it"
    );
}

#[tokio::test]
async fn keys_that_nobody_confirms_end_at_the_stale_limit_also_for_cached_tokens() {
    let (server, signer) = (JwksServer::start().await, Signer::ed25519("ed"));
    server.set_keys(&jwks(&[&signer]));
    let settings = JwksSettings {
        max_stale: Duration::from_secs(300),
        ..quick()
    };
    let gate = Gate::with(&[issuer(&server)], settings);
    gate.until_fresh().await;
    let token = signer.sign(&claims());
    gate.tokens.verify(&token).await.unwrap();
    server.set_mode(Mode::Status(500));
    gate.outcome(&Signer::ed25519("stranger").sign(&claims()))
        .await;
    gate.until(|status| status.state == KeySetState::Stale)
        .await;
    gate.clock.advance_seconds(299);
    assert_eq!(
        gate.outcome(&token).await,
        "ok",
        "stale keys serve up to the limit"
    );
    assert!(gate.tokens.cached(&token).is_some());
    gate.clock.advance_seconds(1);
    assert!(gate.tokens.cached(&token).is_none());
    assert_eq!(gate.outcome(&token).await, "keys_unavailable");
    let status = gate.until(|_| true).await;
    assert_eq!(status.state, KeySetState::Expired);

    server.set_mode(Mode::Good);
    gate.until_fresh().await;
    assert_eq!(gate.outcome(&token).await, "ok");
}

#[tokio::test]
async fn a_clock_that_leaps_past_the_stale_limit_costs_one_fetch() {
    let (server, signer) = (JwksServer::start().await, Signer::ed25519("ed"));
    server.set_keys(&jwks(&[&signer]));
    let settings = JwksSettings {
        max_stale: Duration::from_secs(300),
        ..quick()
    };
    let gate = Gate::with(&[issuer(&server)], settings);
    gate.until_fresh().await;
    gate.clock.advance_seconds(400);
    assert_eq!(gate.outcome(&signer.sign(&claims())).await, "ok");
    assert_eq!(server.fetches(), 2);
}

#[tokio::test]
async fn keys_are_not_fetched_in_the_clear_from_afar() {
    let server = JwksServer::start().await;
    let mut settings = issuer(&server);
    settings.keys = KeySource::Url("http://keys.example.com/jwks.json".to_owned());
    let gate = Gate::new(&[settings]);
    gate.until(|status| status.fetches_failed > 0).await;
    let token = Signer::ed25519("ed").sign(&claims());
    assert_eq!(gate.outcome(&token).await, "keys_unavailable");
}

#[tokio::test]
async fn a_set_of_more_than_a_hundred_keys_is_not_believed() {
    let (server, signer) = (JwksServer::start().await, Signer::ed25519("ed"));
    server.set_keys(&json!({"keys": vec![signer.jwk(); 101]}));
    let gate = Gate::new(&[issuer(&server)]);
    let status = gate.until(|status| status.fetches_failed > 0).await;
    assert_eq!(status.keys, 0);
    server.set_keys(&json!({"keys": vec![signer.jwk(); 100]}));
    gate.until_fresh().await;
    assert_eq!(gate.outcome(&signer.sign(&claims())).await, "ok");
}

#[tokio::test]
async fn the_set_is_fetched_again_ahead_of_the_end_of_its_lifetime() {
    let (server, signer) = (JwksServer::start().await, Signer::ed25519("ed"));
    server.set_keys(&jwks(&[&signer]));
    server.set_cache_control("max-age=0");
    let settings = JwksSettings {
        lifetime_bounds: (Duration::from_millis(50), Duration::from_secs(3600)),
        ..quick()
    };
    let gate = Gate::with(&[issuer(&server)], settings);
    gate.until(|status| status.fetches_ok >= 3).await;
    assert!(server.fetches() >= 3, "without any request asking for it");
}

#[tokio::test]
async fn a_body_without_end_is_cut_off_by_its_size_and_not_by_the_clock() {
    let server = JwksServer::start().await;
    server.set_mode(Mode::Endless);
    let settings = JwksSettings {
        fetch_timeout: Duration::from_secs(3_600),
        ..quick()
    };
    let gate = Gate::with(&[issuer(&server)], settings);
    gate.until(|status| status.fetches_failed > 0).await;
}

#[tokio::test]
async fn keys_that_no_policy_names_any_more_are_not_fetched_any_more() {
    let (kept, dropped) = (JwksServer::start().await, JwksServer::start().await);
    let signer = Signer::ed25519("ed");
    kept.set_keys(&jwks(&[&signer]));
    dropped.set_keys(&jwks(&[&signer]));
    let settings = JwksSettings {
        default_lifetime: Duration::from_millis(20),
        lifetime_bounds: (Duration::ZERO, Duration::from_secs(3600)),
        ..quick()
    };
    let gate = Gate::with(&[issuer(&kept)], settings);
    let former = gate.reload(&[issuer(&dropped)], 2);
    assert!(former.verify(&signer.sign(&claims())).await.is_ok());
    drop(former);
    let (ours, theirs) = (kept.fetches(), dropped.fetches());
    let seen = gate.until(|_| true).await.fetches_ok;
    gate.until(|status| status.fetches_ok >= seen + 10).await;
    assert!(kept.fetches() >= ours + 9, "both were fetched at one pace");
    assert!(
        dropped.fetches() <= theirs + 1,
        "one may have been under way"
    );
}
