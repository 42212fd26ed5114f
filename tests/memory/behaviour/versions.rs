//! What is kept of an entry's past.

use fabric_gate::memory::{Address, Change, Confidentiality, EntryId, Expected, Fields, Quotas};

use super::stage::*;
use crate::people::{NOW, caller};

pub(crate) async fn every_write_is_a_version_with_its_author_time_and_place(stage: &Stage) {
    let carol = caller("acme", "carol", &["lead"]);
    let shared = alice().shared().unwrap();
    let first = stage.keep(&shared, "k", Fields::new("one")).await;
    let by_carol = carol.shared().unwrap();
    let change = replace(first.id, "two", Expected::Anything);
    stage.write_at(&by_carol, change, later(1)).await.unwrap();
    let place = Address::memory(Some("l".to_owned()));
    let change = relocate(first.id, place.clone());
    let last = updated(stage.write_at(&shared, change, later(2)).await);
    assert_eq!(last.author.as_deref(), Some("alice"));
    let history = stage.store.history(&all(&bob()), first.id, later(3)).await;
    let history = history.unwrap().unwrap();
    let told: Vec<_> = history
        .iter()
        .map(|it| {
            let key = it.address.key.as_deref().unwrap();
            let author = it.author.as_deref().unwrap();
            (it.version, it.fields.content.as_str(), author, it.at, key)
        })
        .collect();
    assert_eq!(
        told,
        [
            (3, "two", "alice", later(2), "l"),
            (2, "two", "carol", later(1), "k"),
            (1, "one", "alice", NOW, "k"),
        ]
    );
    let foreign = stage.store.history(&all(&stranger()), first.id, NOW).await;
    assert_eq!(foreign.unwrap(), None);
    let of = all(&alice());
    let unknown = stage.store.history(&of, EntryId::mint(), NOW).await;
    assert_eq!(unknown.unwrap(), None);
}

pub(crate) async fn at_most_so_many_versions_are_kept_and_the_last_ones(stage: &Stage) {
    let (to, of) = (alice().own(), own(&alice()));
    let three = Quotas {
        versions: 3,
        ..OPEN
    };
    let entry = stage.make(&to, Fields::new("1")).await;
    for version in 2..=6 {
        let change = replace(entry.id, &version.to_string(), Expected::Anything);
        stage
            .store
            .write(&to, vec![change], &three, NOW)
            .await
            .unwrap();
    }
    let kept = || async {
        let history = stage.store.history(&of, entry.id, NOW).await.unwrap();
        let each = history.unwrap().into_iter().map(|it| it.version);
        each.collect::<Vec<_>>()
    };
    assert_eq!(kept().await, [6, 5, 4]);
    assert_eq!(stage.usage(&of).await, (1, 3 * ROW_BYTES + 3));
    let one = Quotas {
        versions: 1,
        ..OPEN
    };
    let change = replace(entry.id, "7", Expected::Versions(vec![6]));
    stage
        .store
        .write(&to, vec![change], &one, NOW)
        .await
        .unwrap();
    assert_eq!(kept().await, [7]);
    assert_eq!(stage.usage(&of).await, (1, ROW_BYTES + 1));
}

pub(crate) async fn versions_above_the_clearance_are_left_out(stage: &Stage) {
    let cleared = caller("acme", "dana", &["secret"]);
    let plain = caller("acme", "dana", &[]);
    let secret = with("secret", |it| {
        it.confidentiality = Confidentiality::Confidential;
    });
    let entry = stage.make(&cleared.own(), secret).await;
    let of = own(&plain);
    let hidden = stage.store.history(&of, entry.id, NOW).await.unwrap();
    assert_eq!(hidden, None, "as long as the entry is hidden");
    let change = Change::Replace {
        id: entry.id,
        fields: Fields::new("open"),
        key: None,
        expected: Expected::Anything,
    };
    stage.write(&cleared.own(), change).await.unwrap();
    let history = stage.store.history(&of, entry.id, NOW).await.unwrap();
    let seen: Vec<_> = history.unwrap().into_iter().map(|it| it.version).collect();
    assert_eq!(seen, [2]);
    let history = stage.store.history(&own(&cleared), entry.id, NOW).await;
    assert_eq!(history.unwrap().unwrap().len(), 2);
}
