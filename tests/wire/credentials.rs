//! Who a caller is: tokens and keys side by side, one credential at a time, each where its route
//! takes it.

use sha2_of::hexadecimal_sha256;

use crate::call::{Call, Reply, WAYS, Way};
use crate::support::tokens::claims;
use crate::world::World;

mod sha2_of {
    /// SHA-256 of a key in hexadecimal, as `[[api_keys]]` holds it.
    pub fn hexadecimal_sha256(text: &str) -> String {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        let bytes = digest.as_ref().iter();
        bytes.map(|byte| format!("{byte:02x}")).collect()
    }
}

const OLD_KEY: &str = "fabk_first-key-of-the-service-account-0000000";
const NEW_KEY: &str = "fabk_second-key-of-the-service-account-000000";
const EXPIRED_KEY: &str = "fabk_a-key-that-ended-long-ago-00000000000000";
const CONFINED_KEY: &str = "fabk_a-key-for-tasks-and-nothing-else-0000000";
const UNKNOWN_KEY: &str = "fabk_a-key-that-no-file-has-heard-of-00000000";

const ROUTES: &str = r#"
[[routes]]
name = "task.read"
upstream = "backend"
methods = ["GET"]
path = "/tasks"
[[routes]]
name = "task.run"
upstream = "backend"
methods = ["POST"]
path = "/tasks"
[[routes]]
name = "memory.read"
upstream = "backend"
methods = ["GET"]
path = "/memory"
[[routes]]
name = "bearer.only"
upstream = "backend"
methods = ["GET"]
path = "/bearer-only"
credentials = ["bearer"]
[[routes]]
name = "socket"
upstream = "backend"
methods = ["GET"]
path = "/socket"
credentials = ["bearer", "query:token"]
"#;

fn key_entry(name: &str, key: &str, more: &str) -> String {
    let hash = hexadecimal_sha256(key);
    format!(
        "[[api_keys]]\nname = \"{name}\"\nsha256 = \"{hash}\"\ntenant = \"acme\"\n\
         user = \"svc-ci\"\nroles = [\"service\"]\n{more}\n"
    )
}

async fn world() -> World {
    let keys = [
        key_entry("first", OLD_KEY, ""),
        key_entry("second", NEW_KEY, ""),
        key_entry("ended", EXPIRED_KEY, "expires_at = 2020-01-01T00:00:00Z"),
        key_entry("tasks", CONFINED_KEY, "routes = [\"task.*\"]"),
    ];
    let setup = World::setup().await.policy(ROUTES).policy(&keys.concat());
    let mut world = setup.start().await;
    for key in [OLD_KEY, NEW_KEY, EXPIRED_KEY, CONFINED_KEY, UNKNOWN_KEY] {
        world.keep_secret(key);
    }
    world
}

fn challenge_of(reply: &Reply) -> String {
    reply.header("www-authenticate").unwrap_or_default()
}

#[tokio::test]
async fn a_token_and_a_key_are_taken_side_by_side_each_as_who_it_is() {
    let mut world = world().await;
    let alice = world.alice();
    for way in WAYS {
        for (call, user, method) in [
            (Call::get("/memory").bearer(&alice), "alice", "jwt:test"),
            (
                Call::get("/memory").with("authorization", &format!("BEARER  {alice}")),
                "alice",
                "jwt:test",
            ),
            (
                Call::get("/memory").with("X-Api-Key", OLD_KEY),
                "svc-ci",
                "api_key:first",
            ),
            (
                Call::get("/memory").bearer(OLD_KEY),
                "svc-ci",
                "api_key:first",
            ),
        ] {
            let (arrived, reply) = world.answered(way, &call).await;
            let told = arrived.head.value("x-fabric-user");
            assert_eq!(told.as_deref(), Some(user), "{way:?}");
            for gone in ["authorization", "x-api-key"] {
                assert_eq!(arrived.head.value(gone), None, "{way:?} {gone}");
            }
            let record = world.record_of(&reply).await;
            assert_eq!(record["user_id"], user);
            assert_eq!(record["auth_method"], method);
        }
    }
    world.end().await;
}

