//! A process that is killed at any moment has told nobody of an owner who is forgotten afterwards.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use fabric_gate::clock::SystemClock;
use fabric_gate::ownership::{Ownership, Registry};
use fabric_gate::state::SqliteStore;

use crate::world::{World, block_on, owner, session};

const DATABASE: &str = "FABRIC_TEST_STATE";

/// Not a test of its own: the process that is killed. Four tenants claim the same ids, and mint
/// others, and print who was said to own each.
#[test]
#[ignore = "started by the test below"]
fn child_that_is_killed() {
    let Some(database) = std::env::var_os(DATABASE) else {
        return;
    };
    let store = Arc::new(SqliteStore::open(&PathBuf::from(database)).unwrap());
    let registry = Registry::new(store, Arc::new(SystemClock), 1_000);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let registry = &registry;
            scope.spawn(move || {
                block_on(async {
                    let me = owner(&format!("t{thread}"), "u");
                    for number in 0_u64.. {
                        let process = std::process::id();
                        let claimed = session(&format!("claimed-{process}-{number}"));
                        let told = registry.claim(&claimed, &me).await.unwrap();
                        print(claimed.id().as_str(), &told);
                        let minted = session(&format!("minted-{process}-{thread}-{number}"));
                        let told = registry.mint(&minted, &me).await.unwrap();
                        print(minted.id().as_str(), &told);
                    }
                });
            });
        }
    });
}

fn print(id: &str, told: &Ownership) {
    let Ownership::Owned(owner) = told else {
        panic!("{id} is {told:?}");
    };
    let mut out = std::io::stdout();
    writeln!(out, "owned {id} {}", owner.tenant).unwrap();
}

fn start(world: &World) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "crash::child_that_is_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(DATABASE, world.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn no_owner_that_anybody_was_told_of_is_lost_or_changed_over_thirty_kills() {
    let world = World::new();
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    for round in 0..30 {
        let mut child = start(&world);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut hear = |line: &str| {
            let mut words = line.split(' ');
            // The last line may be torn.
            let (Some("owned"), Some(id), Some(owner @ ("t0" | "t1" | "t2" | "t3"))) =
                (words.next(), words.next(), words.next())
            else {
                return false;
            };
            let before = told.insert(id.to_owned(), owner.to_owned());
            assert!(
                before.is_none_or(|before| before == owner),
                "{id} has two owners"
            );
            true
        };
        let mut seen = 0;
        while seen < 5 + round * 11 {
            seen += usize::from(hear(&lines.next().unwrap().unwrap()));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            hear(&line);
        }
        let registry = world.open();
        block_on(async {
            for (id, tenant) in &told {
                let found = registry.owner(&session(id)).await.unwrap();
                assert_eq!(
                    found,
                    Ownership::Owned(owner(tenant, "u")),
                    "{id}, round {round}"
                );
            }
        });
    }
    assert!(told.len() > 1_000, "{} ids", told.len());
    assert_eq!(world.sql("PRAGMA integrity_check").len(), 1);
}
