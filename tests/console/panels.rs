//! What the panels say is what the API says.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::browser::{Page, until};
use crate::stage::{DESK, HOSTILE, Stage, sum};

/// Texts of the cells of a table's rows.
async fn table(page: &Page, body: &str) -> Vec<Vec<String>> {
    let rows = page
        .value(&format!(
            "[...document.querySelectorAll('{body} > tr')].map((row) => \
             [...row.children].map((cell) => cell.innerText.trim()))"
        ))
        .await;
    serde_json::from_value(rows).unwrap()
}

/// What stands under each name of a list of facts.
async fn facts(page: &Page, list: &str) -> Value {
    page.value(&format!(
        "Object.fromEntries([...document.querySelectorAll('{list} > div')].map((row) => \
         [row.children[0].innerText, row.children[1].innerText]))"
    ))
    .await
}

/// An amount as the page shows it.
fn dollars(text: &Value) -> String {
    let text = text.as_str().unwrap();
    let (whole, fraction) = text.split_once('.').unwrap();
    let fraction = fraction.trim_end_matches('0');
    format!("${whole}.{fraction:0<2}")
}

#[tokio::test]
async fn requests_and_denials_are_those_that_were_made_by_reason() {
    let stage = Stage::busy().await;
    let series = stage.api("/v1/series?window=hour").await;
    let page = stage.console(DESK).await;
    page.until("document.querySelectorAll('#reasons > tr').length > 1")
        .await;
    let shown = table(&page, "#reasons").await;
    let shown: Value = shown
        .iter()
        .map(|row| (row[0].clone(), Value::from(row[2].parse::<u64>().unwrap())))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let mut expected = json!({ "permitted": sum(&series["permitted"]) });
    for (code, counts) in series["refused"].as_object().unwrap() {
        expected[code] = sum(counts).into();
    }
    assert_eq!(shown, expected);
    for reason in [
        "budget_exceeded",
        "not_found",
        "role_required",
        "credentials_missing",
    ] {
        assert!(shown[reason].as_u64().unwrap() > 0, "{reason}: {shown}");
    }
    // What the metrics say of the same.
    let metrics = stage.gate.admin("GET", "/metrics", b"").await.text();
    let roles = metrics
        .lines()
        .find(|line| line.starts_with("fabric_gate_denials_total{reason=\"role_required\""));
    let roles = roles.unwrap().rsplit(' ').next().unwrap();
    assert_eq!(shown["role_required"].to_string(), roles);

    let drawn = "document.querySelectorAll('#traffic-plot rect.refused').length";
    assert!(page.value(drawn).await.as_u64().unwrap() > 0);
    let said = page
        .text("document.querySelector('#traffic-plot svg').getAttribute('aria-label')")
        .await;
    let permitted = sum(&series["permitted"]);
    assert!(said.contains(&format!("{permitted} permitted")), "{said}");

    page.value("document.querySelector('input[value=day]').click()")
        .await;
    page.until(
        "document.querySelector('#traffic-plot svg').getAttribute('aria-label').includes('day')",
    )
    .await;
    let day = table(&page, "#reasons").await;
    assert_eq!(
        day[0][2],
        permitted.to_string(),
        "the day has at least the hour"
    );
}