#[tokio::test]
async fn both_keys_of_a_rotation_stand_for_the_same_caller_until_one_is_removed() {
    let mut world = world().await;
    for key in [OLD_KEY, NEW_KEY] {
        let call = Call::get("/memory").with("X-Api-Key", key);
        let arrived = world.forwarded(Way::Exchange, &call).await;
        let user = arrived.head.value("x-fabric-user");
        assert_eq!(user.as_deref(), Some("svc-ci"));
    }
    // The keys' file is the fourth the world wrote, after tenants, upstream, issuer and routes.
    world
        .gate
        .write_policy("04.toml", &key_entry("second", NEW_KEY, ""));
    assert_eq!(world.gate.reload().await.status, 200);
    let retired = Call::get("/memory").with("X-Api-Key", OLD_KEY);
    world
        .refused(Way::Exchange, &retired, 401, "token_invalid")
        .await;
    let kept = Call::get("/memory").with("X-Api-Key", NEW_KEY);
    world.forwarded(Way::Exchange, &kept).await;
    world.end().await;
}

#[tokio::test]
async fn a_credential_that_does_not_verify_is_a_401_with_a_challenge() {
    let mut world = world().await;
    let expired = world.sign(&claims("acme", "alice", &[]).expires_in(-300));
    let elsewhere = world.sign(&claims("acme", "alice", &[]).with("aud", "other"));
    let sound = world.alice();
    let tampered = format!("{}AAAA", &sound[..sound.len() - 4]);
    let basic = "Basic YWxpY2U6c2VjcmV0LXBhc3N3b3Jk";
    world.keep_secret("YWxpY2U6c2VjcmV0LXBhc3N3b3Jk");
    for way in WAYS {
        for (call, code, challenge) in [
            (Call::get("/memory"), "credentials_missing", "fabric-gate\""),
            (
                Call::get("/memory").bearer(&expired),
                "token_expired",
                "error=\"invalid_token\"",
            ),
            (
                Call::get("/memory").bearer(&elsewhere),
                "token_invalid",
                "error=\"invalid_token\"",
            ),
            (
                Call::get("/memory").bearer(&tampered),
                "token_invalid",
                "error=\"invalid_token\"",
            ),
            (
                Call::get("/memory").with("Authorization", basic),
                "token_invalid",
                "error=\"invalid_token\"",
            ),
            (
                Call::get("/memory").with("X-Api-Key", UNKNOWN_KEY),
                "token_invalid",
                "error=\"invalid_token\"",
            ),
            (
                // A token is not looked up as a key.
                Call::get("/memory").with("X-Api-Key", &sound),
                "token_invalid",
                "error=\"invalid_token\"",
            ),
            (
                Call::get("/memory").with("X-Api-Key", EXPIRED_KEY),
                "api_key_expired",
                "fabric-gate\"",
            ),
            (
                Call::get("/memory").bearer(EXPIRED_KEY),
                "api_key_expired",
                "fabric-gate\"",
            ),
        ] {
            let reply = world.refused(way, &call, 401, code).await;
            let told = challenge_of(&reply);
            assert!(told.starts_with("Bearer realm=\"fabric-gate\""), "{told}");
            assert!(
                told.ends_with(challenge) || told.contains(challenge),
                "{told}"
            );
        }
        world
            .forwarded(way, &Call::get("/memory").bearer(&sound))
            .await;
    }
    world.end().await;
}

#[tokio::test]
async fn a_confined_key_reaches_its_routes_and_no_other() {
    let mut world = world().await;
    for way in WAYS {
        for call in [Call::get("/tasks"), Call::post("/tasks", "{}")] {
            let call = call.with("X-Api-Key", CONFINED_KEY);
            world.forwarded(way, &call).await;
        }
        let outside = Call::get("/memory").with("X-Api-Key", CONFINED_KEY);
        world.refused(way, &outside, 403, "forbidden").await;
    }
    world.end().await;
}

#[tokio::test]
async fn two_credentials_are_refused_even_when_both_are_good() {
    let mut world = world().await;
    let alice = world.alice();
    for way in WAYS {
        for call in [
            Call::get("/memory")
                .bearer(&alice)
                .with("X-Api-Key", OLD_KEY),
            Call::get("/memory")
                .bearer(OLD_KEY)
                .with("X-Api-Key", OLD_KEY),
            Call::get(&format!("/socket?token={alice}")).bearer(&alice),
            Call::get(&format!("/socket?token={alice}&token={alice}")),
            Call::get(&format!("/socket?token={alice}&Token={alice}")),
            Call::get("/memory")
                .with("X-Api-Key", OLD_KEY)
                .with("X-Api-Key", OLD_KEY),
        ] {
            world.refused(way, &call, 400, "request_rejected").await;
        }
        world
            .forwarded(way, &Call::get("/memory").bearer(&alice))
            .await;
    }
    world.end().await;
}

