use super::super::UserId;
use super::*;

/// A published or computed delivery: what the sender sends, and when.
struct Sample {
    scheme: WebhookScheme,
    secret: &'static str,
    headers: Vec<(&'static str, String)>,
    body: &'static str,
    sent_at: i64,
}

/// Test vector of the reference libraries of Standard Webhooks.
fn standard() -> Sample {
    Sample {
        scheme: WebhookScheme::Standard,
        secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        headers: vec![
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned()),
            ("webhook-timestamp", "1614265330".to_owned()),
            (
                "webhook-signature",
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=".to_owned(),
            ),
        ],
        body: r#"{"test": 2432232314}"#,
        sent_at: 1_614_265_330,
    }
}

/// Test vector of GitHub's "Validating webhook deliveries".
fn github() -> Sample {
    Sample {
        scheme: WebhookScheme::GitHub,
        secret: "It's a Secret to Everybody",
        headers: vec![
            (
                "x-github-delivery",
                "72d3162e-cc78-11e3-81ab-4c9367dc0958".to_owned(),
            ),
            (
                "x-hub-signature-256",
                "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
                    .to_owned(),
            ),
        ],
        body: "Hello, World!",
        sent_at: 1_614_265_330,
    }
}

/// Stripe publishes no vector: computed with `openssl dgst -sha256 -hmac` over `<t>.<body>`.
fn stripe() -> Sample {
    Sample {
        scheme: WebhookScheme::Stripe,
        secret: "whsec_test_secret",
        headers: vec![(
            "stripe-signature",
            format!("t=1492774577,v1={STRIPE_SIGNATURE},v0=6ffbb59b2300aae63f272406069a9788"),
        )],
        body: r#"{"id":"evt_1","object":"event"}"#,
        sent_at: 1_492_774_577,
    }
}

const STRIPE_SIGNATURE: &str = "654b43d3508ecadb3f8cefc4bc7d3d2bdc5ba9e03bf2c89b2d0657a8e24e4543";

/// Test vector of Slack's "Verifying requests from Slack".
fn slack() -> Sample {
    Sample {
        scheme: WebhookScheme::Slack,
        secret: "8f742231b10e8888abcd99yyyzzz85a5",
        headers: vec![
            ("x-slack-request-timestamp", "1531420618".to_owned()),
            (
                "x-slack-signature",
                "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503".to_owned(),
            ),
        ],
        body: "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow\
               &channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner\
               &command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com\
               %2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
               &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
        sent_at: 1_531_420_618,
    }
}

fn samples() -> [Sample; 4] {
    [standard(), github(), stripe(), slack()]
}

fn settings(scheme: WebhookScheme, secret: &str) -> WebhookSettings {
    WebhookSettings {
        name: "hook".to_owned(),
        path: "/hooks/acme".to_owned(),
        scheme,
        secret: secret.to_owned().into(),
        tenant: "acme".parse().unwrap(),
        user: UserId::parse("webhook:sender").unwrap(),
        roles: Arc::from([Arc::from("service")]),
        tolerance: Duration::from_secs(300),
    }
}

impl Sample {
    fn webhook(&self) -> Webhook {
        Webhook::new(&settings(self.scheme, self.secret)).unwrap()
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    /// The refusal's code for a delivery `late` seconds after it was sent; `None` when it is taken.
    fn judge(&self, headers: &HeaderMap, body: &str, late: i64) -> Option<&'static str> {
        let now = Timestamp::from_seconds(self.sent_at + late);
        self.webhook()
            .verify(headers, body.as_bytes(), now, &ReplayGuard::default())
            .err()
            .map(|refusal| refusal.code())
    }
}

const INVALID: Option<&str> = Some("signature_invalid");

#[test]
fn the_published_vectors_are_taken() {
    for sample in samples() {
        let now = Timestamp::from_seconds(sample.sent_at);
        let guard = ReplayGuard::default();
        let delivery = sample
            .webhook()
            .verify(&sample.headers(), sample.body.as_bytes(), now, &guard)
            .unwrap_or_else(|refusal| panic!("{:?}: {refusal:?}", sample.scheme));
        let principal = &delivery.principal;
        assert_eq!(principal.tenant().as_str(), "acme");
        assert_eq!(principal.user().as_str(), "webhook:sender");
        assert_eq!(principal.kind(), PrincipalKind::Webhook);
        assert_eq!(principal.method().as_str(), "webhook:hook");
        let id = match sample.scheme {
            WebhookScheme::Standard => Some("msg_p5jXN8AQM9LWM0D4loKWxJek"),
            WebhookScheme::GitHub => Some("72d3162e-cc78-11e3-81ab-4c9367dc0958"),
            WebhookScheme::Stripe | WebhookScheme::Slack => None,
        };
        assert_eq!(principal.token_id(), id);
    }
}

#[test]
fn a_changed_body_is_refused() {
    for sample in samples() {
        for body in [format!("{} ", sample.body), String::new()] {
            assert_eq!(sample.judge(&sample.headers(), &body, 0), INVALID);
        }
    }
}

