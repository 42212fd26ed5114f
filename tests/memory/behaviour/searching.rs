//! Searches by text and by vector.

use std::collections::HashMap;

use fabric_gate::memory::search::bm25::{Scorer, Statistics};
use fabric_gate::memory::search::terms::{index_terms, query_terms};
use fabric_gate::memory::{Area, Expected, Fields, Filter, Owner, Scope, Writable, WriteErrorKind};

use super::stage::*;
use crate::people::{NOW, caller};

async fn remember(stage: &Stage, to: &Writable, texts: &[&str]) {
    for text in texts {
        stage.make(to, Fields::new(*text)).await;
    }
}

/// The score of one of the texts of a namespace, by the formula.
fn score(texts: &[&str], of: &str, query: &str) -> f64 {
    let terms = query_terms(query);
    let documents: Vec<_> = texts.iter().map(|text| index_terms(text)).collect();
    let having = |term: &String| {
        let holds = |it: &&fabric_gate::memory::search::terms::IndexTerms| {
            it.counts.iter().any(|(other, _)| other == term)
        };
        documents.iter().filter(holds).count() as u64
    };
    let statistics = Statistics {
        documents: documents.len() as u64,
        total_length: documents.iter().map(|it| u64::from(it.length)).sum(),
        frequencies: terms
            .iter()
            .map(|term| (term.clone(), having(term)))
            .collect::<HashMap<_, _>>(),
    };
    let own = index_terms(of);
    let counts = own
        .counts
        .iter()
        .map(|(term, count)| (term.as_str(), *count));
    Scorer::new(&statistics, terms.iter().map(String::as_str)).score(own.length, counts)
}

const TEXTS: [&str; 5] = [
    "the red fox runs",
    "a fox and another fox, and a hen",
    "red red wine",
    "nothing of the kind",
    "a hen",
];

pub(crate) async fn texts_are_found_by_any_term_with_their_scores_best_first(stage: &Stage) {
    remember(stage, &alice().own(), &TEXTS).await;
    let found = stage.search_at(&own(&alice()), "red fox", NOW).await;
    let mut expected: Vec<_> = TEXTS[..3]
        .iter()
        .map(|text| (score(&TEXTS, text, "red fox"), *text))
        .collect();
    expected.sort_by(|one, other| other.0.total_cmp(&one.0));
    assert_eq!(found.len(), 3, "{found:?}");
    for (found, (score, text)) in found.iter().zip(expected) {
        assert_eq!(found.entry.fields.content, text);
        assert!((found.score - score).abs() < 1e-9, "{found:?} {score}");
    }
    assert_eq!(stage.search(&own(&alice()), "unicorn").await, [""; 0]);
    assert_eq!(stage.search(&own(&alice()), "").await, [""; 0]);
    assert_eq!(stage.search(&all(&bob()), "red fox").await, [""; 0]);
}

pub(crate) async fn a_score_does_not_depend_on_anybody_else(stage: &Stage) {
    remember(stage, &alice().own(), &TEXTS).await;
    let of = own(&alice());
    let alone = stage.search_at(&of, "red fox", NOW).await;
    assert_eq!(alone.len(), 3);
    for to in [
        bob().own(),
        stranger().own(),
        stranger().shared().unwrap(),
        alice().shared().unwrap(),
        caller("acme", "alic", &[]).own(),
    ] {
        remember(
            stage,
            &to,
            &["red", "red fox", "a much longer text, all about one fox"],
        )
        .await;
    }
    assert_eq!(stage.search_at(&of, "red fox", NOW).await, alone);
}

