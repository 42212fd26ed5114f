//! What a reading answers.

use fabric_gate::memory::{
    Address, Area, Change, Entry, EntryId, Expected, Fields, Filter, Importance, MemoryType, Order,
    Owner, Page, Partition, PathFilter, Position, Scope,
};

use super::stage::*;
use crate::people::{NOW, caller};

pub(crate) async fn a_reach_holds_what_is_own_and_shared_and_nothing_else(stage: &Stage) {
    let mine = stage.make(&alice().own(), Fields::new("mine")).await;
    let shared = alice().shared().unwrap();
    let ours = stage.make(&shared, Fields::new("ours")).await;
    stage.make(&bob().own(), Fields::new("bob's")).await;
    stage.make(&stranger().own(), Fields::new("theirs")).await;
    let shared = stranger().shared().unwrap();
    stage.make(&shared, Fields::new("their shared")).await;
    let reach = |scope| alice().reach(scope);
    assert_eq!(stage.all(&reach(Scope::User)).await, ["mine"]);
    assert_eq!(stage.all(&reach(Scope::Shared)).await, ["ours"]);
    assert_eq!(stage.all(&reach(Scope::All)).await, ["mine", "ours"]);
    assert_eq!(stage.all(&all(&bob())).await, ["bob's", "ours"]);
    assert_eq!(stage.get(&reach(Scope::Shared), mine.id).await, None);
    assert_eq!(stage.get(&reach(Scope::User), ours.id).await, None);
    for (id, who, there) in [
        (mine.id, alice(), true),
        (mine.id, bob(), false),
        (mine.id, stranger(), false),
        (ours.id, bob(), true),
        (ours.id, stranger(), false),
        (EntryId::mint(), alice(), false),
    ] {
        let found = stage.get(&all(&who), id).await;
        assert_eq!(found.is_some(), there, "{who:?}");
        let history = stage.store.history(&all(&who), id, NOW).await.unwrap();
        assert_eq!(history.is_some(), there, "{who:?}");
    }
}

pub(crate) async fn users_whose_ids_look_alike_are_strangers(stage: &Stage) {
    let users = [
        "al",
        "alice",
        "Alice",
        "al:ice",
        "al%3Aice",
        "alice:",
        "shared",
        "u:alice",
        "*",
        "%",
        "_",
        "al_ce",
        "al%",
        "'--",
        "$1",
        "{alice}",
        "alice/../bob",
        "0",
        "1",
    ];
    for user in users {
        let to = caller("acme", user, &[]).own();
        stage
            .keep(&to, "k", Fields::new(format!("of {user}")))
            .await;
    }
    for user in users {
        let of = own(&caller("acme", user, &[]));
        assert_eq!(stage.all(&of).await, [format!("of {user}")]);
        assert_eq!(stage.search(&of, "of").await.len(), 1, "{user}");
    }
}

pub(crate) async fn an_address_is_found_in_the_own_namespace_before_the_shared_one(stage: &Stage) {
    let address = at(Area::Items, "a/b/", "k");
    let shared = alice().shared().unwrap();
    let ours = stage.place(&shared, address.clone(), "ours").await;
    let mine = stage.place(&alice().own(), address.clone(), "mine").await;
    let both = stage.find(&all(&alice()), &address).await;
    assert_eq!(both, [mine, ours.clone()]);
    assert_eq!(stage.find(&all(&bob()), &address).await, [ours]);
    assert_eq!(stage.find(&own(&bob()), &address).await, []);
    assert_eq!(stage.find(&all(&stranger()), &address).await, []);
    for other in [
        at(Area::Files, "a/b/", "k"),
        at(Area::Items, "a/", "k"),
        at(Area::Items, "a/b/", "K"),
        at(Area::Items, "A/b/", "k"),
    ] {
        assert_eq!(stage.find(&all(&alice()), &other).await, [], "{other:?}");
    }
}

