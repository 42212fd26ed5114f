//! Who gets in, and what is known before.

use crate::browser::Page;
use crate::stage::{DESK, Stage, TOKEN, sign_in};
use crate::support::raw_client;

#[tokio::test]
async fn a_wrong_token_is_refused_with_a_message_and_the_right_one_shows_the_console() {
    let stage = Stage::idle().await;
    let page = stage.page(DESK).await;
    page.until("document.querySelector('#token').offsetParent")
        .await;
    assert_eq!(
        page.value("document.querySelector('#console').hidden")
            .await,
        true
    );

    page.fill("#token", "a-guess").await;
    page.press("Enter").await;
    page.until("document.querySelector('#sign-in-problem').textContent")
        .await;
    assert_eq!(
        page.text_of("#sign-in-problem").await,
        "That is not the gate's admin token."
    );
    assert_eq!(
        page.value("document.querySelector('#console').hidden")
            .await,
        true
    );
    assert_eq!(
        page.value("sessionStorage.length").await,
        0,
        "a guess is not kept"
    );

    sign_in(&page).await;
    assert_eq!(page.text_of("#health-state").await, "Ready");
    assert_eq!(
        page.value("document.querySelector('#token').value").await,
        ""
    );
    assert_eq!(page.value("document.cookie").await, "");
    let refusals = page.refusals();
    assert!(
        refusals
            .iter()
            .all(|(status, url)| *status == 401 && url.ends_with("/v1/policy")),
        "{refusals:?}"
    );
    assert_eq!(page.complaints().await, [""; 0]);
}

#[tokio::test]
async fn signing_out_forgets_the_token_and_everything_that_was_shown() {
    let stage = Stage::idle().await;
    let page = stage.console(DESK).await;
    let kept = page.value("Object.values(sessionStorage)").await;
    assert_eq!(kept[0], TOKEN);
    assert_eq!(page.value("Object.values(localStorage).length").await, 0);

    page.click("#sign-out").await;
    page.until("document.querySelector('#token')?.offsetParent")
        .await;
    assert_eq!(page.value("sessionStorage.length").await, 0);
    assert_eq!(
        page.value("document.querySelector('#figures').textContent")
            .await,
        ""
    );
    sign_in(&page).await;
}

/// Tenants, users, a path and a route of those that were busy.
const SECRETS: [&str; 6] = [
    "initech",
    "alice",
    "carol",
    "sess-7f3a91",
    "session.read",
    "typed-by-hand",
];

/// Which of the secrets are in the page: in its markup, in what stands in its fields, in what its
/// scripts remember.
async fn secrets(page: &Page) -> Vec<&'static str> {
    let markup = page.text("document.documentElement.outerHTML").await;
    let fields = "[...document.querySelectorAll('input, select, textarea')].map((it) => it.value).join('\\n')";
    let fields = page.text(fields).await;
    let memory = page.memory().await;
    let everything = [markup, fields, memory];
    let is_there = |secret: &&str| everything.iter().any(|place| place.contains(secret));
    SECRETS.into_iter().filter(is_there).collect()
}

/// Has every part of the page show something of a tenant.
async fn look_at_everything(stage: &Stage, page: &Page) {
    page.click("#tenant-rows button").await;
    page.until("document.querySelectorAll('#resources > tr').length === 3")
        .await;
    page.click("#records button").await;
    page.until("document.querySelector('#record-chain .state')")
        .await;
    page.click("#pause").await;
    stage
        .ask(("globex", "carol"), "GET", "/sessions/sess-7f3a91", "")
        .await;
    page.fill("#explain-form [name=path]", "/sessions/sess-7f3a91")
        .await;
    page.fill("#explain-form [name=tenant]", "globex").await;
    page.fill("#explain-form [name=user]", "carol").await;
    page.press("Enter").await;
    page.until("document.querySelector('#explained').textContent")
        .await;
    page.value("document.querySelector('#explain-form details').open = true")
        .await;
    page.fill("#explain-form [name=body]", "typed-by-hand")
        .await;
    page.fill("#find-tenant", "e").await;
    page.fill("#filters [name=tenant]", "initech").await;
}

#[tokio::test]
async fn nothing_of_a_tenant_stays_in_the_page_of_who_signs_out() {
    let stage = Stage::busy().await;
    let page = stage.console(DESK).await;
    look_at_everything(&stage, &page).await;
    assert_eq!(secrets(&page).await, SECRETS);
    page.click("#sign-out").await;
    page.until("document.querySelector('#token').offsetParent")
        .await;
    assert_eq!(secrets(&page).await, [""; 0]);
    sign_in(&page).await;
    page.until("document.querySelectorAll('#tenant-rows > tr').length === 4")
        .await;
    assert_eq!(page.complaints().await, [""; 0]);
}

