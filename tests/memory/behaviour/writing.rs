//! What a write does.

use fabric_gate::memory::{
    Address, Area, Change, Expected, Fields, Importance, MemoryType, Outcome, Owner, Page,
    WriteErrorKind,
};
use fabric_gate::memory::{Confidentiality, Filter};
use futures_util::future::join_all;
use serde_json::json;

use super::stage::*;
use crate::people::{NOW, caller};

pub(crate) async fn a_created_entry_is_read_back_as_it_was_written(stage: &Stage) {
    let fields = with("Tea at four.\nNot five.", |fields| {
        fields.agent = Some("planner".to_owned());
        fields.session = Some("s-1".to_owned());
        fields.category = Some("habits".to_owned());
        fields.tags = vec!["drink".to_owned(), "time".to_owned()];
        fields.keywords = vec!["beverage".to_owned()];
        fields.summary = Some("tea".to_owned());
        fields.importance = Importance::try_from(9).unwrap();
        fields.memory_type = MemoryType::Reflection;
        fields.strength = 0.1 + 0.2;
        fields.related_ids = vec!["b".to_owned(), "a".to_owned()];
        fields.source_ids = vec!["x".to_owned()];
        let metadata = json!({
            "n": null, "b": true, "f": 0.1, "e": 1e300, "i": u64::MAX, "neg": i64::MIN,
            "t": "\u{1F9D1}\u{200D}\u{1F680} \"q\" \\ / \u{7f}", "": {"": []}, "a": [1, [2, {"x": 1.5}]],
        });
        fields.metadata = metadata.as_object().unwrap().clone();
        fields.embedding = Some(vector(&[0.1, -2.5e-3, 3.0e30]));
        fields.confidentiality = Confidentiality::Confidential;
        fields.ttl_seconds = Some(3600);
    });
    let alice = alice();
    let entry = stage.keep(&alice.own(), "tea", fields.clone()).await;
    assert_eq!(entry.fields, fields);
    assert_eq!(entry.owner, Owner::User(alice.user().clone()));
    assert_eq!(entry.address, Address::memory(Some("tea".to_owned())));
    assert_eq!((entry.version, entry.access_count), (1, 0));
    assert_eq!(entry.author.as_deref(), Some("alice"));
    let times = (entry.created_at, entry.updated_at, entry.last_accessed);
    assert_eq!(times, (NOW, NOW, NOW));
    assert_eq!(entry.expires_at, Some(later(3600)));
    assert_eq!(stage.get(&own(&alice), entry.id).await, Some(entry));
}

pub(crate) async fn a_creation_that_is_repeated_answers_the_entry_there_is(stage: &Stage) {
    let to = alice().own();
    let first = stage.keep(&to, "k", Fields::new("one")).await;
    let again = || create(Some("k"), Fields::new("one"));
    assert_eq!(
        stage.write(&to, again()).await.unwrap(),
        Outcome::Existed(first.clone())
    );
    let change = replace(first.id, "two", Expected::Anything);
    let second = updated(stage.write(&to, change).await);
    assert_eq!(
        stage.write(&to, again()).await.unwrap(),
        Outcome::Existed(second),
        "it was created with these fields, whatever it holds since"
    );
    let changed = stage
        .write(&to, create(Some("k"), Fields::new("two")))
        .await;
    refused!(changed, WriteErrorKind::Taken);
}

pub(crate) async fn another_creation_at_a_taken_key_is_a_conflict(stage: &Stage) {
    let to = alice().own();
    let first = stage.keep(&to, "k", Fields::new("one")).await;
    for other in [
        Fields::new("other"),
        with("one", |it| it.agent = Some("a".to_owned())),
        with("one", |it| it.ttl_seconds = Some(5)),
    ] {
        let outcome = stage.write(&to, create(Some("k"), other)).await;
        refused!(outcome, WriteErrorKind::Taken);
    }
    assert_eq!(stage.get(&own(&alice()), first.id).await, Some(first));
}

