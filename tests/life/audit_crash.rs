//! SIGKILL under load: the log goes on from where it was, and what was acknowledged is in it.

use std::time::Instant;

use crate::load::{Load, Plan};
use crate::records;
use crate::world::{self, World};

async fn with_a_synchronous_log() -> World {
    let prepared = world::prepare().await;
    prepared
        .with(|gate| {
            gate.section(
                "audit",
                "directory = \"audit\"\ndurability = \"sync\"\nflush_milliseconds = 5",
            )
        })
        .start()
        .await
}

/// Kills the gate that often under load; answers how many requests were acknowledged and how long
/// the slowest start took.
pub async fn kill_under_load(kills: usize) -> (usize, std::time::Duration) {
    let mut world = with_a_synchronous_log().await;
    let plan = Plan {
        address: world.gate.address().clone(),
        target: "/things/1".into(),
        token: world.member(),
    };
    let mut acknowledged = Vec::new();
    let mut slowest = std::time::Duration::ZERO;
    for round in 0..kills {
        let load = Load::start(&plan, 4, 2);
        // Another moment each time: in the middle of a write, of a sync, between two.
        load.more(20 + 7 * (round % 11)).await;
        world.gate.kill();
        let tally = load.until_refused().await;
        assert_eq!(tally.count(200), tally.answers.len(), "{tally:?}");
        acknowledged.extend(tally.answers.into_keys());

        let begun = Instant::now();
        world.gate.start_again().await;
        slowest = slowest.max(begun.elapsed());
        records::verified(&world.gate);
    }
    let recorded = records::by_request_id(world.gate.folder());
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|id| !recorded.contains_key(*id))
        .collect();
    assert!(
        lost.is_empty(),
        "{} of {} acknowledged requests have no record",
        lost.len(),
        acknowledged.len()
    );
    assert!(
        recorded.len() <= acknowledged.len() + kills * 6,
        "beyond them only what each client had under way at each kill"
    );
    (acknowledged.len(), slowest)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_kills_under_load_break_no_chain_and_lose_no_acknowledged_request() {
    kill_under_load(10).await;
}
