//! What a token says about its caller.

use fabric_gate::clock::Timestamp;
use fabric_gate::identity::PrincipalKind;
use fabric_gate::identity::settings::{ClaimPath, IssuerPrincipal, KeySource, SignatureAlgorithm};
use serde_json::json;

use crate::gate::{Gate, NOW, PATIENCE, claims, claims_with, issuer};
use crate::jwks_server::JwksServer;
use crate::signer::{Signer, jwks};

#[tokio::test]
async fn a_token_becomes_the_caller_it_names() {
    let (server, signer) = (JwksServer::start().await, Signer::ed25519("ed"));
    server.set_keys(&jwks(&[&signer]));
    let gate = Gate::new(&[issuer(&server)]);
    let act = json!({"sub": "agent:planner", "act": {"sub": "agent:coder"}});
    let token = signer.sign(&claims_with(&json!({"act": act})));
    let principal = gate.principal(&token).await.unwrap();
    assert_eq!(principal.tenant().as_str(), "acme");
    assert_eq!(principal.user().as_str(), "alice");
    assert_eq!(principal.kind(), PrincipalKind::User);
    assert!(principal.has_role("lead") && principal.has_role("dev"));
    assert!(!principal.has_role("admin"));
    assert!(principal.has_scope("task:read") && principal.has_scope("task:write"));
    assert_eq!(principal.method().as_str(), "jwt:corp");
    assert_eq!(principal.token_id(), Some("t-1"));
    let end = Timestamp::from_seconds(NOW + 660);
    assert_eq!(principal.expires_at(), Some(end), "exp and the leeway");
    let actors: Vec<&str> = principal
        .delegation()
        .actors
        .iter()
        .map(|actor| &**actor)
        .collect();
    assert_eq!(actors, ["agent:planner", "agent:coder"], "outermost first");
    assert!(principal.may_reach("anything"));
}

#[tokio::test]
async fn claims_are_found_by_name_and_by_pointer() {
    let (server, signer) = (JwksServer::start().await, Signer::ed25519("ed"));
    server.set_keys(&jwks(&[&signer]));
    let mut settings = issuer(&server);
    settings.claims.tenant = ClaimPath::Name("https://example.com/tenant".to_owned());
    let pointer = ["realm_access", "roles"].map(str::to_owned);
    settings.claims.roles = ClaimPath::Pointer(pointer.to_vec());
    settings.claims.user = ClaimPath::Name("email".to_owned());
    settings.principal = IssuerPrincipal::Machine;
    let gate = Gate::new(&[settings]);
    let token = signer.sign(&claims_with(&json!({
        "https://example.com/tenant": "globex",
        "realm_access": {"roles": "lead dev"},
        "email": "alice@example.com",
    })));
    let principal = gate.principal(&token).await.unwrap();
    assert_eq!(principal.tenant().as_str(), "globex");
    assert_eq!(principal.user().as_str(), "alice@example.com");
    assert!(principal.has_role("lead") && principal.has_role("dev"));
    assert_eq!(principal.kind(), PrincipalKind::Machine);
    let without = signer.sign(&claims());
    assert_eq!(gate.outcome(&without).await, "token_invalid");
}

#[tokio::test]
async fn a_list_that_reads_like_another_once_joined_is_still_refused() {
    let (server, signer) = (JwksServer::start().await, Signer::ed25519("ed"));
    server.set_keys(&jwks(&[&signer]));
    let gate = Gate::new(&[issuer(&server)]);
    let two = json!({"roles": ["lead", "dev"], "scope": ["read", "write"]});
    assert_eq!(gate.outcome(&signer.sign(&claims_with(&two))).await, "ok");
    for one in [
        json!({"roles": ["lead,dev"]}),
        json!({"scope": ["read write"]}),
    ] {
        let token = signer.sign(&claims_with(&one));
        assert_eq!(gate.outcome(&token).await, "token_invalid", "{one}");
    }
}

#[tokio::test]
async fn every_listed_algorithm_verifies_and_an_unlisted_one_does_not() {
    let mut signers = Signer::rsa_schemes();
    signers.push(Signer::p384("p384"));
    let server = JwksServer::start().await;
    server.set_keys(&jwks(&signers.iter().collect::<Vec<_>>()));
    let mut settings = issuer(&server);
    let gate = Gate::new(std::slice::from_ref(&settings));
    for signer in &signers {
        let token = signer.sign(&claims());
        assert_eq!(
            gate.outcome(&token).await,
            "token_invalid",
            "{}",
            signer.algorithm()
        );
    }
    settings.algorithms = vec![
        SignatureAlgorithm::RS384,
        SignatureAlgorithm::PS256,
        SignatureAlgorithm::ES384,
    ];
    let gate = Gate::new(&[settings]);
    for signer in &signers {
        let token = signer.sign(&claims());
        assert_eq!(gate.outcome(&token).await, "ok", "{}", signer.algorithm());
    }
}

