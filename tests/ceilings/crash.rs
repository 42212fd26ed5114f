//! SIGKILL in the middle of spending: nothing that was acknowledged is forgotten, nothing is charged
//! that was not held, and what was held comes to an end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fabric_gate::money::NanoUsd;
use tokio::task::JoinSet;

use crate::stage::{Caller, Line, Stage, ceiling, tenant, until, usd};
use crate::support::gate_process::GateBuilder;
use crate::support::raw_client::RawClient;
use crate::support::recording_backend::{Answer, RecordingBackend};
use crate::support::transport::Address;
use crate::support::within;

const ROUTES: &str = r#"
[[routes]]
name = "call"
upstream = "backend"
methods = ["POST"]
path = "/call"
cost = { usd = "body:/cost_usd", reserve_usd = "0.05" }

[[routes]]
name = "stream"
upstream = "backend"
methods = ["POST"]
path = "/stream"
cost = { usd = "event:/cost_usd", reserve_usd = "0.05" }
"#;

/// What a request holds, and what each costs that comes to its end.
const HELD: u64 = 50_000_000;
const COST: u64 = 30_000_000;

/// Longest until the audit log says what the ledger does.
const LEVELLED: Duration = Duration::from_secs(120);

/// Rounds of load and SIGKILL in the suite.
const ROUNDS: u64 = 5;

/// Rounds of the soak, as the experiments ask for.
const MANY_ROUNDS: u64 = 200;

/// What the callers know.
#[derive(Clone, Default)]
struct Known {
    /// Answers that came whole.
    acknowledged: Arc<AtomicU64>,
    /// Requests that were sent and not refused, as far as their callers heard.
    begun: Arc<AtomicU64>,
}

/// Calls until the gate is gone.
async fn call_until_killed(address: Address, caller: Caller, target: &'static str, known: Known) {
    let request = caller.request("POST", target, &[], "{}");
    let mut client = RawClient::connect(&address).await;
    loop {
        known.begun.fetch_add(1, Ordering::SeqCst);
        let Some(answer) = client.try_exchange(&request).await else {
            return;
        };
        match answer.status {
            200 => known.acknowledged.fetch_add(1, Ordering::SeqCst),
            _ => known.begun.fetch_sub(1, Ordering::SeqCst),
        };
    }
}