pub(crate) async fn every_order_is_the_one_it_says(stage: &Stage) {
    let to = alice().own();
    let mut entries = Vec::new();
    for (path, key, created) in [
        ("b/", "x", 3),
        ("a/", "y", 1),
        ("a/", "Y", 2),
        ("a/b/", "x", 2),
        ("a-/", "x", 2),
        ("a/", "\u{e9}", 5),
        ("a/", "z", 4),
    ] {
        let change = Change::Create {
            address: at(Area::Items, path, key),
            fields: Fields::new(format!("{path}{key}")),
            created_at: Some(later(created)),
        };
        let entry = created_at_once(stage, &to, change).await;
        entries.push(entry);
    }
    let change = replace(entries[1].id, "a/y", Expected::Anything);
    let outcome = stage.write_at(&to, change, later(10)).await;
    entries[1] = updated(outcome);
    let listed = |order| {
        let page = Page {
            order,
            ..Page::first(100)
        };
        async move {
            let filter = Filter::all(Area::Items);
            let of = own(&alice());
            let listed = stage.store.list(&of, &filter, &page, later(20)).await;
            contents(&listed.unwrap())
        }
    };
    let sorted = |key: fn(&Entry) -> _| {
        let mut sorted = entries.clone();
        sorted.sort_by_key(|entry| std::cmp::Reverse((key(entry), entry.id)));
        contents(&sorted)
    };
    let newest = sorted(|entry| entry.created_at);
    assert_eq!(listed(Order::NewestFirst).await, newest);
    let last_written = sorted(|entry| entry.updated_at);
    assert_eq!(listed(Order::LastWrittenFirst).await, last_written);
    assert_eq!(
        listed(Order::ByAddress).await,
        ["a-/x", "a/Y", "a/y", "a/z", "a/\u{e9}", "a/b/x", "b/x"]
    );
}

async fn created_at_once(
    stage: &Stage,
    to: &fabric_gate::memory::Writable,
    change: Change,
) -> Entry {
    created(stage.write(to, change).await)
}

pub(crate) async fn pages_by_position_hold_everything_once(stage: &Stage) {
    let to = alice().own();
    // Several of one instant, in both namespaces, so that a page ends among equals.
    for number in 0..23 {
        let to = if number % 3 == 0 {
            alice().shared().unwrap()
        } else {
            to.clone()
        };
        let fields = Fields::new(format!("{number:02}"));
        let change = create(None, fields);
        let outcome = stage.write_at(&to, change, later(number / 7)).await;
        created(outcome);
    }
    let (of, filter) = (all(&alice()), Filter::all(Area::Memories));
    let (mut seen, mut after): (Vec<Entry>, _) = (Vec::new(), None);
    loop {
        let page = Page {
            after,
            ..Page::first(4)
        };
        let listed = stage.store.list(&of, &filter, &page, later(9)).await;
        let listed = listed.unwrap();
        assert!(listed.len() <= 4);
        let Some(last) = listed.last() else { break };
        after = Some(Position {
            created_at: last.created_at,
            id: last.id,
        });
        // Neither what comes meanwhile nor what goes moves the place.
        stage
            .write_at(&to, create(None, Fields::new("late")), later(8))
            .await
            .unwrap();
        let owner_of = |it: &Entry| match it.owner {
            Owner::Shared => alice().shared().unwrap(),
            Owner::User(_) => alice().own(),
        };
        stage
            .write_at(&owner_of(last), delete(last.id), later(8))
            .await
            .unwrap();
        seen.extend(listed);
    }
    let places = |it: &Entry| std::cmp::Reverse((it.created_at, it.id));
    assert!(seen.is_sorted_by_key(places), "one order over all pages");
    let mut texts = contents(&seen);
    texts.sort();
    let expected: Vec<_> = (0..23).map(|number| format!("{number:02}")).collect();
    assert_eq!(texts, expected);
}

pub(crate) async fn skip_and_limit_cut_a_list(stage: &Stage) {
    for number in 0..6 {
        let change = create(None, Fields::new(number.to_string()));
        stage
            .write_at(&alice().own(), change, later(number))
            .await
            .unwrap();
    }
    let listed = |skip, limit| async move {
        let page = Page {
            skip,
            ..Page::first(limit)
        };
        let filter = Filter::all(Area::Memories);
        let of = own(&alice());
        let listed = stage.store.list(&of, &filter, &page, later(9)).await;
        contents(&listed.unwrap()).concat()
    };
    assert_eq!(listed(0, 2).await, "54");
    assert_eq!(listed(2, 3).await, "321");
    assert_eq!(listed(5, 3).await, "0");
    assert_eq!(listed(6, 3).await, "");
    assert_eq!(listed(0, 0).await, "");
}

