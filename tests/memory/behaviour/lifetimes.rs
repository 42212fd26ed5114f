//! Forgetting at the time that was said.

use fabric_gate::memory::{
    Address, Area, Expected, Fields, Filter, Outcome, Page, PathFilter, WriteErrorKind,
};

use super::stage::*;
use crate::people::NOW;

fn for_a_minute(text: &str) -> Fields {
    with(text, |it| {
        it.ttl_seconds = Some(60);
        it.embedding = Some(vector(&[1.0, 2.0]));
    })
}

pub(crate) async fn an_entry_is_there_until_its_expiry_and_not_from_then_on(stage: &Stage) {
    let (to, of) = (alice().own(), own(&alice()));
    let entry = stage.keep(&to, "k", for_a_minute("tea")).await;
    let address = Address::memory(Some("k".to_owned()));
    let (last, end) = (micros(59_999_999), later(60));
    assert_eq!(entry.expires_at, Some(end));
    for (at, there) in [(last, 1), (end, 0), (later(61), 0)] {
        let store = &stage.store;
        let got = store.get(&of, entry.id, at).await.unwrap();
        assert_eq!(usize::from(got.is_some()), there);
        let found = store.find(&of, &address, at).await.unwrap();
        assert_eq!(found.len(), there);
        let filter = Filter::all(Area::Memories);
        let listed = store.list(&of, &filter, &Page::first(9), at).await.unwrap();
        assert_eq!(listed.len(), there);
        let history = store.history(&of, entry.id, at).await.unwrap();
        assert_eq!(usize::from(history.is_some()), there);
        assert_eq!(stage.search_at(&of, "tea", at).await.len(), there);
        assert_eq!(stage.near_at(&of, &[1.0, 2.0], at).await.len(), there);
        let paths = store.paths(&of, Area::Memories, &PathFilter::Any, at).await;
        assert_eq!(paths.unwrap().len(), there);
        let parts = store.partitions(&of, at).await.unwrap();
        assert_eq!(parts.len(), there);
    }
}

pub(crate) async fn what_has_expired_is_not_changed_and_frees_its_key(stage: &Stage) {
    let (to, of) = (alice().own(), own(&alice()));
    let entry = stage.keep(&to, "k", for_a_minute("tea")).await;
    let end = later(60);
    for change in [
        replace(entry.id, "x", Expected::Anything),
        relocate(entry.id, Address::memory(Some("l".to_owned()))),
        delete(entry.id),
    ] {
        let outcome = stage.write_at(&to, change, end).await;
        refused!(outcome, WriteErrorKind::Missing);
    }
    let present = put("k", "x", Expected::Present);
    refused!(
        stage.write_at(&to, present, end).await,
        WriteErrorKind::Precondition(None)
    );
    let again = create(Some("k"), for_a_minute("tea"));
    let next = created(stage.write_at(&to, again, end).await);
    assert_ne!(next.id, entry.id);
    assert_eq!((next.version, next.created_at), (1, end));
    let filter = Filter::all(Area::Memories);
    let found = stage.store.list(&of, &filter, &Page::first(9), end).await;
    assert_eq!(found.unwrap(), [next]);
    let put_anew = put("k", "anew", Expected::Absent);
    created(stage.write_at(&to, put_anew, later(120)).await);
    let other = stage.write_at(&to, create(None, Fields::new("y")), later(120));
    let other = created(other.await);
    stage
        .keep(&to, "m", for_a_minute("taken for a minute"))
        .await;
    let onto = rekey(other.id, Some("m"));
    updated(stage.write_at(&to, onto, later(120)).await);
}

pub(crate) async fn a_write_begins_the_lifetime_anew_and_a_recall_does_not(stage: &Stage) {
    let (to, of) = (alice().own(), own(&alice()));
    let entry = stage.make(&to, for_a_minute("tea")).await;
    let tenant = alice().tenant_scope();
    let recalled = [(entry.id, later(30))];
    stage.store.touch(&tenant, &recalled).await.unwrap();
    let got = stage.get(&of, entry.id).await.unwrap();
    assert_eq!(got.expires_at, Some(later(60)));
    let change = replace_with(entry.id, for_a_minute("tea"), Expected::Anything);
    let next = updated(stage.write_at(&to, change, later(50)).await);
    assert_eq!(next.expires_at, Some(later(110)));
    let change = replace(entry.id, "for ever", Expected::Anything);
    let next = updated(stage.write_at(&to, change, later(100)).await);
    assert_eq!(next.expires_at, None);
    let there = stage.store.get(&of, entry.id, later(9_999_999)).await;
    assert!(there.unwrap().is_some());
}

pub(crate) async fn a_refresh_moves_the_expiry_of_own_entries_that_have_one(stage: &Stage) {
    let (to, of) = (alice().own(), own(&alice()));
    let entry = stage.make(&to, for_a_minute("tea")).await;
    let lasting = stage.make(&to, Fields::new("lasting")).await;
    let late = stage
        .make(&to, with("late", |it| it.ttl_seconds = Some(5)))
        .await;
    let theirs = stage.make(&bob().own(), for_a_minute("bob's")).await;
    let ids = [entry.id, lasting.id, late.id, theirs.id];
    stage.store.refresh(&to, &ids, later(10)).await.unwrap();
    let got = stage.get(&of, entry.id).await.unwrap();
    assert_eq!(got.expires_at, Some(later(70)));
    assert_eq!((got.version, got.updated_at), (1, NOW));
    let got = stage.get(&of, lasting.id).await.unwrap();
    assert_eq!(got.expires_at, None);
    let gone = stage.store.get(&of, late.id, later(10)).await.unwrap();
    assert_eq!(gone, None, "what has expired does not come back");
    assert_eq!(stage.get(&own(&bob()), theirs.id).await, Some(theirs));
    let there = stage.store.get(&of, entry.id, later(69)).await.unwrap();
    assert!(there.is_some());
}

pub(crate) async fn a_sweep_removes_what_has_expired_up_to_its_limit(stage: &Stage) {
    let mine = alice().own();
    for to in [&mine, &mine, &bob().own(), &alice().shared().unwrap()] {
        stage.make(to, for_a_minute("tea")).await;
    }
    stage.make(&mine, Fields::new("lasting")).await;
    stage.make(&stranger().own(), for_a_minute("theirs")).await;
    let tenant = alice().tenant_scope();
    let sweep = |limit, at| stage.store.sweep(&tenant, limit, at);
    assert_eq!(sweep(10, micros(59_999_999)).await.unwrap(), 0);
    assert_eq!(stage.usage(&own(&bob())).await.0, 1);
    assert_eq!(sweep(3, later(60)).await.unwrap(), 3);
    assert_eq!(sweep(3, later(60)).await.unwrap(), 1);
    assert_eq!(sweep(3, later(60)).await.unwrap(), 0);
    assert_eq!(stage.usage(&own(&alice())).await, (1, ROW_BYTES + 7));
    assert_eq!(stage.usage(&own(&bob())).await, (0, 0));
    assert_eq!(
        stage.usage(&own(&stranger())).await.0,
        1,
        "not of this tenant"
    );
    assert_eq!(stage.all(&all(&alice())).await, ["lasting"]);
    let change = create(None, embedded("three dimensions", &[1.0, 2.0, 3.0]));
    assert!(matches!(
        stage.write_at(&mine, change, later(60)).await,
        Ok(Outcome::Created(_))
    ));
}
