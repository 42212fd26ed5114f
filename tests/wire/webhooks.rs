//! Signed deliveries: each scheme end to end, once, at its own path.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fabric_gate::clock::{Clock, SystemClock};

use crate::call::{Call, WAYS, Way};
use crate::support::recording_backend::Answer;
use crate::world::World;

const SCHEMES: [&str; 4] = ["standard", "github", "stripe", "slack"];

/// The secret of one scheme, as its sender holds it.
fn key_of(scheme: &str) -> String {
    format!("{scheme}-signing-secret-0123456789")
}

/// A sender's signature of this text.
fn sign(scheme: &str, text: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key_of(scheme).as_bytes());
    hmac::sign(&key, text).as_ref().to_vec()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A delivery signed by the rules of `scheme` and sent to the hook called `to`.
fn delivery(scheme: &str, to: &str, id: &str, signed_at: i64, body: &str) -> Call {
    let call = Call::post(&format!("/hooks/{to}"), body);
    let text = |preamble: String| [preamble.as_bytes(), body.as_bytes()].concat();
    let time = signed_at.to_string();
    match scheme {
        "standard" => {
            let signature = STANDARD.encode(sign(scheme, &text(format!("{id}.{time}."))));
            call.with("webhook-id", id)
                .with("webhook-timestamp", &time)
                .with("webhook-signature", &format!("v1,{signature}"))
        }
        "github" => {
            let signature = hexadecimal(&sign(scheme, body.as_bytes()));
            call.with("X-GitHub-Delivery", id)
                .with("X-Hub-Signature-256", &format!("sha256={signature}"))
        }
        "stripe" => {
            let signature = hexadecimal(&sign(scheme, &text(format!("{time}."))));
            call.with("Stripe-Signature", &format!("t={time},v1={signature}"))
        }
        "slack" => {
            let signature = hexadecimal(&sign(scheme, &text(format!("v0:{time}:"))));
            call.with("X-Slack-Request-Timestamp", &time)
                .with("X-Slack-Signature", &format!("v0={signature}"))
        }
        other => panic!("no scheme `{other}`"),
    }
}

fn now() -> i64 {
    SystemClock.now().as_seconds()
}

async fn world() -> World {
    let setup = World::setup().await;
    let mut policy = String::new();
    for scheme in SCHEMES {
        let secret = match scheme {
            "standard" => format!("whsec_{}", STANDARD.encode(key_of(scheme))),
            _ => key_of(scheme),
        };
        let path = setup.folder().join(format!("{scheme}.secret"));
        std::fs::write(&path, secret).unwrap();
        policy.push_str(&format!(
            "[[webhooks]]\nname = \"{scheme}\"\npath = \"/hooks/{scheme}\"\nscheme = \"{scheme}\"\n\
             secret = \"file:{}\"\ntenant = \"acme\"\nuser = \"webhook:{scheme}\"\n\
             [[routes]]\nname = \"hook.{scheme}\"\nupstream = \"backend\"\nmethods = [\"POST\"]\n\
             path = \"/hooks/{scheme}\"\n",
            path.display()
        ));
    }
    let mut world = setup.policy(&policy).start().await;
    for scheme in SCHEMES {
        world.keep_secret(&key_of(scheme));
    }
    world
}

#[tokio::test]
async fn a_signed_delivery_arrives_byte_for_byte_as_its_user() {
    let mut world = world().await;
    for way in WAYS {
        for scheme in SCHEMES {
            let body = format!("{{\"way\": \"{way:?}\"}}  ");
            let id = format!("{scheme}-{way:?}");
            let call = delivery(scheme, scheme, &id, now(), &body);
            let (arrived, reply) = world.taken(way, &call).await;
            assert_eq!(arrived.body.content, body.as_bytes(), "{scheme} {way:?}");
            let user = arrived.head.value("x-fabric-user").unwrap();
            assert_eq!(user, format!("webhook:{scheme}"));
            let tenant = arrived.head.value("x-fabric-tenant");
            assert_eq!(tenant.as_deref(), Some("acme"));
            let record = world.record_of(&reply).await;
            assert_eq!(record["auth_method"], format!("webhook:{scheme}"));
        }
    }
    world.end().await;
}

