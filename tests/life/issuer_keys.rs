//! An identity provider that is down, ill, slow or under attack, as the callers of a gate see it.

use std::time::{Duration, Instant};

use jsonwebtoken::Header;

use crate::jwks_server::{JwksServer, Mode};
use crate::support::h2_client::{self, H2Client};
use crate::support::tokens::{SigningKey, claims, jwks};
use crate::world::{self, World, eventually};

/// A gate whose issuer has its keys at a server in this state.
async fn gate_with(mode: Mode) -> (World, JwksServer) {
    let server = JwksServer::start().await;
    server.set_mode(mode);
    let prepared = world::prepare().await;
    server.set_keys(&jwks(&[&prepared.key]));
    let stanza = prepared.key.policy("unused".as_ref());
    let stanza = stanza.replace(
        "jwks_file = \"unused\"",
        &format!("jwks_url = \"{}\"", server.url()),
    );
    std::fs::write(prepared.builder.folder().join("policies/00.toml"), stanza).unwrap();
    let world = prepared.with(|gate| gate.alive_is_enough()).start().await;
    eventually("the listener", async || {
        world.gate.address().connect().await.is_ok()
    })
    .await;
    (world, server)
}

/// A gate that has its issuer's keys.
async fn warm() -> (World, JwksServer) {
    let (mut world, server) = gate_with(Mode::Good).await;
    eventually("keys", async || is_ready(&world).await).await;
    world.gate.wait_until_ready().await.unwrap();
    (world, server)
}

async fn is_ready(world: &World) -> bool {
    world.gate.admin("GET", "/readyz", b"").await.status == 200
}

async fn status(world: &World, token: &str) -> u16 {
    world.get("/things/1", token).await.status
}

#[tokio::test]
async fn without_keys_at_start_nobody_passes_and_once_they_are_there_everybody_does() {
    for down in [
        Mode::Close,
        Mode::Status(500),
        Mode::Html,
        Mode::EmptySet,
        Mode::CutJson,
    ] {
        let (world, server) = gate_with(down.clone()).await;
        let token = world.member();
        let answer = world.get("/things/1", &token).await;
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (503, &"keys_unavailable".into()),
            "{down:?}"
        );
        assert!(answer.header("retry-after").is_some(), "{down:?}");
        let ready = world.gate.admin("GET", "/readyz", b"").await;
        assert_eq!(ready.status, 503, "{down:?}");
        assert_eq!(ready.json()["checks"]["keys"]["ok"], false, "{down:?}");
        assert!(world.backend.requests().is_empty(), "{down:?}");

        server.set_mode(Mode::Good);

        eventually("service", async || status(&world, &token).await == 200).await;
        assert!(is_ready(&world).await, "{down:?}");
    }
}

#[tokio::test]
async fn an_issuer_that_falls_ill_keeps_no_good_token_out() {
    let (world, server) = warm().await;
    let fetched = "fabric_gate_jwks_fetches_total{issuer=\"test\",result=\"failed\"}";
    for ill in [
        Mode::Close,
        Mode::Status(500),
        Mode::Html,
        Mode::EmptySet,
        Mode::CutJson,
        Mode::Endless,
        Mode::Hang,
    ] {
        server.set_mode(ill.clone());
        let before = server.fetches();
        // A token of an unknown key makes the gate ask at once.
        eventually("a fetch", async || {
            let stranger = SigningKey::ed25519(&format!("{ill:?}-{:?}", Instant::now()));
            assert_ne!(
                status(&world, &stranger.sign(&claims("acme", "eve", &["lead"]))).await,
                200
            );
            server.fetches() > before
        })
        .await;

        for user in ["alice", "bob"] {
            let fresh = world.token("acme", user, &["member"]);
            assert_eq!(
                status(&world, &fresh).await,
                200,
                "{ill:?}: the last good keys serve"
            );
        }
    }
    assert!(world.metric(fetched).await >= 4, "failures are counted");
    assert!(is_ready(&world).await);
}

#[tokio::test]
async fn a_new_key_is_picked_up_by_its_first_token_and_a_removed_one_dies() {
    let (world, server) = warm().await;
    let old = world.member();
    assert_eq!(status(&world, &old).await, 200);
    let next = SigningKey::ed25519("two");
    server.set_keys(&jwks(&[&next]));

    let new = next.sign(&claims("acme", "alice", &["member"]));
    eventually("the new key", async || status(&world, &new).await == 200).await;

    assert_eq!(
        status(&world, &old).await,
        401,
        "the key that is gone signs nobody in"
    );
}

/// Sends tokens of this many unknown keys over HTTP/2 and good ones beside them; answers how many
/// fetches the flood caused, how many the bound permits, and the slowest answer to a good token.
///
/// Each token with an unknown key may wait a second for a fetch to bring it, so they go out on many
/// streams at once: the flood is over in seconds, not in hours.
pub async fn flood_of_unknown_keys(floods: usize) -> (usize, usize, Duration) {
    const STREAMS: usize = 100;
    const CONNECTIONS: usize = 10;
    let (world, server) = warm().await;
    let before = server.fetches();
    let begun = Instant::now();

    let mut flood = tokio::task::JoinSet::new();
    for connection in 0..CONNECTIONS {
        let address = world.gate.address().clone();
        flood.spawn(async move {
            let forger = SigningKey::ed25519("forger");
            let client = H2Client::connect(&address).await;
            for round in 0..floods / CONNECTIONS / STREAMS {
                let mut answers = tokio::task::JoinSet::new();
                for stream in 0..STREAMS {
                    let mut header = Header::new(forger.algorithm);
                    header.kid = Some(format!("{connection}-{round}-{stream}"));
                    let claims = claims("acme", "eve", &["lead"]);
                    let token = forger.sign_with_header(&header, &claims.0);
                    let authorization = format!("Bearer {token}");
                    let headers = [("authorization", authorization.as_str())];
                    let request = h2_client::request("GET", "/things/1", &headers);
                    let mut sender = client.sender.clone().ready().await.unwrap();
                    let (response, _) = sender.send_request(request, true).unwrap();
                    answers.spawn(response);
                }
                while let Some(answer) = answers.join_next().await {
                    let status = answer.unwrap().unwrap().status().as_u16();
                    assert_eq!(status, 401, "a token that nobody signed");
                }
            }
        });
    }
    let mut good = 0;
    let mut slowest = Duration::ZERO;
    while !flood.is_empty() {
        while let Some(done) = flood.try_join_next() {
            done.unwrap();
        }
        let fresh = world.token("acme", &format!("user-{good}"), &["member"]);
        let asked = Instant::now();
        assert_eq!(status(&world, &fresh).await, 200);
        slowest = slowest.max(asked.elapsed());
        good += 1;
    }
    let fetches = server.fetches() - before;
    let bound = 3 + begun.elapsed().as_secs() as usize;
    (fetches, bound, slowest)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_unknown_key_ids_cause_few_fetches_and_keep_no_good_token_out() {
    let (fetches, bound, _) = flood_of_unknown_keys(2_000).await;
    assert!(
        fetches <= bound,
        "{fetches} fetches, and {bound} are permitted"
    );
}
