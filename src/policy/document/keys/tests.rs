use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use regex::Regex;

use super::super::values;
use super::grammars::*;
use super::*;
use crate::keys::Grammar;
use crate::money::NanoUsd;
use crate::policy::profiles::PROFILES;
use crate::policy::{PolicyDirectory, Template, compile};
use crate::secret::{SecretReference, SecretResolver};

thread_local! {
    static HEARD: RefCell<BTreeSet<(&'static str, String)>> = const { RefCell::new(BTreeSet::new()) };
}

thread_local! {
    static PATTERNS: RefCell<HashMap<&'static str, Regex>> = RefCell::default();
}

/// Takes down what a reader asked for on this thread.
pub(in crate::policy::document) fn heard(table: &'static Table, key: &str) {
    HEARD.with_borrow_mut(|heard| heard.insert((table.name, key.to_owned())));
}

/// Every policy of the repository: folders, each joined into one text, and blocks of its pages.
fn texts() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts: Vec<String> = [
        "policies",
        "policies/prices",
        "tests/policy/sound",
        "tests/policy/broken",
        "tests/policy/every-key",
    ]
    .map(|folder| joined(&root.join(folder)))
    .into();
    texts.extend(PROFILES.iter().map(|profile| {
        format!(
            "[[upstreams]]\nname = \"backend\"\nurl = \"http://127.0.0.1:9\"\nprofile = {:?}\n",
            profile.name
        )
    }));
    let mut pages = Vec::new();
    files(&root.join("docs"), "md", &mut pages);
    for page in pages {
        let page = fs::read_to_string(page).unwrap();
        let blocks = page.split("```toml policy\n").skip(1);
        texts.extend(blocks.map(|block| block.split("```").next().unwrap().to_owned()));
    }
    assert!(texts.len() > 30, "{}", texts.len());
    texts
}

fn joined(folder: &Path) -> String {
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect()
}

fn files(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|it| it == extension) {
            found.push(path);
        }
    }
}

/// Every table, from a root down.
fn declared(table: &'static Table, found: &mut Vec<&'static Table>) {
    if found.iter().any(|known| known.name == table.name) {
        return;
    }
    found.push(table);
    let names = table.names.as_ref().map(|names| names.value);
    let shapes = table.keys.iter().map(|key| &key.shape).chain(names);
    for below in shapes.filter_map(Shape::table) {
        declared(below, found);
    }
}

#[test]
fn every_key_that_is_declared_is_asked_for_by_a_reader() {
    for text in texts() {
        let text = format!("{text}\n");
        let texts = [("p.toml", text.as_str())];
        let directory = PolicyDirectory::from_texts(Path::new("policies"), texts).unwrap();
        // What becomes of it is another test's; what it was asked for is held against the tables.
        let _ = compile(&directory, &SecretResolver::with_environment([]));
    }
    let mut tables = Vec::new();
    declared(&POLICY, &mut tables);
    declared(&PROFILE, &mut tables);
    let heard = HEARD.take();
    let unheard: Vec<String> = tables
        .iter()
        .flat_map(|table| {
            table
                .keys
                .iter()
                .map(|key| (table.name, key.name.to_owned()))
        })
        .filter(|key| !heard.contains(key))
        .map(|(table, key)| format!("{table} {key}"))
        .collect();
    assert!(unheard.is_empty(), "nobody asks for {unheard:?}");
    assert!(heard.len() > 200, "{} keys", heard.len());
}

#[test]
fn no_two_tables_share_a_name() {
    let mut tables: Vec<&'static Table> = Vec::new();
    fn walk(table: &'static Table, found: &mut Vec<&'static Table>) {
        if found.iter().any(|known| std::ptr::eq(*known, table)) {
            return;
        }
        found.push(table);
        let names = table.names.as_ref().map(|names| names.value);
        let shapes = table.keys.iter().map(|key| &key.shape).chain(names);
        for below in shapes.filter_map(Shape::table) {
            walk(below, found);
        }
    }
    walk(&POLICY, &mut tables);
    let names: BTreeSet<&str> = tables.iter().map(|table| table.name).collect();
    assert_eq!(names.len(), tables.len());
}

