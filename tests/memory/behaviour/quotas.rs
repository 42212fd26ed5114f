//! What a tenant and its users may keep.

use fabric_gate::memory::{Change, Expected, Fields, Quotas, Writable, WriteErrorKind};
use futures_util::future::join_all;

use super::stage::*;
use crate::people::{NOW, caller};

async fn write(
    stage: &Stage,
    to: &Writable,
    change: Change,
    quotas: &Quotas,
) -> Result<(), WriteErrorKind> {
    let written = stage.store.write(to, vec![change], quotas, NOW).await;
    written.map(drop).map_err(|error| error.kind)
}

fn entry(text: &str) -> Change {
    create(None, Fields::new(text))
}

fn quota(result: Result<(), WriteErrorKind>) -> (&'static str, u64) {
    match result {
        Err(WriteErrorKind::Quota { quota, limit }) => (quota, limit),
        other => panic!("no quota was passed: {other:?}"),
    }
}

pub(crate) async fn a_user_keeps_as_many_entries_as_its_quota_and_no_more(stage: &Stage) {
    let quotas = Quotas {
        user_entries: Some(2),
        ..OPEN
    };
    let to = alice().own();
    write(stage, &to, create(Some("k"), Fields::new("one")), &quotas)
        .await
        .unwrap();
    write(stage, &to, entry("two"), &quotas).await.unwrap();
    let third = write(stage, &to, entry("three"), &quotas).await;
    assert_eq!(quota(third), ("entries_per_user", 2));
    let fresh = write(stage, &to, put("l", "x", Expected::Anything), &quotas).await;
    assert_eq!(quota(fresh), ("entries_per_user", 2));
    write(stage, &to, put("k", "x", Expected::Anything), &quotas)
        .await
        .unwrap();
    write(stage, &to, create(Some("k"), Fields::new("one")), &quotas)
        .await
        .expect("a creation that is repeated takes no room");
    for other in [bob().own(), alice().shared().unwrap(), stranger().own()] {
        write(stage, &other, entry("x"), &quotas).await.unwrap();
    }
    let address = fabric_gate::memory::Address::memory(Some("k".to_owned()));
    let id = stage.find(&own(&alice()), &address).await[0].id;
    write(stage, &to, delete(id), &quotas).await.unwrap();
    write(stage, &to, entry("three"), &quotas).await.unwrap();
}

pub(crate) async fn bytes_count_with_those_of_versions_up_to_the_last_one(stage: &Stage) {
    let two = 2 * ROW_BYTES + 12;
    let quotas = Quotas {
        user_bytes: Some(two),
        versions: 2,
        ..OPEN
    };
    let to = alice().own();
    let long = "+".repeat(ROW_BYTES as usize + 13);
    let first = write(stage, &to, entry(&long), &quotas).await;
    assert_eq!(quota(first), ("bytes_per_user", two));
    // The key counts as well.
    let change = create(Some("k"), Fields::new("0123"));
    write(stage, &to, change, &quotas).await.unwrap();
    let larger = write(stage, &to, put("k", "0123456", Expected::Anything), &quotas).await;
    assert_eq!(quota(larger), ("bytes_per_user", two));
    write(stage, &to, put("k", "012345", Expected::Anything), &quotas)
        .await
        .unwrap();
    assert_eq!(stage.usage(&own(&alice())).await, (1, two));
    // The first version's five bytes leave as these come.
    write(stage, &to, put("k", "0123", Expected::Anything), &quotas)
        .await
        .unwrap();
    assert_eq!(stage.usage(&own(&alice())).await, (1, two));
    let one_more = write(stage, &to, entry(""), &quotas).await;
    assert_eq!(quota(one_more), ("bytes_per_user", two));
}

pub(crate) async fn an_entry_and_each_version_of_it_that_is_kept_count_with_their_rows(
    stage: &Stage,
) {
    let quotas = Quotas {
        user_bytes: Some(3 * ROW_BYTES + 2),
        versions: 2,
        ..OPEN
    };
    let to = alice().own();
    let used = || async { stage.usage(&own(&alice())).await };
    let first = stage.make(&to, Fields::new("")).await;
    assert_eq!(used().await, (1, ROW_BYTES), "what holds nothing");
    for _ in 0..3 {
        let change = replace(first.id, "1", Expected::Anything);
        write(stage, &to, change, &quotas).await.unwrap();
    }
    assert_eq!(used().await, (1, 2 * ROW_BYTES + 2), "as many as are kept");
    write(stage, &to, entry(""), &quotas).await.unwrap();
    let one_more = write(stage, &to, entry(""), &quotas).await;
    assert_eq!(quota(one_more).0, "bytes_per_user");
    write(stage, &to, delete(first.id), &quotas).await.unwrap();
    assert_eq!(used().await, (1, ROW_BYTES));
}

