//! The page by keyboard, and as a screen reader is told of it.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::stage::{DESK, PHONE, Stage};

const CONTROLS: &str = "a[href], button, input, select, textarea, summary, [tabindex='0']";

#[tokio::test]
async fn every_control_is_reached_by_tab_in_the_order_of_the_page_and_seen() {
    let stage = Stage::busy().await;
    let page = stage.console(DESK).await;
    page.click("#tenant-rows button").await;
    page.until("document.querySelectorAll('#resources > tr').length === 3")
        .await;
    // A row a record is too many to go through; three tell as much.
    page.fill("[name=reason]", "not_found").await;
    page.press("Enter").await;
    page.until("document.querySelectorAll('#records > tr').length === 3")
        .await;

    let expected = page
        .value(&format!(
            "(() => {{ let number = 0; const radios = new Set(); \
             const all = [...document.querySelectorAll(\"{CONTROLS}\")].filter((it) => \
               it.checkVisibility() && !it.disabled && !(it.type === 'radio' && !it.checked)); \
             for (const it of all) it.dataset.stop = String(number += 1); \
             document.activeElement.blur(); window.scrollTo(0, 0); \
             document.querySelector('.skip').focus(); return number; }})()"
        ))
        .await
        .as_u64()
        .unwrap();
    assert!(expected > 30, "{expected} controls");
    let mut order = Vec::new();
    let mut unseen = Vec::new();
    for _ in 0..expected {
        let stop = page
            .value(
                "(() => { const it = document.activeElement; const style = getComputedStyle(it); \
                 const label = it.type === 'radio' ? getComputedStyle(it.nextElementSibling) : style; \
                 const box = it.getBoundingClientRect(); \
                 return {stop: Number(it.dataset.stop), name: it.outerHTML.slice(0, 80), \
                 seen: label.outlineStyle !== 'none' && parseFloat(label.outlineWidth) >= 2 || it.matches('.skip'), \
                 inside: box.bottom > 0 && box.top < innerHeight}; })()",
            )
            .await;
        order.push(stop["stop"].as_u64().unwrap_or_default());
        if stop["seen"] != true || stop["inside"] != true {
            unseen.push(stop.clone());
        }
        page.press("Tab").await;
    }
    let whole: Vec<u64> = (1..=expected).collect();
    assert_eq!(order, whole);
    assert_eq!(unseen, [json!(null); 0]);
}

#[tokio::test]
async fn every_control_has_a_name_for_those_who_do_not_see_it() {
    let stage = Stage::busy().await;
    let page = stage.console(DESK).await;
    page.click("#tenant-rows button").await;
    page.click("#records button").await;
    page.until("document.querySelector('#record-chain .state')")
        .await;
    let tree = page.call("Accessibility.getFullAXTree", json!({})).await;
    let mut roles = HashSet::new();
    let mut landmarks = Vec::new();
    let mut nameless = Vec::new();
    for node in tree["nodes"].as_array().unwrap() {
        if node["ignored"] == true {
            continue;
        }
        let role = node["role"]["value"].as_str().unwrap_or_default();
        let name = node["name"]["value"].as_str().unwrap_or_default();
        roles.insert(role.to_owned());
        if [
            "button",
            "link",
            "textbox",
            "searchbox",
            "combobox",
            "radio",
            "table",
            "image",
            "region",
            "navigation",
            "form",
        ]
        .contains(&role)
            && name.trim().is_empty()
        {
            nameless.push(node.clone());
        }
        if ["banner", "main", "navigation", "region"].contains(&role) {
            landmarks.push(format!("{role} {name}"));
        }
    }
    assert_eq!(nameless, [Value::Null; 0]);
    for role in [
        "banner",
        "main",
        "navigation",
        "button",
        "radio",
        "table",
        "columnheader",
        "rowheader",
        "image",
        "status",
    ] {
        assert!(roles.contains(role), "no {role} among {roles:?}");
    }
    for part in [
        "Health",
        "Policy",
        "Requests and denials",
        "Tenants",
        "Audit",
        "Open streams",
        "Explain a request",
    ] {
        assert!(
            landmarks.contains(&format!("region {part}")),
            "{part}: {landmarks:?}"
        );
    }
    let headings = "[...document.querySelectorAll('h1, h2, h3')].filter((it) => it.checkVisibility()).map((it) => Number(it.tagName[1]))";
    let levels: Vec<u64> = serde_json::from_value(page.value(headings).await).unwrap();
    assert_eq!(levels[0], 1);
    assert!(
        levels.windows(2).all(|pair| pair[1] <= pair[0] + 1),
        "{levels:?}"
    );
}

#[tokio::test]
async fn what_looks_again_by_itself_is_not_read_out_each_time() {
    let stage = Stage::busy().await;
    let page = stage.console(DESK).await;
    page.value(
        "window.spoken = []; for (const it of document.querySelectorAll('[role=status], [role=alert], [aria-live]')) \
         new MutationObserver(() => window.spoken.push(it.id)).observe(it, {childList: true, characterData: true, subtree: true}); \
         window.looked = performance.getEntriesByType('resource').length",
    )
    .await;
    stage
        .ask(("acme", "alice"), "GET", "/sessions/none", "")
        .await;
    page.look_again().await;
    page.until("performance.getEntriesByType('resource').length > window.looked + 6")
        .await;
    assert_eq!(page.value("window.spoken").await, json!([]));
}

#[tokio::test]
async fn nothing_is_cut_off_at_the_width_of_a_phone() {
    let stage = Stage::busy().await;
    let page = stage.console(PHONE).await;
    for width in [PHONE.0, 360] {
        page.resize(width, PHONE.1).await;
        page.until(&format!("innerWidth === {width}")).await;
        let wide = page.value("document.documentElement.scrollWidth").await;
        assert_eq!(wide, width, "the page scrolls sideways");
        let cut = page
            .value(
                "[...document.querySelectorAll('button, input, select, h2, .figure')].filter((it) => { \
                 if (!it.checkVisibility() || it.closest('.scroll, .sections') || it.type === 'radio') return false; \
                 const box = it.getBoundingClientRect(); return box.left < -1 || box.right > innerWidth + 1; }) \
                 .map((it) => it.outerHTML.slice(0, 80))",
            )
            .await;
        assert_eq!(cut, json!([]));
    }
}

#[tokio::test]
async fn the_theme_is_the_systems_until_somebody_chooses() {
    let stage = Stage::idle().await;
    let page = stage.console(DESK).await;
    let ground = "getComputedStyle(document.body).backgroundColor";
    page.prefer("light").await;
    let light = page.text(ground).await;
    page.prefer("dark").await;
    let dark = page.text(ground).await;
    assert_ne!(light, dark);
    page.click("#theme").await;
    assert_eq!(page.text_of("#theme").await, "Theme: light");
    assert_eq!(page.text(ground).await, light);
    page.click("#theme").await;
    page.prefer("light").await;
    assert_eq!(page.text(ground).await, dark);
    page.value("location.reload()").await;
    page.until("document.querySelector('#theme')?.textContent === 'Theme: dark'")
        .await;
}