#[tokio::test]
async fn nothing_of_a_tenant_stays_in_the_page_whose_token_is_taken_no_more() {
    let stage = Stage::busy().await;
    for asked in ["/v1/policy", "/v1/streams", "/v1/explain"] {
        let page = stage.console(DESK).await;
        look_at_everything(&stage, &page).await;
        assert_eq!(secrets(&page).await, SECRETS);
        page.spoil(asked, 401, "").await;
        match asked {
            "/v1/explain" => page.click("#explain-form button").await,
            _ => page.look_again().await,
        }
        page.until("document.querySelector('#token').offsetParent")
            .await;
        assert_eq!(secrets(&page).await, [""; 0], "{asked}");
        assert_eq!(
            page.text_of("#sign-in-problem").await,
            "The gate does not take this token any more."
        );
        assert_eq!(page.value("document.activeElement.id").await, "token");
        assert_eq!(page.value("sessionStorage.length").await, 0);
    }
}

#[tokio::test]
async fn a_token_that_is_taken_no_more_leads_back_to_the_form() {
    let stage = Stage::idle().await;
    let page = stage.console(DESK).await;
    // As if the gate had been started anew with another token.
    page.value("sessionStorage.setItem('fabric-gate-admin-token', 'old')")
        .await;
    page.value("location.reload()").await;
    page.until("document.querySelector('#token')?.offsetParent")
        .await;
    assert_eq!(page.value("sessionStorage.length").await, 0);
    sign_in(&page).await;
}

#[tokio::test]
async fn without_a_configured_token_the_page_says_how_to_set_one() {
    let gate = crate::support::gate_process::GateProcess::builder()
        .policy("[[tenants]]\nid = \"acme\"\n")
        .without_admin_token()
        .start()
        .await;
    let browser = crate::browser::Browser::start().await;
    let url = format!("http://{}/", gate.admin_address().authority());
    let page = browser.open(&url, DESK).await;
    page.until("document.querySelector('#no-token').offsetParent")
        .await;
    let said = page.text_of("#no-token").await;
    assert!(said.contains("[admin]\ntoken = "), "{said}");
    assert_eq!(
        page.value("document.querySelector('#token').offsetParent")
            .await,
        serde_json::Value::Null
    );
    assert_eq!(page.complaints().await, [""; 0]);
}

#[tokio::test]
async fn the_page_comes_with_the_headers_that_confine_it_and_under_no_strangers_name() {
    let stage =
        Stage::idle_with(|builder| builder.section("admin", "hosts = [\"Gate.internal\"]\n")).await;
    let admin = stage.gate.admin_address();
    let asked = |target: &str, host: &str| {
        let request = raw_client::request("GET", target, &[("Connection", "close")], b"");
        let text = String::from_utf8(request).unwrap();
        let lines = text.split("\r\n").map(|line| {
            if line.to_ascii_lowercase().starts_with("host:") {
                format!("Host: {host}")
            } else {
                line.to_owned()
            }
        });
        lines.collect::<Vec<_>>().join("\r\n")
    };
    for host in [
        admin.authority(),
        "localhost:1".to_owned(),
        "gate.internal".to_owned(),
    ] {
        let page = raw_client::exchange(admin, asked("/", &host)).await;
        assert_eq!(page.status, 200, "{host}: {page:?}");
        let policy = page.header("content-security-policy").unwrap();
        for part in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        assert_eq!(
            page.header("x-content-type-options").as_deref(),
            Some("nosniff")
        );
        assert_eq!(
            page.header("referrer-policy").as_deref(),
            Some("no-referrer")
        );
        assert_eq!(
            page.header("cross-origin-opener-policy").as_deref(),
            Some("same-origin")
        );
        assert!(page.header("set-cookie").is_none());
    }
    for target in ["/", "/console/main.js"] {
        let refused = raw_client::exchange(admin, asked(target, "evil.example:9901")).await;
        assert_eq!(refused.status, 421, "{refused:?}");
        assert!(refused.text().contains("[admin] hosts"), "{refused:?}");
    }
    // Programs may call the API by whatever name they know it under.
    let refused = raw_client::exchange(admin, asked("/v1/policy", "gate.ns.svc:9901")).await;
    assert_eq!(refused.status, 401, "{refused:?}");
}
