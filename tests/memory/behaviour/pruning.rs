//! Letting go of memories by rule.

use fabric_gate::clock::Timestamp;
use fabric_gate::memory::{
    Address, Area, Change, EntryId, Fields, Importance, PruneRule, Writable,
};

use super::stage::*;
use crate::people::NOW;

const HALF_LIFE: i64 = PruneRule::STRENGTH_HALF_LIFE as i64;

/// A memory written at some time with an importance and a strength.
async fn memory(
    stage: &Stage,
    text: &str,
    at: Timestamp,
    importance: u8,
    strength: f64,
) -> EntryId {
    let fields = with(text, |it| {
        it.importance = Importance::try_from(importance).unwrap();
        it.strength = strength;
        it.agent = Some(text.to_owned());
    });
    let outcome = stage
        .write_at(&alice().own(), create(None, fields), at)
        .await;
    created(outcome).id
}

/// What is left after `rule`, as texts run together, with how many went.
async fn left(stage: &Stage, rule: PruneRule) -> (String, u64) {
    let to = alice().own();
    let before = stage.all(&own(&alice())).await;
    let dry = PruneRule {
        dry_run: true,
        ..rule.clone()
    };
    let told = stage.store.prune(&to, &dry, NOW).await.unwrap();
    assert_eq!(stage.all(&own(&alice())).await, before, "only told");
    let mut done = stage.store.prune(&to, &rule, NOW).await.unwrap();
    let mut expected = told.clone();
    done.1.sort_unstable();
    expected.1.sort_unstable();
    assert_eq!(done, expected, "what was told is what is done");
    assert_eq!(done.1.len() as u64, done.0);
    for id in &done.1 {
        assert_eq!(stage.get(&own(&alice()), *id).await, None);
    }
    (stage.all(&own(&alice())).await.concat(), done.0)
}

pub(crate) async fn what_was_not_used_since_is_let_go_of(stage: &Stage) {
    memory(stage, "a", later(-100), 5, 1.0).await;
    let recalled = memory(stage, "b", later(-100), 5, 1.0).await;
    memory(stage, "c", later(-50), 5, 1.0).await;
    memory(stage, "d", micros(-50_000_001), 5, 1.0).await;
    let tenant = alice().tenant_scope();
    let touched = [(recalled, later(-10))];
    stage.store.touch(&tenant, &touched).await.unwrap();
    let rule = PruneRule {
        older_than: Some(later(-50)),
        ..PruneRule::default()
    };
    assert_eq!(left(stage, rule).await, ("bc".to_owned(), 2));
}

pub(crate) async fn what_matters_less_is_let_go_of(stage: &Stage) {
    for (text, importance) in [("a", 1), ("b", 4), ("c", 5), ("d", 10)] {
        memory(stage, text, NOW, importance, 1.0).await;
    }
    let rule = PruneRule {
        min_importance: Some(5),
        ..PruneRule::default()
    };
    assert_eq!(left(stage, rule).await, ("cd".to_owned(), 2));
}

pub(crate) async fn strength_halves_with_each_half_life_that_nobody_recalls(stage: &Stage) {
    memory(stage, "a", later(-HALF_LIFE - 60), 5, 1.0).await;
    memory(stage, "b", later(-HALF_LIFE + 60), 5, 1.0).await;
    memory(stage, "c", NOW, 5, 0.5).await;
    memory(stage, "d", NOW, 5, 0.49).await;
    let recalled = memory(stage, "e", later(-5 * HALF_LIFE), 5, 1.0).await;
    let tenant = alice().tenant_scope();
    let touched = [(recalled, later(-60))];
    stage.store.touch(&tenant, &touched).await.unwrap();
    let rule = PruneRule {
        min_strength: Some(0.5),
        ..PruneRule::default()
    };
    assert_eq!(left(stage, rule).await, ("bce".to_owned(), 2));
}