/// A backend that says what it costs, whole at `/call` and as a stream elsewhere.
async fn agents() -> RecordingBackend {
    RecordingBackend::start(|request| match request.target().as_str() {
        "/call" => Answer::json(200, r#"{"cost_usd":0.03}"#),
        _ => Answer::event_stream()
            .event(r#"{"text":"so far"}"#)
            .event(r#"{"cost_usd":0.03}"#)
            .end_of_chunks(),
    })
    .await
}

/// A gate that settles what a dead one held after a second.
fn soon_settled(builder: GateBuilder) -> GateBuilder {
    builder.section("ledger", "crash_grace_seconds = 1")
}

async fn kill_in_the_middle(rounds: u64) {
    let backend = agents().await;
    let policy = tenant("acme", &[ceiling("tenant", "total", "1000000.00")]) + ROUTES;
    let mut stage = Stage::start_with(backend.url(), &policy, soon_settled).await;
    let known = Known::default();
    for round in 0..rounds {
        let mut calling = JoinSet::new();
        for number in 0..8 {
            let target = if number % 2 == 0 { "/call" } else { "/stream" };
            let address = stage.gate.address().clone();
            calling.spawn(call_until_killed(
                address,
                stage.alice(),
                target,
                known.clone(),
            ));
        }
        let enough = known.acknowledged.load(Ordering::SeqCst) + 10;
        let busy = async {
            while known.acknowledged.load(Ordering::SeqCst) < enough {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        within("calls", busy).await;
        tokio::time::sleep(Duration::from_micros(370 * (round % 16))).await;
        stage.gate.kill();
        calling.join_all().await;
        stage.gate.start_again().await;

        let line = stage.line("acme", "tenant", "").await;
        let acknowledged = known.acknowledged.load(Ordering::SeqCst);
        let begun = known.begun.load(Ordering::SeqCst);
        assert!(
            line.spent.nanos() >= acknowledged * COST,
            "round {round}: {acknowledged} were acknowledged, and only {} is spent",
            line.spent
        );
        let most = acknowledged * COST + (begun - acknowledged) * HELD;
        let taken = line.spent.plus(line.reserved);
        assert!(
            taken.nanos() <= most,
            "round {round}: {line:?} of at most {most}"
        );
    }
    let Line { spent, .. } = stage.settled_line("acme", "tenant", "").await;
    let acknowledged = known.acknowledged.load(Ordering::SeqCst);
    let begun = known.begun.load(Ordering::SeqCst);
    println!("{rounds} kills: {acknowledged} acknowledged of {begun}, {spent} USD spent");
    // Records that the kills took with them are made up once none can be on its way any more.
    stage.audit_adds_up_within(LEVELLED, "acme", spent).await;
    let verified = stage.gate.run(&["audit", "verify"]);
    assert!(verified.status.success(), "{verified:?}");
    let added_up = stage.gate.run(&["spend", "verify"]);
    assert!(added_up.status.success(), "{added_up:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_of_spending_loses_nothing_that_was_acknowledged() {
    kill_in_the_middle(ROUNDS).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; `make soak` runs it"]
async fn soak_kills_in_the_middle_of_spending() {
    kill_in_the_middle(MANY_ROUNDS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_gate_held_counts_until_the_grace_is_over_and_is_charged_then() {
    let silent = RecordingBackend::start(|_| Answer::nothing().hang()).await;
    let policy = tenant("acme", &[ceiling("tenant", "total", "0.10")]) + ROUTES;
    let mut stage = Stage::start_with(silent.url(), &policy, soon_settled).await;
    let alice = stage.alice();
    let mut callers = Vec::new();
    for _ in 0..2 {
        let mut client = RawClient::connect(stage.gate.address()).await;
        client.send(alice.request("POST", "/call", &[], "{}")).await;
        // One that leaves would settle its request before the kill does.
        callers.push(client);
    }
    silent.wait_for_requests(2).await;
    stage.gate.kill();
    stage.gate.start_again().await;

    let held = stage.line("acme", "tenant", "").await;
    assert_eq!(held.spent.plus(held.reserved), usd("0.10"));
    let refused = stage.ask(&alice, "POST", "/call", "{}").await;
    assert_eq!(refused.status, 429, "{refused:?}");

    let after = stage.settled_line("acme", "tenant", "").await;
    assert_eq!((after.spent, after.reserved), (usd("0.10"), NanoUsd::ZERO));
    stage.audit_adds_up_to("acme", after.spent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_lives_settles_what_one_beside_it_held_when_it_was_killed() {
    let silent = RecordingBackend::start(|_| Answer::nothing().hang()).await;
    let policy = tenant("acme", &[ceiling("tenant", "total", "0.10")]) + ROUTES;
    let mut stage = Stage::start_with(silent.url(), &policy, soon_settled).await;
    let another = stage.another_gate_with(soon_settled).await;
    let mut client = RawClient::connect(stage.gate.address()).await;
    client
        .send(stage.alice().request("POST", "/call", &[], "{}"))
        .await;
    silent.wait_for_requests(1).await;
    stage.gate.kill();

    let settled = async || {
        let answer = another.admin("GET", "/v1/tenants/acme/spend", b"").await;
        let line = answer.json()["ceilings"][0].clone();
        (line["reserved_usd"] == "0.00").then_some(line)
    };
    let line = until("the other's settlement", settled).await;
    assert_eq!(line["spent_usd"], "0.05");
    let request = stage.alice().request("POST", "/call", &[], "{}");
    let mut client = RawClient::connect(another.address()).await;
    client.send(request).await;
    silent.wait_for_requests(2).await;
}
