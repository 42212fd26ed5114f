//! Every class of attack on a JWT that the field knows, each beside a token that passes.

use serde_json::{Value, json};

use crate::gate::{Gate, ISSUER, NOW, claims, claims_with, issuer};
use crate::jwks_server::JwksServer;
use crate::signer::{Signer, encode, jwks};

async fn gate_with(signers: &[&Signer]) -> (Gate, JwksServer) {
    let server = JwksServer::start().await;
    server.set_keys(&jwks(signers));
    let gate = Gate::new(&[issuer(&server)]);
    gate.until_fresh().await;
    (gate, server)
}

/// A token of the shared RSA key with this header, as JSON text.
fn with_header(header: &str) -> String {
    Signer::shared_rsa().sign_raw(header, &claims().to_string())
}

fn header_with(member: &str) -> String {
    with_header(&format!(r#"{{"alg":"RS256","kid":"rsa"{member}}}"#))
}

#[tokio::test]
async fn a_header_that_asks_for_more_or_other_than_the_issuer_gives_is_refused() {
    let (gate, server) = gate_with(&[Signer::shared_rsa()]).await;
    assert_eq!(gate.outcome(&header_with("")).await, "ok");
    assert_eq!(
        gate.outcome(&header_with(r#","typ":"application/AT+jwt""#))
            .await,
        "token_invalid",
        "RFC 9068 section 2.2 requires client_id"
    );
    assert_eq!(
        gate.outcome(&header_with(r#","typ":"jwt","x5t":"AA""#))
            .await,
        "ok"
    );

    let embedded = Signer::p256("rsa");
    let own_key = format!(r#"{{"alg":"ES256","kid":"rsa","jwk":{}}}"#, embedded.jwk());
    let jku = format!(
        r#"{{"alg":"ES256","kid":"rsa","jku":"{}/evil"}}"#,
        server.issuer()
    );
    let before = server.fetches();
    for (attack, token) in [
        (
            "RFC 8725 section 3.1: alg none",
            with_header(r#"{"alg":"none","kid":"rsa"}"#),
        ),
        (
            "alg in another case",
            with_header(r#"{"alg":"rs256","kid":"rsa"}"#),
        ),
        ("alg NONE", with_header(r#"{"alg":"NONE","kid":"rsa"}"#)),
        (
            "alg of another scheme",
            with_header(r#"{"alg":"PS256","kid":"rsa"}"#),
        ),
        (
            "alg off the issuer's list",
            with_header(r#"{"alg":"RS384","kid":"rsa"}"#),
        ),
        (
            "alg is no string",
            with_header(r#"{"alg":["RS256"],"kid":"rsa"}"#),
        ),
        ("alg missing", with_header(r#"{"kid":"rsa"}"#)),
        (
            "alg twice",
            with_header(r#"{"alg":"none","alg":"RS256","kid":"rsa"}"#),
        ),
        (
            "alg twice, escaped",
            with_header(r#"{"\u0061lg":"none","alg":"RS256","kid":"rsa"}"#),
        ),
        (
            "CVE-2018-0114: embedded jwk",
            embedded.sign_raw(&own_key, &claims().to_string()),
        ),
        ("jku", embedded.sign_raw(&jku, &claims().to_string())),
        ("CVE-2025-59420: crit", header_with(r#","crit":["exp"]"#)),
        ("crit, empty", header_with(r#","crit":[]"#)),
        ("RFC 7797: b64", header_with(r#","b64":true"#)),
        ("CVE-2024-28176: zip", header_with(r#","zip":"DEF""#)),
        ("CVE-2023-51774: enc", header_with(r#","enc":"A256GCM""#)),
        ("nested token", header_with(r#","cty":"JWT""#)),
        ("kid is a number", with_header(r#"{"alg":"RS256","kid":1}"#)),
        ("kid is null", with_header(r#"{"alg":"RS256","kid":null}"#)),
        (
            "kid is a list",
            with_header(r#"{"alg":"RS256","kid":["rsa"]}"#),
        ),
        (
            "kid is a path",
            with_header(r#"{"alg":"RS256","kid":"../../dev/null"}"#),
        ),
        (
            "typ of another kind of token",
            header_with(r#","typ":"logout+jwt""#),
        ),
        ("typ is no string", header_with(r#","typ":1"#)),
        ("header is a list", with_header(r#"["RS256"]"#)),
    ] {
        assert_eq!(gate.outcome(&token).await, "token_invalid", "{attack}");
    }
    assert!(
        server.fetches() <= before + 1,
        "only the unknown kid asks for keys, and jku never"
    );
}

#[tokio::test]
async fn the_public_key_is_no_shared_secret() {
    use aws_lc_rs::hmac;
    let rsa = Signer::shared_rsa();
    let (gate, _server) = gate_with(&[rsa]).await;
    let secrets = [
        rsa.jwk().to_string().into_bytes(),
        rsa.jwk()["n"].as_str().unwrap().as_bytes().to_vec(),
    ];
    for secret in secrets {
        let header = encode(r#"{"alg":"HS256","kid":"rsa"}"#);
        let signed = format!("{header}.{}", encode(claims().to_string()));
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let token = format!("{signed}.{}", encode(hmac::sign(&key, signed.as_bytes())));
        assert_eq!(
            gate.outcome(&token).await,
            "token_invalid",
            "CVE-2016-10555"
        );
    }
    assert_eq!(gate.outcome(&rsa.sign(&claims())).await, "ok");
}

#[tokio::test]
async fn a_signature_that_is_not_the_keys_is_refused() {
    let (rsa, ec, ed) = (
        Signer::shared_rsa(),
        Signer::p256("ec"),
        Signer::ed25519("ed"),
    );
    let (gate, _server) = gate_with(&[rsa, &ec, &ed]).await;
    for signer in [rsa, &ec, &ed] {
        let token = signer.sign(&claims());
        assert_eq!(gate.outcome(&token).await, "ok", "{}", signer.algorithm());
        let (signed, signature) = token.rsplit_once('.').unwrap();
        for other in [
            "AA".to_owned(),
            encode([0; 64]),
            encode([0; 256]),
            encode([0xff; 64]),
            signature[..signature.len() - 4].to_owned(),
            format!("{signature}AAAA"),
            ec.sign(&claims_with(&json!({"sub": "bob"})))
                .rsplit_once('.')
                .unwrap()
                .1
                .to_owned(),
        ] {
            assert_eq!(
                gate.outcome(&format!("{signed}.{other}")).await,
                "token_invalid",
                "{}: {other} (r = s = 0 is CVE-2022-21449)",
                signer.algorithm()
            );
        }
        let header = signed.split_once('.').unwrap().0;
        let others = encode(claims_with(&json!({"tid": "globex"})).to_string());
        let swapped = format!("{header}.{others}.{signature}");
        assert_eq!(
            gate.outcome(&swapped).await,
            "token_invalid",
            "claims swapped"
        );
    }
    let strangers = Signer::rsa("rsa").sign(&claims());
    assert_eq!(
        gate.outcome(&strangers).await,
        "token_invalid",
        "another key of the same id"
    );
    let crossed = format!(r#"{{"alg":"{}","kid":"ec"}}"#, ed.algorithm());
    let crossed = ed.sign_raw(&crossed, &claims().to_string());
    assert_eq!(
        gate.outcome(&crossed).await,
        "token_invalid",
        "a key of another kind"
    );
}

#[tokio::test]
async fn a_token_has_one_spelling() {
    let (gate, _server) = gate_with(&[Signer::shared_rsa()]).await;
    let token = Signer::shared_rsa().sign(&claims());
    assert_eq!(gate.outcome(&token).await, "ok");
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        unreachable!("a token has three segments")
    };
    let json = json!({"protected": header, "payload": payload, "signature": signature});
    let padded = encode(claims_with(&json!({"pad": "x".repeat(16 * 1024)})).to_string());
    for (attack, spelling) in [
        ("padding", format!("{token}=")),
        (
            "padding of a segment",
            format!("{header}=.{payload}.{signature}"),
        ),
        ("a segment more", format!("{token}.{signature}")),
        ("an empty segment more", format!("{token}.")),
        (
            "five segments",
            format!("{header}..{payload}.{signature}.{signature}"),
        ),
        ("a segment less", format!("{header}.{payload}")),
        ("no signature", format!("{header}.{payload}.")),
        ("CVE-2022-39227: JSON serialisation", json.to_string()),
        (
            "CVE-2022-39227: mixed",
            format!("{{\"payload\":\"{header}.{payload}.{signature}\"}}"),
        ),
        ("the other alphabet", token.replace(['-', '_'], "+")),
        ("a blank inside", format!("{header}.{payload} .{signature}")),
        ("a line break", format!("{token}\n")),
        ("nothing", String::new()),
        ("CVE-2025-30204: dots", ".".repeat(16 * 1024)),
        (
            "longer than 16 KiB",
            format!("{header}.{padded}.{signature}"),
        ),
    ] {
        assert_eq!(gate.outcome(&spelling).await, "token_invalid", "{attack}");
    }
}

#[tokio::test]
async fn claims_are_judged_by_type_and_value() {
    let rsa = Signer::shared_rsa();
    let (gate, _server) = gate_with(&[rsa]).await;
    let day = 24 * 3600;
    for (claim, changes, outcome) in [
        ("as they should be", json!({}), "ok"),
        ("exp in the leeway", json!({"exp": NOW - 59}), "ok"),
        (
            "exp past the leeway",
            json!({"exp": NOW - 60}),
            "token_expired",
        ),
        (
            "exp long past",
            json!({"exp": NOW - day, "iat": NOW - 2 * day + 1}),
            "token_expired",
        ),
        (
            "exp with a fraction",
            json!({"exp": NOW as f64 + 0.5}),
            "ok",
        ),
        (
            "CVE-2026-25537: exp is a string",
            json!({"exp": (NOW + 600).to_string()}),
            "token_invalid",
        ),
        ("exp missing", json!({"exp": null}), "token_invalid"),
        ("exp is true", json!({"exp": true}), "token_invalid"),
        (
            "exp is a list",
            json!({"exp": [NOW + 600]}),
            "token_invalid",
        ),
        (
            "exp beyond all numbers",
            json!({"exp": 1e300}),
            "token_invalid",
        ),
        (
            "exp beyond 64 bits",
            json!({"exp": u64::MAX}),
            "token_invalid",
        ),
        ("exp negative", json!({"exp": -1}), "token_expired"),
        ("nbf in the leeway", json!({"nbf": NOW + 60}), "ok"),
        (
            "nbf in the future",
            json!({"nbf": NOW + 61}),
            "token_invalid",
        ),
        ("nbf is a string", json!({"nbf": "0"}), "token_invalid"),
        ("iat in the leeway", json!({"iat": NOW + 60}), "ok"),
        (
            "iat in the future",
            json!({"iat": NOW + 61}),
            "token_invalid",
        ),
        (
            "iat is a string",
            json!({"iat": NOW.to_string()}),
            "token_invalid",
        ),
        (
            "the longest lifetime",
            json!({"iat": NOW, "exp": NOW + day}),
            "ok",
        ),
        (
            "a longer lifetime",
            json!({"iat": NOW, "exp": NOW + day + 1}),
            "token_invalid",
        ),
        (
            "a long lifetime without iat",
            json!({"iat": null, "exp": NOW + day + 61}),
            "token_invalid",
        ),
        ("no iat", json!({"iat": null}), "ok"),
        (
            "CVE-2024-53861: part of iss",
            json!({"iss": "https://idp.example.co"}),
            "token_invalid",
        ),
        (
            "iss with a slash more",
            json!({"iss": format!("{ISSUER}/")}),
            "token_invalid",
        ),
        (
            "iss in another case",
            json!({"iss": "https://IDP.example.com"}),
            "token_invalid",
        ),
        ("iss is a list", json!({"iss": [ISSUER]}), "token_invalid"),
        ("iss missing", json!({"iss": null}), "token_invalid"),
        ("aud is a list", json!({"aud": ["other", "fabric"]}), "ok"),
        ("aud of another", json!({"aud": "other"}), "token_invalid"),
        (
            "part of aud",
            json!({"aud": "fabric-other"}),
            "token_invalid",
        ),
        ("aud empty", json!({"aud": []}), "token_invalid"),
        ("aud missing", json!({"aud": null}), "token_invalid"),
        (
            "aud holds a number",
            json!({"aud": ["fabric", 1]}),
            "token_invalid",
        ),
        (
            "aud is an object",
            json!({"aud": {"fabric": true}}),
            "token_invalid",
        ),
        ("sub missing", json!({"sub": null}), "token_invalid"),
        ("sub empty", json!({"sub": ""}), "token_invalid"),
        ("sub is a number", json!({"sub": 7}), "token_invalid"),
        (
            "sub with a line break",
            json!({"sub": "alice\r\nX-Evil: 1"}),
            "token_invalid",
        ),
        (
            "sub not ASCII",
            json!({"sub": "al\u{ed}ce"}),
            "token_invalid",
        ),
        ("tid missing", json!({"tid": null}), "token_invalid"),
        ("tid empty", json!({"tid": ""}), "token_invalid"),
        (
            "tid with a line break",
            json!({"tid": "acme\r\n"}),
            "token_invalid",
        ),
        (
            "tid is a path",
            json!({"tid": "../globex"}),
            "token_invalid",
        ),
        ("tid in upper case", json!({"tid": "ACME"}), "token_invalid"),
        ("tid is a list", json!({"tid": ["acme"]}), "token_invalid"),
        (
            "a role that is two",
            json!({"roles": ["lead,admin"]}),
            "token_invalid",
        ),
        (
            "roles are an object",
            json!({"roles": {"admin": true}}),
            "token_invalid",
        ),
        (
            "a hundred and one roles",
            json!({"roles": (0..101).map(|n| format!("r{n}")).collect::<Vec<_>>()}),
            "token_invalid",
        ),
        (
            "a scope with a quote",
            json!({"scope": "a\"b"}),
            "token_invalid",
        ),
        ("act is no object", json!({"act": "agent"}), "token_invalid"),
    ] {
        let token = rsa.sign(&claims_with(&changes));
        assert_eq!(gate.outcome(&token).await, outcome, "{claim}");
    }
}

#[tokio::test]
async fn a_claim_that_stands_twice_is_refused_in_every_spelling() {
    let rsa = Signer::shared_rsa();
    let (gate, _server) = gate_with(&[rsa]).await;
    let once = claims().to_string();
    let with = |member: &str| {
        let claims = format!("{},{member}}}", once.trim_end_matches('}'));
        rsa.sign_raw(r#"{"alg":"RS256","kid":"rsa"}"#, &claims)
    };
    assert_eq!(gate.outcome(&with(r#""extra":1"#)).await, "ok");
    for member in [
        r#""tid":"globex""#,
        r#""sub":"bob""#,
        r#""exp":9999999999"#,
        r#""roles":["admin"]"#,
        r#""\u0074id":"globex""#,
        r#""t\u0069d":"globex""#,
        r#""extra":{"a":1,"a":2}"#,
    ] {
        assert_eq!(
            gate.outcome(&with(member)).await,
            "token_invalid",
            "{member}"
        );
    }
}

#[tokio::test]
async fn an_access_token_has_what_rfc_9068_section_2_2_requires() {
    let rsa = Signer::shared_rsa();
    let (gate, _server) = gate_with(&[rsa]).await;
    let header = r#"{"alg":"RS256","kid":"rsa","typ":"at+jwt"}"#;
    let whole = claims_with(&json!({"client_id": "cli"}));
    let sign = |claims: &Value| rsa.sign_raw(header, &claims.to_string());
    assert_eq!(gate.outcome(&sign(&whole)).await, "ok");
    for name in ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"] {
        let mut claims = whole.clone();
        claims.as_object_mut().unwrap().remove(name);
        assert_eq!(
            gate.outcome(&sign(&claims)).await,
            "token_invalid",
            "without {name}"
        );
    }
}

#[tokio::test]
async fn no_answer_about_a_bad_token_is_our_fault() {
    let (gate, _server) = gate_with(&[Signer::shared_rsa()]).await;
    for token in [
        "",
        "a",
        "a.b.c",
        "e30.e30.e30",
        "bnVsbA.bnVsbA.bnVsbA",
        "\u{0}",
        "ü.ü.ü",
    ] {
        let refusal = gate.principal(token).await.unwrap_err();
        assert_eq!(
            (refusal.code(), refusal.status()),
            ("token_invalid", 401),
            "`{token}`"
        );
    }
}