#[tokio::test]
async fn tenants_have_what_they_spent_reserved_and_own() {
    let mut stage = Stage::busy().await;
    stage.hold(("initech", "erin")).await;
    let page = stage.console(DESK).await;
    page.until("document.querySelectorAll('#tenant-rows > tr').length === 4")
        .await;
    page.until("document.querySelector('#tenant-rows').innerText.includes('$0.05')")
        .await;
    let shown = table(&page, "#tenant-rows").await;
    let tenants = stage.api("/v1/tenants").await;
    // A bar shows an amount in a few digits; its name has all of them.
    let bars = page
        .value(
            "[...document.querySelectorAll('#tenant-rows .meter')].map((bar) => \
             [bar.closest('tr').children[0].innerText.trim(), bar.getAttribute('aria-label')])",
        )
        .await;
    let mut named: HashMap<&str, Vec<&str>> = HashMap::new();
    for bar in bars.as_array().unwrap() {
        let (tenant, name) = (bar[0].as_str().unwrap(), bar[1].as_str().unwrap());
        named.entry(tenant).or_default().push(name);
    }
    let bars = named;
    let mut rows = shown.iter();
    for tenant in tenants["tenants"].as_array().unwrap() {
        for ceiling in tenant["ceilings"].as_array().unwrap() {
            let row = rows.next().unwrap();
            assert_eq!(row[0], tenant["id"].as_str().unwrap());
            let [spent, reserved, limit] =
                ["spent_usd", "reserved_usd", "limit_usd"].map(|key| dollars(&ceiling[key]));
            let named = format!("{spent} spent and {reserved} reserved of {limit}");
            let bar = &bars[row[0].as_str()];
            assert!(
                bar.iter().any(|bar| bar.contains(&named)),
                "{bar:?}, {named}"
            );
            assert_eq!(row[2], reserved);
            let never = ceiling["resets_at"].is_null();
            assert_eq!(row[3] == "never", never, "{row:?}");
        }
    }
    // Globex may not spend what it has left: the next call would not fit.
    let near = facts(&page, "#figures").await;
    assert_eq!(near["Near a ceiling"], "1", "{near}");

    // What it was charged over the hour is what it has spent, for all was within it.
    let spend = stage.api("/v1/series/spend").await;
    let charged: f64 = spend["tenants"]["acme"]
        .as_array()
        .unwrap()
        .iter()
        .map(|amount| amount.as_str().unwrap().parse::<f64>().unwrap())
        .sum();
    let spent = tenants["tenants"][0]["ceilings"][0]["spent_usd"]
        .as_str()
        .unwrap();
    assert!((charged - spent.parse::<f64>().unwrap()).abs() < 1e-9);
    assert_eq!(shown[0][4], format!("${charged:.2}"));

    page.click("#tenant-rows button").await;
    page.until("document.querySelectorAll('#resources > tr').length === 3")
        .await;
    assert_eq!(page.text_of("#tenant-title").await, "acme");
    let owned = table(&page, "#resources").await;
    let resources = stage.api("/v1/resources?tenant=acme").await;
    for (row, resource) in owned.iter().zip(resources["resources"].as_array().unwrap()) {
        assert_eq!(
            (&*row[0], &*row[1], &*row[2]),
            (
                resource["kind"].as_str().unwrap(),
                resource["id"].as_str().unwrap(),
                resource["user"].as_str().unwrap()
            )
        );
    }
    let lines = table(&page, "#lines").await;
    let whose: Vec<&str> = lines.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(whose, ["tenant", "user alice", "user bob"]);
    page.fill("#find-tenant", "ini").await;
    page.until("document.querySelectorAll('#tenant-rows > tr').length === 2")
        .await;
}

#[tokio::test]
async fn open_streams_come_and_go() {
    let mut stage = Stage::busy().await;
    let page = stage.console(DESK).await;
    page.until("document.querySelectorAll('#stream-rows > tr').length === 1")
        .await;
    let row = table(&page, "#stream-rows").await.remove(0);
    assert_eq!(&row[..3], ["acme", "alice", "events"]);
    assert_eq!(page.text_of("#streams-number").await, "1 open");
    let streams = stage.api("/v1/streams").await;
    assert_eq!(streams["open"], 1);
    assert_eq!(streams["streams"][0]["upstream"], "agents");

    stage.open_stream(("globex", "carol")).await;
    page.look_again().await;
    page.until("document.querySelectorAll('#stream-rows > tr').length === 2")
        .await;
    stage.close_streams();
    until("the end of the streams", async || {
        (stage.api("/v1/streams").await["open"] == 0).then_some(())
    })
    .await;
    page.look_again().await;
    page.until("document.querySelector('#streams-none').offsetParent")
        .await;
}

#[tokio::test]
async fn a_refused_reload_shows_its_problems_and_the_next_good_one_takes_them_away() {
    let stage = Stage::idle().await;
    let page = stage.console(DESK).await;
    let policy = stage.api("/v1/policy").await;
    let revision = policy["revision"].as_str().unwrap();
    assert_eq!(facts(&page, "#policy-facts").await["Revision"], revision);

    let routes = std::fs::read_to_string(stage.gate.folder().join("policies/02.toml")).unwrap();
    stage.gate.write_policy(
        "02.toml",
        &routes.replace("methods = [\"PUT\"]", "metods = [\"PUT\"]"),
    );
    page.click("#reload").await;
    page.until("document.querySelectorAll('#policy-problems li').length > 0")
        .await;
    let said = page.text_of("#policy-problems").await;
    assert!(said.contains("02.toml"), "{said}");
    assert!(said.contains("metods"), "{said}");
    assert_eq!(facts(&page, "#policy-facts").await["Revision"], revision);
    assert_eq!(
        page.text_of("#health-state").await,
        "Ready",
        "a good policy is in force"
    );

    stage
        .gate
        .write_policy("02.toml", &routes.replace("/settings", "/preferences"));
    page.click("#reload").await;
    page.until("document.querySelectorAll('#policy-problems li').length === 0")
        .await;
    let facts = facts(&page, "#policy-facts").await;
    assert_ne!(facts["Revision"], revision);
    assert_eq!(facts["Revision"], stage.api("/v1/policy").await["revision"]);
}

