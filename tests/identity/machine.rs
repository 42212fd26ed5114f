//! Machine tokens: bound to a tenant twice, acting for a named user.

use fabric_gate::decision::Refusal;
use fabric_gate::identity::settings::{IssuerSettings, MachineSettings};
use fabric_gate::identity::{Principal, PrincipalKind};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::gate::{Gate, claims_with, issuer};
use crate::jwks_server::JwksServer;
use crate::signer::{Signer, jwks};

struct Machines {
    gate: Gate,
    signer: Signer,
    _server: JwksServer,
}

impl Machines {
    async fn start() -> Self {
        let (server, signer) = (JwksServer::start().await, Signer::ed25519("ed"));
        server.set_keys(&jwks(&[&signer]));
        let settings = IssuerSettings {
            machine: Some(MachineSettings {
                marker_claim: Some("gty".to_owned()),
                subject_suffix: Some("@clients".to_owned()),
                tenant_header: "snc-tenant".to_owned(),
                user_header: "snc-userid".to_owned(),
                required_scope: Some("agents:run".to_owned()),
            }),
            ..issuer(&server)
        };
        Self {
            gate: Gate::new(&[settings]),
            signer,
            _server: server,
        }
    }

    async fn call(
        &self,
        changes: Value,
        headers: &[(&str, &str)],
    ) -> Result<Arc<Principal>, Refusal> {
        let token = self.signer.sign(&claims_with(&changes));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let verified = self.gate.tokens.verify(&token).await?;
        let again = self.gate.tokens.cached(&token).unwrap();
        let fresh = verified.principal(&map);
        let cached = again.principal(&map);
        assert_eq!(fresh.is_ok(), cached.is_ok(), "the cache changes nothing");
        fresh
    }
}

fn program() -> Value {
    json!({"sub": "abc@clients", "gty": "client-credentials", "scope": "agents:run"})
}

#[tokio::test]
async fn a_machine_acts_for_the_user_it_names_in_its_own_tenant() {
    let machines = Machines::start().await;
    let headers = [("snc-tenant", "acme"), ("snc-userid", "alice")];
    let principal = machines.call(program(), &headers).await.unwrap();
    assert_eq!(principal.user().as_str(), "alice");
    assert_eq!(principal.tenant().as_str(), "acme");
    assert_eq!(principal.kind(), PrincipalKind::Machine);
    assert_eq!(
        &*principal.delegation().actors[0],
        "abc@clients",
        "records show who acted"
    );
}

#[tokio::test]
async fn a_machine_without_the_right_headers_or_scope_is_refused() {
    let machines = Machines::start().await;
    for (fault, changes, headers, code) in [
        ("no headers", json!({}), &[][..], "tenant_required"),
        (
            "no tenant",
            json!({}),
            &[("snc-userid", "alice")],
            "tenant_required",
        ),
        (
            "another tenant",
            json!({}),
            &[("snc-tenant", "globex"), ("snc-userid", "alice")],
            "tenant_mismatch",
        ),
        (
            "tenant in another case",
            json!({}),
            &[("snc-tenant", "ACME"), ("snc-userid", "alice")],
            "tenant_mismatch",
        ),
        (
            "two tenants",
            json!({}),
            &[
                ("snc-tenant", "acme"),
                ("snc-tenant", "acme"),
                ("snc-userid", "alice"),
            ],
            "request_rejected",
        ),
        (
            "no user",
            json!({}),
            &[("snc-tenant", "acme")],
            "request_rejected",
        ),
        (
            "an empty user",
            json!({}),
            &[("snc-tenant", "acme"), ("snc-userid", "")],
            "request_rejected",
        ),
        (
            "two users",
            json!({}),
            &[
                ("snc-tenant", "acme"),
                ("snc-userid", "alice"),
                ("snc-userid", "bob"),
            ],
            "request_rejected",
        ),
        (
            "a user that is no text",
            json!({}),
            &[("snc-tenant", "acme"), ("snc-userid", "\u{e9}")],
            "request_rejected",
        ),
        (
            "no scope",
            json!({"scope": "other"}),
            &[("snc-tenant", "acme"), ("snc-userid", "alice")],
            "scope_required",
        ),
        (
            "an id that is two actors",
            json!({"sub": "a,b@clients"}),
            &[("snc-tenant", "acme"), ("snc-userid", "alice")],
            "token_invalid",
        ),
        (
            "no tenant claim",
            json!({"tid": null}),
            &[("snc-tenant", "acme"), ("snc-userid", "alice")],
            "token_invalid",
        ),
    ] {
        let mut claims = program();
        let members = claims.as_object_mut().unwrap();
        members.extend(changes.as_object().unwrap().clone());
        let refusal = machines.call(claims, headers).await.unwrap_err();
        assert_eq!(refusal.code(), code, "{fault}");
    }
}

#[tokio::test]
async fn a_person_acts_for_nobody_else_whatever_the_headers_say() {
    let machines = Machines::start().await;
    let headers = [("snc-tenant", "acme"), ("snc-userid", "bob")];
    for changes in [
        json!({}),
        json!({"gty": "password"}),
        json!({"gty": ["password"]}),
    ] {
        let principal = machines.call(changes.clone(), &headers).await.unwrap();
        assert_eq!(principal.user().as_str(), "alice", "{changes}");
        assert_eq!(principal.kind(), PrincipalKind::User);
    }
    for changes in [
        json!({"sub": "abc@clients"}),
        json!({"gty": "client_credentials"}),
    ] {
        let mut changes = changes;
        changes["scope"] = "agents:run".into();
        let principal = machines.call(changes.clone(), &headers).await.unwrap();
        assert_eq!(
            principal.user().as_str(),
            "bob",
            "either mark is enough: {changes}"
        );
    }
}
