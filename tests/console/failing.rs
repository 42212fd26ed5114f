//! What the page says when the gate does not answer, or not as it should.

use serde_json::json;

use crate::browser::Page;
use crate::stage::{DESK, Stage};

/// Answers that are none, and what is said of each.
const ANSWERS: [(u16, &str, &str); 5] = [
    (
        500,
        r#"{"detail":"the ledger can't be read"}"#,
        "the ledger can't be read (500)",
    ),
    (502, "<h1>Bad gateway</h1>", "the gate answered 502"),
    (
        200,
        "<h1>Welcome</h1>",
        "the answer is not what a gate answers",
    ),
    (200, "{}", "the answer is not what a gate answers"),
    (0, "", "the gate does not answer"),
];

/// Waits until a place says something with these words in it and offers to try again.
async fn says(page: &Page, place: &str, words: &str) {
    let words = json!(words);
    page.until(&format!(
        "document.querySelector('{place} p')?.textContent.includes({words})"
    ))
    .await;
    assert_eq!(page.text_of(&format!("{place} button")).await, "Try again");
    let live = format!("document.querySelector('{place}').role");
    assert_eq!(page.value(&live).await, "status", "{place} is read out");
}

/// A console that looks again only when it is told to: what a test looks at stays as it is.
async fn patient(stage: &Stage) -> Page {
    let page = stage.console(DESK).await;
    page.value(
        "(() => { const later = window.setTimeout; \
         window.setTimeout = (what, after) => after === 5000 ? 0 : later(what, after); })()",
    )
    .await;
    page.value("window.looked = performance.getEntriesByType('resource').length")
        .await;
    page.look_again().await;
    page.until("performance.getEntriesByType('resource').length >= window.looked + 6")
        .await;
    page
}

async fn is_silent(page: &Page, place: &str) {
    page.until(&format!(
        "document.querySelector('{place}').childNodes.length === 0"
    ))
    .await;
}

#[tokio::test]
async fn a_panel_that_gets_no_answer_says_so_in_its_place_and_the_others_go_on() {
    let stage = Stage::busy().await;
    let page = patient(&stage).await;
    for (panel, path) in [
        ("health", "/readyz"),
        ("policy", "/v1/policy"),
        ("traffic", "/v1/series"),
        ("tenants", "/v1/tenants"),
        ("tenants", "/v1/series/spend"),
        ("streams", "/v1/streams"),
    ] {
        for (status, body, words) in ANSWERS {
            page.spoil(path, status, body).await;
            page.look_again().await;
            let place = format!("#{panel}-trouble");
            says(&page, &place, words).await;
            says(&page, &place, "What stands here is from ").await;
            let old = page
                .value("[...document.querySelectorAll('.panel[data-old]')].map((it) => it.id)")
                .await;
            assert_eq!(old, json!([panel]), "{path} {status}");
            assert_eq!(page.text_of("#disconnected").await, "");
            assert!(page.text_of("#freshness").await.starts_with("Updated"));
            page.spoil_no_more().await;
            page.click(&format!("{place} button")).await;
            is_silent(&page, &place).await;
            let focused = format!("document.activeElement.id === '{panel}'");
            assert_eq!(page.value(&focused).await, true, "focus stays in the panel");
        }
    }
    assert_eq!(page.complaints().await, [""; 0]);
}

#[tokio::test]
async fn a_tenants_detail_says_which_of_its_parts_is_not_to_be_had() {
    let stage = Stage::busy().await;
    let page = patient(&stage).await;
    for (place, path, rows) in [
        ("#lines-trouble", "/v1/tenants/acme/spend", "#lines > tr"),
        ("#resources-trouble", "/v1/resources", "#resources > tr"),
    ] {
        for (status, body, words) in ANSWERS {
            page.spoil(path, status, body).await;
            page.click("#tenant-rows button").await;
            says(&page, place, words).await;
            let shown = format!("document.querySelectorAll('{rows}').length");
            assert_eq!(page.value(&shown).await, 0, "{path} {status}");
            page.spoil_no_more().await;
            page.click(&format!("{place} button")).await;
            is_silent(&page, place).await;
            page.until(&format!("{shown} === 3")).await;
            page.click("#tenant-close").await;
            page.until("document.querySelector('#tenant').hidden").await;
        }
    }
}

