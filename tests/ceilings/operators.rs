//! What operators see and do about money: how ceilings stand, adjustments, statements, warnings, and
//! books that say the same after everything that can go wrong.

use std::process::Output;
use std::sync::{Arc, Mutex};

use fabric_gate::money::SignedUsd;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::stage::{Stage, ceiling, tenant, until, usd};
use crate::support::raw_client::RawResponse;
use crate::support::recording_backend::{Answer, RecordingBackend};

const ROUTES: &str = r#"
[[routes]]
name = "call"
upstream = "backend"
methods = ["POST"]
path = "/call"
cost = { usd = "body:/cost_usd", reserve_usd = "0.05" }
"#;

/// What each call costs.
const COST: &str = "0.030000001";

async fn backend() -> RecordingBackend {
    RecordingBackend::start(|_| Answer::json(200, &format!("{{\"cost_usd\":{COST}}}"))).await
}

fn policy() -> String {
    let tight = ceiling("tenant", "month", "0.20");
    let acme = tenant("acme", &[tight, ceiling("user", "day", "5.00")]);
    acme + &tenant("globex", &[ceiling("tenant", "total", "9.00")]) + ROUTES
}

async fn stage() -> (RecordingBackend, Stage) {
    let backend = backend().await;
    let stage = Stage::start(backend.url(), &policy()).await;
    (backend, stage)
}

async fn call(stage: &Stage) -> RawResponse {
    stage.ask(&stage.alice(), "POST", "/call", "{}").await
}

async fn calls(stage: &Stage, number: usize) {
    for _ in 0..number {
        assert_eq!(call(stage).await.status, 200);
    }
    stage.records_of("call", number).await;
}