pub(crate) async fn every_part_of_a_filter_narrows(stage: &Stage) {
    let to = alice().own();
    let said = |value: &str| Some(value.to_owned());
    let list =
        |values: &[&str]| -> Vec<String> { values.iter().map(ToString::to_string).collect() };
    let a = with("a", |it| {
        it.agent = said("bot");
        it.session = said("s");
        it.category = said("c");
        it.tags = list(&["red", "round"]);
        it.importance = Importance::try_from(7).unwrap();
    });
    let b = with("b", |it| {
        it.agent = said("Bot");
        it.session = said("S");
        it.category = said("C");
        it.tags = list(&["red"]);
        it.memory_type = MemoryType::Semantic;
    });
    let c = with("c", |it| {
        it.tags = list(&["round", "redder", "r%d"]);
        it.importance = Importance::try_from(1).unwrap();
    });
    let mut ids = Vec::new();
    for (second, (key, fields)) in [("ka", a), ("kb", b), ("kc", c)].into_iter().enumerate() {
        let change = create(Some(key), fields);
        let outcome = stage.write_at(&to, change, later(second as i64)).await;
        ids.push(created(outcome).id);
    }
    type Narrowing<'a> = Box<dyn Fn(&mut Filter) + 'a>;
    let ids = &ids;
    let cases: Vec<(&str, Narrowing<'_>)> = vec![
        ("abc", Box::new(|_| {})),
        ("", Box::new(|it| it.area = Area::Items)),
        ("b", Box::new(|it| it.key = said("kb"))),
        ("", Box::new(|it| it.key = said("KB"))),
        (
            "ac",
            Box::new(|it| it.ids = Some(vec![ids[2], ids[0], EntryId::mint()])),
        ),
        ("a", Box::new(|it| it.agent = said("bot"))),
        ("b", Box::new(|it| it.session = said("S"))),
        ("a", Box::new(|it| it.category = said("c"))),
        ("", Box::new(|it| it.category = said("%"))),
        ("ab", Box::new(|it| it.tags = list(&["red"]))),
        ("a", Box::new(|it| it.tags = list(&["red", "round"]))),
        ("", Box::new(|it| it.tags = list(&["r_d"]))),
        ("c", Box::new(|it| it.tags = list(&["r%d"]))),
        ("abc", Box::new(|it| it.any_tags = list(&["red", "round"]))),
        ("c", Box::new(|it| it.any_tags = list(&["redder", "blue"]))),
        ("", Box::new(|it| it.any_tags = list(&["blue"]))),
        (
            "b",
            Box::new(|it| it.memory_type = Some(MemoryType::Semantic)),
        ),
        ("ab", Box::new(|it| it.min_importance = Some(5))),
        ("a", Box::new(|it| it.min_importance = Some(7))),
        ("", Box::new(|it| it.min_importance = Some(8))),
        ("bc", Box::new(|it| it.created_from = Some(later(1)))),
        ("a", Box::new(|it| it.created_before = Some(later(1)))),
        (
            "abc",
            Box::new(|it| it.path = PathFilter::At(String::new())),
        ),
        ("", Box::new(|it| it.path = PathFilter::At("x/".to_owned()))),
        (
            "",
            Box::new(|it| {
                it.agent = said("bot");
                it.memory_type = Some(MemoryType::Semantic);
            }),
        ),
    ];
    for (expected, narrow) in cases {
        let mut filter = Filter::all(Area::Memories);
        narrow(&mut filter);
        let found = stage.fitting(&all(&alice()), &filter).await.concat();
        assert_eq!(found, expected, "{filter:?}");
        let others = stage.fitting(&all(&bob()), &filter).await;
        assert_eq!(others, [""; 0], "a filter never widens: {filter:?}");
    }
}

pub(crate) async fn a_path_is_below_another_only_label_by_label(stage: &Stage) {
    let to = alice().own();
    let paths = [
        "", "a/", "a/b/", "ab/", "A/", "a%2Fb/", "a_b/", "axb/", "%25/", "x/a/",
    ];
    for path in paths {
        stage.place(&to, at(Area::Items, path, "k"), path).await;
        let again = stage.place(&to, at(Area::Items, path, "l"), path);
        again.await;
    }
    stage.place(&to, at(Area::Files, "other/", "k"), "x").await;
    let under = |path: &str| PathFilter::Under(path.to_owned());
    let exactly = |path: &str| PathFilter::At(path.to_owned());
    let sorted = |paths: &[&'static str]| {
        let mut sorted: Vec<_> = paths.to_vec();
        sorted.sort_unstable();
        sorted
    };
    for (filter, expected) in [
        (PathFilter::Any, sorted(&paths)),
        (under(""), sorted(&paths)),
        (under("a/"), vec!["a/", "a/b/"]),
        (under("a_b/"), vec!["a_b/"]),
        (under("%25/"), vec!["%25/"]),
        (under("b/"), vec![]),
        (exactly(""), vec![""]),
        (exactly("a/"), vec!["a/"]),
        (exactly("a"), vec![]),
    ] {
        let of = own(&alice());
        let found = stage.store.paths(&of, Area::Items, &filter, NOW).await;
        assert_eq!(found.unwrap(), expected, "{filter:?}");
        let mut narrowed = Filter::all(Area::Items);
        narrowed.path = filter;
        let mut listed = stage.fitting(&of, &narrowed).await;
        listed.dedup();
        assert_eq!(listed, expected, "{narrowed:?}");
    }
    let of = all(&bob());
    let theirs = stage.store.paths(&of, Area::Items, &PathFilter::Any, NOW);
    assert_eq!(theirs.await.unwrap(), [""; 0]);
}

