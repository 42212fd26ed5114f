//! Pictures for people to look at, left in `target/console`.

use crate::browser::Page;
use crate::stage::{DESK, HOSTILE, PHONE, Stage};

async fn whole(stage: &Stage, size: (u32, u32), scheme: &str) -> Page {
    let page = stage.console(size).await;
    page.prefer(scheme).await;
    page.until("document.querySelectorAll('#records > tr').length > 20")
        .await;
    page.until("document.querySelectorAll('#reasons > tr').length > 3")
        .await;
    page
}

#[tokio::test]
async fn pictures_of_the_console_are_left_to_look_at() {
    let mut stage = Stage::busy().await;
    stage.hold(("initech", "erin")).await;
    let page = stage.page(DESK).await;
    page.until("document.querySelector('#token').offsetParent")
        .await;
    let mut pictures = vec![page.picture("sign-in", None).await];
    for scheme in ["light", "dark"] {
        let page = whole(&stage, DESK, scheme).await;
        pictures.push(page.picture(&format!("desk-{scheme}"), None).await);
        pictures.push(page.screen(&format!("desk-{scheme}-screen")).await);
        let page = whole(&stage, PHONE, scheme).await;
        pictures.push(page.picture(&format!("phone-{scheme}"), None).await);
    }
    let page = whole(&stage, DESK, "light").await;
    page.click("#tenant-rows button").await;
    page.until("document.querySelectorAll('#resources > tr').length === 3")
        .await;
    page.click("#records > tr:nth-child(4) button").await;
    page.until("document.querySelector('#record-chain .state')")
        .await;
    page.fill("#explain-form [name=path]", "/sessions/sess-7f3a91")
        .await;
    page.fill("#explain-form [name=tenant]", "globex").await;
    page.fill("#explain-form [name=user]", HOSTILE).await;
    page.press("Enter").await;
    page.until("document.querySelector('#explained').textContent")
        .await;
    for panel in [
        "health", "policy", "traffic", "tenants", "audit", "streams", "explain",
    ] {
        pictures.push(page.picture(panel, Some(&format!("#{panel}"))).await);
    }
    for path in pictures {
        let bytes = std::fs::read(&path).unwrap();
        assert!(bytes.starts_with(b"\x89PNG"), "{}", path.display());
        assert!(bytes.len() > 4_000, "{} has nothing on it", path.display());
    }
}