pub(crate) async fn own_and_shared_texts_are_each_scored_by_their_own_namespace(stage: &Stage) {
    remember(stage, &alice().own(), &TEXTS).await;
    let shared = ["fox", "fox fox red", "red lead", "blue"];
    remember(stage, &alice().shared().unwrap(), &shared).await;
    let found = stage.search_at(&all(&alice()), "red fox", NOW).await;
    assert_eq!(found.len(), 6);
    for it in &found {
        let texts: &[&str] = match it.entry.owner {
            Owner::Shared => &shared,
            Owner::User(_) => &TEXTS,
        };
        let expected = score(texts, &it.entry.fields.content, "red fox");
        assert!((it.score - expected).abs() < 1e-9, "{it:?} {expected}");
    }
    assert!(found.is_sorted_by(|one, other| one.score >= other.score));
}

pub(crate) async fn content_summary_and_keywords_are_searched_as_they_are_by_now(stage: &Stage) {
    let to = alice().own();
    let fields = with("walrus", |it| {
        it.summary = Some("tusks".to_owned());
        it.keywords = vec!["pinniped".to_owned()];
        it.tags = vec!["tagged".to_owned()];
        it.category = Some("animal".to_owned());
    });
    let entry = stage.keep(&to, "keyed", fields).await;
    let of = own(&alice());
    for (word, found) in [
        ("walrus", 1),
        ("tusks", 1),
        ("PINNIPED", 1),
        ("tagged", 0),
        ("animal", 0),
        ("keyed", 0),
    ] {
        assert_eq!(stage.search(&of, word).await.len(), found, "{word}");
    }
    let change = replace(entry.id, "seal", Expected::Anything);
    stage.write(&to, change).await.unwrap();
    assert_eq!(stage.search(&of, "walrus tusks pinniped").await, [""; 0]);
    let found = stage.search_at(&of, "seal", NOW).await;
    assert_eq!(texts(&found), ["seal"]);
    let alone = score(&["seal"], "seal", "seal");
    assert!(
        (found[0].score - alone).abs() < 1e-9,
        "what it was counts no more"
    );
}

pub(crate) async fn a_filter_narrows_before_the_best_are_taken(stage: &Stage) {
    let to = alice().own();
    for number in 0..300 {
        let fields = embedded("fox fox fox", &[1.0, number as f32 / 1e6]);
        let changes = vec![create(None, with_agent(fields, "many"))];
        stage.store.write(&to, changes, &OPEN, NOW).await.unwrap();
    }
    let few = embedded("a long text with one fox in the midst of it", &[-1.0, 0.1]);
    stage.make(&to, with_agent(few, "few")).await;
    let mut filter = Filter::all(Area::Memories);
    filter.agent = Some("few".to_owned());
    let of = own(&alice());
    let terms = query_terms("fox");
    let found = stage.store.by_text(&of, &filter, &terms, 1, NOW).await;
    assert_eq!(found.unwrap().len(), 1);
    let near = vector(&[1.0, 0.0]);
    let found = stage.store.by_vector(&of, &filter, &near, 1, NOW).await;
    assert_eq!(found.unwrap().len(), 1);
    filter.agent = Some("many".to_owned());
    let found = stage.store.by_text(&of, &filter, &terms, 7, NOW).await;
    let found = found.unwrap();
    assert_eq!(found.len(), 7);
    let ids: Vec<_> = found.iter().map(|it| it.entry.id).collect();
    assert!(ids.is_sorted(), "equal scores by id");
}

fn with_agent(mut fields: Fields, agent: &str) -> Fields {
    fields.agent = Some(agent.to_owned());
    fields
}

pub(crate) async fn what_is_hidden_or_elsewhere_takes_no_ones_place(stage: &Stage) {
    let lead = caller("acme", "carol", &["lead"]);
    let secret = |number: usize| {
        with("fox fox fox", |it| {
            it.confidentiality = fabric_gate::memory::Confidentiality::Restricted;
            it.embedding = Some(vector(&[1.0, number as f32 / 1e6]));
        })
    };
    for number in 0..60 {
        stage.make(&lead.own(), secret(number)).await;
        let item = at(Area::Items, "", &number.to_string());
        stage.place(&lead.own(), item, "fox fox").await;
    }
    let plain = embedded("a long text with one fox in the midst of it", &[-1.0, 0.1]);
    stage.make(&lead.own(), plain).await;
    let low = own(&caller("acme", "carol", &[]));
    let filter = Filter::all(Area::Memories);
    let terms = query_terms("fox");
    let found = stage.store.by_text(&low, &filter, &terms, 1, NOW).await;
    assert_eq!(found.unwrap().len(), 1);
    let near = vector(&[1.0, 0.0]);
    let found = stage.store.by_vector(&low, &filter, &near, 1, NOW).await;
    assert_eq!(found.unwrap().len(), 1);
    assert_eq!(stage.search(&own(&lead), "fox").await.len(), 61);
}