#[test]
#[should_panic(expected = "a reader asks for `methodz`")]
fn a_reader_that_asks_for_what_is_not_declared_fails_its_test() {
    super::super::held::hold_against(POLICY.below("routes"), "methodz", &crate::keys::Asked::Text);
}

#[test]
#[should_panic(expected = "Integer(1, 86400)")]
fn a_reader_that_has_another_range_fails_its_test() {
    let asked = crate::keys::Asked::Integer(&(1..=86_401));
    super::super::held::hold_against(POLICY.below("routes"), "timeout_seconds", &asked);
}

type Reads = fn(&str) -> bool;

/// What a text has to look like, and whether its reader takes it.
const READERS: [(&Grammar, Reads); 23] = [
    (&NAME, |text| values::name(text).is_ok()),
    (&TITLE, |text| values::title(text).is_ok()),
    (&ROLE, |text| values::role(text).is_ok()),
    (&SCOPE, |text| values::scope(text).is_ok()),
    (&USER, |text| values::user(text).is_ok()),
    (&ROUTE_PATTERN, |text| values::route_pattern(text).is_ok()),
    (&GLOB, |text| values::glob(text).is_ok()),
    (&MODEL_PATTERN, |text| values::model_pattern(text).is_ok()),
    (&MODEL, |text| values::model(text).is_ok()),
    (&METHOD, |text| values::method(text).is_ok()),
    (&HEADER, |text| values::header(text).is_ok()),
    (&CLAIM, |text| values::claim(text).is_ok()),
    (&SHA256, |text| values::sha256(text).is_ok()),
    (&CREDENTIAL, |text| values::credential(text).is_ok()),
    (&RPC_METHOD, |text| values::rpc_method(text).is_ok()),
    (&URL, |text| values::confidential_url(text).is_ok()),
    (&SECRET, |text| text.parse::<SecretReference>().is_ok()),
    (&USD, |text| text.parse::<NanoUsd>().is_ok()),
    (&RATE, |text| {
        text.parse::<crate::budget::prices::Rate>().is_ok()
    }),
    (&FACTOR, |text| {
        text.parse::<crate::budget::prices::Factor>().is_ok()
    }),
    (&PER_SECOND, |text| {
        text.parse::<crate::budget::limits::PerSecond>().is_ok()
    }),
    (&WINDOW, |text| {
        text.parse::<crate::budget::Window>().is_ok()
    }),
    (&FILLED_IN, |text| Template::parse(text).is_ok()),
];

/// Texts near what some grammar takes.
fn near() -> impl Strategy<Value = String> {
    let pieces = [
        "a",
        "Z",
        "0",
        "9",
        "2",
        ".",
        "_",
        ":",
        "-",
        "*",
        "/",
        "~",
        "~0",
        "~2",
        " ",
        "\n",
        "\u{85}",
        "\u{e9}",
        "\"",
        "\\",
        "#",
        "?",
        "@",
        "{user}",
        "{",
        "path:",
        "query:",
        "header:",
        "body:",
        "form:",
        "event:",
        "message:",
        "claim:",
        "env:",
        "file:",
        "https://",
        "HTTP://",
        "127.0.0.1",
        "rolling:",
        "24h",
        "day",
        "bearer",
        "GET",
        "get",
        "=",
        "\u{0}",
        "+",
        "ab01",
        ";",
        "%",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..6)
        .prop_map(|pieces| pieces.concat())
}

fn matches(grammar: &Grammar, text: &str) -> bool {
    let pattern = grammar.pattern.unwrap_or("");
    PATTERNS.with_borrow_mut(|patterns| {
        let compiled = patterns
            .entry(pattern)
            .or_insert_with(|| Regex::new(pattern).unwrap());
        grammar.words.contains(&text) || compiled.is_match(text)
    })
}

