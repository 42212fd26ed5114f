//! Many at once at a ceiling with room for exactly so many: they pass, and nobody else.

use std::collections::BTreeMap;
use std::sync::Arc;

use fabric_gate::money::NanoUsd;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::stage::{Caller, Stage, cost_of, tenant, until, usd};
use crate::support::h2_client::{self, H2Client};
use crate::support::raw_client::{RawClient, RawResponse};
use crate::support::recording_backend::{Answer, RecordingBackend, Signal};
use crate::support::transport::Address;
use crate::support::within;

/// Callers at a time.
const CALLERS: usize = 200;

/// How many requests at 0.05 USD the ceilings of 0.50 USD have room for.
const ROOM: usize = 10;

const ROUTES: &str = r#"
[[routes]]
name = "call"
upstream = "backend"
methods = ["POST"]
path = "/call"
cost = { fixed_usd = "0.05", session = "header:x-session", agent = "header:x-agent" }

[[routes]]
name = "other"
upstream = "backend"
methods = ["POST"]
path = "/other"
cost = { fixed_usd = "0.05", session = "header:x-session", agent = "header:x-agent" }

[[routes]]
name = "stream"
upstream = "backend"
methods = ["POST"]
path = "/stream"
cost = { usd = "event:/cost_usd", reserve_usd = "0.05" }
"#;

const SCOPES: [&str; 5] = ["tenant", "user", "agent", "route", "session"];

/// A tenant for each scope, named after it, with a ceiling of that scope alone.
fn a_tenant_for_each_scope() -> String {
    let tenants = SCOPES.map(|scope| tenant(scope, &[ceiling(scope)]));
    tenants.concat()
}

fn ceiling(scope: &str) -> String {
    crate::stage::ceiling(scope, "total", "0.50")
}

/// How often each status was answered.
type Answers = BTreeMap<u16, usize>;

/// Asks so often at once, each on a connection that stands before any of them asks.
async fn at_once(address: &Address, count: usize, request: Vec<u8>) -> Vec<RawResponse> {
    let ready = Arc::new(Barrier::new(count));
    let mut asking = JoinSet::new();
    for _ in 0..count {
        let (address, request, ready) = (address.clone(), request.clone(), Arc::clone(&ready));
        asking.spawn(async move {
            let mut client = RawClient::connect(&address).await;
            ready.wait().await;
            client.send(request).await;
            client.read_response().await
        });
    }
    asking.join_all().await
}

fn counted(answers: &[RawResponse]) -> Answers {
    let mut counts = Answers::new();
    for answer in answers {
        *counts.entry(answer.status).or_default() += 1;
    }
    counts
}

/// `ROOM` pass, the others are refused for want of money.
fn exactly_the_room() -> Answers {
    Answers::from([(200, ROOM), (429, CALLERS - ROOM)])
}