pub(crate) async fn queries_in_the_syntax_of_a_search_engine_are_words(stage: &Stage) {
    let (to, of) = (alice().own(), own(&alice()));
    remember(stage, &to, &["alpha beta", "gamma", "NEAR and or not"]).await;
    remember(stage, &bob().own(), &["alpha bob"]).await;
    for (query, found) in [
        ("alpha NOT beta", 2),
        ("\"alpha", 1),
        ("alpha\" OR \"gamma", 3),
        ("alpha*", 1),
        ("alph*", 0),
        ("content:alpha", 1),
        ("{content} : alpha", 1),
        ("NEAR(alpha beta, 2)", 2),
        ("^alpha", 1),
        ("alpha + beta", 1),
        ("alpha & !gamma", 2),
        ("alpha:*", 1),
        ("alpha <-> gamma", 2),
        ("'; DROP TABLE entries; --", 0),
        ("%", 0),
        ("_____", 0),
        ("* ( ) \" ' : ^ - + & | ! < >", 0),
        ("\u{0}alpha\u{0}", 1),
        ("\u{202E}alpha\u{202C}", 1),
        ("1 alpha", 1),
        ("0:alpha 1:alpha 1_alpha n1 alpha", 1),
    ] {
        let found_now = stage.search(&of, query).await;
        assert_eq!(found_now.len(), found, "{query:?}: {found_now:?}");
        assert!(!found_now.concat().contains("bob"), "{query:?}");
    }
    // Terms that no query gives, were they given all the same, find nothing and harm nothing.
    for term in ["\"", "a b", "", "alpha\" OR \"gamma", "*", "'", "\u{1F600}"] {
        let filter = Filter::all(Area::Memories);
        let terms = [term.to_owned()];
        let found = stage.store.by_text(&of, &filter, &terms, 9, NOW).await;
        assert!(found.is_ok_and(|it| it.is_empty()), "{term:?}");
    }
}

pub(crate) async fn texts_are_found_in_any_script(stage: &Stage) {
    let texts = [
        ("東京都に住んでいます", "東京"),
        ("Я люблю чай", "ЧАЙ"),
        ("أحب القهوة", "القهوة"),
        ("ฉันชอบกินข้าว", "กินข้าว"),
        ("나는 서울에 산다", "서울"),
        ("מזג האוויר", "האוויר"),
        ("Crème brûlée", "creme"),
        ("rockets \u{1F680} fly", "\u{1F680}"),
        ("mail a@b.example", "a@b.example"),
        ("error E0382", "e0382"),
    ];
    for (text, _) in texts {
        stage.make(&alice().own(), Fields::new(text)).await;
    }
    for (text, query) in texts {
        let found = stage.search(&own(&alice()), query).await;
        assert_eq!(found.first().map(String::as_str), Some(text), "{query}");
        assert_eq!(stage.search(&all(&bob()), query).await, [""; 0]);
    }
}