#[tokio::test]
async fn a_tenant_that_is_taken_out_meanwhile_is_said_to_be_gone() {
    let stage = Stage::idle().await;
    let page = patient(&stage).await;
    page.click("#tenant-rows > tr:nth-child(2) button").await;
    page.until("document.querySelectorAll('#lines > tr').length > 0")
        .await;
    assert_eq!(page.text_of("#tenant-title").await, "globex");
    assert_eq!(page.text_of("#tenant-trouble").await, "");
    let policy = stage.gate.folder().join("policies/02.toml");
    let text = std::fs::read_to_string(policy).unwrap();
    stage.gate.write_policy(
        "02.toml",
        &text.replace("id = \"globex\"", "id = \"hooli\""),
    );
    page.click("#reload").await;
    page.until("document.querySelector('#tenant-trouble').textContent.includes('does not have this tenant any more')")
        .await;
    stage.gate.write_policy("02.toml", &text);
    page.click("#reload").await;
    is_silent(&page, "#tenant-trouble").await;
}

#[tokio::test]
async fn what_is_asked_by_hand_and_not_answered_is_told_where_it_was_asked() {
    let stage = Stage::busy().await;
    let page = patient(&stage).await;
    page.until("document.querySelectorAll('#records > tr').length > 20")
        .await;
    for (status, body, words) in ANSWERS {
        let seq = "document.querySelector('#records > tr').dataset.seq";
        let record = format!("/v1/audit/{}", page.text(seq).await);
        page.spoil(&record, status, body).await;
        page.click("#records button").await;
        says(&page, "#record-trouble", words).await;
        page.spoil_no_more().await;
        page.click("#record-trouble button").await;
        is_silent(&page, "#record-trouble").await;
        page.until("document.querySelector('#record-chain .state')")
            .await;
        page.click("#record-close").await;

        page.spoil("/v1/audit", status, body).await;
        page.click("#clear").await;
        says(&page, "#audit-trouble", words).await;
        page.spoil_no_more().await;
        page.click("#audit-trouble button").await;
        is_silent(&page, "#audit-trouble").await;
        page.until("document.querySelectorAll('#records > tr').length > 20")
            .await;

        page.spoil("/v1/explain", status, body).await;
        page.click("#explain-form button").await;
        let words = json!(words);
        page.until(&format!(
            "document.querySelector('#explained').textContent.includes({words})"
        ))
        .await;
        page.spoil("/v1/policy/reload", status, body).await;
        page.click("#reload").await;
        page.until(&format!(
            "document.querySelector('#reload-said').textContent.includes({words})"
        ))
        .await;
        page.spoil_no_more().await;
    }
    assert_eq!(page.complaints().await, [""; 0]);
}

#[tokio::test]
async fn a_gate_that_goes_away_leaves_its_last_figures_marked_as_old_until_it_is_back() {
    let mut stage = Stage::busy().await;
    let page = stage.console(DESK).await;
    let figures = "[...document.querySelectorAll('.figure')].map((it) => it.textContent)";
    stage.gate.kill();
    page.look_again().await;
    page.until("document.querySelector('#disconnected').textContent")
        .await;
    let last = page.value(figures).await;
    let said = page.text_of("#disconnected p").await;
    // Of a panel it is when its own figures came, which may be earlier.
    let freshness = page.text_of("#freshness").await;
    let since = freshness.strip_prefix("Not connected since ").unwrap();
    assert_eq!(
        said,
        format!(
            "Not connected to the gate since {since}. What is shown is from then. \
             This page goes on trying by itself."
        )
    );
    let role = "document.querySelector('#disconnected').role";
    assert_eq!(page.value(role).await, "alert");
    page.until("document.querySelectorAll('.panel[data-old]').length === 6")
        .await;
    page.look_again().await;
    assert_eq!(page.value(figures).await, last, "the last figures stay");
    assert!(!last.as_array().unwrap().is_empty(), "{last}");
    let current = "document.querySelectorAll('.figures > div:not(.old)').length";
    assert_eq!(page.value(current).await, 0);

    stage.gate.start_again().await;
    is_silent(&page, "#disconnected").await;
    page.until("document.querySelectorAll('[data-old], .old').length === 0")
        .await;
    assert!(page.text_of("#freshness").await.starts_with("Updated"));
}