#[tokio::test]
async fn issuers_that_share_a_name_are_told_apart_by_audience_and_never_by_key() {
    let (people, programs) = (JwksServer::start().await, JwksServer::start().await);
    let (person, program) = (Signer::ed25519("k"), Signer::ed25519("k"));
    people.set_keys(&jwks(&[&person]));
    programs.set_keys(&jwks(&[&program]));
    let mut machine = issuer(&programs);
    machine.name = "machines".to_owned();
    machine.audiences = vec!["fabric-m2m".to_owned()];
    machine.principal = IssuerPrincipal::Machine;
    let gate = Gate::new(&[issuer(&people), machine]);
    let for_programs = claims_with(&json!({"aud": "fabric-m2m"}));
    let principal = gate.principal(&program.sign(&for_programs)).await.unwrap();
    assert_eq!(principal.method().as_str(), "jwt:machines");
    let principal = gate.principal(&person.sign(&claims())).await.unwrap();
    assert_eq!(principal.method().as_str(), "jwt:corp");
    assert_eq!(
        gate.outcome(&program.sign(&claims())).await,
        "token_invalid"
    );
    assert_eq!(
        gate.outcome(&person.sign(&for_programs)).await,
        "token_invalid"
    );
    let expired = claims_with(&json!({"exp": NOW - 100}));
    assert_eq!(gate.outcome(&person.sign(&expired)).await, "token_expired");
}

#[tokio::test]
async fn one_issuer_without_keys_leaves_the_other_entry_of_its_name_alone() {
    let (well, ill) = (JwksServer::start().await, JwksServer::start().await);
    let (signer, other) = (Signer::ed25519("k"), Signer::ed25519("k"));
    well.set_keys(&jwks(&[&signer]));
    let gate = Gate::new(&[issuer(&ill), issuer(&well)]);
    assert_eq!(gate.outcome(&signer.sign(&claims())).await, "ok");
    let outcome = gate.outcome(&other.sign(&claims())).await;
    assert_eq!(outcome, "keys_unavailable", "nobody can say");
}

#[tokio::test]
async fn keys_are_discovered_from_the_issuer_that_is_exactly_the_one_named() {
    let (server, signer) = (JwksServer::start().await, Signer::ed25519("ed"));
    server.set_keys(&jwks(&[&signer]));
    let mut settings = issuer(&server);
    settings.issuer = server.issuer();
    settings.keys = KeySource::Discovery(server.issuer());
    let token = signer.sign(&claims_with(&json!({"iss": server.issuer()})));
    let gate = Gate::new(std::slice::from_ref(&settings));
    assert_eq!(gate.outcome(&token).await, "ok");

    for document in [
        json!({"issuer": format!("{}/", server.issuer()), "jwks_uri": server.url()}),
        json!({"issuer": "https://evil.example.com", "jwks_uri": server.url()}),
        json!({"issuer": server.issuer(), "jwks_uri": "http://keys.example.com/"}),
        json!({"jwks_uri": server.url()}),
    ] {
        server.set_discovery(&document);
        let gate = Gate::new(std::slice::from_ref(&settings));
        let status = gate.until(|status| status.fetches_failed > 0).await;
        assert_eq!(status.keys, 0, "{document}");
        assert_eq!(gate.outcome(&token).await, "keys_unavailable");
    }
}

#[tokio::test]
async fn a_key_file_is_read_again_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let (old, new) = (Signer::ed25519("old"), Signer::ed25519("new"));
    let write = |keys: serde_json::Value| {
        let partial = folder.path().join("partial");
        std::fs::write(&partial, keys.to_string()).unwrap();
        std::fs::rename(&partial, &path).unwrap();
    };
    write(jwks(&[&old]));
    let server = JwksServer::start().await;
    let mut settings = issuer(&server);
    settings.keys = KeySource::File(path.clone());
    let gate = Gate::new(&[settings]);
    assert_eq!(gate.outcome(&old.sign(&claims())).await, "ok");
    assert_eq!(gate.outcome(&new.sign(&claims())).await, "token_invalid");

    write(jwks(&[&new]));
    gate.until(|status| status.fetches_ok >= 3).await;
    assert_eq!(gate.outcome(&new.sign(&claims())).await, "ok");
    assert_eq!(gate.outcome(&old.sign(&claims())).await, "token_invalid");

    std::fs::write(&path, "{\"keys\":").unwrap();
    gate.until(|status| status.fetches_failed > 0).await;
    assert_eq!(
        gate.outcome(&new.sign(&claims())).await,
        "ok",
        "the last good set stays"
    );
    gate.clock.advance_seconds(1);
    tokio::time::timeout(PATIENCE, async {
        write(jwks(&[&new]));
        gate.until_fresh().await;
    })
    .await
    .unwrap();
}
