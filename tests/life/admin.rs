//! The admin listener: who may ask what, and what there is to see.

use crate::support::raw_client::{self, RawResponse};
use crate::world::{self, World};

const GUARDED: [(&str, &str); 8] = [
    ("GET", "/v1/policy"),
    ("POST", "/v1/policy/reload"),
    ("GET", "/v1/tenants"),
    ("GET", "/v1/tenants/acme/spend"),
    ("GET", "/v1/tenants/acme/statement"),
    ("GET", "/v1/audit"),
    ("GET", "/v1/resources?tenant=acme"),
    ("DELETE", "/v1/tenants/nobody"),
];

async fn ask(world: &World, method: &str, target: &str, headers: &[(&str, &str)]) -> RawResponse {
    let headers = [headers, &[("Connection", "close")]].concat();
    let request = raw_client::request(method, target, &headers, b"");
    raw_client::exchange(world.gate.admin_address(), request).await
}

#[tokio::test]
async fn what_operators_may_ask_needs_the_admin_token() {
    let world = world::start().await;
    let caller = format!("Bearer {}", world.token("acme", "root", &["admin", "lead"]));
    for (method, target) in GUARDED {
        let with_token = world.gate.admin(method, target, b"").await;
        assert_eq!(with_token.status, 200, "{target}: {}", with_token.text());
        let refused: [&[(&str, &str)]; 4] = [
            &[],
            &[("Authorization", "Bearer wrong")],
            &[("Authorization", &caller)],
            &[("Authorization", "Bearer a"), ("Authorization", "Bearer b")],
        ];
        for headers in refused {
            let answer = ask(&world, method, target, headers).await;
            assert_eq!(answer.status, 401, "{target} with {headers:?}");
            assert!(answer.header("www-authenticate").is_some(), "{target}");
        }
    }
}

#[tokio::test]
async fn without_a_configured_token_nobody_may_ask() {
    let prepared = world::prepare().await;
    let world = prepared.start().await;
    let config = world.gate.folder().join("gate.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let without: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with("token = "))
        .collect();
    std::fs::write(&config, without.join("\n")).unwrap();
    let mut world = world;
    world.gate.kill();
    world.gate.start_again().await;

    for (method, target) in GUARDED {
        let answer = world.gate.admin(method, target, b"").await;
        assert_eq!(answer.status, 403, "{target}");
    }
    for target in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(
            ask(&world, "GET", target, &[]).await.status,
            200,
            "{target}"
        );
    }
}

#[tokio::test]
async fn the_admin_pages_are_not_on_the_public_listener() {
    let world = world::start().await;
    for target in ["/livez", "/readyz", "/metrics", "/v1/policy", "/v1/audit"] {
        let answer = world.get(target, &world.member()).await;
        assert_eq!(answer.status, 404, "{target}");
    }
}

#[tokio::test]
async fn readiness_names_policies_keys_state_ledger_audit_and_listener() {
    let world = world::start().await;
    let ready = ask(&world, "GET", "/readyz", &[]).await;
    assert_eq!((ready.status, &ready.json()["ready"]), (200, &true.into()));
    for check in ["policies", "keys", "state", "ledger", "audit", "listener"] {
        assert_eq!(
            ready.json()["checks"][check]["ok"],
            true,
            "{check}: {}",
            ready.text()
        );
    }
}

#[tokio::test]
async fn the_metrics_have_the_promised_names_and_count_what_happened() {
    let world = world::start().await;
    assert_eq!(world.get("/things/1", &world.member()).await.status, 200);
    assert_eq!(world.get("/reports/1", &world.member()).await.status, 403);
    world.gate.reload().await;

    let counted = world::eventually("the counts", async || {
        let text = ask(&world, "GET", "/metrics", &[]).await.text();
        [
            "fabric_gate_requests_total{decision=\"permit\",route=\"thing\",tenant=\"acme\"} 1",
            "fabric_gate_requests_total{decision=\"deny\",route=\"report\",tenant=\"acme\"} 1",
            "fabric_gate_denials_total{reason=\"role_required\",tenant=\"acme\"} 1",
            "fabric_gate_policy_reloads_total{result=\"unchanged\"} 1",
            "fabric_gate_jwks_fetches_total{issuer=\"test\",result=\"ok\"} 1",
            "fabric_gate_request_seconds_count 2",
            "fabric_gate_overhead_seconds_count ",
            "fabric_gate_policy_info{revision=",
            "fabric_gate_audit_records_total{result=\"written\"} ",
        ]
        .iter()
        .all(|line| text.contains(line))
    });
    counted.await;
}

#[tokio::test]
async fn the_audit_page_shows_a_tenant_its_own_records_only_page_by_page() {
    let world = world::start().await;
    let globex = world.token("globex", "gina", &["member"]);
    for _ in 0..5 {
        assert_eq!(world.get("/things/1", &world.member()).await.status, 200);
        assert_eq!(world.get("/things/1", &globex).await.status, 200);
        assert_eq!(world.get("/reports/1", &globex).await.status, 403);
    }
    let folder = world.gate.folder();
    world::eventually("records", async || {
        crate::records::of_requests(folder).len() == 15
    })
    .await;
    let page = async |query: &str| {
        world
            .gate
            .admin("GET", &format!("/v1/audit?{query}"), b"")
            .await
            .json()
    };
    let tenants = |page: &serde_json::Value| -> Vec<String> {
        let records = page["records"].as_array().unwrap().iter();
        records
            .map(|record| record["tenant_id"].as_str().unwrap_or("").to_owned())
            .collect()
    };

    assert_eq!(tenants(&page("tenant=acme").await), ["acme"; 5]);
    assert_eq!(tenants(&page("tenant=globex").await), ["globex"; 10]);
    assert_eq!(
        tenants(&page("tenant=globex&decision=deny").await),
        ["globex"; 5]
    );
    assert_eq!(tenants(&page("tenant=nobody").await), Vec::<String>::new());

    let mut seen = Vec::new();
    let mut query = "tenant=globex&limit=4".to_owned();
    loop {
        let page = page(&query).await;
        let records = page["records"].as_array().unwrap();
        assert!(records.len() <= 4);
        seen.extend(records.iter().map(|record| record["seq"].as_u64().unwrap()));
        match page["next"].as_str() {
            Some(next) => query = format!("tenant=globex&limit=4&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 10, "{seen:?}");
    assert!(
        seen.is_sorted_by(|newer, older| newer > older),
        "newest first, none twice: {seen:?}"
    );
}

#[tokio::test]
async fn a_misspelt_question_to_the_audit_page_is_refused_not_answered_with_everybodys_records() {
    let world = world::start().await;
    for query in [
        "tennant=acme",
        "limit=many",
        "cursor=nonsense",
        "decision=maybe",
        "since=yesterday",
    ] {
        let answer = world
            .gate
            .admin("GET", &format!("/v1/audit?{query}"), b"")
            .await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
    }
}