#[tokio::test(flavor = "multi_thread")]
async fn of_200_at_once_exactly_those_pass_that_fit_in_every_scope() {
    let backend = RecordingBackend::ok().await;
    let policy = a_tenant_for_each_scope() + ROUTES;
    let stage = Stage::start(backend.url(), &policy).await;
    for (round, scope) in SCOPES.into_iter().enumerate() {
        let hers = [("x-session", "s1"), ("x-agent", "planner")];
        let alice = stage.caller(scope, "alice");
        let request = alice.request("POST", "/call", &hers, "{}");
        let answers = at_once(stage.gate.address(), CALLERS, request).await;
        assert_eq!(counted(&answers), exactly_the_room(), "{scope}");
        let reached = backend.requests().len();
        assert_eq!(reached, ROOM * (round + 1) + round, "{scope}: {reached}");

        let others = [("x-session", "s2"), ("x-agent", "coder")];
        let (caller, target, headers) = match scope {
            "tenant" => (stage.caller("user", "zoe"), "/call", &hers),
            "user" => (stage.caller(scope, "carol"), "/call", &hers),
            "route" => (alice, "/other", &hers),
            _ => (alice, "/call", &others),
        };
        let another = stage
            .ask_with(&caller, "POST", target, headers, "{}")
            .await
            .status;
        assert_eq!(another, 200, "another {scope} has money of its own");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_under_way_count_as_much_as_those_that_are_done() {
    let go_on = Signal::new();
    let waits = go_on.clone();
    let backend = RecordingBackend::start(move |_| {
        Answer::nothing()
            .wait_for(&waits)
            .then_answer(Answer::json(200, "{}"))
    })
    .await;
    let policy = tenant("acme", &[ceiling("tenant")]) + ROUTES;
    let stage = Stage::start(backend.url(), &policy).await;
    let request = stage.alice().request("POST", "/call", &[], "{}");
    let address = stage.gate.address().clone();
    let asking = tokio::spawn(async move { at_once(&address, CALLERS, request).await });

    let refused = async || {
        let records = stage.records("call");
        (records.len() == CALLERS - ROOM).then_some(records)
    };
    let refused = until("refusals while the others are under way", refused).await;
    assert!(refused.iter().all(|it| it["reason"] == "budget_exceeded"));
    let line = stage.line("acme", "tenant", "").await;
    assert_eq!((line.spent, line.reserved), (usd("0"), usd("0.50")));
    for _ in 0..ROOM {
        go_on.give();
    }
    assert_eq!(counted(&asking.await.unwrap()), exactly_the_room());
    assert_eq!(backend.requests().len(), ROOM);
    let line = stage.settled_line("acme", "tenant", "").await;
    assert_eq!(line.spent, usd("0.50"));
    stage.audit_adds_up_to("acme", line.spent).await;
}

/// Has newcomers ask so often at once, and holds each to the ceiling it never had before.
async fn newcomers(tenants: usize, count: usize) {
    let backend = RecordingBackend::ok().await;
    let policy = "[tenancy]\nunknown = \"provision\"\n[[defaults.ceilings]]\n\
                  scope = \"tenant\"\nwindow = \"day\"\nusd = \"0.50\"\n";
    let stage = Stage::start(backend.url(), &(policy.to_owned() + ROUTES)).await;
    for number in 0..tenants {
        let tenant = format!("newcomer-{number}");
        let before = backend.requests().len();
        let caller = stage.caller(&tenant, "alice");
        let request = caller.request("POST", "/call", &[], "{}");
        let answers = at_once(stage.gate.address(), count, request).await;
        let expected = Answers::from([(200, ROOM), (429, count - ROOM)]);
        assert_eq!(counted(&answers), expected, "{tenant}");
        assert_eq!(backend.requests().len() - before, ROOM, "{tenant}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_requests_ever_of_a_tenant_are_held_to_the_ceiling_too() {
    newcomers(3, 64).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute; `make soak` runs it"]
async fn soak_five_hundred_at_once_a_hundred_times() {
    newcomers(100, 500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_streams_of_one_http2_connection_are_held_to_it_as_connections_are() {
    let backend = RecordingBackend::ok().await;
    let policy = tenant("acme", &[ceiling("tenant")]) + ROUTES;
    let stage = Stage::start(backend.url(), &policy).await;
    let alice = stage.alice();
    let (mut asking, mut clients) = (JoinSet::new(), Vec::new());
    for _ in 0..4 {
        let client = H2Client::connect(stage.gate.address()).await;
        for _ in 0..CALLERS / 4 {
            let sender = client.sender.clone();
            let Caller { authorization } = alice.clone();
            asking.spawn(async move {
                let headers = [("authorization", authorization.as_str())];
                let request = h2_client::request("POST", "/call", &headers);
                let mut sender = sender.ready().await.unwrap();
                let (answer, _) = sender.send_request(request, true).unwrap();
                answer.await.unwrap().status().as_u16()
            });
        }
        // A connection lives as long as its client does.
        clients.push(client);
    }
    let mut counts = Answers::new();
    while let Some(status) = asking.join_next().await {
        *counts.entry(status.unwrap()).or_default() += 1;
    }
    assert_eq!(counts, exactly_the_room());
    assert_eq!(backend.requests().len(), ROOM);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_their_callers_leave_are_paid_for_as_those_that_end() {
    let backend = RecordingBackend::start(|request| {
        let begun = Answer::event_stream().event("{\"text\":\"so far\"}");
        match &*request.body.content {
            b"leaves" => begun.until_the_client_leaves(),
            _ => begun
                .event("{\"text\":\"done\",\"cost_usd\":0.05}")
                .end_of_chunks(),
        }
    })
    .await;
    let policy = tenant("acme", &[ceiling("tenant")]) + ROUTES;
    let stage = Stage::start(backend.url(), &policy).await;
    let alice = stage.alice();
    let mut asking = JoinSet::new();
    for number in 0..CALLERS {
        let how = if number % 2 == 0 { "leaves" } else { "stays" };
        let request = alice.request("POST", "/stream", &[], how);
        let address = stage.gate.address().clone();
        asking.spawn(async move {
            let mut client = RawClient::connect(&address).await;
            client.send(request).await;
            let status: u16 = client.read_head().await.word(1).parse().unwrap();
            match (status, how) {
                (200, "leaves") => {
                    client.read_until("so far").await;
                    client.reset();
                }
                (200, _) => {
                    client.read_until("done").await;
                }
                _ => {}
            }
            status
        });
    }
    let mut counts = Answers::new();
    while let Some(status) = asking.join_next().await {
        *counts.entry(status.unwrap()).or_default() += 1;
    }
    assert_eq!(counts, exactly_the_room());
    assert_eq!(backend.requests().len(), ROOM);
    let line = stage.settled_line("acme", "tenant", "").await;
    assert_eq!(line.spent, usd("0.50"));
    let records = stage.records_of("stream", CALLERS).await;
    let recorded: NanoUsd = records.iter().map(cost_of).sum();
    assert_eq!(recorded, usd("0.50"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gates_on_one_state_hold_a_ceiling_together() {
    let backend = RecordingBackend::ok().await;
    let policy = tenant("acme", &[ceiling("tenant")]) + ROUTES;
    let stage = Stage::start(backend.url(), &policy).await;
    let another = stage.another_gate().await;
    let request = stage.alice().request("POST", "/call", &[], "{}");
    let half = CALLERS / 2;
    let (first, second) = tokio::join!(
        at_once(stage.gate.address(), half, request.clone()),
        at_once(another.address(), half, request.clone()),
    );
    let mut both: Vec<RawResponse> = first.into_iter().chain(second).collect();
    // On a busy machine one of them may stand still with the ledger for longer than the other waits:
    // who is told so asks again.
    both.retain(|answer| answer.status != 503);
    within("answers to all", async {
        while both.len() < CALLERS {
            let again = CALLERS - both.len();
            both.extend(at_once(stage.gate.address(), again, request.clone()).await);
            both.retain(|answer| answer.status != 503);
        }
    })
    .await;
    assert_eq!(counted(&both), exactly_the_room());
    assert_eq!(backend.requests().len(), ROOM);
    assert_eq!(
        stage.settled_line("acme", "tenant", "").await.spent,
        usd("0.50")
    );
}

#[tokio::test]
async fn a_refusal_for_want_of_money_says_which_ceiling_and_not_to_try_again() {
    let backend = RecordingBackend::ok().await;
    let policy = tenant("acme", &[crate::stage::ceiling("user", "day", "0.07")]) + ROUTES;
    let stage = Stage::start(backend.url(), &policy).await;
    let alice = stage.alice();
    let first = stage.ask(&alice, "POST", "/call", "{}").await;
    assert_eq!(first.header("x-fabric-cost-usd").as_deref(), Some("0.05"));
    let left = first.header("x-fabric-budget-remaining-usd");
    assert_eq!(left.as_deref(), Some("0.02"));

    let asked = jiff::Timestamp::now();
    let refused = stage.ask(&alice, "POST", "/call", "{}").await;
    assert_eq!(refused.status, 429, "{refused:?}");
    let told = refused.json();
    assert_eq!(told["code"], "budget_exceeded");
    assert_eq!(told["scope"], "user");
    assert_eq!(told["window"], "day");
    assert_eq!(told["limit_usd"], "0.07");
    assert_eq!(told["spent_usd"], "0.05");
    let resets_at: jiff::Timestamp = told["resets_at"].as_str().unwrap().parse().unwrap();
    let wait: i64 = refused.header("retry-after").unwrap().parse().unwrap();
    let resets_in = |at: jiff::Timestamp| resets_at.duration_since(at).as_secs();
    let bounds = resets_in(jiff::Timestamp::now()) - 1..=resets_in(asked) + 1;
    assert!(bounds.contains(&wait), "{wait} s, not {bounds:?}");
    assert_eq!(refused.header("x-should-retry").as_deref(), Some("false"));
    assert_eq!(backend.requests().len(), 1);
}
