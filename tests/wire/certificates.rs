//! Mutual TLS: a certificate that a policy names is a credential; any other is transport.

use std::sync::Arc;

use rustls::ClientConfig;

use crate::call::{Call, Reply, Way};
use crate::support::certificates::{Authority, Identity, dns, uri};
use crate::support::h2_client::H2Client;
use crate::support::raw_client::RawClient;
use crate::world::{Setup, World};

const POLICY: &str = r#"
[[routes]]
name = "whoami"
upstream = "backend"
methods = ["GET"]
path = "/whoami"
[[routes]]
name = "bearer.only"
upstream = "backend"
methods = ["GET"]
path = "/bearer-only"
credentials = ["bearer"]
[[client_certificates]]
name = "edge"
dns = "edge.acme.test"
tenant = "acme"
user = "svc-edge"
roles = ["service"]
[[client_certificates]]
name = "spiffe"
uri = "spiffe://globex/agent"
tenant = "globex"
user = "svc-agent"
[[client_certificates]]
name = "twin"
dns = "twin.acme.test"
tenant = "acme"
user = "svc-twin"
[[client_certificates]]
name = "other-twin"
uri = "spiffe://acme/twin"
tenant = "globex"
user = "svc-other-twin"
"#;

/// A gate with mutual TLS, and who its clients are signed by.
struct Tls {
    world: World,
    authority: Authority,
    stranger: Authority,
    files: tempfile::TempDir,
}

impl Tls {
    async fn start() -> Self {
        let files = tempfile::tempdir().unwrap();
        let authority = Authority::new("clients and servers");
        let server = authority.server(files.path(), "server", &["gate.test"]);
        let ca = authority.write(files.path(), "ca");
        let setup: Setup = World::setup().await.policy(POLICY);
        let setup = setup.with(|gate| gate.tls(&server, Some(&ca)));
        Self {
            world: setup.start().await,
            authority,
            stranger: Authority::new("strangers"),
            files,
        }
    }

    fn client(&self, name: &str, names: &[&str]) -> Identity {
        let names = names
            .iter()
            .map(|name| {
                if name.contains("://") {
                    uri(name)
                } else {
                    dns(name)
                }
            })
            .collect();
        self.authority.client(self.files.path(), name, names)
    }

    fn config(&self, way: Way, identity: Option<&Identity>) -> Arc<ClientConfig> {
        let alpn = match way {
            Way::Exchange | Way::Loop => "http/1.1",
            Way::Http2Exchange | Way::Http2Loop => "h2",
        };
        self.authority.client_config(&[alpn], identity)
    }

    async fn send(&mut self, way: Way, identity: Option<&Identity>, call: &Call) -> Reply {
        self.world.sent(1);
        let config = self.config(way, identity);
        let address = self.world.gate.address();
        match way {
            Way::Exchange | Way::Loop => {
                let mut client = RawClient::connect_tls(address, "gate.test", config)
                    .await
                    .unwrap();
                client.send(call.to_http1(way)).await;
                client.read_response().await.into()
            }
            Way::Http2Exchange | Way::Http2Loop => {
                let mut client = H2Client::connect_tls(address, "gate.test", config).await;
                let (request, body) = call.to_http2(way);
                let answer = client.request(request, &body, None).await;
                answer.unwrap().into()
            }
        }
    }

    async fn user_told(&mut self, way: Way, identity: Option<&Identity>, call: &Call) -> String {
        let reply = self.send(way, identity, call).await;
        assert_eq!(reply.status, 200, "{way:?} {call:?}: {}", reply.text());
        let arrived = self.world.arrival();
        arrived.head.value("x-fabric-user").unwrap()
    }

    async fn refused(
        &mut self,
        way: Way,
        identity: Option<&Identity>,
        call: &Call,
        expected: (u16, &str),
    ) {
        let reply = self.send(way, identity, call).await;
        let got = (reply.status, reply.code());
        assert_eq!((got.0, got.1.as_str()), expected, "{way:?} {call:?}");
        self.world.backend_heard_nothing("a refused call");
    }
}

