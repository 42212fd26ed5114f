//! Operations drawn by lot.

use fabric_gate::memory::{
    Address, Area, Caller, Comparison, Condition, Confidentiality, Expected, Fields, Filter,
    Importance, Order, PathFilter, PruneRule, Quotas,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::stage::{later, vector, with};
use crate::people::caller;

/// Small enough to be met.
pub(super) const QUOTAS: Quotas = Quotas {
    tenant_bytes: Some(30_000),
    tenant_entries: Some(60),
    user_bytes: Some(12_500),
    user_entries: Some(30),
    versions: 3,
};

pub(super) const WORDS: [&str; 6] = [
    "fox",
    "hen",
    "red",
    "red fox",
    "東京都",
    "fox fox hen house",
];
pub(super) const KEYS: [&str; 4] = ["a", "A", "a%", "b"];
pub(super) const PATHS: [&str; 4] = ["", "a/", "a/b/", "ab/"];

/// One thing somebody does. Entries are named by how many were made before them.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Write(Vec<Draft>),
    Get(usize),
    History(usize),
    Find(Area, usize, usize),
    List(Filter, Order, u32, u32),
    Text(Filter, usize, u32),
    Vector(Filter, usize, u32),
    Paths(Area, PathFilter),
    Partitions,
    Dimensions,
    Usage,
    Touch(Vec<usize>),
    Refresh(Vec<usize>),
    Prune(PruneRule),
    EraseUser(usize),
    EraseTenant,
}

/// A change before its entry has an id.
#[derive(Clone, Debug)]
pub(super) enum Draft {
    Create(Address, Fields),
    Put(Address, Fields, Expected),
    Replace(usize, Fields, Option<Option<String>>, Expected),
    Move(usize, Address, Expected),
    Delete(usize, Expected),
}

/// Who, into shared memory or the own, how much later, and what.
pub(super) type Turn = (usize, bool, i64, Step);

pub(super) fn people() -> [Caller; 5] {
    [
        caller("acme", "alice", &["lead"]),
        caller("acme", "alice", &[]),
        caller("acme", "bob", &["secret"]),
        caller("globex", "alice", &["lead"]),
        caller("globex", "al", &["guest"]),
    ]
}

fn fields() -> impl Strategy<Value = Fields> {
    let picked = |words: &'static [&'static str]| {
        proptest::option::weighted(0.3, proptest::sample::select(words))
            .prop_map(|it| it.map(str::to_owned))
    };
    let metadata = proptest::sample::select(vec![
        json!({}),
        json!({"n": 1}),
        json!({"n": 1.0, "t": "x"}),
        json!({"n": null}),
        json!({"n": {"m": [2]}}),
    ]);
    let vectors: Vec<&[f32]> = vec![&[1.0, 0.0], &[0.6, 0.8], &[-1.0, 0.5], &[1.0, 1.0, 1.0]];
    (
        proptest::sample::select(&WORDS[..]),
        picked(&["bot", "Bot"]),
        picked(&["s1", "s2"]),
        proptest::sample::subsequence(vec!["x", "y", "z"], 0..=3),
        1_u8..=10,
        metadata,
        proptest::option::weighted(0.4, proptest::sample::select(vectors)),
        proptest::option::weighted(0.2, 1_u64..40),
        prop_oneof![
            6 => Just(Confidentiality::Public),
            1 => proptest::sample::select(&Confidentiality::ALL[..]),
        ],
        0_u8..=4,
    )
        .prop_map(|drawn| {
            let (content, agent, session, tags, importance, metadata, numbers, ttl, level, part) =
                drawn;
            with(content, |it| {
                it.agent = agent;
                it.session = session;
                it.tags = tags.into_iter().map(str::to_owned).collect();
                it.importance = Importance::try_from(importance).unwrap();
                it.metadata = metadata.as_object().unwrap().clone();
                it.embedding = numbers.map(vector);
                it.ttl_seconds = ttl;
                it.confidentiality = level;
                it.strength = f64::from(part) / 4.0;
            })
        })
}

fn area() -> impl Strategy<Value = Area> {
    proptest::sample::select(vec![Area::Memories, Area::Memories, Area::Items])
}

fn address(keyed: f64) -> impl Strategy<Value = Address> {
    let key = proptest::option::weighted(keyed, proptest::sample::select(&KEYS[..]));
    (area(), proptest::sample::select(&PATHS[..]), key).prop_map(|(area, path, key)| Address {
        area,
        path: match area {
            Area::Memories => String::new(),
            Area::Items | Area::Files => path.to_owned(),
        },
        key: key.map(str::to_owned),
    })
}

fn expected() -> impl Strategy<Value = Expected> {
    prop_oneof![
        12 => Just(Expected::Anything),
        1 => Just(Expected::Present),
        1 => Just(Expected::Absent),
        2 => proptest::collection::vec(1_u64..4, 1..3).prop_map(Expected::Versions),
    ]
}