#[tokio::test]
async fn a_credential_is_taken_only_where_its_route_takes_one() {
    let mut world = world().await;
    let alice = world.alice();
    for way in WAYS {
        let by_header = Call::get("/bearer-only").with("X-Api-Key", OLD_KEY);
        world
            .refused(way, &by_header, 401, "credentials_missing")
            .await;
        let by_query = Call::get(&format!("/memory?token={alice}"));
        world
            .refused(way, &by_query, 401, "credentials_missing")
            .await;
        world
            .forwarded(way, &Call::get("/bearer-only").bearer(OLD_KEY))
            .await;
    }
    world.end().await;
}

#[tokio::test]
async fn a_query_credential_is_taken_and_goes_no_further() {
    let mut world = world().await;
    let alice = world.alice();
    for way in WAYS {
        for (sent, arrives) in [
            (format!("token={alice}"), "/socket"),
            (format!("a=%2F&token={alice}&b"), "/socket?a=%2F&b"),
            (format!("TOKEN={alice}&a=1"), "/socket?a=1"),
            (format!("t%6Fken={alice}"), "/socket"),
            (
                format!("token[]={alice}&tenant=acme"),
                "/socket?tenant=acme",
            ),
            (format!("token={OLD_KEY}"), "/socket"),
        ] {
            let call = Call::get(&format!("/socket?{sent}"));
            let (arrived, reply) = world.answered(way, &call).await;
            assert_eq!(arrived.target(), arrives, "{way:?}");
            let record = world.record_of(&reply).await;
            assert_eq!(record["path"], "/socket");
        }
        let wrong = Call::get("/socket?token=fabk_wrong-key-wrong-key");
        world.refused(way, &wrong, 401, "token_invalid").await;
    }
    world.keep_secret("fabk_wrong-key-wrong-key");
    world.end().await;
}

#[tokio::test]
async fn what_leads_nowhere_is_recorded_without_the_secrets_in_its_target() {
    let mut world = world().await;
    for secret in ["query-secret-1", "fragment-secret-2", "userinfo-secret-3"] {
        world.keep_secret(secret);
    }
    for (target, status, code) in [
        ("/nowhere?token=query-secret-1", 404, "not_found"),
        ("/..?token=query-secret-1", 400, "request_rejected"),
        ("/a#token=fragment-secret-2", 400, "request_rejected"),
        (
            "http://alice:userinfo-secret-3@gate.test/a",
            400,
            "request_rejected",
        ),
        (
            "alice:userinfo-secret-3@gate.test:443",
            400,
            "request_rejected",
        ),
        (
            "http://gate.test?token=query-secret-1",
            400,
            "request_rejected",
        ),
    ] {
        let call = Call::get(target);
        world.refused(Way::Exchange, &call, status, code).await;
    }
    world.end().await;
}

#[tokio::test]
async fn the_roles_of_a_token_are_read_from_an_array_and_from_text() {
    let mut world = world().await;
    for (roles, arrive) in [
        (serde_json::json!(["lead", "member"]), "lead,member"),
        (serde_json::json!("lead member"), "lead,member"),
        (serde_json::json!("lead"), "lead"),
        (serde_json::json!([]), ""),
        (serde_json::json!(["lead", "lead"]), "lead"),
    ] {
        let token = world.sign(&claims("acme", "alice", &[]).with("roles", roles.clone()));
        for way in WAYS {
            let arrived = world
                .forwarded(way, &Call::get("/memory").bearer(&token))
                .await;
            let told = arrived.head.value("x-fabric-roles");
            assert_eq!(told.as_deref(), Some(arrive), "{way:?} {roles}");
        }
    }
    for roles in [
        serde_json::json!(["lead,admin"]),
        serde_json::json!(["lead\r\nX-Fabric-User: root"]),
        serde_json::json!(7),
        serde_json::json!({"lead": true}),
    ] {
        let token = world.sign(&claims("acme", "alice", &[]).with("roles", roles));
        let call = Call::get("/memory").bearer(&token);
        world
            .refused(Way::Exchange, &call, 401, "token_invalid")
            .await;
    }
    world.end().await;
}
