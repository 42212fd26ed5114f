//! How long it takes to be told that something is not there says nothing about what is.
//!
//! Four hundred times in turn Bob asks for Alice's, for one that never was, and for one of his own
//! that the backend has forgotten; the Mann-Whitney test says how likely it is that two rows of
//! times come from one source. Machines are busy at times, so the strict figure is for `make soak`.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::stage::{Caller, Stage};
use crate::support::raw_client::{self, RawClient};
use crate::support::recording_backend::{Answer, RecordingBackend};
use crate::support::within;

const ROUTES: &str = r#"
[[routes]]
name = "task.create"
upstream = "backend"
methods = ["POST"]
path = "/tasks"
creates = { kind = "task", id = "body:/id" }

[[routes]]
name = "task"
upstream = "backend"
methods = ["GET", "DELETE"]
path = "/tasks/{id}"
resource = { kind = "task", id = "path:id" }
"#;

/// The times of the three, in pairs.
struct Times {
    foreign: Vec<Duration>,
    unknown: Vec<Duration>,
    gone: Vec<Duration>,
}

/// Says to this program, started once more, that it is the backend, and how many microseconds it
/// takes to find nothing.
const TAKES: &str = "ORACLE_BACKEND_TAKES";

/// What stands before its address.
const LISTENING: &str = "listening on ";

/// The backend in a process of its own, so that it shares nothing with the client that measures.
async fn backend(takes: Duration) -> (Child, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "oracle::serves_as_the_backend",
            "--ignored",
            "--nocapture",
        ])
        .env(TAKES, takes.as_micros().to_string())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = within("the backend's address", async {
        loop {
            let line = lines.next_line().await.unwrap().unwrap();
            if let Some((_, url)) = line.split_once(LISTENING) {
                return url.to_owned();
            }
        }
    })
    .await;
    (child, url)
}

