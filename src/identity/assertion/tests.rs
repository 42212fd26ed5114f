use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;
use crate::clock::ManualClock;
use crate::identity::{Delegation, PrincipalKind};

const START: i64 = 1_800_000_000;

struct World {
    assertions: Assertions,
    clock: Arc<ManualClock>,
    _folder: tempfile::TempDir,
}

fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::load_or_create(&folder.path().join("key")).unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(START)));
    let assertions = Assertions::new(key, Vec::new(), clock.clone()).unwrap();
    World {
        assertions,
        clock,
        _folder: folder,
    }
}

impl World {
    fn about(&self, principal: &Principal) -> String {
        let text = self.assertions.about(principal, "memory").unwrap();
        assert!(text.is_sensitive());
        text.to_str().unwrap().to_owned()
    }
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn alice() -> Principal {
    Principal::made_up("acme", "alice", &["lead", "member"], &["a", "b"], None)
}

#[test]
fn an_assertion_says_who_calls_for_whom_and_for_how_long() {
    let world = world();
    let mut caller = alice();
    caller.kind = PrincipalKind::Machine;
    caller.delegation = Delegation {
        actors: Arc::from([Arc::from("planner"), Arc::from("coder")]),
        dropped: 0,
    };
    let token = world.about(&caller);
    assert_eq!(
        part(&token, 1),
        json!({
            "iss": "fabric-gate", "aud": "memory", "sub": "alice", "tid": "acme",
            "kind": "machine", "roles": ["lead", "member"], "scope": "a b",
            "act": {"sub": "planner", "act": {"sub": "coder"}},
            "iat": START, "exp": START + 60,
        })
    );
    let kid = world.assertions.key.public().kid();
    assert_eq!(
        part(&token, 0),
        json!({"typ": "JWT", "alg": "EdDSA", "kid": kid})
    );
}

#[test]
fn what_a_caller_lacks_is_left_out() {
    let world = world();
    let token = world.about(&Principal::made_up("acme", "bob", &[], &[], None));
    let claims = part(&token, 1);
    assert_eq!(claims["roles"], json!([]));
    assert_eq!(claims.get("scope"), None);
    assert_eq!(claims.get("act"), None);
}

#[test]
fn an_assertion_never_outlives_the_callers_credential() {
    let world = world();
    let mut caller = alice();
    for (left, lasts) in [(3_600, 60), (60, 60), (59, 59), (7, 7), (1, 1)] {
        caller.expires_at = Some(Timestamp::from_seconds(START + left));
        let claims = part(&world.about(&caller), 1);
        assert_eq!(claims["exp"], START + lasts, "{left} s before its end");
    }
}

#[test]
fn an_assertion_is_used_again_while_half_of_its_life_is_left() {
    let world = world();
    let first = world.about(&alice());
    world.clock.advance_seconds(30);
    assert_eq!(world.about(&alice()), first);
    world.clock.advance_seconds(1);
    let second = world.about(&alice());
    assert_ne!(second, first);
    assert_eq!(part(&second, 1)["exp"], START + 31 + 60);
}

#[test]
fn near_the_end_of_a_credential_one_assertion_serves_until_then() {
    let world = world();
    let mut caller = alice();
    caller.expires_at = Some(Timestamp::from_seconds(START + 20));
    let first = world.about(&caller);
    world.clock.advance_seconds(19);
    assert_eq!(world.about(&caller), first);
}

#[test]
fn a_clock_that_was_set_back_lets_no_assertion_last_longer() {
    let world = world();
    let first = world.about(&alice());
    world.clock.advance_seconds(-3_600);
    let second = world.about(&alice());
    assert_ne!(second, first);
    assert_eq!(part(&second, 1)["exp"], START - 3_600 + 60);
}

#[test]
fn whatever_differs_of_the_caller_has_an_assertion_of_its_own() {
    let world = world();
    let same = world.about(&alice());
    assert_eq!(world.about(&alice()), same);
    let made = |user: &str, roles: &[&str], scopes: &[&str]| {
        Principal::made_up("acme", user, roles, scopes, None)
    };
    let mut others = vec![
        Principal::made_up("globex", "alice", &["lead", "member"], &["a", "b"], None),
        made("alic", &["lead", "member"], &["a", "b"]),
        made("alice", &["member"], &["a", "b"]),
        made("alice", &[], &["a", "b"]),
        made("alice", &["lead", "member", "admin"], &["a", "b"]),
        made("alice", &["lead", "member"], &["a"]),
    ];
    let mut machine = alice();
    machine.kind = PrincipalKind::Machine;
    let mut delegated = alice();
    delegated.delegation.actors = Arc::from([Arc::from("planner")]);
    let mut ends = alice();
    ends.expires_at = Some(Timestamp::from_seconds(START + 10));
    others.extend([machine, delegated, ends]);
    let mut said: Vec<Value> = others.iter().map(|it| part(&world.about(it), 1)).collect();
    said.push(part(&same, 1));
    let elsewhere = world.assertions.about(&alice(), "other").unwrap();
    said.push(part(elsewhere.to_str().unwrap(), 1));
    for (index, claims) in said.iter().enumerate() {
        assert!(!said[..index].contains(claims), "{claims}");
    }
    assert_eq!(world.about(&alice()), same, "and its own is still there");
}

#[test]
fn what_is_remembered_is_bounded() {
    let world = world();
    for index in 0..REMEMBERED + 500 {
        world.about(&Principal::made_up(
            "acme",
            &format!("u{index}"),
            &[],
            &[],
            None,
        ));
    }
    assert!(world.assertions.remembered.len() <= REMEMBERED);
}

#[test]
fn the_key_set_has_every_key_once_and_the_one_that_signs_first() {
    let folder = tempfile::tempdir().unwrap();
    let key = |name: &str| SigningKey::load_or_create(&folder.path().join(name)).unwrap();
    let (current, before) = (key("a"), key("b"));
    let kids = [
        current.public().kid().to_owned(),
        before.public().kid().to_owned(),
    ];
    let others = vec![
        before.public().clone(),
        current.public().clone(),
        before.public().clone(),
    ];
    let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(START)));
    let assertions = Assertions::new(current, others, clock).unwrap();
    let document: Value = serde_json::from_str(assertions.key_set()).unwrap();
    let listed: Vec<&str> = document["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["kid"].as_str().unwrap())
        .collect();
    assert_eq!(listed, kids);
    assert_eq!(document["keys"][0].get("d"), None, "no private half");
    assert_eq!(document["keys"][0]["crv"], "Ed25519");
    assert_eq!(document["keys"][0]["use"], "sig");
}
