//! A ledger that can't be written: what costs money is refused, what costs none is served, nothing
//! is forgotten, and all goes on by itself once it can be.

use std::fs::{self, File};
use std::path::Path;

use crate::stage::{Caller, Stage, ceiling, tenant, until, usd};
use crate::support::raw_client::RawResponse;
use crate::support::recording_backend::{Answer, RecordingBackend, Signal};

const ROUTES: &str = r#"
[[routes]]
name = "call"
upstream = "backend"
methods = ["POST"]
path = "/call"
cost = { fixed_usd = "0.05" }

[[routes]]
name = "free"
upstream = "backend"
methods = ["POST"]
path = "/free"
"#;

async fn stage(backend: &RecordingBackend) -> Stage {
    let policy = tenant("acme", &[ceiling("tenant", "total", "100.00")]) + ROUTES;
    Stage::start(backend.url(), &policy).await
}

/// Holds the turn of every shard, as a process does that hangs while it writes.
fn take_every_turn(ledger: &Path) -> Vec<File> {
    let files = fs::read_dir(ledger).unwrap();
    let locks = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "lock"))
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("shard-")
        });
    let held: Vec<File> = locks
        .map(|path| {
            let file = File::open(&path).unwrap();
            file.lock().unwrap();
            file
        })
        .collect();
    assert!(!held.is_empty(), "no locks in {}", ledger.display());
    held
}

/// Asks for what costs money, which is refused: whoever waited for a ledger that nobody gives back
/// would have no answer at all.
async fn refused(stage: &Stage, caller: &Caller) -> RawResponse {
    let answer = stage.ask(caller, "POST", "/call", "{}").await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.json()["code"], "state_unavailable");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    answer
}

async fn served_again(stage: &Stage, caller: &Caller) {
    let served = async || {
        let answer = stage.ask(caller, "POST", "/call", "{}").await;
        (answer.status == 200).then_some(())
    };
    until("service", served).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_another_process_hangs_on_the_ledger_only_what_costs_nothing_is_served() {
    let backend = RecordingBackend::ok().await;
    let stage = stage(&backend).await;
    let alice = stage.alice();
    served_again(&stage, &alice).await;
    let reached = backend.requests().len();
    let held = take_every_turn(&stage.ledger());

    for _ in 0..5 {
        refused(&stage, &alice).await;
    }
    assert_eq!(backend.requests().len(), reached, "nobody was asked");
    assert_eq!(stage.ask(&alice, "POST", "/free", "{}").await.status, 200);

    drop(held);
    served_again(&stage, &alice).await;
    let spent = backend.requests().len() - 1;
    let line = stage.settled_line("acme", "tenant", "").await;
    assert_eq!(line.spent.nanos(), spent as u64 * usd("0.05").nanos());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_that_finds_the_ledger_busy_is_written_once_it_is_not() {
    let go_on = Signal::new();
    let waits = go_on.clone();
    let backend = RecordingBackend::start(move |_| {
        let answer = Answer::nothing().wait_for(&waits);
        answer.then_answer(Answer::json(200, "{}"))
    })
    .await;
    let stage = stage(&backend).await;
    let alice = stage.alice();
    let asking = stage.ask(&alice, "POST", "/call", "{}");
    let hanging = async {
        backend.wait_for_requests(1).await;
        let held = take_every_turn(&stage.ledger());
        go_on.give();
        held
    };
    let (answer, held) = tokio::join!(asking, hanging);
    assert_eq!(answer.status, 200, "{answer:?}");
    drop(held);
    let line = stage.settled_line("acme", "tenant", "").await;
    assert_eq!(line.spent, usd("0.05"));
    stage.audit_adds_up_to("acme", line.spent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_is_taken_away_is_missed_and_used_again_when_it_is_back() {
    let backend = RecordingBackend::ok().await;
    let stage = stage(&backend).await;
    let alice = stage.alice();
    served_again(&stage, &alice).await;
    let (ledger, away) = (stage.ledger(), stage.ledger().with_extension("away"));
    fs::rename(&ledger, &away).unwrap();
    fs::write(&ledger, "in the way").unwrap();

    let missed = async || {
        let answer = stage.ask(&alice, "POST", "/call", "{}").await;
        (answer.status == 503).then_some(())
    };
    until("a refusal", missed).await;
    refused(&stage, &alice).await;
    assert_eq!(stage.ask(&alice, "POST", "/free", "{}").await.status, 200);
    assert_eq!(stage.gate.admin("GET", "/readyz", b"").await.status, 503);

    fs::remove_file(&ledger).unwrap();
    fs::rename(&away, &ledger).unwrap();
    served_again(&stage, &alice).await;
    let line = stage.settled_line("acme", "tenant", "").await;
    stage.audit_adds_up_to("acme", line.spent).await;
}
