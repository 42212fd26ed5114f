//! `POST /v1/memories/search`.

use fabric_gate::memory::{Address, Change, Confidentiality, Embedding, Fields, Importance};
use serde_json::{Value, json};

use crate::people::caller;
use crate::stage::{ALICE, Stage, Who};

async fn keep(stage: &Stage, who: Who, fields: Fields) {
    let change = Change::Create {
        address: Address::memory(None),
        fields,
        created_at: None,
    };
    let own = caller(who.0, who.1, who.2).own();
    stage.memory.write(&own, vec![change]).await.unwrap();
}

fn with_vector(content: &str, vector: &[f32]) -> Fields {
    Fields {
        embedding: Some(Embedding::new(vector.to_vec()).unwrap()),
        ..Fields::new(content)
    }
}

/// The contents of what is answered.
async fn contents(stage: &Stage, who: Who, body: Value) -> Vec<String> {
    let answer = stage.ask(who, "POST", "/v1/memories/search", body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let memories = answer.json()["memories"].as_array().unwrap().clone();
    let contents = memories.iter().map(|it| it["content"].as_str().unwrap());
    contents.map(str::to_owned).collect()
}

#[tokio::test]
async fn words_a_vector_and_both_find_what_fits_best() {
    let stage = Stage::open().await;
    for (content, vector) in [
        ("Ann drinks tea", [1.0, 0.0]),
        ("Ann likes sencha", [0.9, 0.1]),
        ("Bob drinks coffee", [0.0, 1.0]),
    ] {
        keep(&stage, ALICE, with_vector(content, &vector)).await;
    }
    let words = json!({"query": "who drinks TEA?"});
    assert_eq!(
        contents(&stage, ALICE, words).await,
        ["Ann drinks tea", "Bob drinks coffee"]
    );
    let vector = json!({"embedding": [1, 0.05], "limit": 2});
    assert_eq!(
        contents(&stage, ALICE, vector).await,
        ["Ann drinks tea", "Ann likes sencha"]
    );
    let both = json!({"query": "sencha", "embedding": [0, 1], "limit": 1});
    assert_eq!(contents(&stage, ALICE, both).await, ["Ann likes sencha"]);
    let none = json!({"query": "?!"});
    assert!(contents(&stage, ALICE, none).await.is_empty());
}

#[tokio::test]
async fn nobody_elses_memories_are_found_or_change_a_score() {
    let stage = Stage::open().await;
    let bob = ("acme", "bob", &[][..]);
    let score = async |who| {
        let body = json!({"query": "tea house", "scope": "user"});
        let answer = stage.ask(who, "POST", "/v1/memories/search", body).await;
        answer.json()["memories"].clone()
    };
    keep(&stage, ALICE, Fields::new("tea in the house")).await;
    keep(&stage, ALICE, Fields::new("tea outside")).await;
    let alone = score(ALICE).await;
    for _ in 0..20 {
        keep(&stage, bob, Fields::new("tea tea tea")).await;
        keep(&stage, ("globex", "alice", &[]), Fields::new("house")).await;
    }
    assert_eq!(
        score(ALICE).await,
        alone,
        "to the last digit of every score"
    );
    assert_eq!(alone.as_array().unwrap().len(), 2);
    assert_eq!(score(("globex", "bob", &[])).await, json!([]));
    assert_eq!(score(bob).await.as_array().unwrap().len(), 10);
}

#[tokio::test]
async fn an_answer_says_how_well_each_memory_fits_and_counts_it_as_recalled() {
    let stage = Stage::open().await;
    let fields = Fields {
        importance: Importance::try_from(1).unwrap(),
        ..with_vector("tea", &[1.0])
    };
    keep(&stage, ALICE, fields).await;
    stage.clock.advance_seconds(3000 * 86_400);
    let body = json!({"query": "tea", "min_score": 0.4, "include": "embedding"});
    let answer = stage.ask(ALICE, "POST", "/v1/memories/search", body).await;
    let memory = answer.json()["memories"][0].clone();
    let number = |name: &str| memory[name].as_f64().unwrap();
    assert!((number("relevance") - 1.0 / 2.2).abs() < 1e-9, "{memory}");
    assert!((number("score") - 0.64 / 2.2).abs() < 1e-6, "{memory}");
    assert_eq!(memory["embedding"], json!([1.0]));
    assert_eq!(memory["access_count"], 0);

    stage.memory.count_recalls().await.unwrap();
    let answer = stage
        .ask(
            ALICE,
            "POST",
            "/v1/memories/search",
            json!({"query": "tea"}),
        )
        .await;
    let again = answer.json()["memories"][0].clone();
    assert_eq!(again["access_count"], 1);
    assert!(
        again["score"].as_f64() > memory["score"].as_f64(),
        "it is fresh again"
    );
    assert_eq!(again.get("embedding"), None);
}

#[tokio::test]
async fn a_filter_narrows_and_never_widens() {
    let stage = Stage::open().await;
    let tagged = |content: &str, tag: &str| Fields {
        tags: vec![tag.to_owned()],
        ..Fields::new(content)
    };
    keep(&stage, ALICE, tagged("tea one", "a")).await;
    keep(&stage, ALICE, tagged("tea two", "b")).await;
    keep(&stage, ("acme", "bob", &[]), tagged("tea three", "a")).await;
    for (filter, expected) in [
        (json!({"tags": ["a"]}), &["tea one"][..]),
        (json!({"tags": ["a", "b"]}), &[]),
        (json!({"any_tags": ["b", "c"]}), &["tea two"]),
        (json!({"ids": ["not an id"]}), &[]),
        (json!({"ids": []}), &[]),
        (
            json!({"metadata": {"owner": {"$ne": "alice"}}, "tags": ["b"]}),
            &["tea two"],
        ),
    ] {
        let body = json!({"query": "tea", "filter": filter});
        assert_eq!(contents(&stage, ALICE, body).await, expected, "{filter}");
    }
}

#[tokio::test]
async fn a_vector_of_other_dimensions_than_all_that_is_kept_is_refused() {
    let stage = Stage::open().await;
    let body = json!({"embedding": [1, 2, 3]});
    assert!(
        contents(&stage, ALICE, body.clone()).await.is_empty(),
        "there is none yet"
    );
    keep(
        &stage,
        ("globex", "alice", &[]),
        with_vector("theirs", &[1.0, 2.0, 3.0]),
    )
    .await;
    keep(&stage, ALICE, with_vector("mine", &[1.0, 2.0])).await;
    let answer = stage.ask(ALICE, "POST", "/v1/memories/search", body).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    let problem = answer.json();
    assert_eq!(problem["code"], "request_rejected");
    assert!(
        problem["detail"].as_str().unwrap().contains("have 2"),
        "{problem}"
    );
}

#[tokio::test]
async fn embeddings_above_the_clearance_refuse_no_vector() {
    let stage = Stage::open().await;
    let hidden = Fields {
        confidentiality: Confidentiality::Restricted,
        ..with_vector("hidden", &[1.0, 2.0])
    };
    let change = Change::Create {
        address: Address::memory(None),
        fields: hidden,
        created_at: None,
    };
    let admin = caller("acme", "root", &["lead"]).shared().unwrap();
    stage.memory.write(&admin, vec![change]).await.unwrap();
    let body = json!({"embedding": [1, 2, 3]});
    assert!(contents(&stage, ALICE, body).await.is_empty());
}

#[tokio::test]
async fn a_question_that_says_nothing_or_something_unknown_is_refused() {
    let stage = Stage::open().await;
    for body in [
        json!({}),
        json!({"query": null}),
        json!({"query": "a", "tenant": "globex"}),
        json!({"query": "a", "limit": 201}),
        json!({"query": "a", "min_score": 2}),
        json!(["query"]),
    ] {
        let answer = stage
            .ask(ALICE, "POST", "/v1/memories/search", body.clone())
            .await;
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
    }
}
