use std::time::Duration;

use fabric_gate::clock::Timestamp;
use fabric_gate::identity::settings::{
    CertificateMatch, ClaimPath, KeySource, SignatureAlgorithm, WebhookScheme,
};
use fabric_gate::policy::{
    CredentialPlace, Effect, Extractor, RouteMatch, RuleMode, UpstreamAddress,
    UpstreamAuthorization, UpstreamProtocol, check,
};
use http::Method;

use super::*;

const DIRECTORY: &str = "tests/policy/sound";

fn secrets(github: &str) -> SecretResolver {
    SecretResolver::with_environment([("GITHUB_SECRET", github)])
}

fn snapshot() -> PolicySnapshot {
    let directory = PolicyDirectory::read(Path::new(DIRECTORY)).unwrap();
    compile(&directory, &secrets("s")).unwrap()
}

#[test]
fn a_sound_directory_is_summed_up() {
    let now = fabric_gate::clock::Timestamp::from_seconds(1_704_067_200);
    let summary = check(Path::new(DIRECTORY), &secrets("s"), now)
        .unwrap()
        .summary;
    assert_eq!(
        summary.files,
        ["10-identity.toml", "20-tenants.toml", "30-routes.toml"]
    );
    assert_eq!(
        (summary.issuers, summary.api_keys, summary.webhooks),
        (3, 2, 1)
    );
    assert_eq!(
        (summary.tenants, summary.upstreams, summary.routes),
        (2, 3, 7)
    );
}

#[test]
fn an_issuer_is_read_with_its_defaults() {
    let issuers = snapshot().issuers;
    let corp = &issuers[0];
    assert_eq!(corp.leeway, Duration::from_secs(30));
    assert_eq!(corp.token_types.accepted, ["at+jwt", "jwt"]);
    assert!(!corp.token_types.absent_allowed);
    let tenant = "https://example.com/tenant".to_owned();
    assert_eq!(corp.claims.tenant, ClaimPath::Name(tenant));
    let roles = ["realm_access".to_owned(), "roles".to_owned()];
    assert_eq!(corp.claims.roles, ClaimPath::Pointer(roles.to_vec()));
    let machine = corp.machine.as_ref().unwrap();
    assert_eq!(machine.marker_claim.as_deref(), Some("gty"));
    assert_eq!(machine.subject_suffix.as_deref(), Some("@clients"));
    assert_eq!(machine.tenant_header, "snc-tenant", "in lower case");

    let local = &issuers[1];
    let beside_the_file = Path::new(DIRECTORY).join("keys/dev.json");
    assert_eq!(local.keys, KeySource::File(beside_the_file));
    assert_eq!(local.leeway, Duration::from_secs(60));
    assert_eq!(local.max_lifetime, Duration::from_secs(86_400));
    assert!(local.token_types.absent_allowed);
    assert_eq!(
        local.algorithms,
        [
            SignatureAlgorithm::RS256,
            SignatureAlgorithm::ES256,
            SignatureAlgorithm::EdDSA
        ]
    );
    let discovered = "https://login.example.com".to_owned();
    assert_eq!(issuers[2].keys, KeySource::Discovery(discovered));
}

#[test]
fn credentials_named_by_the_files_are_read() {
    let snapshot = snapshot();
    let key = &snapshot.api_keys[0];
    assert_eq!(key.sha256[..2], [0x9f, 0x86]);
    let end_of_2026_in_paris = Timestamp::from_seconds(1_798_758_000);
    assert_eq!(key.expires_at, Some(end_of_2026_in_paris));
    assert!(key.routes.as_ref().unwrap()[0].matches("task.run"));
    assert!(snapshot.api_keys[1].routes.is_none());
    let webhook = &snapshot.webhooks[0];
    assert_eq!(webhook.scheme, WebhookScheme::GitHub);
    assert_eq!(webhook.tolerance, Duration::from_secs(300));
    assert_eq!(
        snapshot.client_certificates[0].matches,
        CertificateMatch::Uri("spiffe://example.com/edge".to_owned())
    );
    assert_eq!(snapshot.development.unwrap().user.as_str(), "local-dev");
}

#[test]
fn upstreams_are_read_and_strip_credentials_unless_told_otherwise() {
    let upstreams = snapshot().upstreams;
    assert_eq!(upstreams[0].authorization, UpstreamAuthorization::Forward);
    assert_eq!(upstreams[0].protocol, UpstreamProtocol::Http1);
    assert_eq!(upstreams[0].connect_timeout, Duration::from_secs(2));
    assert_eq!(
        upstreams[1].address,
        UpstreamAddress::Tcp {
            host: "tasks.internal".to_owned(),
            port: 443,
            tls: true
        }
    );
    assert_eq!(upstreams[1].protocol, UpstreamProtocol::Http2);
    let handle = "tenant/{tenant}/backend-token".to_owned();
    assert_eq!(
        upstreams[1].authorization,
        UpstreamAuthorization::Handle(handle)
    );
    assert_eq!(upstreams[1].ca, Some(Path::new(DIRECTORY).join("ca.pem")));
    assert_eq!(
        upstreams[2].address,
        UpstreamAddress::Unix("/run/backend.sock".into())
    );
    assert_eq!(upstreams[2].authorization, UpstreamAuthorization::Strip);
}