pub(crate) async fn one_key_stands_once_in_each_namespace_area_and_path(stage: &Stage) {
    let places = [
        (alice().own(), at(Area::Memories, "", "k")),
        (alice().own(), at(Area::Items, "", "k")),
        (alice().own(), at(Area::Items, "a/", "k")),
        (alice().own(), at(Area::Items, "a/b/", "k")),
        (alice().own(), at(Area::Files, "a/", "k")),
        (alice().own(), at(Area::Memories, "", "K")),
        (alice().shared().unwrap(), at(Area::Memories, "", "k")),
        (bob().own(), at(Area::Memories, "", "k")),
        (stranger().own(), at(Area::Memories, "", "k")),
        (stranger().shared().unwrap(), at(Area::Memories, "", "k")),
    ];
    for (number, (to, address)) in places.iter().enumerate() {
        stage.place(to, address.clone(), &number.to_string()).await;
    }
    for (to, address) in places {
        let change = Change::Create {
            address,
            fields: Fields::new("another"),
            created_at: None,
        };
        refused!(stage.write(&to, change).await, WriteErrorKind::Taken);
    }
}

pub(crate) async fn entries_without_a_key_never_stand_in_each_others_way(stage: &Stage) {
    let to = alice().own();
    let first = stage.make(&to, Fields::new("same")).await;
    let second = stage.make(&to, Fields::new("same")).await;
    assert_ne!(first.id, second.id);
    assert_eq!(stage.all(&own(&alice())).await, ["same", "same"]);
    assert_eq!(
        stage.find(&own(&alice()), &Address::memory(None)).await,
        [],
        "they are found by their ids only"
    );
}

pub(crate) async fn a_put_makes_what_is_missing_and_replaces_what_is_there(stage: &Stage) {
    let to = alice().own();
    let first = created(stage.write(&to, put("k", "one", Expected::Anything)).await);
    let change = put("k", "two", Expected::Anything);
    let second = updated(stage.write_at(&to, change, later(5)).await);
    assert_eq!((second.id, second.version), (first.id, 2));
    assert_eq!(second.fields, Fields::new("two"));
    assert_eq!((second.created_at, second.updated_at), (NOW, later(5)));
    let there = stage.get(&own(&alice()), first.id).await;
    assert_eq!(there, Some(second));
    assert_eq!(stage.all(&own(&alice())).await, ["two"]);
}

pub(crate) async fn a_change_whose_condition_does_not_hold_changes_nothing(stage: &Stage) {
    let to = alice().own();
    let entry = stage.keep(&to, "k", Fields::new("one")).await;
    let id = entry.id;
    type Making = fn(fabric_gate::memory::EntryId, Expected) -> Change;
    let changes: [Making; 4] = [
        |_, expected| put("k", "two", expected),
        |id, expected| replace(id, "two", expected),
        |id, expected| Change::Move {
            id,
            address: Address::memory(Some("l".to_owned())),
            expected,
        },
        |id, expected| Change::Delete { id, expected },
    ];
    for change in changes {
        for expected in [
            Expected::Absent,
            Expected::Versions(vec![]),
            Expected::Versions(vec![2, 0]),
        ] {
            let outcome = stage.write(&to, change(id, expected)).await;
            refused!(outcome, WriteErrorKind::Precondition(Some(1)));
        }
        assert_eq!(
            stage.get(&own(&alice()), id).await.as_ref(),
            Some(&entry),
            "untouched"
        );
    }
    for expected in [Expected::Present, Expected::Versions(vec![1])] {
        let absent = stage.write(&to, put("none", "x", expected)).await;
        refused!(absent, WriteErrorKind::Precondition(None));
    }
    created(stage.write(&to, put("new", "x", Expected::Absent)).await);
    let change = put("k", "two", Expected::Versions(vec![7, 1]));
    assert_eq!(updated(stage.write(&to, change).await).version, 2);
    let change = replace(id, "three", Expected::Present);
    assert_eq!(updated(stage.write(&to, change).await).version, 3);
    let change = Change::Delete {
        id,
        expected: Expected::Versions(vec![3]),
    };
    assert_eq!(
        stage.write(&to, change).await.unwrap(),
        Outcome::Deleted(id)
    );
}

