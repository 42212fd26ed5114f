//! The text index and the vectors: scores of one namespace tell of no other.

use super::*;
use crate::memory::{Area, Embedding, Scored};

async fn search(world: &World, caller: &Caller, term: &str) -> Vec<Scored> {
    world
        .store
        .by_text(
            &caller.reach(Scope::All),
            &Filter::all(Area::Memories),
            &[term.to_owned()],
            10,
            NOW,
        )
        .await
        .unwrap()
}

fn scores(found: &[Scored]) -> Vec<(String, u64)> {
    found
        .iter()
        .map(|scored| (scored.entry.fields.content.clone(), scored.score.to_bits()))
        .collect()
}

#[tokio::test]
async fn what_another_user_writes_changes_no_bit_of_a_score() {
    let world = World::new();
    let (alice, bob) = (caller("acme", "alice"), caller("acme", "bob"));
    for content in ["red fox", "red hen and a cock", "blue fox"] {
        world.remember(&alice, content).await;
    }
    let before = scores(&search(&world, &alice, "red").await);
    assert_eq!(before.len(), 2);
    for number in 0..50 {
        world.remember(&bob, &format!("red red fox {number}")).await;
    }
    assert_eq!(scores(&search(&world, &alice, "red").await), before);
    assert_eq!(search(&world, &bob, "red").await.len(), 10, "bob finds his");
}

#[tokio::test]
async fn a_changed_or_deleted_entry_is_found_by_what_it_holds_and_no_more() {
    let world = World::new();
    let alice = caller("acme", "alice");
    let entry = world.remember(&alice, "the quick fox").await;
    let replace = Change::Replace {
        id: entry.id,
        fields: Fields::new("the slow hen"),
        key: None,
        expected: crate::memory::Expected::Anything,
    };
    world
        .store
        .write(&alice.own(), vec![replace], &quotas(), NOW)
        .await
        .unwrap();
    assert!(search(&world, &alice, "quick").await.is_empty());
    assert_eq!(search(&world, &alice, "slow").await.len(), 1);
    let delete = Change::Delete {
        id: entry.id,
        expected: crate::memory::Expected::Anything,
    };
    world
        .store
        .write(&alice.own(), vec![delete], &quotas(), NOW)
        .await
        .unwrap();
    assert!(search(&world, &alice, "slow").await.is_empty());
}

#[tokio::test]
async fn an_entry_that_fits_is_found_behind_any_number_that_score_better_and_do_not() {
    let world = World::new();
    let alice = caller("acme", "alice");
    let better = (0..500).map(|_| created(Fields::new("fox fox fox")));
    world
        .store
        .write(&alice.own(), better.collect(), &quotas(), NOW)
        .await
        .unwrap();
    let mut fields = Fields::new("a fox among many other words that make it a long text");
    fields.tags = vec!["wanted".to_owned()];
    world.keep(&alice, fields).await;
    let mut filter = Filter::all(Area::Memories);
    filter.tags = vec!["wanted".to_owned()];
    let found = world
        .store
        .by_text(
            &alice.reach(Scope::User),
            &filter,
            &["fox".to_owned()],
            3,
            NOW,
        )
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
}

#[tokio::test]
async fn the_nearest_vectors_of_both_namespaces_come_in_order_and_no_others() {
    let world = World::new();
    let (alice, bob) = (caller("acme", "alice"), caller("acme", "bob"));
    let vector = |numbers: [f32; 2]| {
        let mut fields = Fields::new(format!("{numbers:?}"));
        fields.embedding = Some(Embedding::new(numbers.to_vec()).unwrap());
        fields
    };
    world.keep(&alice, vector([1.0, 0.0])).await;
    world.keep(&alice, vector([0.0, 1.0])).await;
    world.keep(&bob, vector([1.0, 0.01])).await;
    let shared = alice.shared().unwrap();
    world
        .store
        .write(&shared, vec![created(vector([1.0, 1.0]))], &quotas(), NOW)
        .await
        .unwrap();
    let nearest = async |caller: &Caller| {
        let found = world
            .store
            .by_vector(
                &caller.reach(Scope::All),
                &Filter::all(Area::Memories),
                &Embedding::new(vec![2.0, 0.0]).unwrap(),
                10,
                NOW,
            )
            .await
            .unwrap();
        found
            .into_iter()
            .map(|scored| scored.entry.fields.content)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        nearest(&alice).await,
        ["[1.0, 0.0]", "[1.0, 1.0]", "[0.0, 1.0]"]
    );
    assert_eq!(nearest(&bob).await, ["[1.0, 0.01]", "[1.0, 1.0]"]);
}

#[tokio::test]
async fn fields_come_back_as_they_were_written() {
    let world = World::new();
    let alice = caller("acme", "alice");
    let fields: Fields = serde_json::from_str(
        r#"{"content":"東京 tea","agent":"a","session":"s","category":"c","tags":["x","y","x"],
            "keywords":["k"],"summary":"sum","importance":9,"memory_type":"reflection",
            "strength":0.25,"related_ids":["r"],"source_ids":["q"],"metadata":{"n":1.5,"o":{"a":[]}},
            "embedding":[0.5,-1],"confidentiality":"restricted","ttl_seconds":60}"#,
    )
    .unwrap();
    let entry = world.keep(&alice, fields.clone()).await;
    let kept = world
        .store
        .get(&alice.reach(Scope::User), entry.id, NOW)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(kept, entry);
    assert_eq!(kept.fields, fields);
}
