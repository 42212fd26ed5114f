//! Confidentiality: what is above a caller's clearance is not there.

use fabric_gate::memory::{
    Address, Area, Confidentiality, Expected, Fields, Filter, Page, PathFilter, PruneRule, Scope,
    Writable, WriteErrorKind,
};

use super::stage::*;
use crate::people::{NOW, caller};

fn at_level(text: &str, level: Confidentiality) -> Fields {
    with(text, |it| {
        it.confidentiality = level;
        it.agent = Some(text.to_owned());
        it.embedding = Some(vector(&[1.0, 2.0]));
        it.ttl_seconds = Some(100);
    })
}

fn of_all_levels() -> [(&'static str, Confidentiality); 4] {
    Confidentiality::ALL.map(|level| (level.as_str(), level))
}

pub(crate) async fn every_reading_stops_at_the_clearance(stage: &Stage) {
    let lead = caller("acme", "eve", &["lead"]);
    for to in [lead.own(), lead.shared().unwrap()] {
        for (text, level) in of_all_levels() {
            stage.keep(&to, text, at_level(text, level)).await;
        }
    }
    for (role, seen) in [("guest", 1), ("member", 2), ("secret", 3), ("lead", 4)] {
        let eve = caller("acme", "eve", &[role]);
        let of = own(&eve);
        assert_eq!(stage.all(&of).await.len(), seen, "{role}");
        assert_eq!(stage.all(&all(&eve)).await.len(), 2 * seen, "{role}");
        assert_eq!(stage.near(&of, &[1.0, 2.0]).await.len(), seen, "{role}");
        let parts = stage.store.partitions(&of, NOW).await.unwrap();
        assert_eq!(parts.len(), seen, "{role}");
        for (rank, (text, _)) in of_all_levels().into_iter().enumerate() {
            let there = usize::from(rank < seen);
            assert_eq!(stage.search(&of, text).await.len(), there, "{role} {text}");
            let address = Address::memory(Some(text.to_owned()));
            let found = stage.find(&of, &address).await;
            assert_eq!(found.len(), there, "{role} {text}");
        }
    }
    let address = Address::memory(Some("restricted".to_owned()));
    let hidden = stage.find(&own(&lead), &address).await.remove(0);
    let low = own(&caller("acme", "eve", &[]));
    assert_eq!(stage.get(&low, hidden.id).await, None);
    assert!(stage.get(&own(&lead), hidden.id).await.is_some());
    let secret = at(Area::Items, "secret/", "k");
    let change = fabric_gate::memory::Change::Create {
        address: secret,
        fields: at_level("item", Confidentiality::Restricted),
        created_at: None,
    };
    stage.write(&lead.own(), change).await.unwrap();
    let paths = |of| async move {
        let paths = stage.store.paths(&of, Area::Items, &PathFilter::Any, NOW);
        paths.await.unwrap()
    };
    assert_eq!(paths(low).await, [""; 0]);
    assert_eq!(paths(own(&lead)).await, ["secret/"]);
}

pub(crate) async fn what_is_above_the_clearance_is_not_changed(stage: &Stage) {
    let lead = caller("acme", "eve", &["lead"]);
    let low = caller("acme", "eve", &[]).own();
    let fields = || at_level("hidden", Confidentiality::Confidential);
    let entry = stage.keep(&lead.own(), "k", fields()).await;
    for change in [
        replace(entry.id, "x", Expected::Anything),
        replace(entry.id, "x", Expected::Versions(vec![1])),
        replace(entry.id, "x", Expected::Versions(vec![2])),
        relocate(entry.id, Address::memory(None)),
        delete(entry.id),
    ] {
        let outcome = stage.write(&low, change).await;
        refused!(outcome, WriteErrorKind::Missing);
    }
    for change in [
        put("k", "x", Expected::Anything),
        put("k", "x", Expected::Absent),
        create(Some("k"), Fields::new("x")),
    ] {
        let outcome = stage.write(&low, change).await;
        refused!(outcome, WriteErrorKind::Taken);
    }
    stage
        .store
        .refresh(&low, &[entry.id], later(50))
        .await
        .unwrap();
    let rule = PruneRule {
        keep: Some(0),
        ..PruneRule::default()
    };
    let pruned = stage.store.prune(&low, &rule, NOW).await.unwrap();
    assert_eq!(pruned, (0, vec![]));
    assert_eq!(
        stage.get(&own(&lead), entry.id).await.as_ref(),
        Some(&entry)
    );
    let again = put("k", "by the lead", Expected::Versions(vec![1]));
    updated(stage.write(&lead.own(), again).await);
}

pub(crate) async fn nobody_writes_above_its_clearance(stage: &Stage) {
    let entry = stage.keep(&bob().own(), "k", Fields::new("one")).await;
    let high = || at_level("x", Confidentiality::Confidential);
    let put_high = fabric_gate::memory::Change::Put {
        address: Address::memory(Some("k".to_owned())),
        fields: high(),
        expected: Expected::Anything,
    };
    for change in [
        create(None, high()),
        put_high,
        replace_with(entry.id, high(), Expected::Anything),
    ] {
        let outcome = stage.write(&bob().own(), change).await;
        refused!(outcome, WriteErrorKind::Clearance);
    }
    assert_eq!(stage.get(&own(&bob()), entry.id).await, Some(entry));
    stage.make(&alice().own(), high()).await;
}

pub(crate) async fn hidden_entries_take_no_room_on_a_page(stage: &Stage) {
    let lead = caller("acme", "eve", &["lead"]);
    let to: Writable = lead.own();
    for number in 0..10 {
        let level = match number % 2 {
            0 => Confidentiality::Restricted,
            _ => Confidentiality::Public,
        };
        stage.make(&to, at_level("x", level)).await;
    }
    let filter = Filter::all(Area::Memories);
    let low = own(&caller("acme", "eve", &["guest"]));
    let listed = stage.store.list(&low, &filter, &Page::first(5), NOW).await;
    assert_eq!(listed.unwrap().len(), 5);
    let page = Page {
        skip: 3,
        ..Page::first(5)
    };
    let listed = stage.store.list(&low, &filter, &page, NOW).await;
    assert_eq!(listed.unwrap().len(), 2);
}

pub(crate) async fn of_shared_memory_counts_what_a_caller_sees(stage: &Stage) {
    let lead = caller("acme", "eve", &["lead"]);
    let to = lead.shared().unwrap();
    let mut lowered = None;
    for (text, level) in of_all_levels() {
        lowered = Some(stage.make(&to, at_level(text, level)).await.id);
    }
    let seen = async |role| {
        let reach = caller("acme", "eve", &[role]).reach(Scope::Shared);
        stage.usage(&reach).await
    };
    let bytes = |text| ROW_BYTES + at_level(text, Confidentiality::Public).bytes();
    let [public, internal] = ["public", "internal"].map(bytes);
    assert_eq!(seen("guest").await, (1, public));
    assert_eq!(seen("member").await, (2, public + internal));
    let all = of_all_levels().map(|(text, _)| bytes(text));
    assert_eq!(seen("lead").await, (4, all.iter().sum()));
    // What was above the clearance before is not counted with what is below it now.
    let fields = at_level("low", Confidentiality::Public);
    let change = replace_with(lowered.unwrap(), fields, Expected::Anything);
    stage.write(&to, change).await.unwrap();
    assert_eq!(seen("guest").await, (2, public + bytes("low")));
    let whole = all.iter().sum::<u64>() + bytes("low");
    assert_eq!(seen("lead").await, (4, whole));
    let own = own(&caller("acme", "eve", &["guest"]));
    stage
        .make(&lead.own(), at_level("own", Confidentiality::Restricted))
        .await;
    assert_eq!(
        stage.usage(&own).await,
        (1, bytes("own")),
        "for the quota counts it"
    );
}