pub(crate) async fn the_nearest_vectors_come_first_and_equal_ones_by_id(stage: &Stage) {
    let to = alice().own();
    for (text, numbers) in [
        ("opposite", [-2.0, 0.0, 0.0]),
        ("same", [1.0, 0.0, 0.0]),
        ("same direction", [9.0, 0.0, 0.0]),
        ("close", [1.0, 1.0, 0.0]),
        ("right angle", [0.0, 0.0, 5.0]),
    ] {
        stage.make(&to, embedded(text, &numbers)).await;
    }
    stage.make(&to, Fields::new("without")).await;
    stage
        .make(&bob().own(), embedded("bob's", &[1.0, 0.0, 0.0]))
        .await;
    let of = own(&alice());
    let found = stage.near_at(&of, &[3.0, 0.0, 0.0], NOW).await;
    let expected = [
        ("same", 1.0),
        ("same direction", 1.0),
        ("close", 0.5_f64.sqrt()),
        ("right angle", 0.0),
        ("opposite", -1.0),
    ];
    assert_eq!(found.len(), expected.len());
    for (found, (text, cosine)) in found.iter().zip(expected) {
        assert_eq!(found.entry.fields.content, text);
        assert!((found.score - cosine).abs() < 1e-5, "{found:?}");
    }
    assert_eq!(stage.near(&of, &[1.0, 0.0]).await, [""; 0]);
    assert_eq!(
        stage.near(&all(&stranger()), &[1.0, 0.0, 0.0]).await,
        [""; 0]
    );
}

pub(crate) async fn all_embeddings_of_a_namespace_have_the_dimensions_of_the_first(stage: &Stage) {
    let (to, of) = (alice().own(), own(&alice()));
    let dimensions = || async { stage.store.dimensions(&all(&alice())).await.unwrap() };
    assert_eq!(dimensions().await, []);
    stage.make(&to, Fields::new("without")).await;
    let first = stage.make(&to, embedded("one", &[1.0, 2.0])).await;
    let second = stage.make(&to, Fields::new("two")).await;
    let mine = Owner::User(alice().user().clone());
    assert_eq!(dimensions().await, [(mine.clone(), 2)]);
    let wrong = || embedded("wrong", &[1.0, 2.0, 3.0]);
    for change in [
        create(None, wrong()),
        create(Some("k"), wrong()),
        replace_with(second.id, wrong(), Expected::Anything),
    ] {
        let outcome = stage.write(&to, change).await;
        refused!(
            outcome,
            WriteErrorKind::Dimensions {
                expected: 2,
                given: 3
            }
        );
    }
    let shared = alice().shared().unwrap();
    stage.make(&shared, wrong()).await;
    stage.make(&bob().own(), wrong()).await;
    stage.make(&stranger().own(), wrong()).await;
    let both = [(mine, 2), (Owner::Shared, 3)];
    assert_eq!(dimensions().await, both);
    let near = stage.near(&all(&alice()), &[1.0, 2.0, 3.0]).await;
    assert_eq!(near, ["wrong"], "the shared one, the own have two");
    stage.write(&to, delete(first.id)).await.unwrap();
    let only = stage.store.dimensions(&of).await.unwrap();
    assert_eq!(only, [], "none is left");
    stage.make(&to, wrong()).await;
    assert_eq!(stage.near(&of, &[1.0, 2.0, 3.0]).await, ["wrong"]);
}

pub(crate) async fn a_vector_that_is_replaced_or_taken_away_is_not_found(stage: &Stage) {
    let (to, of) = (alice().own(), alice().reach(Scope::User));
    let entry = stage.make(&to, embedded("x", &[1.0, 0.0])).await;
    stage.make(&to, embedded("other", &[0.0, 1.0])).await;
    let change = replace_with(entry.id, embedded("x", &[0.0, -1.0]), Expected::Anything);
    stage.write(&to, change).await.unwrap();
    let found = stage.near_at(&of, &[0.0, 1.0], NOW).await;
    assert_eq!(texts(&found), ["other", "x"]);
    assert!((found[1].score + 1.0).abs() < 1e-5);
    let change = replace(entry.id, "x", Expected::Anything);
    stage.write(&to, change).await.unwrap();
    assert_eq!(stage.near(&of, &[0.0, 1.0]).await, ["other"]);
}
