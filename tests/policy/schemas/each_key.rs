//! Every key, tried on the reader and on the schema.

use std::collections::HashSet;

use fabric_gate::keys::{Absent, Shape, Table, Value};
use fabric_gate::policy::{POLICY_FILE, PolicyDirectory, ProblemKind, compile, render_text};
use jsonschema::Validator;
use proptest::prelude::*;

use super::corpus::*;

#[test]
fn every_key_that_is_declared_stands_in_a_sound_policy() {
    let used: HashSet<_> = each_key()
        .into_iter()
        .map(|(_, _, table, key)| (table.name, key))
        .collect();
    let mut declared = vec![POLICY_FILE.root];
    let mut index = 0;
    while let Some(table) = declared.get(index).copied() {
        index += 1;
        let names = table.names.as_ref().map(|names| names.value);
        for shape in table.keys.iter().map(|key| &key.shape).chain(names) {
            let below = shape.table();
            let known = |table: &Table| declared.iter().any(|known| known.name == table.name);
            declared.extend(below.filter(|table| !known(table)));
        }
    }
    let unused: Vec<String> = declared
        .iter()
        .flat_map(|table| {
            table
                .keys
                .iter()
                .map(|key| (table.name, key.name.to_owned()))
        })
        .filter(|key| !used.contains(key))
        .map(|(table, key)| format!("{table} {key}"))
        .collect();
    assert!(
        unused.is_empty(),
        "show in tests/policy/every-key: {unused:?}"
    );
}

#[test]
fn a_key_of_another_type_is_refused_by_both() {
    let validator = validator(&POLICY_FILE);
    for (sound, at, declared, key) in each_key() {
        let shape = &declared.key(&key).unwrap().shape;
        for other in others(shape) {
            let wrong = changed(&sound.table, &at, |table| {
                table.insert(key.clone(), other.clone());
            });
            let told = problems(&wrong);
            let place = format!("{} {key} = {other} in {}", declared.name, sound.name);
            assert!(!told.is_empty(), "check takes {place}");
            assert!(
                !complaints(&validator, &wrong).is_empty(),
                "the schema takes {place}"
            );
        }
    }
}

/// Values of types that a shape doesn't take.
fn others(shape: &Shape) -> Vec<toml::Value> {
    let text = toml::Value::from("?");
    let number = toml::Value::from(-1);
    let flag = toml::Value::from(true);
    let table = toml::Value::Table(toml::Table::new());
    match shape {
        Shape::Text(_) | Shape::Choice(_) => vec![number, flag, table],
        Shape::Flag => vec![text, number, table],
        Shape::Integer(..) | Shape::IntegerOf(_) | Shape::Decimal(_) => vec![text, flag, table],
        Shape::Decimals => vec![text, flag, toml::Value::Array(vec![flag_in_a_list()])],
        Shape::Timestamp => vec![number, flag, table],
        Shape::Table(_) => vec![text, number, flag],
        Shape::List(_) | Shape::Some(_) => {
            vec![number, flag, toml::Value::Array(vec![flag_in_a_list()])]
        }
        Shape::OneOrMore(_) => vec![number, flag],
        Shape::Either(_) => vec![number],
        Shape::False => vec![flag],
        Shape::Share => vec![text, number, flag],
        Shape::Anything => Vec::new(),
    }
}

fn flag_in_a_list() -> toml::Value {
    toml::Value::from(true)
}

#[test]
fn a_key_that_is_required_is_missed_by_both_and_no_other_is() {
    let validator = validator(&POLICY_FILE);
    for (sound, at, declared, key) in each_key() {
        let without = changed(&sound.table, &at, |table| {
            table.remove(&key);
        });
        let place = format!("{} {key} in {}", declared.name, sound.name);
        let told = problems(&without);
        let missed = told.iter().any(|problem| {
            problem.kind == ProblemKind::Missing && problem.message.contains(&format!("`{key}`"))
        });
        let complaints = complaints(&validator, &without);
        match declared.key(&key).unwrap().absent {
            Absent::Refused => {
                assert!(missed, "check doesn't miss {place}");
                assert!(!complaints.is_empty(), "the schema doesn't miss {place}");
            }
            _ => assert!(
                complaints.is_empty() || !told.is_empty(),
                "the schema alone misses {place}: {complaints:?}"
            ),
        }
    }
}