pub(crate) async fn partitions_count_the_memories_of_each_agent_and_session(stage: &Stage) {
    let part = |agent: Option<&str>, session: Option<&str>| {
        with("x", |it| {
            it.agent = agent.map(str::to_owned);
            it.session = session.map(str::to_owned);
        })
    };
    let to = alice().own();
    for (agent, session) in [
        (None, None),
        (Some("b"), None),
        (Some("b"), Some("2")),
        (Some("b"), Some("10")),
        (Some("b"), Some("2")),
        (Some("B"), None),
    ] {
        stage.make(&to, part(agent, session)).await;
    }
    let shared = alice().shared().unwrap();
    stage.make(&shared, part(Some("a"), None)).await;
    stage.make(&bob().own(), part(Some("bob"), None)).await;
    stage.place(&to, at(Area::Items, "", "k"), "an item").await;
    let mine = Owner::User(alice().user().clone());
    let parts = stage.store.partitions(&all(&alice()), NOW).await.unwrap();
    let expected = [
        (&mine, None, None, 1),
        (&mine, Some("B"), None, 1),
        (&mine, Some("b"), None, 1),
        (&mine, Some("b"), Some("10"), 1),
        (&mine, Some("b"), Some("2"), 2),
        (&Owner::Shared, Some("a"), None, 1),
    ];
    let expected = expected.map(|(owner, agent, session, entries)| Partition {
        owner: owner.clone(),
        agent: agent.map(str::to_owned),
        session: session.map(str::to_owned),
        entries,
    });
    assert_eq!(parts, expected);
}

pub(crate) async fn a_recall_is_counted_and_changes_no_version(stage: &Stage) {
    let entry = stage.make(&alice().own(), Fields::new("x")).await;
    let other = stage.make(&alice().own(), Fields::new("y")).await;
    let recalled = [
        (entry.id, later(5)),
        (entry.id, later(3)),
        (EntryId::mint(), later(3)),
    ];
    let foreign = stranger().tenant_scope();
    stage.store.touch(&foreign, &recalled).await.unwrap();
    let of = own(&alice());
    assert_eq!(stage.get(&of, entry.id).await.as_ref(), Some(&entry));
    let tenant = alice().tenant_scope();
    stage.store.touch(&tenant, &recalled).await.unwrap();
    let touched = stage.get(&of, entry.id).await.unwrap();
    assert_eq!(
        touched,
        Entry {
            access_count: 2,
            last_accessed: later(5),
            ..entry
        },
        "counted, and nothing else"
    );
    assert_eq!(stage.get(&of, other.id).await, Some(other));
}

pub(crate) async fn a_namespace_uses_what_its_entries_and_versions_hold(stage: &Stage) {
    let to = alice().own();
    let nothing = stage.store.usage(&all(&alice())).await.unwrap();
    let texts: Vec<_> = nothing.iter().map(|it| it.namespace.to_string()).collect();
    assert_eq!(texts, ["tenant:acme:user:alice:", "tenant:acme:shared:"]);
    assert!(nothing.iter().all(|it| (it.entries, it.bytes) == (0, 0)));
    let entry = stage.make(&to, embedded("four", &[1.0, 2.0])).await;
    stage.place(&to, at(Area::Files, "a/", "k"), "file").await;
    stage.make(&bob().own(), Fields::new("bob's")).await;
    let used = async |entries, rows, texts| {
        let expected = (entries, rows * ROW_BYTES + texts);
        assert_eq!(stage.usage(&own(&alice())).await, expected);
    };
    used(2, 2, 4 + 8 + 7).await;
    let change = replace(entry.id, "longer", Expected::Anything);
    stage.write(&to, change).await.unwrap();
    used(2, 3, 4 + 8 + 7 + 6).await;
    let change = relocate(entry.id, Address::memory(Some("k".to_owned())));
    stage.write(&to, change).await.unwrap();
    used(2, 4, 4 + 8 + 7 + 6 + 7).await;
    stage.write(&to, delete(entry.id)).await.unwrap();
    used(1, 1, 7).await;
    let shared = alice().reach(Scope::Shared);
    assert_eq!(stage.usage(&shared).await, (0, 0));
}
