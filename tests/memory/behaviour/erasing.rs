//! Erasures: nothing is left of what was erased, and all of everything else.

use fabric_gate::identity::UserId;
use fabric_gate::memory::{Area, Erased, Expected, Fields};

use super::stage::*;
use crate::people::{NOW, caller};

fn admin() -> fabric_gate::memory::Caller {
    caller("acme", "root", &["tenant-admin"])
}

pub(crate) async fn an_erased_tenant_holds_nothing_and_its_neighbour_all(stage: &Stage) {
    let shared = alice().shared().unwrap();
    let entry = stage
        .keep(&alice().own(), "k", embedded("four", &[1.0]))
        .await;
    let change = replace(entry.id, "seven77", Expected::Anything);
    stage.write(&alice().own(), change).await.unwrap();
    stage.make(&bob().own(), Fields::new("bob")).await;
    stage
        .place(&shared, at(Area::Files, "a/", "f"), "file")
        .await;
    let theirs = stage.make(&stranger().own(), Fields::new("theirs")).await;
    let right = admin().tenant_erasure().unwrap();
    let erased = stage.store.erase_tenant(&right).await.unwrap();
    let expected = Erased {
        entries: 3,
        bytes: 4 * ROW_BYTES + (4 + 4 + 1) + (7 + 1) + 3 + (4 + 3),
        anonymised: 0,
    };
    assert_eq!(erased, expected);
    for who in [alice(), bob()] {
        assert_eq!(stage.all(&all(&who)).await, [""; 0]);
        assert_eq!(stage.search(&all(&who), "four bob seven77").await, [""; 0]);
        let used = stage.store.usage(&all(&who)).await.unwrap();
        assert!(used.iter().all(|it| (it.entries, it.bytes) == (0, 0)));
    }
    assert_eq!(stage.get(&own(&alice()), entry.id).await, None);
    let history = stage.store.history(&own(&alice()), entry.id, NOW).await;
    assert_eq!(history.unwrap(), None);
    assert_eq!(stage.get(&own(&stranger()), theirs.id).await, Some(theirs));
    let again = stage.store.erase_tenant(&right).await.unwrap();
    assert_eq!(again, Erased::default());
    stage
        .keep(&alice().own(), "k", embedded("anew", &[1.0, 2.0]))
        .await;
    assert_eq!(stage.search(&own(&alice()), "anew").await, ["anew"]);
}

pub(crate) async fn an_erased_user_is_gone_and_unnamed_in_what_is_shared(stage: &Stage) {
    let carol = caller("acme", "carol", &["lead"]);
    let shared = alice().shared().unwrap();
    stage.keep(&alice().own(), "k", Fields::new("mine")).await;
    stage.make(&bob().own(), Fields::new("bob's")).await;
    let first = stage.make(&shared, Fields::new("of alice")).await;
    let second = stage.make(&shared, Fields::new("of both")).await;
    let by_carol = carol.shared().unwrap();
    let change = replace(second.id, "changed by carol", Expected::Anything);
    stage.write(&by_carol, change).await.unwrap();
    let other = stranger().shared().unwrap();
    let theirs = stage.make(&other, Fields::new("of another alice")).await;
    let user = UserId::parse("alice").unwrap();
    let right = admin().user_erasure(&user).unwrap();
    let erased = stage.store.erase_user(&right).await.unwrap();
    let expected = Erased {
        entries: 1,
        bytes: ROW_BYTES + 4 + 1,
        anonymised: 2,
    };
    assert_eq!(erased, expected);
    assert_eq!(stage.all(&own(&alice())).await, [""; 0]);
    assert_eq!(stage.search(&own(&alice()), "mine").await, [""; 0]);
    assert_eq!(stage.usage(&own(&alice())).await, (0, 0));
    assert_eq!(stage.all(&own(&bob())).await, ["bob's"]);
    let entry = stage.get(&all(&bob()), first.id).await.unwrap();
    assert_eq!(entry.author, None);
    assert_eq!((entry.version, entry.fields), (1, first.fields));
    let history = stage.store.history(&all(&bob()), second.id, NOW).await;
    let history = history.unwrap().unwrap();
    let authors: Vec<_> = history.iter().map(|it| it.author.as_deref()).collect();
    assert_eq!(authors, [Some("carol"), None]);
    let of = all(&stranger());
    assert_eq!(stage.get(&of, theirs.id).await, Some(theirs));
    let again = stage.store.erase_user(&right).await.unwrap();
    assert_eq!(again, Erased::default());
    stage.keep(&alice().own(), "k", Fields::new("back")).await;
}
