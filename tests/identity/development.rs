//! The local development key, verified like any issuer's.

use fabric_gate::identity::development_key::DevelopmentKey;
use fabric_gate::identity::settings::KeySource;

use crate::gate::{Gate, claims, issuer};
use crate::jwks_server::JwksServer;

#[tokio::test]
async fn a_development_token_passes_by_its_key_file_and_by_no_other() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let key = DevelopmentKey::load_or_create(ours.path()).unwrap();
    let other = DevelopmentKey::load_or_create(theirs.path()).unwrap();
    let server = JwksServer::start().await;
    let mut settings = issuer(&server);
    settings.keys = KeySource::File(key.jwks_file().to_owned());
    let gate = Gate::new(&[settings]);
    let token = key.sign(&claims()).unwrap();
    let principal = gate.principal(&token).await.unwrap();
    assert_eq!(principal.user().as_str(), "alice");
    let foreign = other.sign(&claims()).unwrap();
    assert_eq!(gate.outcome(&foreign).await, "token_invalid");
}
