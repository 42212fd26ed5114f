//! Many at the same time.

use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Barrier};
use std::time::Instant;

use fabric_gate::budget::CeilingScope;
use fabric_gate::budget::ledger::{ChargeFacts, Ledger, ReserveError};

use crate::world::{PATIENCE, World, ceiling, charges, open, reserve, standing, sum, tenants, usd};

const FOLDER: &str = "FABRIC_TEST_LEDGER";

/// How many of 200 threads that reserve at once pass a ceiling for `room`.
fn passed(ledgers: &[Arc<Ledger>], scope: CeilingScope, room: &str) -> usize {
    let barrier = Barrier::new(200);
    std::thread::scope(|scope_of_threads| {
        let callers: Vec<_> = (0..200)
            .map(|caller| {
                let (barrier, ledger) = (&barrier, &ledgers[caller % ledgers.len()]);
                let ceilings = [ceiling(scope, room), ceiling(CeilingScope::Tenant, "1000")];
                scope_of_threads.spawn(move || {
                    barrier.wait();
                    // Between processes it may be too busy for a moment, which is no answer.
                    loop {
                        match reserve(ledger, "r", &ceilings, "1") {
                            Ok(held) => break Some(held),
                            Err(ReserveError::Exceeded(_) | ReserveError::Full(_)) => break None,
                            Err(ReserveError::Unavailable(_)) => std::thread::yield_now(),
                        }
                    }
                })
            })
            .collect();
        let held: Vec<_> = callers.into_iter().map(|it| it.join().unwrap()).collect();
        held.into_iter().flatten().count()
    })
}

#[test]
fn of_two_hundred_callers_at_once_exactly_as_many_pass_as_there_is_room_for() {
    for scope in CeilingScope::ALL {
        let world = World::new();
        assert_eq!(passed(&[world.open()], scope, "17"), 17, "{scope:?}");
    }
}

#[test]
fn two_ledgers_on_one_folder_hold_a_ceiling_together() {
    let world = World::new();
    assert_eq!(
        passed(&[world.open(), world.open()], CeilingScope::User, "31"),
        31
    );
    assert_eq!(standing(&world.open()), (usd("31"), usd("0")));
}

/// Not a test of its own: a process that reserves until nothing is left, and settles at half.
#[test]
#[ignore = "started by the test below"]
fn child_that_spends() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let ledger = open(folder.as_ref(), World::new().settings).unwrap();
    let (mut passed, since) = (0, Instant::now());
    loop {
        assert!(since.elapsed() < PATIENCE * 3, "it never ends");
        match reserve(&ledger, "r", &tenants("5000"), "1") {
            Ok(held) => {
                held.settle(usd("0.5"), ChargeFacts::default());
                passed += 1;
            }
            // Others hold what will come back, or there is nothing left.
            Err(ReserveError::Exceeded(exhausted)) => {
                if exhausted.spent > usd("4999") {
                    break;
                }
            }
            Err(error @ ReserveError::Full(_)) => panic!("{error}"),
            Err(ReserveError::Unavailable(_)) => {}
        }
    }
    ledger.close();
    println!("passed {passed}");
}

fn start(world: &World) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "contest::child_that_spends",
            "--ignored",
            "--nocapture",
        ])
        .env(FOLDER, world.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn four_processes_spend_a_ceiling_to_its_end_and_not_beyond() {
    let world = World::new();
    let children: Vec<_> = (0..4).map(|_| start(&world)).collect();
    let mut passed = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text
            .lines()
            .find_map(|it| it.split("passed ").nth(1))
            .unwrap();
        passed += line.trim().parse::<usize>().unwrap();
    }
    let ledger = world.open();
    assert!(
        matches!(passed, 9_999 | 10_000),
        "{passed} of 0.50 fit, the last by 1.00"
    );
    assert_eq!(charges(&ledger).len(), passed);
    assert_eq!(standing(&ledger), (sum(&charges(&ledger)), usd("0")));
}
