//! Non-interference (Goguen and Meseguer, 1982): what B sees is the same, byte for byte, whether or
//! not A was ever there, on a backend whose one namespace both share.
//!
//! Two worlds with a backend each: in one B is alone, in the other A's calls come in between. The
//! backend mints an id from the body it is sent, so that B's ids are the same in both. Masked are
//! the fields that differ between any two answers (`date`, `x-request-id`), and what the backend
//! numbers over all its callers: `number`, counted up with every creation. What the gate can't hide
//! is that an id of a caller's choice is taken; A and B choose from names of their own here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::stage::{Caller, Stage};
use crate::support::raw_client::RawResponse;
use crate::support::recording_backend::{Answer, Recorded, RecordingBackend};

/// Pairs of worlds, each with its own interleaving.
const CASES: usize = 12;

/// Calls of B in each.
const CALLS: usize = 24;

/// The routes of one world: its backend is the upstream of the same name.
fn policy(world: &str, url: &str) -> String {
    let route = |name: &str, methods: &str, path: &str, rest: &str| {
        format!(
            "[[routes]]\nname = \"{world}.{name}\"\nupstream = \"{world}\"\n\
             methods = {methods}\npath = \"/{world}{path}\"\n{rest}\n"
        )
    };
    let task = "resource = { kind = \"task\", id = \"path:id\" }";
    let note = "resource = { kind = \"note\", id = \"path:id\", claim = true }";
    [
        format!("[[upstreams]]\nname = \"{world}\"\nurl = \"{url}\"\n"),
        route("create", "[\"POST\"]", "/tasks", "creates = { kind = \"task\", id = \"body:/id\" }"),
        route(
            "list",
            "[\"GET\"]",
            "/tasks",
            "list = { kind = \"task\", items = \"body:/tasks\", id = \"/id\", total = \"body:/total\" }",
        ),
        route("read", "[\"GET\", \"PUT\"]", "/tasks/{id}", task),
        route("delete", "[\"DELETE\"]", "/tasks/{id}", &format!("{task}\ndeletes = true")),
        route("note", "[\"PUT\"]", "/notes/{id}", note),
        route("note.read", "[\"GET\"]", "/notes/{id}", &note.replace(", claim = true", "")),
    ]
    .concat()
}

/// A backend that keeps what it is sent by id, and knows of no tenants.
#[derive(Default)]
struct Heap {
    things: BTreeMap<String, Value>,
    created: u64,
}

impl Heap {
    fn answer(&mut self, request: &Recorded) -> Answer {
        let target = request.target();
        let path: Vec<&str> = target.trim_start_matches('/').split('/').skip(1).collect();
        let body = String::from_utf8_lossy(&request.body.content).into_owned();
        match (request.method().as_str(), path.as_slice()) {
            ("POST", ["tasks"]) => {
                self.created += 1;
                let id = blake3::hash(body.as_bytes()).to_hex()[..16].to_owned();
                let thing = json!({ "id": id, "text": body, "number": self.created });
                self.things.insert(format!("tasks/{id}"), thing.clone());
                Answer::json(201, &thing.to_string())
            }
            ("GET", ["tasks"]) => {
                let tasks = self.things.iter();
                let tasks: Vec<_> = tasks
                    .filter(|(key, _)| key.starts_with("tasks/"))
                    .map(|(_, thing)| thing.clone())
                    .collect();
                let list = json!({ "tasks": tasks, "total": tasks.len() });
                Answer::json(200, &list.to_string())
            }
            ("PUT", [kind, id]) => {
                self.created += 1;
                let thing = json!({ "id": id, "text": body, "number": self.created });
                self.things.insert(format!("{kind}/{id}"), thing.clone());
                Answer::json(200, &thing.to_string())
            }
            ("GET", [kind, id]) => match self.things.get(&format!("{kind}/{id}")) {
                Some(thing) => Answer::json(200, &thing.to_string()),
                None => missing(id),
            },
            ("DELETE", [kind, id]) => match self.things.remove(&format!("{kind}/{id}")) {
                Some(_) => Answer::head(204, &[]),
                None => missing(id),
            },
            _ => Answer::json(405, "{}"),
        }
    }
}

fn missing(id: &str) -> Answer {
    Answer::json(
        404,
        &json!({ "error": format!("no {id} here") }).to_string(),
    )
}

async fn heap() -> RecordingBackend {
    let heap = Arc::new(Mutex::new(Heap::default()));
    RecordingBackend::start(move |request| heap.lock().unwrap().answer(request)).await
}

