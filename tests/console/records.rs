//! Audit records: those that are there, those that come, filters, and one in full.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::browser::{Page, until};
use crate::stage::{DESK, Stage};

/// Values of a field's column: decision 1, reason 3, tenant 4, user 5, route 7.
async fn column(page: &Page, number: usize) -> Vec<String> {
    let cells = format!(
        "[...document.querySelectorAll('#records > tr')].map((row) => row.children[{number}].textContent)"
    );
    serde_json::from_value(page.value(&cells).await).unwrap()
}

#[tokio::test]
async fn filters_leave_what_fits_and_the_tail_goes_on_under_them() {
    let stage = Stage::busy().await;
    let page = stage.console(DESK).await;
    let all = "document.querySelectorAll('#records > tr').length";
    page.until(&format!("{all} >= 60")).await;

    page.fill("[name=tenant]", "globex").await;
    page.fill("[name=reason]", "not_found").await;
    page.press("Enter").await;
    page.until(&format!("{all} === 3")).await;
    assert_eq!(column(&page, 4).await, ["globex"; 3]);
    assert_eq!(column(&page, 3).await, ["not_found"; 3]);
    assert_eq!(column(&page, 7).await, ["session.read"; 3]);
    page.until("document.querySelector('#tail-state').textContent === 'Live'")
        .await;

    // What comes and fits is shown without being asked for; what does not fit is not.
    stage
        .ask(("acme", "alice"), "GET", "/sessions/none", "")
        .await;
    stage
        .ask(("globex", "dave"), "GET", "/sessions/none", "")
        .await;
    page.until(&format!("{all} === 4")).await;
    assert_eq!(column(&page, 5).await[0], "dave", "the newest is on top");

    page.click("#clear").await;
    page.until(&format!("{all} >= 60")).await;
    page.value("(() => { const it = document.querySelector('[name=decision]'); it.value = 'deny'; it.dispatchEvent(new Event('change')); })()").await;
    page.until(&format!("{all} > 0 && {all} < 60")).await;
    let decisions = column(&page, 1).await;
    assert!(
        decisions.iter().all(|decision| decision == "deny"),
        "{decisions:?}"
    );

    page.click("#clear").await;
    page.fill("[name=route]", "settings.write").await;
    page.press("Enter").await;
    page.until(&format!("{all} === 4")).await;
    assert_eq!(column(&page, 3).await, ["role_required"; 4]);

    page.fill("[name=tenant]", "no tenant").await;
    page.press("Enter").await;
    page.until("document.querySelector('#filters-problem').textContent")
        .await;
    let said = page.text_of("#filters-problem").await;
    assert!(said.contains("`no tenant` is not a tenant id"), "{said}");
}

#[tokio::test]
async fn a_record_is_shown_as_it_stands_in_the_log_with_its_place_in_the_chain() {
    let stage = Stage::busy().await;
    let page = stage.console(DESK).await;
    page.fill("[name=reason]", "role_required").await;
    page.press("Enter").await;
    page.until("document.querySelectorAll('#records > tr').length === 4")
        .await;
    page.click("#records > tr:last-child button").await;
    page.until("document.querySelector('#record-chain .state')")
        .await;
    let state = page.text_of("#record-chain .state").await;
    // Which of the two depends on how long ago the gate started.
    let sound = [
        "In the chain, not yet under a checkpoint",
        "Verified in the chain",
    ];
    assert!(sound.contains(&state.as_str()), "{state}");
    let newest = stage.api("/v1/audit?reason=role_required&limit=4").await;
    let record = &newest["records"][3];
    let shown = page
        .value("Object.fromEntries([...document.querySelectorAll('#record-facts > div')].map((row) => [row.children[0].textContent, row.children[1].textContent]))")
        .await;
    assert_eq!(
        shown.as_object().unwrap().len(),
        record.as_object().unwrap().len()
    );
    for (name, value) in record.as_object().unwrap() {
        let text = match value {
            Value::Null => "none".to_owned(),
            Value::String(text) => text.clone(),
            Value::Array(list) if list.is_empty() => "none".to_owned(),
            other => other.to_string(),
        };
        assert_eq!(shown[name], text, "{name}");
    }
    let title = format!("Record {}", record["seq"]);
    assert_eq!(page.text_of("#record-title").await, title);

    page.click("#record-close").await;
    page.until("document.querySelector('#record').hidden").await;
    let focused = "document.activeElement.closest('tr') === document.querySelector('#records > tr:last-child')";
    assert_eq!(
        page.value(focused).await,
        true,
        "focus goes back to where it came from"
    );
}

#[tokio::test]
async fn a_pause_keeps_what_comes_for_later() {
    let stage = Stage::busy().await;
    let page = stage.console(DESK).await;
    page.fill("[name=route]", "settings.write").await;
    page.press("Enter").await;
    let all = "document.querySelectorAll('#records > tr').length";
    page.until(&format!("{all} === 4")).await;
    page.until("document.querySelector('#tail-state').textContent === 'Live'")
        .await;
    page.click("#pause").await;
    assert_eq!(
        page.value("document.querySelector('#pause').ariaPressed")
            .await,
        "true"
    );
    stage.ask(("acme", "alice"), "PUT", "/settings", "").await;
    until("the record", async || {
        let page = stage.api("/v1/audit?route=settings.write").await;
        (page["records"].as_array()?.len() == 5).then_some(())
    })
    .await;
    assert_eq!(page.value(all).await, 4);
    page.click("#pause").await;
    page.until(&format!("{all} === 5")).await;
}

#[tokio::test]
async fn records_that_came_too_fast_to_be_shown_are_told_of() {
    let stage = Stage::busy().await;
    let page = stage.console(DESK).await;
    let pattern = json!({ "patterns": [{ "urlPattern": "*/v1/audit/tail*" }] });
    page.call("Fetch.enable", pattern).await;
    page.fill("[name=reason]", "role_required").await;
    page.press("Enter").await;
    let paused = until("the tail", async || {
        page.told("Fetch.requestPaused").into_iter().next()
    })
    .await;
    let events = "event: open\ndata: {}\n\nevent: gap\ndata: {\"missed\":1234}\n\n";
    let answer = json!({
        "requestId": paused["requestId"],
        "responseCode": 200,
        "responseHeaders": [{ "name": "content-type", "value": "text/event-stream" }],
        "body": STANDARD.encode(events),
    });
    page.call("Fetch.fulfillRequest", answer).await;
    page.until("document.querySelector('#records .gap')").await;
    assert_eq!(
        page.text_of("#records .gap").await,
        "1,234 records came faster than this page could read. They are in the log."
    );
}

#[tokio::test]
async fn a_tail_that_breaks_off_is_told_of_and_begins_again() {
    let mut stage = Stage::busy().await;
    let page = stage.console(DESK).await;
    stage.gate.kill();
    page.until("document.querySelector('#tail-state').textContent.startsWith('Connection lost')")
        .await;
    stage.gate.start_again().await;
    page.until("document.querySelector('#tail-state').textContent === 'Live'")
        .await;
    stage
        .ask(("acme", "alice"), "GET", "/sessions/none", "")
        .await;
    let first = "document.querySelector('#records > tr').textContent";
    page.until(&format!("{first}.includes('not_found')")).await;
}
