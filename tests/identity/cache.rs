//! The cache of verified tokens: never more than verification would say.

use fabric_gate::identity::settings::ClaimPath;
use fabric_gate::identity::{ClaimValue, TokenAuthenticator};
use serde_json::json;

use crate::gate::{Gate, claims, claims_with, issuer};
use crate::jwks_server::JwksServer;
use crate::signer::{Signer, jwks};

async fn gate() -> (Gate, JwksServer, Signer) {
    let (server, signer) = (JwksServer::start().await, Signer::ed25519("ed"));
    server.set_keys(&jwks(&[&signer]));
    let gate = Gate::new(&[issuer(&server)]);
    gate.until_fresh().await;
    (gate, server, signer)
}

#[tokio::test]
async fn a_verified_token_is_found_and_one_that_merely_begins_like_it_is_not() {
    let (gate, _server, signer) = gate().await;
    let token = signer.sign(&claims());
    assert!(
        gate.tokens.cached(&token).is_none(),
        "it was never verified"
    );
    gate.tokens.verify(&token).await.unwrap();
    let cached = gate.tokens.cached(&token).unwrap();
    let principal = cached.principal(&http::HeaderMap::new()).unwrap();
    assert_eq!(principal.user().as_str(), "alice");
    let mut other = token.clone();
    other.pop();
    assert!(gate.tokens.cached(&other).is_none());
    assert!(gate.tokens.cached(&format!("{token}A")).is_none());
}

#[tokio::test]
async fn a_refused_token_is_not_remembered() {
    let (gate, _server, signer) = gate().await;
    let expired = signer.sign(&claims_with(&json!({"exp": 1})));
    let foreign = Signer::ed25519("ed").sign(&claims());
    for token in [expired, foreign, "garbage".to_owned()] {
        assert!(gate.tokens.verify(&token).await.is_err());
        assert!(gate.tokens.cached(&token).is_none());
    }
    assert!(gate.cache.is_empty());
}

#[tokio::test]
async fn a_cached_token_ends_with_its_expiry_whichever_way_the_clock_steps() {
    let (gate, _server, signer) = gate().await;
    let token = signer.sign(&claims());
    gate.tokens.verify(&token).await.unwrap();
    gate.clock.advance_seconds(659);
    assert!(gate.tokens.cached(&token).is_some(), "within the leeway");
    gate.clock.advance_seconds(1);
    assert!(gate.tokens.cached(&token).is_none());
    assert_eq!(gate.outcome(&token).await, "token_expired");
    gate.clock.advance_seconds(10 * 3600);
    assert_eq!(gate.outcome(&token).await, "token_expired");
    gate.clock.advance_seconds(-11 * 3600);
    assert_eq!(
        gate.outcome(&token).await,
        "token_invalid",
        "issued in the future"
    );
    gate.clock.advance_seconds(3600 - 660);
    assert_eq!(gate.outcome(&token).await, "ok");
}

#[tokio::test]
async fn what_one_policy_verified_says_nothing_under_another() {
    let (gate, server, signer) = gate().await;
    let token = signer.sign(&claims());
    gate.tokens.verify(&token).await.unwrap();
    let mut stricter = issuer(&server);
    stricter.audiences = vec!["elsewhere".to_owned()];
    let next = gate.reload(&[stricter], 2);
    assert!(next.cached(&token).is_none());
    assert_eq!(
        next.verify(&token).await.unwrap_err().code(),
        "token_invalid"
    );
    let same = gate.reload(&[issuer(&server)], 1);
    assert!(
        same.cached(&token).is_some(),
        "the same policy finds it again"
    );
}

#[tokio::test]
async fn a_policy_that_names_another_claim_takes_it_from_the_token_and_not_from_the_cache() {
    let (gate, server, signer) = gate().await;
    let token = signer.sign(&claims_with(
        &json!({"team": "blue", "projects": ["p-1", 2]}),
    ));
    let (team, projects) = (claim("team"), claim("projects"));
    assert_eq!(kept(&gate.tokens, &token, &team).await, None, "nobody asks");
    let named = std::slice::from_ref(&team);
    let next = gate.reload_keeping(named, &[issuer(&server)], 2);
    assert!(next.cached(&token).is_none());
    for turn in ["verified", "cached"] {
        let said = kept(&next, &token, &team).await;
        assert_eq!(said.as_deref(), Some("blue"), "{turn}");
        let unasked = kept(&next, &token, &projects).await;
        assert_eq!(unasked.as_deref(), Some(""), "{turn}");
    }
    let last = gate.reload_keeping(&[projects.clone(), team], &[issuer(&server)], 3);
    for turn in ["verified", "cached"] {
        let said = kept(&last, &token, &projects).await;
        assert_eq!(said.as_deref(), Some("p-1|2"), "{turn}");
    }
}

fn claim(name: &str) -> ClaimPath {
    ClaimPath::Name(name.to_owned())
}

/// The values of a claim that are kept with a token's caller, joined.
async fn kept(tokens: &TokenAuthenticator, token: &str, claim: &ClaimPath) -> Option<String> {
    let verified = match tokens.cached(token) {
        Some(cached) => cached,
        None => tokens.verify(token).await.unwrap(),
    };
    let principal = verified.principal(&http::HeaderMap::new()).unwrap();
    let values = principal
        .claims()?
        .at(claim)
        .iter()
        .map(|value| match value {
            ClaimValue::Text(text) => text.to_string(),
            ClaimValue::Other => "!".to_owned(),
        });
    Some(values.collect::<Vec<_>>().join("|"))
}