pub(crate) async fn a_tenants_quota_counts_all_of_its_namespaces(stage: &Stage) {
    let entries = Quotas {
        tenant_entries: Some(3),
        user_entries: Some(100),
        ..OPEN
    };
    for to in [alice().own(), bob().own(), alice().shared().unwrap()] {
        write(stage, &to, entry("12345"), &entries).await.unwrap();
    }
    for to in [alice().own(), caller("acme", "carol", &[]).own()] {
        let more = write(stage, &to, entry("x"), &entries).await;
        assert_eq!(quota(more), ("entries_per_tenant", 3));
    }
    let bytes = Quotas {
        tenant_bytes: Some(4 * ROW_BYTES + 16),
        ..OPEN
    };
    write(stage, &bob().own(), entry("x"), &bytes)
        .await
        .unwrap();
    let more = write(stage, &alice().shared().unwrap(), entry("y"), &bytes).await;
    assert_eq!(quota(more), ("bytes_per_tenant", 4 * ROW_BYTES + 16));
    write(stage, &stranger().own(), entry("theirs"), &bytes)
        .await
        .unwrap();
    write(stage, &stranger().own(), entry("theirs"), &entries)
        .await
        .unwrap();
}

pub(crate) async fn who_is_above_a_quota_deletes_and_does_not_grow(stage: &Stage) {
    let to = alice().own();
    let first = stage.make(&to, Fields::new("one")).await;
    let second = stage.make(&to, Fields::new("two")).await;
    let entries = Quotas {
        user_entries: Some(1),
        ..OPEN
    };
    let more = write(stage, &to, entry(""), &entries).await;
    assert_eq!(quota(more), ("entries_per_user", 1));
    let quotas = Quotas {
        user_bytes: Some(ROW_BYTES + 3),
        ..entries
    };
    write(stage, &to, delete(first.id), &quotas).await.unwrap();
    let change = replace(second.id, "2", Expected::Anything);
    assert_eq!(
        quota(write(stage, &to, change, &quotas).await),
        ("bytes_per_user", ROW_BYTES + 3)
    );
    write(stage, &to, delete(second.id), &quotas).await.unwrap();
    write(stage, &to, entry("1"), &quotas).await.unwrap();
}

pub(crate) async fn a_quota_that_is_passed_within_a_write_undoes_all_of_it(stage: &Stage) {
    let quotas = Quotas {
        user_entries: Some(2),
        ..OPEN
    };
    let to = alice().own();
    let three = vec![entry("1"), entry("2"), entry("3")];
    let error = stage.store.write(&to, three, &quotas, NOW).await;
    let error = error.unwrap_err();
    assert_eq!(error.index, 2);
    assert!(matches!(error.kind, WriteErrorKind::Quota { .. }));
    assert_eq!(stage.usage(&own(&alice())).await, (0, 0));
    let two = vec![entry("1"), entry("2")];
    stage.store.write(&to, two, &quotas, NOW).await.unwrap();
    let used = stage.usage(&own(&alice())).await;
    assert_eq!(used, (2, 2 * ROW_BYTES + 2));
}

pub(crate) async fn of_many_writers_at_once_as_many_pass_as_there_is_room(stage: &Stage) {
    let quotas = Quotas {
        user_entries: Some(5),
        tenant_entries: Some(8),
        ..OPEN
    };
    let (one, other) = (alice().own(), bob().own());
    let each = (0..40).map(|number| {
        let to = if number % 2 == 0 { &one } else { &other };
        write(stage, to, entry("x"), &quotas)
    });
    let outcomes = join_all(each).await;
    let passed = outcomes.iter().filter(|it| it.is_ok()).count();
    assert_eq!(passed, 8, "{outcomes:?}");
    let (mine, theirs) = (
        stage.usage(&own(&alice())).await,
        stage.usage(&own(&bob())).await,
    );
    assert!(mine.0 <= 5 && theirs.0 <= 5 && mine.0 + theirs.0 == 8);
    assert_eq!(stage.all(&own(&alice())).await.len() as u64, mine.0);
}