pub(crate) async fn a_replacement_changes_or_takes_away_the_key(stage: &Stage) {
    let (to, of) = (alice().own(), own(&alice()));
    let entry = stage.keep(&to, "a", Fields::new("one")).await;
    stage.keep(&to, "b", Fields::new("other")).await;
    refused!(
        stage.write(&to, rekey(entry.id, Some("b"))).await,
        WriteErrorKind::Taken
    );
    let same = updated(stage.write(&to, rekey(entry.id, Some("a"))).await);
    assert_eq!(same.address.key.as_deref(), Some("a"));
    let moved = updated(stage.write(&to, rekey(entry.id, Some("c"))).await);
    assert_eq!(moved.version, 3);
    let key = |key: &str| Address::memory(Some(key.to_owned()));
    assert_eq!(stage.find(&of, &key("a")).await, []);
    assert_eq!(stage.find(&of, &key("c")).await, [moved]);
    let without = updated(stage.write(&to, rekey(entry.id, None)).await);
    assert_eq!(without.address.key, None);
    assert_eq!(stage.find(&of, &key("c")).await, []);
    stage.keep(&to, "a", Fields::new("the key is free")).await;
    stage.keep(&to, "c", Fields::new("this too")).await;
    let unsaid = replace(entry.id, "still without", Expected::Anything);
    assert_eq!(updated(stage.write(&to, unsaid).await).address.key, None);
}

pub(crate) async fn a_move_is_a_version_and_stays_out_of_taken_places(stage: &Stage) {
    let (to, of) = (alice().own(), own(&alice()));
    let file = |path: &str, key: &str| at(Area::Files, path, key);
    let entry = stage.place(&to, file("a/", "x"), "one").await;
    stage.place(&to, file("b/", "x"), "other").await;
    let taken = stage.write(&to, relocate(entry.id, file("b/", "x"))).await;
    refused!(taken, WriteErrorKind::Taken);
    let moved = stage.write_at(&to, relocate(entry.id, file("c/", "y")), later(9));
    let moved = updated(moved.await);
    assert_eq!((moved.version, moved.updated_at), (2, later(9)));
    assert_eq!(moved.fields.content, "one");
    assert_eq!(stage.find(&of, &file("c/", "y")).await, [moved]);
    assert_eq!(stage.find(&of, &file("a/", "x")).await, []);
    stage.place(&to, file("a/", "x"), "the place is free").await;
}

pub(crate) async fn a_write_of_many_changes_happens_whole_or_not_at_all(stage: &Stage) {
    let (to, of) = (alice().own(), own(&alice()));
    let entry = stage.keep(&to, "k", Fields::new("one")).await;
    let gone = stage.make(&to, Fields::new("gone")).await;
    stage.write(&to, delete(gone.id)).await.unwrap();
    let before = stage.usage(&of).await;
    let changes = vec![
        create(Some("new"), Fields::new("fresh")),
        put("k", "two", Expected::Anything),
        replace(entry.id, "three", Expected::Versions(vec![2])),
        delete(gone.id),
    ];
    let error = stage.store.write(&to, changes.clone(), &OPEN, NOW).await;
    let error = error.unwrap_err();
    assert_eq!(error.index, 3);
    assert!(matches!(error.kind, WriteErrorKind::Missing), "{error:?}");
    assert_eq!(stage.all(&of).await, ["one"]);
    assert_eq!(stage.search(&of, "fresh two three").await, [""; 0]);
    assert_eq!(stage.usage(&of).await, before);
    let history = stage.store.history(&of, entry.id, NOW).await.unwrap();
    assert_eq!(history.unwrap().len(), 1);

    let good = changes.into_iter().take(3).chain([delete(entry.id)]);
    let outcomes = stage.store.write(&to, good.collect(), &OPEN, NOW).await;
    let outcomes = outcomes.unwrap();
    assert!(matches!(&outcomes[0], Outcome::Created(it) if it.fields.content == "fresh"));
    assert!(matches!(&outcomes[1], Outcome::Updated(it) if it.version == 2));
    assert!(matches!(&outcomes[2], Outcome::Updated(it) if it.version == 3));
    assert_eq!(outcomes[3], Outcome::Deleted(entry.id));
    assert_eq!(stage.all(&of).await, ["fresh"]);
    let none = stage.store.write(&to, vec![], &OPEN, NOW).await.unwrap();
    assert_eq!(none, []);
}

pub(crate) async fn a_deleted_entry_is_gone_with_its_history_and_frees_its_key(stage: &Stage) {
    let (to, of) = (alice().own(), own(&alice()));
    let entry = stage.keep(&to, "k", embedded("tea", &[1.0, 2.0])).await;
    stage.write(&to, delete(entry.id)).await.unwrap();
    assert_eq!(stage.get(&of, entry.id).await, None);
    let history = stage.store.history(&of, entry.id, NOW).await.unwrap();
    assert_eq!(history, None);
    assert_eq!(stage.search(&of, "tea").await, [""; 0]);
    assert_eq!(stage.near(&of, &[1.0, 2.0]).await, [""; 0]);
    assert_eq!(stage.usage(&of).await, (0, 0));
    refused!(
        stage.write(&to, delete(entry.id)).await,
        WriteErrorKind::Missing
    );
    let next = stage.keep(&to, "k", Fields::new("tea")).await;
    assert_ne!(next.id, entry.id);
    assert_eq!(next.version, 1);
}