proptest! {
    #[test]
    fn a_pattern_refuses_nothing_that_its_reader_takes(text in near()) {
        for (grammar, reads) in READERS {
            prop_assert!(
                !reads(&text) || matches(grammar, &text),
                "{} {text:?}", grammar.what
            );
        }
        let place = values::extractor(&text);
        let taken = |grammar| matches(grammar, &text);
        match place {
            Ok(crate::policy::Extractor::Message(_)) => prop_assert!(taken(&ID_PLACE), "{text:?}"),
            Ok(crate::policy::Extractor::Event(_)) => {
                prop_assert!(taken(&ANSWER_PLACE) && taken(&STATE_PLACE), "{text:?}");
            }
            Ok(crate::policy::Extractor::Header(_)) => {
                let all = [
                    &REQUEST_PLACE, &CALL_PLACE, &ID_PLACE, &ANSWER_PLACE, &TOTAL_PLACE,
                ];
                prop_assert!(all.into_iter().all(taken), "{text:?}");
            }
            Ok(crate::policy::Extractor::Body(_)) => {
                let all = [
                    &REQUEST_PLACE, &CALL_PLACE, &ID_PLACE, &ANSWER_PLACE, &STATE_PLACE, &TOTAL_PLACE,
                    &BODY_PLACE, &ITEMS, &ITEM_PLACE,
                ];
                prop_assert!(all.into_iter().all(taken), "{text:?}");
            }
            Ok(crate::policy::Extractor::Claim(_)) => {
                prop_assert!(taken(&CALL_PLACE) && taken(&ID_PLACE), "{text:?}");
            }
            Err(_) => {}
            Ok(_) => {
                let all = [&REQUEST_PLACE, &CALL_PLACE, &ID_PLACE];
                prop_assert!(all.into_iter().all(taken), "{text:?}");
            }
        }
    }
}

#[test]
fn a_pattern_refuses_what_is_plainly_something_else() {
    for (grammar, text) in [
        (&NAME, "two words"),
        (&USER, " bob"),
        (&METHOD, "get"),
        (&SECRET, "hunter2"),
        (&USD, "12,50"),
        (&USD, "-1"),
        (&WINDOW, "fortnight"),
        (&SHA256, "abc"),
        (&REQUEST_PLACE, "task_id"),
        (&REQUEST_PLACE, "body:id"),
        (&REQUEST_PLACE, "event:/id"),
        (&REQUEST_PLACE, "claim:id"),
        (&CALL_PLACE, "claim:/~2"),
        (&ANSWER_PLACE, "path:id"),
        (&BODY_PLACE, "header:x"),
        (&UPSTREAM_URL, "127.0.0.1:80"),
        (&AUTHORIZATION, "Bearer abc"),
        (&CREDENTIAL, "cookie"),
        (&URL, "idp.example.com"),
        (&TENANT, "acme corp"),
        (&ITEM_PLACE, "id"),
        (&PARAMETER, "after"),
    ] {
        assert!(!matches(grammar, text), "{} {text:?}", grammar.what);
    }
}

#[test]
fn the_texts_to_take_as_a_pattern_fit_it() {
    let mut tables = Vec::new();
    declared(&POLICY, &mut tables);
    let check = |grammar: &Grammar, text: &str| {
        assert!(matches(grammar, text), "{} {text:?}", grammar.what);
    };
    for key in tables.iter().flat_map(|table| table.keys) {
        let (Shape::Text(grammar)
        | Shape::OneOrMore(Shape::Text(grammar))
        | Shape::List(Shape::Text(grammar))
        | Shape::Some(Shape::Text(grammar))) = &key.shape
        else {
            continue;
        };
        grammar
            .examples
            .iter()
            .for_each(|text| check(grammar, text));
        for example in key.examples {
            match example {
                crate::keys::Value::Text(text) => check(grammar, text),
                crate::keys::Value::Texts(texts) => {
                    texts.iter().for_each(|text| check(grammar, text));
                }
                other => panic!("{} {other:?}", key.name),
            }
        }
    }
}