#[test]
fn another_secret_is_refused() {
    for sample in samples() {
        let other = Sample {
            secret: "whsec_b3RoZXIgc2VjcmV0",
            ..sample
        };
        assert_eq!(other.judge(&other.headers(), other.body, 0), INVALID);
    }
}

#[test]
fn every_signed_header_of_a_scheme_has_to_stand_exactly_once() {
    for sample in samples() {
        for (name, value) in &sample.headers {
            let mut without = sample.headers();
            without.remove(*name);
            // It is not signed: what it is for, the signature does without it.
            if *name == "x-github-delivery" {
                assert_eq!(sample.judge(&without, sample.body, 0), None);
                continue;
            }
            assert_eq!(sample.judge(&without, sample.body, 0), INVALID, "no {name}");
            let mut twice = sample.headers();
            twice.append(*name, value.parse().unwrap());
            assert_eq!(sample.judge(&twice, sample.body, 0), INVALID, "two {name}");
        }
    }
}

#[test]
fn what_is_signed_cannot_be_changed_in_the_headers() {
    for (sample, name, value) in [
        (standard(), "webhook-id", "msg_other"),
        (standard(), "webhook-timestamp", "1614265331"),
        (slack(), "x-slack-request-timestamp", "1531420619"),
    ] {
        let mut headers = sample.headers();
        headers.insert(name, value.parse().unwrap());
        assert_eq!(sample.judge(&headers, sample.body, 0), INVALID, "{name}");
    }
    let moved = stripe().headers[0]
        .1
        .replace("t=1492774577", "t=1492774578");
    let mut headers = HeaderMap::new();
    headers.insert("stripe-signature", moved.parse().unwrap());
    assert_eq!(stripe().judge(&headers, stripe().body, 0), INVALID);
}

#[test]
fn timestamps_are_tolerated_up_to_the_limit_both_ways() {
    for sample in [standard(), stripe(), slack()] {
        let headers = sample.headers();
        for late in [-300, -299, 0, 300] {
            assert_eq!(sample.judge(&headers, sample.body, late), None, "{late}");
        }
        for late in [-301, 301, 100_000] {
            assert_eq!(sample.judge(&headers, sample.body, late), INVALID, "{late}");
        }
    }
}

#[test]
fn signatures_in_another_form_are_refused() {
    let cases: Vec<(Sample, &str, Vec<String>)> = vec![
        (
            standard(),
            "webhook-signature",
            vec![
                String::new(),
                "v1,".to_owned(),
                "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=".to_owned(),
                "v1a,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=".to_owned(),
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1O".to_owned(),
            ],
        ),
        (
            github(),
            "x-hub-signature-256",
            vec![
                "sha256=".to_owned(),
                "sha1=757107ea0eb2509fc211221cce984b8a37570b6d".to_owned(),
                "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17".to_owned(),
                "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e1".to_owned(),
                "sha256=757107ea".to_owned(),
            ],
        ),
        (
            stripe(),
            "stripe-signature",
            vec![
                "t=1492774577".to_owned(),
                format!("v1={STRIPE_SIGNATURE}"),
                format!("t=1492774577,v0={STRIPE_SIGNATURE}"),
                format!("t=1492774577,t=1492774577,v1={STRIPE_SIGNATURE}"),
                format!("t=+1492774577,v1={STRIPE_SIGNATURE}"),
                format!("t=,v1={STRIPE_SIGNATURE}"),
            ],
        ),
        (
            slack(),
            "x-slack-signature",
            vec![
                "v0=".to_owned(),
                "v1=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503".to_owned(),
            ],
        ),
    ];
    for (sample, name, values) in cases {
        for value in values {
            let mut headers = sample.headers();
            headers.insert(name, value.parse().unwrap());
            assert_eq!(
                sample.judge(&headers, sample.body, 0),
                INVALID,
                "{name}: {value}"
            );
        }
    }
}

#[test]
fn one_fitting_signature_among_several_is_enough_while_a_secret_rotates() {
    let sample = standard();
    let wrong = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let right = &sample.headers[2].1;
    for value in [format!("{wrong} {right}"), format!("{right} v1a,x {wrong}")] {
        let mut headers = sample.headers();
        headers.insert("webhook-signature", value.parse().unwrap());
        assert_eq!(sample.judge(&headers, sample.body, 0), None, "{value}");
    }
    let zeroes = "0".repeat(64);
    let value = format!("t=1492774577,v1={zeroes},v1={STRIPE_SIGNATURE}");
    let mut headers = HeaderMap::new();
    headers.insert("stripe-signature", value.parse().unwrap());
    assert_eq!(stripe().judge(&headers, stripe().body, 0), None);
}