pub(crate) async fn nothing_of_another_namespace_is_changed(stage: &Stage) {
    let entry = stage.keep(&alice().own(), "k", Fields::new("mine")).await;
    for other in [
        bob().own(),
        stranger().own(),
        stranger().shared().unwrap(),
        alice().shared().unwrap(),
        caller("acme", "ALICE", &[]).own(),
    ] {
        for change in [
            replace(entry.id, "taken", Expected::Anything),
            rekey(entry.id, None),
            relocate(entry.id, Address::memory(Some("l".to_owned()))),
            delete(entry.id),
        ] {
            let outcome = stage.write(&other, change).await;
            refused!(outcome, WriteErrorKind::Missing);
        }
    }
    let there = stage.get(&own(&alice()), entry.id).await;
    assert_eq!(there.as_ref(), Some(&entry));
    let change = replace(entry.id, "by its owner", Expected::Anything);
    updated(stage.write(&alice().own(), change).await);
}

pub(crate) async fn an_import_keeps_when_an_entry_was_created(stage: &Stage) {
    let (to, of) = (alice().own(), own(&alice()));
    stage.make(&to, Fields::new("today")).await;
    let long_ago = later(-86_400 * 365);
    let change = Change::Create {
        address: Address::memory(None),
        fields: with("last year", |it| it.ttl_seconds = Some(60)),
        created_at: Some(long_ago),
    };
    let entry = created(stage.write(&to, change).await);
    assert_eq!(
        (entry.created_at, entry.last_accessed),
        (long_ago, long_ago)
    );
    assert_eq!(entry.updated_at, NOW);
    assert_eq!(entry.expires_at, Some(later(60)), "from its last write");
    let filter = Filter::all(Area::Memories);
    let listed = stage.store.list(&of, &filter, &Page::first(9), NOW).await;
    assert_eq!(contents(&listed.unwrap()), ["today", "last year"]);
}

pub(crate) async fn of_writers_at_one_version_exactly_one_wins(stage: &Stage) {
    let to = alice().own();
    let entry = stage.keep(&to, "k", Fields::new("0")).await;
    for version in 1..=5 {
        let each = (0..16).map(|number| {
            let content = format!("{version}-{number}");
            let to = &to;
            async move {
                let expected = Expected::Versions(vec![version]);
                let change = replace(entry.id, &content, expected);
                (content, stage.write(to, change).await)
            }
        });
        let (mut won, mut lost) = (Vec::new(), 0);
        for (content, outcome) in join_all(each).await {
            match outcome {
                Ok(Outcome::Updated(_)) => won.push(content),
                Err(WriteErrorKind::Precondition(Some(at))) => {
                    assert_eq!(at, version + 1);
                    lost += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((won.len(), lost), (1, 15));
        assert_eq!(stage.all(&own(&alice())).await, won);
    }
}

pub(crate) async fn of_creators_of_one_key_exactly_one_creates_it(stage: &Stage) {
    let to = alice().own();
    let each = (0..16).map(|number| {
        let content = format!("content {number}");
        stage.write(&to, create(Some("k"), Fields::new(content)))
    });
    let outcomes = join_all(each).await;
    let made = outcomes.iter().filter(|it| it.is_ok()).count();
    assert_eq!(made, 1);
    let taken = |it: &&Result<_, _>| matches!(it, Err(WriteErrorKind::Taken));
    assert_eq!(outcomes.iter().filter(taken).count(), 15);
    let each = (0..16).map(|_| stage.write(&to, create(Some("l"), Fields::new("same"))));
    let (mut made, mut ids) = (0, Vec::new());
    for outcome in join_all(each).await {
        match outcome.unwrap() {
            Outcome::Created(entry) => {
                made += 1;
                ids.push(entry.id);
            }
            Outcome::Existed(entry) => ids.push(entry.id),
            other => panic!("{other:?}"),
        }
    }
    ids.dedup();
    assert_eq!((made, ids.len()), (1, 1));
}