#[tokio::test]
async fn a_delivery_is_taken_once() {
    let mut world = world().await;
    for scheme in SCHEMES {
        let call = delivery(scheme, scheme, "once", now(), "{}");
        world.taken(Way::Exchange, &call).await;
        for way in WAYS {
            world.refused(way, &call, 401, "signature_invalid").await;
        }
        let another = delivery(scheme, scheme, "another", now(), "{\"n\":2}");
        world.taken(Way::Exchange, &another).await;
    }
    world.end().await;
}

#[tokio::test]
async fn a_delivery_that_is_not_signed_as_it_stands_is_refused() {
    let mut world = world().await;
    for (number, scheme) in SCHEMES.into_iter().enumerate() {
        let id = format!("sound-{number}");
        let sound = delivery(scheme, scheme, &id, now(), "{\"amount\":1}");
        let changed = Call {
            body: b"{\"amount\":9}".to_vec(),
            ..sound.clone()
        };
        let unsigned = Call {
            headers: Vec::new(),
            ..sound.clone()
        };
        let mut twice = sound.clone();
        twice.headers.extend(sound.headers.clone());
        for way in WAYS {
            for call in [&changed, &unsigned, &twice] {
                world.refused(way, call, 401, "signature_invalid").await;
            }
        }
        world.taken(Way::Exchange, &sound).await;
    }
    world.end().await;
}

#[tokio::test]
async fn a_signed_time_outside_of_the_tolerance_is_refused() {
    let mut world = world().await;
    for scheme in ["standard", "stripe", "slack"] {
        for signed_at in [now() - 600, now() + 600] {
            let call = delivery(scheme, scheme, "late", signed_at, "{}");
            world
                .refused(Way::Exchange, &call, 401, "signature_invalid")
                .await;
        }
        let call = delivery(scheme, scheme, "in-time", now() - 60, "{}");
        world.taken(Way::Exchange, &call).await;
    }
    world.end().await;
}

#[tokio::test]
async fn a_signature_is_good_at_its_own_hook_only() {
    let mut world = world().await;
    for scheme in SCHEMES {
        for other in SCHEMES.iter().filter(|other| **other != scheme) {
            let call = delivery(scheme, other, "elsewhere", now(), "{}");
            world
                .refused(Way::Exchange, &call, 401, "signature_invalid")
                .await;
        }
        let call = delivery(scheme, scheme, "elsewhere", now(), "{}");
        world.taken(Way::Exchange, &call).await;
    }
    world.end().await;
}

#[tokio::test]
async fn a_delivery_carries_no_other_credential() {
    let mut world = world().await;
    let alice = world.alice();
    let unsigned = Call::post("/hooks/github", "{}").bearer(&alice);
    let signed = delivery("github", "github", "both", now(), "{}");
    for way in WAYS {
        world.refused(way, &unsigned, 400, "request_rejected").await;
        let with_token = signed.clone().bearer(&alice);
        world
            .refused(way, &with_token, 400, "request_rejected")
            .await;
    }
    world.taken(Way::Exchange, &signed).await;
    world.end().await;
}

#[tokio::test]
async fn a_delivery_the_backend_failed_to_take_may_come_again() {
    let mut world = world().await;
    world
        .backend
        .answer_by(|_| Answer::json(503, "{\"try\":\"later\"}"));
    let call = delivery("github", "github", "again", now(), "{}");
    let reply = world.send(Way::Exchange, &call).await;
    assert_eq!(reply.status, 503);
    world.arrival();
    world.backend.answer_by(|_| Answer::json(200, "{}"));
    world.taken(Way::Exchange, &call).await;
    world
        .refused(Way::Exchange, &call, 401, "signature_invalid")
        .await;
    world.end().await;
}

#[tokio::test]
async fn a_delivery_the_gate_refused_for_another_reason_may_come_again() {
    let mut world = world().await;
    let call = delivery("github", "github", "again", now(), "{}");
    let misdirected = call.clone().with("X-Fabric-Tenant", "globex");
    world
        .refused(Way::Exchange, &misdirected, 403, "tenant_mismatch")
        .await;
    world.taken(Way::Exchange, &call).await;
    world
        .refused(Way::Exchange, &call, 401, "signature_invalid")
        .await;
    world.end().await;
}