#[tokio::test]
async fn health_names_every_part() {
    let stage = Stage::idle().await;
    let page = stage.console(DESK).await;
    let ready = stage.api("/readyz").await;
    let parts = page
        .value("[...document.querySelectorAll('#checks > li')].map((row) => [row.dataset.key, row.children[2].innerText])")
        .await;
    let parts = parts.as_array().unwrap();
    let checks = ready["checks"].as_object().unwrap();
    assert_eq!(parts.len(), checks.len());
    for part in parts {
        assert_eq!(
            checks[part[0].as_str().unwrap()]["ok"],
            part[1] == "OK",
            "{part}"
        );
    }
}

#[tokio::test]
async fn what_a_record_says_stays_text_whoever_said_it() {
    let stage = Stage::busy().await;
    let page = stage.console(DESK).await;
    page.fill("[name=tenant]", "initech").await;
    page.press("Enter").await;
    let shown = "[...document.querySelectorAll('#records td')].some((cell) => cell.textContent.includes('<img'))";
    page.until(shown).await;
    let cell = "[...document.querySelectorAll('#records td')].find((cell) => cell.textContent.includes('<img')).textContent";
    assert_eq!(page.text(cell).await, HOSTILE);
    let title = cell.replace(").textContent", ").title");
    assert_eq!(
        page.text(&title).await,
        HOSTILE,
        "what is cut off is its title"
    );
    page.value("[...document.querySelectorAll('#records tr')].find((row) => row.textContent.includes('<img')).querySelector('button').click()").await;
    page.until("document.querySelector('#record-facts').textContent.includes('<img')")
        .await;
    page.value("document.querySelectorAll('#tenant-rows button')[2].click()")
        .await;
    page.until("document.querySelectorAll('#tenant img, #record img, #records img').length === 0")
        .await;
    assert_eq!(page.value("typeof window.hacked").await, "undefined");
    let scripts = "[...document.querySelectorAll('script')].map((it) => it.getAttribute('src'))";
    assert_eq!(page.value(scripts).await, json!(["console/main.js"]));
    // Nobody could make script of text if they tried.
    let tried = "(() => { try { document.createElement('div').innerHTML = '<b>x</b>'; return 'made'; } catch (error) { return error.name; } })()";
    assert_eq!(page.value(tried).await, "TypeError");
}

#[tokio::test]
async fn the_page_asks_nobody_but_the_gate_and_breaks_no_rule_of_its_policy() {
    let stage = Stage::busy().await;
    let page = stage.console(DESK).await;
    page.click("#tenant-rows button").await;
    page.click("#records button").await;
    page.until("document.querySelector('#record-chain .state')")
        .await;
    page.until("document.querySelectorAll('#resources > tr').length === 3")
        .await;
    let requested = page.requested();
    assert!(requested.len() > 20, "{requested:?}");
    for url in requested {
        assert!(url.starts_with(&stage.url()), "{url}");
    }
    assert_eq!(page.complaints().await, [""; 0]);
}

#[tokio::test]
async fn explain_says_what_would_be_decided_or_that_this_build_cannot() {
    let stage = Stage::busy().await;
    let page = stage.console(DESK).await;
    page.fill("#explain-form [name=path]", "/sessions/sess-7f3a91")
        .await;
    page.fill("#explain-form [name=tenant]", "globex").await;
    page.fill("#explain-form [name=user]", "carol").await;
    page.press("Enter").await;
    page.until("document.querySelector('#explained').textContent")
        .await;
    let said = page.text_of("#explained").await;
    let asked = json!({
        "method": "GET", "path": "/sessions/sess-7f3a91", "headers": {},
        "as": { "tenant": "globex", "user": "carol", "roles": [], "scopes": [], "kind": "user" },
    });
    let answer = stage
        .gate
        .admin("POST", "/v1/explain", asked.to_string().as_bytes())
        .await;
    if answer.status == 404 {
        assert_eq!(said, "This build of the gate can't explain decisions.");
        return;
    }
    let answer = answer.json();
    assert!(
        said.to_lowercase()
            .contains(answer["decision"].as_str().unwrap()),
        "{said}"
    );
    assert!(said.contains("session.read"), "{said}");
    assert!(said.contains(answer["code"].as_str().unwrap()), "{said}");
}
