//! A journal that can't be written, locked or synced: refused at once, and used again once it can.

use std::sync::{Arc, mpsc};

use fabric_gate::budget::ledger::{ChargeFacts, Ledger, ReserveError};
use fabric_gate::decision::StateUnavailable;

use crate::world::{PATIENCE, World, eventually, reserve, standing, usd};

/// What a reservation is refused with, by a ledger that waits for nobody without an end.
fn refused(ledger: &Arc<Ledger>) -> Option<StateUnavailable> {
    let (ledger, (sender, outcome)) = (Arc::clone(ledger), mpsc::channel());
    std::thread::spawn(move || sender.send(reserve(&ledger, "r", &[], "1")));
    let outcome = outcome.recv_timeout(PATIENCE);
    match outcome.unwrap_or_else(|_| panic!("it waits on and on")) {
        Ok(held) => {
            held.release();
            None
        }
        Err(ReserveError::Unavailable(error)) => Some(error),
        Err(error @ (ReserveError::Exceeded(_) | ReserveError::Full(_))) => panic!("{error}"),
    }
}

#[test]
fn while_another_process_stands_still_with_the_lock_everything_is_refused_and_then_goes_on() {
    let world = World::new();
    let ledger = world.open();
    let held = reserve(&ledger, "held", &[], "4").unwrap();
    let locks = world.files("shard-");
    let locks: Vec<_> = locks
        .iter()
        .filter(|it| it.extension().unwrap() == "lock")
        .collect();
    let taken: Vec<_> = locks
        .iter()
        .map(|path| std::fs::File::open(path).unwrap())
        .collect();
    taken.iter().for_each(|lock| lock.lock().unwrap());
    assert_eq!(refused(&ledger), Some(StateUnavailable::Busy));
    for _turn in 0..20 {
        assert!(refused(&ledger).is_some());
    }
    assert!(ledger.probe().is_err());
    held.settle(usd("1"), ChargeFacts::default());
    drop(taken);
    eventually("the settlement that waited is written", || {
        standing(&world.open()) == (usd("1"), usd("0"))
    });
    assert_eq!(refused(&ledger), None);
}

#[test]
fn while_the_folder_is_gone_and_cannot_be_made_nothing_is_reserved_and_nothing_is_lost() {
    let world = World::new();
    let ledger = world.open();
    drop(reserve(&ledger, "r", &[], "1").unwrap());
    let aside = world.path().with_extension("aside");
    std::fs::rename(world.path(), &aside).unwrap();
    std::fs::write(world.path(), b"a file in its place").unwrap();
    eventually("it is refused", || refused(&ledger).is_some());
    std::fs::remove_file(world.path()).unwrap();
    eventually("it goes on", || refused(&ledger).is_none());
    assert_eq!(standing(&world.open()).0, usd("1"));
}