#[tokio::test]
#[ignore = "it is no test: `backend` starts it"]
async fn serves_as_the_backend() {
    let Ok(takes) = std::env::var(TAKES) else {
        return;
    };
    let takes = Duration::from_micros(takes.parse().unwrap());
    let backend = RecordingBackend::start(move |request| {
        if request.method() == "POST" {
            let id = String::from_utf8(request.body.content.clone()).unwrap();
            return Answer::json(201, &format!("{{\"id\":\"{id}\"}}"));
        }
        std::thread::sleep(takes);
        Answer::json(404, r#"{"error":"task not found"}"#)
    })
    .await;
    println!("{LISTENING}{}", backend.url());
    std::future::pending::<()>().await;
}

async fn measured(pairs: usize, backend_takes: Duration) -> Times {
    let (_process, url) = backend(backend_takes).await;
    let stage = Stage::start(&url, ROUTES).await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let id = |kind: char, turn: usize| format!("{kind}0000000-0000-4000-8000-{turn:012}");
    for turn in 0..pairs {
        for (caller, kind) in [(&alice, 'a'), (&bob, 'c')] {
            let made = stage.ask(caller, "POST", "/tasks", id(kind, turn)).await;
            assert_eq!(made.status, 201);
        }
    }
    let mut client = RawClient::connect(stage.gate.address()).await;
    for turn in 0..64 {
        // Warm, as it is when somebody comes to measure.
        asked(&mut client, &bob, &id('d', turn)).await;
        asked(&mut client, &bob, &id('c', turn % pairs)).await;
    }
    let mut times = Times {
        foreign: Vec::new(),
        unknown: Vec::new(),
        gone: Vec::new(),
    };
    for turn in 0..pairs {
        if turn % 100 == 0 {
            // The gate takes a thousand requests of one connection.
            client = RawClient::connect(stage.gate.address()).await;
            asked(&mut client, &bob, &id('c', turn)).await;
        }
        // In another order each time, so that none is always the one behind another.
        for place in 0..3 {
            match (turn + place) % 3 {
                0 => times
                    .foreign
                    .push(asked(&mut client, &bob, &id('a', turn)).await),
                1 => times
                    .unknown
                    .push(asked(&mut client, &bob, &id('b', turn)).await),
                _ => times
                    .gone
                    .push(asked(&mut client, &bob, &id('c', turn)).await),
            }
        }
    }
    times
}

async fn asked(client: &mut RawClient, caller: &Caller, id: &str) -> Duration {
    let fields = [("Authorization", caller.authorization.as_str())];
    let request = raw_client::request("GET", &format!("/tasks/{id}"), &fields, b"");
    let started = Instant::now();
    client.send(request).await;
    let answer = client.read_response().await;
    let took = started.elapsed();
    assert_eq!(answer.status, 404);
    took
}

/// Two-sided p of the Mann-Whitney U test by its normal approximation with mid-ranks, which is good
/// from some twenty values on.
fn mann_whitney(one: &[Duration], other: &[Duration]) -> f64 {
    let mut all: Vec<(Duration, bool)> = one.iter().map(|time| (*time, true)).collect();
    all.extend(other.iter().map(|time| (*time, false)));
    all.sort_unstable();
    let (mut ranks, mut ties, mut at) = (0.0, 0.0, 0);
    while at < all.len() {
        let same = all[at..]
            .iter()
            .take_while(|(time, _)| *time == all[at].0)
            .count();
        let middle = at as f64 + (same as f64 + 1.0) / 2.0;
        let ours = all[at..at + same].iter().filter(|(_, ours)| *ours).count();
        ranks += middle * ours as f64;
        ties += (same as f64).powi(3) - same as f64;
        at += same;
    }
    let (n, m) = (one.len() as f64, other.len() as f64);
    let u = ranks - n * (n + 1.0) / 2.0;
    let spread = (n * m / 12.0 * (n + m + 1.0 - ties / ((n + m) * (n + m - 1.0)))).sqrt();
    let z = ((u - n * m / 2.0).abs() - 0.5).max(0.0) / spread;
    two_sided(z)
}

/// How likely a normal value is at least so far from its mean, on either side (Abramowitz and
/// Stegun 7.1.26, to 1.5e-7).
fn two_sided(z: f64) -> f64 {
    let x = z / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let terms = [
        0.254_829_592,
        -0.284_496_736,
        1.421_413_741,
        -1.453_152_027,
        1.061_405_429,
    ];
    let sum = terms.iter().rev().fold(0.0, |sum, term| (sum + term) * t);
    sum * (-x * x).exp()
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[times.len() / 2]
}

/// Between which times the middle eight tenths lie.
fn middle(times: &[Duration]) -> (Duration, Duration) {
    let mut times = times.to_vec();
    times.sort_unstable();
    (times[times.len() / 10], times[times.len() * 9 / 10])
}

fn report(name: &str, times: &Times) -> [f64; 3] {
    let p = [
        mann_whitney(&times.foreign, &times.unknown),
        mann_whitney(&times.foreign, &times.gone),
        mann_whitney(&times.unknown, &times.gone),
    ];
    println!(
        "{name}: medians foreign {:?}, unknown {:?}, gone {:?}; p foreign-unknown {:.3}, foreign-gone {:.3}, unknown-gone {:.3}",
        median(&times.foreign),
        median(&times.unknown),
        median(&times.gone),
        p[0],
        p[1],
        p[2]
    );
    p
}

#[test]
fn the_test_tells_rows_apart_that_differ_and_no_others() {
    let row = |from: u64, step: u64| -> Vec<Duration> {
        (0..200)
            .map(|at| Duration::from_micros(from + at * step))
            .collect()
    };
    assert!(mann_whitney(&row(100, 3), &row(100, 3)) > 0.9);
    assert!(mann_whitney(&row(100, 3), &row(180, 3)) < 0.01);
    assert!((two_sided(1.96) - 0.05).abs() < 1e-4);
}

/// What no busy machine can hide: an answer without the backend's work comes far too soon.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_from_memory_takes_as_long_as_the_backend_does() {
    let times = measured(40, Duration::from_millis(30)).await;
    for (name, row) in [("foreign", &times.foreign), ("unknown", &times.unknown)] {
        let sooner = row
            .iter()
            .filter(|time| **time < Duration::from_millis(29))
            .count();
        assert_eq!(sooner, 0, "{name}: {row:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a statistical statement: `make soak` runs it where nothing else runs"]
async fn the_times_of_foreign_and_unknown_ids_are_not_separable_and_those_of_gone_ones_overlap_soak()
 {
    for (name, takes) in [
        ("a backend that takes no time", Duration::ZERO),
        ("a backend that takes 3 ms", Duration::from_millis(3)),
    ] {
        let times = measured(400, takes).await;
        let [foreign_unknown, ..] = report(name, &times);
        assert!(foreign_unknown > 0.01, "{name}: separable");
        let (answered, gone) = (middle(&times.foreign), middle(&times.gone));
        let overlap = answered.0 <= gone.1 && gone.0 <= answered.1;
        assert!(
            overlap,
            "{name}: {answered:?} and {gone:?} have nothing in common"
        );
    }
}
