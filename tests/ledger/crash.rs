//! A process that is killed at any moment loses nothing that it answered, and keeps nothing that it
//! did not use.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use fabric_gate::budget::ledger::{Charge, ChargeFacts, How, Kept};
use fabric_gate::money::NanoUsd;

use crate::world::{World, charges, eventually, now, open, reserve, standing, sum, usd};

const FOLDER: &str = "FABRIC_TEST_LEDGER";

/// Not a test of its own: the process that is killed. Four threads reserve and settle, and print
/// what they were told.
#[test]
#[ignore = "started by the tests below"]
fn child_that_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let ledger = open(folder.as_ref(), World::new().settings).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let ledger = &ledger;
            scope.spawn(move || {
                for number in 0_u64.. {
                    let id = format!("{}-{thread}-{number}", std::process::id());
                    let Ok(held) = reserve(ledger, &id, &[], "3") else {
                        continue;
                    };
                    print(&format!("reserved {id} 0"));
                    match number % 3 {
                        0 => held.release(),
                        1 => drop(held.settle(usd("2"), ChargeFacts::default())),
                        _ => drop(held),
                    }
                    print(&format!("ended {id} {}", [0, 2, 3][number as usize % 3]));
                }
            });
        }
    });
}

fn print(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").unwrap();
}

fn start(world: &World) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "crash::child_that_is_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(FOLDER, world.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What the killed processes said, by request: the cost, or that only a reservation was made.
#[derive(Default)]
struct Told(BTreeMap<String, Option<u64>>);

impl Told {
    fn hear(&mut self, line: &str) {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["reserved", id, "0"] => {
                self.0.entry(id.to_owned()).or_default();
            }
            ["ended", id, cost @ ("0" | "2" | "3")] => {
                self.0.insert(id.to_owned(), Some(cost.parse().unwrap()));
            }
            // Of the harness, or torn.
            _ => {}
        }
    }

    /// Every request that was told of is charged once, as it was told, or at its amount.
    fn holds(&self, charges: &[Charge]) {
        let mut costs: BTreeMap<&str, (NanoUsd, How)> = BTreeMap::new();
        for charge in charges {
            let Charge::Request {
                request_id,
                cost,
                how,
                ..
            } = charge
            else {
                panic!("{charge:?}");
            };
            assert!(
                costs.insert(request_id, (*cost, *how)).is_none(),
                "{request_id} is charged twice"
            );
        }
        for (id, told) in &self.0 {
            let (cost, how) = costs[id.as_str()];
            match told {
                Some(told) => assert_eq!(cost, usd(&told.to_string()), "{id}"),
                // Its end may have been written and not printed.
                None if how == How::Recovered => assert_eq!(cost, usd("3"), "{id}"),
                None => assert!(cost <= usd("3"), "{id}"),
            }
        }
    }
}

fn kill_rounds(rounds: usize) {
    let world = World::new();
    let (mut told, mut recovered) = (Told::default(), 0);
    for round in 0..rounds {
        let mut child = start(&world);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for line in lines.by_ref().take(20 + round % 10 * 37) {
            told.hear(&line.unwrap());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            told.hear(&line);
        }
        let ledger = world.open();
        let (spent, reserved) = standing(&ledger);
        assert!(
            reserved <= usd("12"),
            "four threads hold at most one each: {reserved}"
        );
        eventually("what the dead reserved is settled", || {
            standing(&ledger).1.is_zero()
        });
        let (after, _) = standing(&ledger);
        assert_eq!(after, spent.plus(reserved), "at its amount");
        let charges = charges(&ledger);
        assert_eq!(sum(&charges), after);
        // What was settled before anybody looked counts as well.
        let by_us = charges.iter().filter(
            |charge| matches!(charge, Charge::Request { how, .. } if *how == How::Recovered),
        );
        let by_us = by_us.count() - recovered;
        assert_eq!(ledger.recovered().len(), by_us);
        assert!(by_us as u64 >= reserved.nanos() / 3_000_000_000);
        recovered += by_us;
        told.holds(&charges);
        ledger.close();
    }
    assert!(told.0.len() > rounds * 20, "{} requests", told.0.len());
    let _alive = world.open();
    eventually("the dead are buried", || world.files("process-").len() == 1);
}

#[test]
fn nothing_that_was_answered_is_lost_or_charged_twice_over_ten_kills() {
    kill_rounds(10);
}

#[test]
#[ignore = "a soak: two hundred kills"]
fn soak_two_hundred_kills() {
    kill_rounds(200);
}

#[test]
fn a_live_process_keeps_its_reservations_while_the_dead_ones_are_settled() {
    let world = World::new();
    let (one, other) = (world.open(), world.open());
    let held = reserve(&one, "alive", &[], "5").unwrap();
    let mut child = start(&world);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.by_ref().take(50).for_each(drop);
    child.kill().unwrap();
    child.wait().unwrap();
    eventually("what the dead reserved is settled", || {
        standing(&other).1 == usd("5")
    });
    std::thread::sleep(world.settings.crash_grace * 3);
    assert_eq!(standing(&other).1, usd("5"));
    let (spent, _) = standing(&other);
    held.settle(usd("1"), ChargeFacts::default());
    assert_eq!(standing(&other), (spent.plus(usd("1")), usd("0")));
}

#[test]
fn what_is_kept_outlives_its_process_and_is_settled_once() {
    let world = World::new();
    let kept = Kept {
        key: "task/1".into(),
        deadline: now().plus_seconds(3_600),
        detail: Arc::from(*b"how to ask"),
    };
    let id = reserve(&world.open(), "r", &[], "5")
        .unwrap()
        .keep(kept.clone())
        .unwrap();
    let (one, other) = (world.open(), world.open());
    std::thread::sleep(world.settings.crash_grace * 3);
    assert_eq!(standing(&one).1, usd("5"), "no grace ends it");
    assert_eq!(one.kept("task/1").unwrap()[0].kept, kept);
    let settle = |ledger: &fabric_gate::budget::Ledger| {
        let facts = ChargeFacts::default();
        ledger
            .settle_kept(id, usd("2"), How::Settled, facts, &[])
            .unwrap()
    };
    assert!(settle(&one).is_some());
    assert!(settle(&other).is_none());
    assert_eq!(standing(&other), (usd("2"), usd("0")));
}