#[test]
fn a_delivery_is_taken_once_while_its_timestamp_is_tolerated() {
    for sample in samples() {
        let webhook = sample.webhook();
        let guard = ReplayGuard::default();
        let headers = sample.headers();
        let at = |late| {
            let now = Timestamp::from_seconds(sample.sent_at + late);
            webhook
                .verify(&headers, sample.body.as_bytes(), now, &guard)
                .map(drop)
                .map_err(|refusal| refusal.code())
        };
        assert_eq!(at(-300), Ok(()), "{:?}", sample.scheme);
        for late in [-300, 0, 300] {
            assert_eq!(
                at(late),
                Err("signature_invalid"),
                "{:?} {late}",
                sample.scheme
            );
        }
    }
}

#[test]
fn a_new_delivery_id_does_not_hide_a_replayed_github_body() {
    let sample = github();
    let webhook = sample.webhook();
    let guard = ReplayGuard::default();
    let take = |headers: &HeaderMap, seconds| {
        let now = Timestamp::from_seconds(seconds);
        webhook.verify(headers, sample.body.as_bytes(), now, &guard)
    };
    take(&sample.headers(), 0).map(drop).unwrap();
    let mut renamed = sample.headers();
    renamed.insert("x-github-delivery", "other".parse().unwrap());
    assert!(take(&renamed, 1).is_err());
    assert!(take(&renamed, GITHUB_MEMORY_SECONDS).is_err());
    assert!(take(&renamed, GITHUB_MEMORY_SECONDS + 1).is_ok());
}

#[test]
fn a_github_delivery_without_an_id_is_taken_once_as_well() {
    let sample = github();
    let (webhook, guard) = (sample.webhook(), ReplayGuard::default());
    let mut headers = sample.headers();
    headers.remove("x-github-delivery");
    let take = || {
        let now = Timestamp::from_seconds(0);
        webhook.verify(&headers, sample.body.as_bytes(), now, &guard)
    };
    assert_eq!(take().unwrap().principal.token_id(), None);
    assert!(take().is_err());
}

#[test]
fn a_released_delivery_can_be_delivered_again() {
    let sample = github();
    let webhook = sample.webhook();
    let guard = ReplayGuard::default();
    let take = || {
        let now = Timestamp::from_seconds(sample.sent_at);
        webhook.verify(&sample.headers(), sample.body.as_bytes(), now, &guard)
    };
    let delivery = take().unwrap();
    assert!(take().is_err());
    webhook.release(&delivery, &guard);
    assert!(take().is_ok());
}

#[test]
fn a_wrongly_signed_delivery_leaves_no_mark() {
    let sample = standard();
    let guard = ReplayGuard::new(1);
    let now = Timestamp::from_seconds(sample.sent_at);
    let take = |body: &str| {
        sample
            .webhook()
            .verify(&sample.headers(), body.as_bytes(), now, &guard)
            .map(drop)
            .map_err(|refusal| refusal.code())
    };
    for forged in ["a", "b", "c"] {
        assert_eq!(take(forged), Err("signature_invalid"));
    }
    assert_eq!(take(sample.body), Ok(()), "strangers can't fill the guard");
}

#[test]
fn when_the_guard_is_full_deliveries_are_refused_not_taken_unseen() {
    let sample = standard();
    let now = Timestamp::from_seconds(sample.sent_at);
    let refusal = sample
        .webhook()
        .verify(
            &sample.headers(),
            sample.body.as_bytes(),
            now,
            &ReplayGuard::new(0),
        )
        .unwrap_err();
    assert_eq!(refusal.status(), 503);
}

#[test]
fn a_table_finds_a_webhook_by_its_exact_path_only() {
    let entry = settings(WebhookScheme::GitHub, "s");
    let table = WebhookTable::new(std::slice::from_ref(&entry)).unwrap();
    assert!(table.at("/hooks/acme").is_some());
    for path in ["/hooks/acme/", "/hooks", "/Hooks/acme", ""] {
        assert!(table.at(path).is_none(), "{path}");
    }
    assert_eq!(
        WebhookTable::new(&[entry.clone(), entry]).unwrap_err(),
        WebhookError::SamePath("hook".to_owned())
    );
}

#[test]
fn a_secret_that_cannot_sign_is_refused_when_the_policy_is_read() {
    for scheme in [
        WebhookScheme::GitHub,
        WebhookScheme::Stripe,
        WebhookScheme::Slack,
    ] {
        let error = Webhook::new(&settings(scheme, "")).unwrap_err();
        assert_eq!(error, WebhookError::EmptySecret("hook".to_owned()));
    }
    for (secret, error) in [
        ("whsec_", WebhookError::EmptySecret("hook".to_owned())),
        ("whsec_!", WebhookError::SecretEncoding("hook".to_owned())),
    ] {
        let made = Webhook::new(&settings(WebhookScheme::Standard, secret));
        assert_eq!(made.unwrap_err(), error);
    }
}

#[test]
fn debug_does_not_show_the_secret() {
    let webhook = github().webhook();
    assert!(!format!("{webhook:?}").contains("Everybody"));
}