#[test]
fn to_state_what_holds_without_a_key_changes_nothing() {
    let made = |policy: &toml::Table| {
        let text = toml::to_string(policy).unwrap();
        let directory = PolicyDirectory::from_texts(&root(), [("p.toml", text.as_str())]).unwrap();
        // The revision is of the text: its name, and its bytes, a number on each line.
        let shown = match compile(&directory, &environment()) {
            Ok(snapshot) => format!("{snapshot:#?}").replace(snapshot.revision.as_str(), ""),
            Err(problems) => render_text(&problems),
        };
        // Tables of names are in no order of their own.
        let is_byte = |line: &&str| line.trim().trim_end_matches(',').parse::<u8>().is_ok();
        let mut lines: Vec<String> = shown
            .lines()
            .filter(|line| !is_byte(line))
            .map(str::to_owned)
            .collect();
        lines.sort();
        lines
    };
    let mut tried = HashSet::new();
    let mut sound = policies();
    sound.sort_by_key(|sound| sound.table.to_string().len());
    for Sound { name, table } in sound {
        for (at, declared) in tables_of(&table, &POLICY_FILE) {
            for key in declared.keys {
                let Absent::Means(value) = key.absent else {
                    continue;
                };
                // What excludes the key where it stands is another matter.
                let needed: &[&str] = match key.name {
                    "every_seconds" => &["ask"],
                    "unknown" if declared.name == "route" => &["resource", "list"],
                    _ => &[],
                };
                let fits = needed.is_empty() || needed.iter().any(|it| has(&table, &at, it));
                let is_public = has(&table, &at, "public");
                if !fits
                    || is_public
                    || has(&table, &at, key.name)
                    || !tried.insert((declared.name, key.name))
                {
                    continue;
                }
                let stated = changed(&table, &at, |table| {
                    table.insert(key.name.to_owned(), written(value));
                });
                let (stated_made, made) = (made(&stated), made(&table));
                let other = stated_made.iter().find(|line| !made.contains(line));
                assert!(
                    stated_made == made,
                    "{} {} in {name} is another policy by its default: {other:?} {:?}",
                    declared.name,
                    key.name,
                    problems(&stated)
                );
            }
        }
    }
    assert!(tried.len() > 25, "{}", tried.len());
}

fn written(value: Value) -> toml::Value {
    match value {
        Value::Text(text) => text.into(),
        Value::Integer(integer) => i64::try_from(integer).unwrap().into(),
        Value::Decimal(number) => number.parse::<f64>().unwrap().into(),
        Value::Flag(flag) => flag.into(),
        Value::Texts(texts) => texts.to_vec().into(),
        Value::Decimals(numbers) => {
            let numbers = numbers.iter().map(|number| number.parse::<f64>().unwrap());
            numbers.collect::<Vec<_>>().into()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_key_that_nobody_knows_is_told_by_both(
        place in any::<prop::sample::Index>(),
        key in any::<prop::sample::Index>(),
        letter in any::<prop::sample::Index>(),
        instead in "[a-z_]{0,2}",
    ) {
        let (sound, at, declared, known) = {
            let mut keys = KEYS.with(|keys| keys.clone());
            keys.swap_remove(place.index(keys.len()))
        };
        let mut renamed = declared.keys[key.index(declared.keys.len())].name.to_owned();
        let letter = letter.index(renamed.len());
        renamed.replace_range(letter..=letter, &instead);
        let policy = changed(&sound, &at, |table| {
            let value = table.remove(&known).unwrap();
            table.insert(renamed.clone(), value);
        });
        let unknown = problems(&policy).iter().any(|it| it.kind == ProblemKind::UnknownKey);
        let complaints = VALIDATOR.with(|validator| complaints(validator, &policy));
        prop_assert_eq!(unknown, declared.key(&renamed).is_none(), "{}", &renamed);
        prop_assert!(!unknown || !complaints.is_empty(), "the schema knows {}", renamed);
        prop_assert!(complaints.is_empty() || !problems(&policy).is_empty(), "{complaints:?}");
    }
}

type Place = (toml::Table, Vec<Step>, &'static Table, String);

thread_local! {
    static KEYS: Vec<Place> = each_key()
        .into_iter()
        // A section by another name is no key, and keys that are names are all known.
        .filter(|(_, _, table, _)| table.name != POLICY_FILE.root.name && table.names.is_none())
        .map(|(sound, at, table, key)| (sound.table, at, table, key))
        .collect();
    static VALIDATOR: Validator = validator(&POLICY_FILE);
}