const WAYS: [Way; 4] = crate::call::WAYS;

#[tokio::test]
async fn a_certificate_that_a_policy_names_is_a_credential() {
    let mut tls = Tls::start().await;
    let edge = tls.client("edge", &["edge.acme.test"]);
    let agent = tls.client("agent", &["unnamed.test", "spiffe://globex/agent"]);
    for way in WAYS {
        for (identity, user) in [(&edge, "svc-edge"), (&agent, "svc-agent")] {
            let call = Call::get("/whoami");
            assert_eq!(tls.user_told(way, Some(identity), &call).await, user);
        }
        let foreign = Call::get("/whoami").with("X-Fabric-Tenant", "globex");
        tls.refused(way, Some(&edge), &foreign, (404, "tenant_mismatch"))
            .await;
    }
    tls.world.end().await;
}

#[tokio::test]
async fn a_certificate_beside_another_credential_is_two_credentials() {
    let mut tls = Tls::start().await;
    let edge = tls.client("edge", &["edge.acme.test"]);
    let alice = tls.world.alice();
    for way in WAYS {
        for call in [
            Call::get("/whoami").bearer(&alice),
            Call::get("/whoami").with("X-Api-Key", "fabk_no-such-key"),
        ] {
            tls.refused(way, Some(&edge), &call, (400, "request_rejected"))
                .await;
        }
        let call = Call::get("/bearer-only");
        tls.refused(way, Some(&edge), &call, (401, "credentials_missing"))
            .await;
        assert_eq!(
            tls.user_told(way, Some(&edge), &Call::get("/whoami")).await,
            "svc-edge"
        );
    }
    tls.world.end().await;
}

#[tokio::test]
async fn a_certificate_that_no_policy_names_is_transport_only() {
    let mut tls = Tls::start().await;
    // The common name is looked at by nobody.
    let unnamed = tls.client("edge.acme.test", &["laptop.acme.test"]);
    let wildcard = tls.client("wildcard", &["*.acme.test"]);
    let alice = tls.world.alice();
    for way in WAYS {
        for identity in [Some(&unnamed), Some(&wildcard), None] {
            let call = Call::get("/whoami");
            tls.refused(way, identity, &call, (401, "credentials_missing"))
                .await;
            let call = call.bearer(&alice);
            assert_eq!(tls.user_told(way, identity, &call).await, "alice");
        }
    }
    tls.world.end().await;
}

#[tokio::test]
async fn a_certificate_that_stands_for_two_callers_stands_for_none() {
    let mut tls = Tls::start().await;
    let both = tls.client("both", &["twin.acme.test", "spiffe://acme/twin"]);
    let one = tls.client("one", &["twin.acme.test"]);
    for way in WAYS {
        let call = Call::get("/whoami");
        tls.refused(way, Some(&both), &call, (401, "token_invalid"))
            .await;
        assert_eq!(tls.user_told(way, Some(&one), &call).await, "svc-twin");
    }
    tls.world.end().await;
}

#[tokio::test]
async fn a_certificate_of_another_authority_ends_the_handshake() {
    let mut tls = Tls::start().await;
    let names = vec![dns("edge.acme.test")];
    let forged = tls.stranger.client(tls.files.path(), "forged", names);
    let config = tls.config(Way::Exchange, Some(&forged));
    let address = tls.world.gate.address().clone();
    // With TLS 1.3 the client hears of it at its first read, if not before.
    if let Ok(mut client) = RawClient::connect_tls(&address, "gate.test", config).await {
        let call = Call::get("/whoami");
        let _ = client.try_send(call.to_http1(Way::Exchange)).await;
        let answer = client.read_to_end().await;
        assert_eq!(String::from_utf8_lossy(&answer), "");
    }
    let edge = tls.client("edge", &["edge.acme.test"]);
    let call = Call::get("/whoami");
    let user = tls.user_told(Way::Exchange, Some(&edge), &call).await;
    assert_eq!(user, "svc-edge");
    tls.world.end().await;
}