/// A source of choices that is the same in every run.
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: usize) -> usize {
        // xorshift64* (Vigna, 2016).
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
        usize::try_from(mixed >> 33).unwrap() % bound
    }
}

/// One call: method, path below the world, body.
type Call = (&'static str, String, String);

/// A call of `who`, who knows the ids it was given and guesses at those of others.
fn call(choices: &mut Choices, who: &str, others: &str, own: &[String]) -> Call {
    let word = choices.below(6);
    let body = format!("{who} writes {}", choices.below(1 << 30));
    let chosen = |choices: &mut Choices| match own.len() {
        0 => format!("nothing-{word}"),
        count => own[choices.below(count)].clone(),
    };
    match choices.below(10) {
        0 | 1 => ("POST", "/tasks".to_owned(), body),
        2 | 3 => ("GET", "/tasks".to_owned(), String::new()),
        4 => ("GET", format!("/tasks/{}", chosen(choices)), String::new()),
        5 => (
            "DELETE",
            format!("/tasks/{}", chosen(choices)),
            String::new(),
        ),
        6 => ("PUT", format!("/notes/{who}-{word}"), body),
        7 => ("GET", format!("/notes/{who}-{word}"), String::new()),
        // What is the other's: there in one world, never heard of in the other.
        8 => ("GET", format!("/notes/{others}-{word}"), String::new()),
        _ => {
            let guessed = blake3::hash(format!("{others} writes {word}").as_bytes());
            (
                "GET",
                format!("/tasks/{}", &guessed.to_hex()[..16]),
                String::new(),
            )
        }
    }
}

/// Everything of an answer that must not depend on others.
fn seen(answer: &RawResponse, world: &str) -> String {
    let fields: Vec<String> = answer
        .head
        .fields()
        .into_iter()
        .filter(|(name, _)| !["date", "x-request-id"].contains(&name.to_lowercase().as_str()))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    let mut body = String::from_utf8_lossy(&answer.body.content).replace(world, "WORLD");
    let mut rest = body.as_str();
    let mut masked = String::new();
    while let Some((before, after)) = rest.split_once("\"number\":") {
        masked.push_str(before);
        masked.push_str("\"number\":N");
        rest = after.trim_start_matches(|letter: char| letter.is_ascii_digit());
    }
    masked.push_str(rest);
    body = masked;
    // The length differs where a number has another count of digits.
    let fields = fields
        .into_iter()
        .filter(|field| !field.to_lowercase().starts_with("content-length"));
    format!("{} {:?} {body}", answer.status, fields.collect::<Vec<_>>())
}

async fn ask(stage: &Stage, caller: &Caller, world: &str, call: &Call) -> RawResponse {
    let (method, path, body) = call;
    stage
        .ask(caller, method, &format!("/{world}{path}"), body)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_tenant_sees_does_not_depend_on_the_other() {
    let mut backends = Vec::new();
    let mut policies = String::new();
    for case in 0..CASES {
        for world in [format!("alone{case}"), format!("both{case}")] {
            let backend = heap().await;
            policies.push_str(&policy(&world, backend.url()));
            backends.push(backend);
        }
    }
    let stage = Stage::start("http://127.0.0.1:9", &policies).await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let mut answers_with_content = 0;
    for case in 0..CASES {
        let (alone, both) = (format!("alone{case}"), format!("both{case}"));
        let mut choices = Choices(0x9e37_79b9_7f4a_7c15 + case as u64);
        let (mut hers, mut his) = (Vec::new(), Vec::new());
        for step in 0..CALLS {
            for _ in 0..choices.below(4) {
                let call = call(&mut choices, "alice", "bob", &hers);
                let answer = ask(&stage, &alice, &both, &call).await;
                if answer.status == 201 {
                    hers.push(answer.json()["id"].as_str().unwrap().to_owned());
                }
            }
            let call = call(&mut choices, "bob", "alice", &his);
            let quiet = ask(&stage, &bob, &alone, &call).await;
            let noisy = ask(&stage, &bob, &both, &call).await;
            if quiet.status == 201 {
                his.push(quiet.json()["id"].as_str().unwrap().to_owned());
            }
            answers_with_content += usize::from(quiet.status == 200);
            assert_eq!(
                seen(&quiet, &alone),
                seen(&noisy, &both),
                "case {case}, step {step}: {call:?}"
            );
        }
    }
    assert!(
        answers_with_content > CASES * CALLS / 4,
        "B's own things are there"
    );
}