#[test]
fn a_route_is_read_with_its_defaults() {
    let snapshot = snapshot();
    let route = |name: &str| {
        let mut routes = snapshot.routes.iter();
        routes.find(|route| *route.name == *name).unwrap()
    };
    let read = route("session.read");
    assert_eq!(
        read.tenant_from,
        [
            Extractor::Query("org".to_owned()),
            Extractor::Header("snc-tenant".to_owned())
        ]
    );
    assert_eq!(
        read.guard_tenant,
        [Extractor::Body(vec!["tenantId".to_owned()])]
    );
    assert_eq!(
        read.credentials,
        [
            CredentialPlace::Bearer,
            CredentialPlace::ApiKeyHeader,
            CredentialPlace::ClientCertificate
        ]
    );
    assert_eq!(read.timeout, Duration::from_secs(60));
    assert_eq!(read.stream_idle, Duration::from_secs(300));
    assert_eq!(
        (read.action_of(&Method::GET), read.body_bytes),
        ("read", None)
    );
    let run = route("task.run");
    assert!(run.path_allows.encoded_slash && run.path_allows.semicolon);
    assert!(!run.path_allows.double_slash);
    assert_eq!(
        (run.action_of(&Method::POST), run.body_bytes),
        ("write", Some(4096))
    );
    assert_eq!(run.action_of(&Method::GET), "read");
    assert_eq!(route("session.delete").action_of(&Method::DELETE), "delete");
    assert_eq!(route("memory.write").action_of(&Method::POST), "remember");
    let health = route("health");
    assert!(health.public && health.health);
    assert_eq!(health.methods, [Method::GET]);
    assert_eq!(run.upstream.name, snapshot.upstreams[1].name);
}

#[test]
fn a_route_with_delete_releases_by_it_alone_and_one_without_by_none_that_reads() {
    let route = |methods: &str, keys: &str| {
        let text = format!(
            "[tenancy]\nunknown = \"provision\"\n[[upstreams]]\nname = \"u\"\n\
             url = \"http://127.0.0.1:1\"\n[[routes]]\nname = \"r\"\nupstream = \"u\"\n\
             methods = [{methods}]\npath = \"/a/{{id}}\"\n{keys}\n"
        );
        compiled(&text).unwrap().routes.remove(0)
    };
    let releasing = |methods: &str, keys: &str| {
        let route = route(methods, keys);
        let asked = [Method::GET, Method::HEAD, Method::POST, Method::DELETE];
        asked.map(|method| route.releases(&method))
    };
    let owned = "resource = { kind = \"a\", id = \"path:id\" }";
    let deletes = format!("{owned}\ndeletes = true");
    let all = "\"GET\", \"POST\", \"DELETE\"";
    assert_eq!(releasing(all, &deletes), [false, false, false, true]);
    let posts = releasing("\"GET\", \"POST\"", &deletes);
    assert_eq!(posts, [false, false, true, true]);
    assert_eq!(releasing(all, owned), [false; 4]);
    assert_eq!(releasing(all, "mcp = true"), [false, false, false, true]);
    assert_eq!(releasing("\"GET\", \"POST\"", "mcp = true"), [false; 4]);
}

#[test]
fn the_router_knows_methods_parameters_and_what_a_path_allows() {
    let snapshot = snapshot();
    let RouteMatch::Found { route, params, .. } =
        snapshot.router.route(&Method::HEAD, "/sessions/a%2Fb")
    else {
        panic!("GET serves HEAD");
    };
    assert_eq!(&*route.name, "session.read");
    assert_eq!(params.get("id"), Some("a%2Fb"), "raw text");
    let RouteMatch::MethodNotAllowed { allow } = snapshot.router.route(&Method::PUT, "/sessions/1")
    else {
        panic!("no PUT");
    };
    assert_eq!(&**allow, "DELETE, GET, HEAD");
    assert!(matches!(
        snapshot.router.route(&Method::GET, "/nowhere"),
        RouteMatch::NotFound
    ));
}

#[test]
fn rules_and_limits_are_read() {
    let snapshot = snapshot();
    let facts = |index: usize| (snapshot.rules[index].effect, snapshot.rules[index].mode);
    assert_eq!(facts(0), (Effect::Forbid, RuleMode::Enforce));
    assert_eq!(facts(1), (Effect::Forbid, RuleMode::Shadow));
    assert_eq!(facts(2), (Effect::Permit, RuleMode::Enforce));
    let acme = &snapshot.tenants[&"acme".parse().unwrap()];
    assert_eq!(acme.limits.tenant.body_bytes, Some(2_097_152));
    assert_eq!(snapshot.defaults.tenant.body_bytes, Some(1_048_576));
    assert!(snapshot.tenants[&"globex".parse().unwrap()].suspended);
    assert_eq!(
        compiled("# nothing\n").unwrap().defaults.tenant.body_bytes,
        Some(10 << 20)
    );
}

#[test]
fn a_rotated_secret_is_another_revision_and_the_same_files_are_the_same() {
    let directory = PolicyDirectory::read(Path::new(DIRECTORY)).unwrap();
    let revision = |secret: &str| compile(&directory, &secrets(secret)).unwrap().revision;
    assert_eq!(revision("one"), revision("one"));
    assert_ne!(revision("one"), revision("two"));
}