fn draft() -> impl Strategy<Value = Draft> {
    let key = proptest::option::of(proptest::option::of(proptest::sample::select(&KEYS[..])));
    prop_oneof![
        5 => (address(0.5), fields()).prop_map(|(address, fields)| Draft::Create(address, fields)),
        3 => (address(0.999), fields(), expected())
            .prop_map(|(address, fields, expected)| Draft::Put(address, fields, expected)),
        3 => (0_usize..15, fields(), key, expected()).prop_map(|(entry, fields, key, expected)| {
            let key = key.map(|key| key.map(str::to_owned));
            Draft::Replace(entry, fields, key, expected)
        }),
        1 => (0_usize..15, address(0.8), expected())
            .prop_map(|(entry, address, expected)| Draft::Move(entry, address, expected)),
        2 => (0_usize..15, expected()).prop_map(|(entry, expected)| Draft::Delete(entry, expected)),
    ]
}

fn filter() -> impl Strategy<Value = Filter> {
    let path = prop_oneof![
        3 => Just(PathFilter::Any),
        1 => proptest::sample::select(&PATHS[..]).prop_map(|it| PathFilter::At(it.to_owned())),
        1 => proptest::sample::select(&PATHS[..]).prop_map(|it| PathFilter::Under(it.to_owned())),
    ];
    let comparison = proptest::sample::select(vec![
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::GreaterOrEqual,
    ]);
    let value = proptest::sample::select(vec![json!(1), json!(null), json!({"m": [2.0]})]);
    let conditions = proptest::collection::vec((comparison, value), 0..2);
    (
        area(),
        path,
        proptest::option::weighted(0.2, Just("bot".to_owned())),
        proptest::collection::vec(proptest::sample::select(vec!["x", "y"]), 0..2),
        proptest::option::weighted(0.2, 1_u8..=10),
        proptest::option::weighted(0.1, 0_i64..60),
        conditions,
    )
        .prop_map(
            |(area, path, agent, tags, least, from, conditions)| Filter {
                path,
                agent,
                tags: tags.into_iter().map(str::to_owned).collect(),
                min_importance: least,
                created_from: from.map(later),
                conditions: conditions
                    .into_iter()
                    .map(|(comparison, value): (_, Value)| Condition {
                        member: vec!["n".to_owned()],
                        comparison,
                        value,
                    })
                    .collect(),
                ..Filter::all(area)
            },
        )
}

fn step() -> impl Strategy<Value = Step> {
    let order = proptest::sample::select(vec![
        Order::NewestFirst,
        Order::LastWrittenFirst,
        Order::ByAddress,
    ]);
    let rule = (
        proptest::option::of(0_i64..60),
        proptest::option::of(1_u8..=10),
        proptest::option::of(proptest::sample::select(vec![0.2, 0.4, 0.6, 0.9])),
        proptest::option::of(0_u64..10),
        any::<bool>(),
    )
        .prop_map(|(older, importance, strength, keep, dry_run)| PruneRule {
            older_than: older.map(later),
            min_importance: importance,
            min_strength: strength,
            // At least one part is said.
            keep: keep.or((older, importance, strength)
                .eq(&(None, None, None))
                .then_some(5)),
            agent: None,
            dry_run,
        });
    let entries = || proptest::collection::vec(0_usize..15, 1..4);
    let path = prop_oneof![
        Just(PathFilter::Any),
        proptest::sample::select(&PATHS[..]).prop_map(|it| PathFilter::Under(it.to_owned())),
    ];
    prop_oneof![
        30 => proptest::collection::vec(draft(), 1..3).prop_map(Step::Write),
        2 => (0_usize..15).prop_map(Step::Get),
        2 => (0_usize..15).prop_map(Step::History),
        2 => (area(), 0..PATHS.len(), 0..KEYS.len()).prop_map(|(a, p, k)| Step::Find(a, p, k)),
        4 => (filter(), order, 0_u32..3, 0_u32..20).prop_map(|(f, o, s, l)| Step::List(f, o, s, l)),
        3 => (filter(), 0..WORDS.len(), 1_u32..20).prop_map(|(f, w, l)| Step::Text(f, w, l)),
        2 => (filter(), 0_usize..3, 1_u32..20).prop_map(|(f, v, l)| Step::Vector(f, v, l)),
        1 => (area(), path).prop_map(|(area, paths)| Step::Paths(area, paths)),
        1 => Just(Step::Partitions),
        1 => Just(Step::Dimensions),
        2 => Just(Step::Usage),
        1 => entries().prop_map(Step::Touch),
        1 => entries().prop_map(Step::Refresh),
        1 => rule.prop_map(Step::Prune),
        1 => proptest::option::weighted(0.7, 0_usize..5)
            .prop_map(|user| user.map_or(Step::EraseTenant, Step::EraseUser)),
    ]
}

pub(super) fn turns() -> impl Strategy<Value = Vec<Turn>> {
    proptest::collection::vec((0_usize..5, any::<bool>(), 0_i64..4, step()), 60..90)
}