async fn adjust(stage: &Stage, body: Value) -> RawResponse {
    let page = "/v1/tenants/acme/spend/adjust";
    stage
        .gate
        .admin("POST", page, body.to_string().as_bytes())
        .await
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What `spend verify` says.
fn verified(stage: &Stage) -> Value {
    let output = stage.gate.run(&["spend", "verify", "--json"]);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

#[tokio::test]
async fn how_ceilings_stand_is_the_same_over_the_api_in_the_table_and_in_the_metrics() {
    let (_backend, stage) = stage().await;
    calls(&stage, 2).await;
    let spend = stage.spend("acme").await;
    let rows = spend["ceilings"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{spend:#}");
    let own = &rows[0];
    assert_eq!(
        (&own["scope"], &own["window"]),
        (&json!("tenant"), &json!("month"))
    );
    assert_eq!(own["spent_usd"], "0.060000002");
    assert_eq!(own["remaining_usd"], "0.139999998");
    assert_eq!(own["used_ratio"], "0.300");
    assert!(
        own["resets_at"]
            .as_str()
            .unwrap()
            .ends_with("T00:00:00.000000Z")
    );
    assert_eq!(rows[1]["value"], "alice");

    let tenants = stage.gate.admin("GET", "/v1/tenants", b"").await.json();
    let acme = &tenants["tenants"][0];
    assert_eq!(
        (&acme["id"], &acme["listed"]),
        (&json!("acme"), &json!(true))
    );
    assert_eq!(acme["ceilings"][0]["spent_usd"], "0.060000002");

    let table = text(&stage.gate.run(&["spend", "--tenant", "acme"]));
    let row = table.lines().nth(1).unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(
        &cells[..8],
        [
            "acme",
            "tenant",
            "-",
            "month",
            "0.20",
            "0.060000002",
            "0.00",
            "30%"
        ]
    );
    let document = text(&stage.gate.run(&["spend", "--json"]));
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["tenants"][0]["ceilings"], spend["ceilings"]);

    for line in [
        "fabric_gate_spent_usd_total{tenant=\"acme\"} 0.06",
        "fabric_gate_ceiling_used_ratio{scope=\"tenant\",tenant=\"acme\",window=\"month\"} 0.3",
        "fabric_gate_reserved_usd{tenant=\"acme\"} 0",
        "fabric_gate_settled_total{how=\"stated\"} 2",
    ] {
        // A request is counted behind its record.
        until(line, async || {
            let metrics = stage.gate.admin("GET", "/metrics", b"").await.text();
            metrics.contains(line).then_some(())
        })
        .await;
    }
    let ready = stage.gate.admin("GET", "/readyz", b"").await.json();
    assert_eq!(ready["checks"]["ledger"]["ok"], true);
}

#[tokio::test]
async fn money_given_back_lets_requests_in_again_once_and_is_signed() {
    let (_backend, stage) = stage().await;
    calls(&stage, 5).await;
    assert_eq!(
        call(&stage).await.status,
        429,
        "0.05 is held, and less is left"
    );
    let refund = json!({ "usd": "-0.10", "reason": "outage", "id": "refund-1", "by": "olga" });
    let made = adjust(&stage, refund.clone()).await;
    assert_eq!(
        (made.status, &made.json()["repeated"]),
        (200, &json!(false))
    );
    let again = adjust(&stage, refund).await.json();
    assert_eq!(
        (&again["repeated"], &again["at"]),
        (&json!(true), &made.json()["at"])
    );
    let line = stage.line("acme", "tenant", "").await;
    assert_eq!(line.spent, usd("0.050000005"), "once");
    assert_eq!(call(&stage).await.status, 200);

    let other = adjust(
        &stage,
        json!({ "usd": "-0.20", "reason": "x", "id": "refund-1" }),
    )
    .await;
    assert_eq!(other.status, 409, "{}", other.text());
    for bad in [
        json!({ "usd": "-0.1" }),
        json!({ "usd": -0.1, "reason": "x" }),
        json!({ "usd": "1e3", "reason": "x" }),
        json!({ "usd": "1", "reason": "" }),
        json!({ "usd": "1", "reason": "x", "scope": "user" }),
        json!({ "usd": "1", "reason": "x", "who": "x" }),
    ] {
        assert_eq!(adjust(&stage, bad.clone()).await.status, 400, "{bad}");
    }

    let record = stage
        .audit()
        .into_iter()
        .find(|line| line["event"] == "adjusted");
    let record = record.unwrap();
    assert_eq!(record["by"], "olga");
    assert_eq!(record["cost_usd"], "-0.10");
    assert_eq!(record["signature"].as_str().unwrap().len(), 128);
    stage.records_of("call", 7).await;
    assert_eq!(verified(&stage)["good"], true, "{}", verified(&stage));
}

#[tokio::test]
async fn a_command_adjusts_while_the_gate_runs_and_the_gate_knows() {
    let (_backend, stage) = stage().await;
    calls(&stage, 1).await;
    let arguments = [
        "spend",
        "adjust",
        "--tenant",
        "acme",
        "--usd=-0.01",
        "--reason",
        "goodwill",
        "--id",
        "g1",
        "--scope",
        "user",
        "--value",
        "alice",
    ];
    let said = text(&stage.gate.run(&arguments));
    assert!(
        said.contains("acme is adjusted by -0.01 USD, id g1"),
        "{said}"
    );
    assert!(text(&stage.gate.run(&arguments)).contains("before"));
    for (scope, value) in [("tenant", ""), ("user", "alice")] {
        let line = stage.line("acme", scope, value).await;
        assert_eq!(line.spent, usd("0.020000001"), "{scope}");
    }
    assert_eq!(verified(&stage)["good"], true, "{}", verified(&stage));
    let wrong = stage.gate.run(&[
        "spend", "adjust", "--tenant", "acme", "--usd", "x", "--reason", "y",
    ]);
    assert_eq!(wrong.status.code(), Some(2));
}

#[tokio::test]
async fn a_statement_adds_up_to_the_log_and_the_ledger_and_shows_nobody_elses_lines() {
    let (_backend, stage) = stage().await;
    calls(&stage, 3).await;
    let bob = stage.ask(&stage.bob(), "POST", "/call", "{}").await;
    assert_eq!(bob.status, 200);
    stage.records_of("call", 4).await;
    assert_eq!(
        adjust(&stage, json!({ "usd": "0.01", "reason": "late fee" }))
            .await
            .status,
        200
    );

    let page = "/v1/tenants/acme/statement";
    let document = stage.gate.admin("GET", page, b"").await.json();
    assert_eq!(document["lines"].as_array().unwrap().len(), 4);
    assert_eq!(document["totals"]["cost_usd"], "0.100000003");
    assert_eq!(
        document["totals"]["by_user"],
        json!([
            { "user": "alice", "lines": 3, "cost_usd": "0.090000003" }
        ])
    );
    let table = stage
        .gate
        .admin("GET", &format!("{page}?format=csv"), b"")
        .await
        .text();
    let command = text(&stage.gate.run(&["statement", "--tenant", "acme"]));
    assert_eq!(table, command);
    let mut sum = SignedUsd::ZERO;
    for row in table.lines().skip(1) {
        sum += row
            .rsplit_once(',')
            .unwrap()
            .1
            .parse::<SignedUsd>()
            .unwrap();
    }
    assert_eq!(sum.to_string(), "0.100000003");
    assert_eq!(SignedUsd::from(stage.audited("acme")), sum);
    assert_eq!(
        SignedUsd::from(stage.line("acme", "tenant", "").await.spent),
        sum
    );
    let later = stage
        .gate
        .admin("GET", &format!("{page}?since=2999-01-01T00:00:00Z"), b"")
        .await;
    assert_eq!(later.json()["totals"]["cost_usd"], "0.00");
    for bad in ["?format=xml", "?since=yesterday", "?tenant=globex"] {
        let answer = stage.gate.admin("GET", &format!("{page}{bad}"), b"").await;
        assert_eq!(answer.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn a_record_that_a_kill_took_is_made_good_once_and_what_was_held_is_charged_and_told() {
    let backend = RecordingBackend::start(|request| match request.target().as_str() {
        "/call" => Answer::json(200, &format!("{{\"cost_usd\":{COST}}}")),
        _ => Answer::event_stream().event("{\"text\":\"so far\"}"),
    })
    .await;
    let open = "[[routes]]\nname = \"open\"\nupstream = \"backend\"\nmethods = [\"POST\"]\n\
                path = \"/open\"\ncost = { usd = \"event:/cost_usd\", reserve_usd = \"0.07\" }\n";
    let policy = policy() + open;
    let grace = |builder: crate::support::gate_process::GateBuilder| {
        builder.section("ledger", "crash_grace_seconds = 1")
    };
    let mut stage = Stage::start_with(backend.url(), &policy, grace).await;
    calls(&stage, 2).await;
    let request = stage.alice().request("POST", "/open", &[], "{}");
    let mut client = crate::support::raw_client::RawClient::connect(stage.gate.address()).await;
    client.send(&request).await;
    until("the hold", async || {
        let line = stage.line("acme", "tenant", "").await;
        (line.reserved == usd("0.07")).then_some(())
    })
    .await;
    stage.gate.kill();
    stage.gate.start_again().await;

    let line = stage.settled_line("acme", "tenant", "").await;
    assert_eq!(line.spent, usd("0.130000002"));
    let told = until("the event", async || {
        let events = stage.audit().into_iter();
        events
            .into_iter()
            .find(|line| line["event"] == "settlement")
    })
    .await;
    assert_eq!(
        (&told["how"], &told["cost_usd"]),
        (&json!("recovered"), &json!("0.07"))
    );
    assert_eq!(verified(&stage)["good"], true, "{}", verified(&stage));
    stage.gate.kill();
    stage.gate.start_again().await;
    assert_eq!(call(&stage).await.status, 200);
    stage.records_of("call", 3).await;
    let events = stage.audit();
    let settlements = events.iter().filter(|line| line["event"] == "settlement");
    assert_eq!(settlements.count(), 1, "told once");
    assert_eq!(verified(&stage)["good"], true, "{}", verified(&stage));
}

#[tokio::test]
async fn books_that_differ_end_with_1_and_the_request() {
    let (_backend, mut stage) = stage().await;
    calls(&stage, 1).await;
    stage.gate.stop().await;
    assert_eq!(stage.gate.run(&["spend", "verify"]).status.code(), Some(0));
    let ledger = stage.ledger();
    for file in std::fs::read_dir(&ledger).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|end| end == "journal") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let output = stage.gate.run(&["spend", "verify"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    let id = stage.records("call")[0]["request_id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        complaint.contains(&id) && complaint.contains(COST),
        "{complaint}"
    );
    std::fs::remove_dir_all(&ledger).unwrap();
    assert_eq!(
        stage.gate.run(&["spend"]).status.code(),
        Some(2),
        "there is none"
    );
}

/// Takes alerts, and keeps what came.
async fn receiver() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/alerts", listener.local_addr().unwrap());
    let got = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&got);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            let mut block = [0; 4096];
            while !String::from_utf8_lossy(&bytes).contains("\"type\":\"ceiling.") {
                let read = stream.read(&mut block).await.unwrap();
                bytes.extend_from_slice(&block[..read]);
            }
            kept.lock().unwrap().push(String::from_utf8(bytes).unwrap());
            let _left = stream
                .write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
                .await;
        }
    });
    (url, got)
}

#[tokio::test]
async fn a_passed_share_and_an_empty_ceiling_are_told_of_once_each_across_a_restart() {
    let backend = backend().await;
    let (url, got) = receiver().await;
    let warn = "[[tenants.ceilings]]\nscope = \"tenant\"\nwindow = \"month\"\nusd = \"0.10\"\n\
                warn_at = [0.5]\n";
    let costs = format!("[costs]\nalerts = {{ url = \"{url}\", secret = \"env:ALERTS\" }}\n");
    let policy = tenant("acme", &[warn.to_owned()]) + ROUTES + &costs;
    let key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let secret = |builder: crate::support::gate_process::GateBuilder| builder.env("ALERTS", key);
    let mut stage = Stage::start_with(backend.url(), &policy, secret).await;
    let header = |answer: &RawResponse| answer.header("x-fabric-budget-warning");
    assert_eq!(header(&call(&stage).await), None);
    let warned = header(&call(&stage).await);
    assert_eq!(
        warned.as_deref(),
        Some("scope=tenant;window=month;used=0.5")
    );
    assert_eq!(call(&stage).await.status, 429, "0.04 is left");
    let both = || {
        let got = got.lock().unwrap().clone();
        (got.len() == 2).then_some(got)
    };
    let told = until("both alerts", async || both()).await;
    // Each is sent by itself, so that they may come in either order.
    for kind in ["ceiling.warning", "ceiling.exhausted"] {
        let said = format!("\"type\":\"{kind}\"");
        let one: Vec<_> = told.iter().filter(|it| it.contains(&said)).collect();
        assert_eq!(one.len(), 1, "{kind}: {told:?}");
        let head = one[0].to_ascii_lowercase();
        assert!(head.contains("webhook-signature: v1,"), "{kind}: {told:?}");
    }
    let recorded = || {
        let events = stage.audit();
        let told = events.iter();
        told.filter(|line| line["event"] == "ceiling_warning")
            .count()
    };
    until("both records", async || (recorded() == 2).then_some(())).await;
    // What the gate does not know to be delivered, its successor delivers again.
    let due = stage.ledger().with_extension("alerts").join("due");
    let is_empty = || std::fs::read_dir(&due).unwrap().next().is_none();
    until("nothing to deliver", async || is_empty().then_some(())).await;
    stage.gate.kill();
    stage.gate.start_again().await;
    assert_eq!(call(&stage).await.status, 429);
    let warnings = until("the count", async || {
        let metrics = stage.gate.admin("GET", "/metrics", b"").await.text();
        metrics
            .contains("fabric_gate_denials_total{reason=\"budget_exceeded\"")
            .then_some(metrics)
    })
    .await;
    assert!(
        !warnings.contains("fabric_gate_ceiling_warnings_total{"),
        "told before"
    );
    assert_eq!(got.lock().unwrap().len(), 2);
    let events = stage.audit();
    let told = events
        .iter()
        .filter(|line| line["event"] == "ceiling_warning");
    assert_eq!(told.count(), 2);
}