pub(crate) async fn the_strongest_then_most_important_then_newest_are_kept(stage: &Stage) {
    memory(stage, "a", NOW, 5, 0.9).await;
    memory(stage, "b", NOW, 9, 0.5).await;
    memory(stage, "c", NOW, 8, 0.5).await;
    let old = Change::Create {
        address: Address::memory(None),
        fields: with("d", |it| {
            it.strength = 0.5;
            it.importance = Importance::try_from(8).unwrap();
        }),
        created_at: Some(later(-9)),
    };
    created(stage.write(&alice().own(), old).await);
    memory(stage, "e", later(-HALF_LIFE), 10, 0.8).await;
    for (keep, expected) in [(9, "abcde"), (4, "abcd"), (3, "abc"), (2, "ab"), (0, "")] {
        let rule = PruneRule {
            keep: Some(keep),
            ..PruneRule::default()
        };
        assert_eq!(left(stage, rule).await.0, expected, "keep {keep}");
    }
}

pub(crate) async fn every_part_that_is_said_has_to_fit(stage: &Stage) {
    memory(stage, "a", later(-100), 1, 0.1).await;
    memory(stage, "b", later(-100), 9, 0.1).await;
    memory(stage, "c", NOW, 1, 0.2).await;
    memory(stage, "d", later(-100), 1, 1.0).await;
    let rule = PruneRule {
        older_than: Some(later(-1)),
        min_importance: Some(5),
        ..PruneRule::default()
    };
    let keeping = PruneRule {
        keep: Some(1),
        ..rule.clone()
    };
    assert_eq!(
        left(stage, keeping).await,
        ("bcd".to_owned(), 1),
        "the strongest stays whatever else is said"
    );
    let of_agent = PruneRule {
        agent: Some("nobody".to_owned()),
        ..rule.clone()
    };
    assert_eq!(left(stage, of_agent).await.1, 0);
    let of_agent = PruneRule {
        agent: Some("d".to_owned()),
        ..rule
    };
    assert_eq!(left(stage, of_agent).await, ("bc".to_owned(), 1));
}

pub(crate) async fn only_memories_of_that_one_namespace_are_let_go_of(stage: &Stage) {
    let shared = alice().shared().unwrap();
    let others: [Writable; 3] = [bob().own(), shared, stranger().own()];
    for to in &others {
        stage.make(to, Fields::new("theirs")).await;
    }
    let to = alice().own();
    let item = stage.place(&to, at(Area::Items, "", "k"), "item").await;
    let file = stage.place(&to, at(Area::Files, "", "k"), "file").await;
    stage.keep(&to, "k", embedded("mine", &[1.0])).await;
    let rule = PruneRule {
        keep: Some(0),
        ..PruneRule::default()
    };
    assert_eq!(left(stage, rule).await, (String::new(), 1));
    for id in [item.id, file.id] {
        assert!(stage.get(&own(&alice()), id).await.is_some());
    }
    assert_eq!(stage.all(&all(&bob())).await, ["theirs", "theirs"]);
    assert_eq!(stage.all(&own(&stranger())).await, ["theirs"]);
    assert_eq!(stage.search(&own(&alice()), "mine").await, [""; 0]);
    let used = stage.usage(&own(&alice())).await;
    assert_eq!(used, (2, 2 * ROW_BYTES + 8 + 2));
    stage
        .keep(&to, "k", embedded("the key is free", &[1.0, 2.0]))
        .await;
}

pub(crate) async fn the_count_is_exact_beyond_the_ids_that_are_answered(stage: &Stage) {
    let to = alice().own();
    let many = PruneRule::MAX_IDS + 5;
    let changes = (0..many).map(|_| create(None, Fields::new("x"))).collect();
    stage.store.write(&to, changes, &OPEN, NOW).await.unwrap();
    let rule = PruneRule {
        keep: Some(2),
        ..PruneRule::default()
    };
    let (count, ids) = stage.store.prune(&to, &rule, NOW).await.unwrap();
    assert_eq!(count, many as u64 - 2);
    assert_eq!(ids.len(), PruneRule::MAX_IDS);
    let used = stage.usage(&own(&alice())).await;
    assert_eq!(used, (2, 2 * ROW_BYTES + 2));
}
