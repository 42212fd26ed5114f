use super::super::Config;
use super::super::memory::MemoryConfig;
use super::*;
use crate::keys::{Absent, Value};
use crate::policy::Problem;
use crate::secret::SecretResolver;

/// A file and its reader, which answers all that it made of a text.
struct Reader {
    root: &'static Table,
    base: &'static str,
    read: fn(&str) -> Result<String, Vec<Problem>>,
}

const READERS: [Reader; 2] = [
    Reader {
        root: GATE_FILE.root,
        base: "",
        read: |text| {
            Config::parse("f", text, &SecretResolver::with_environment([]))
                .map(|config| format!("{config:?}"))
        },
    },
    Reader {
        root: MEMORY_FILE.root,
        base: "[[issuers]]\nname = \"i\"\nissuer = \"i\"\naudiences = [\"a\"]\njwks_file = \"j\"\n",
        read: |text| {
            MemoryConfig::parse("f", text, &SecretResolver::with_environment([]))
                .map(|config| format!("{config:?}"))
        },
    },
];

impl Reader {
    /// The plain sections.
    fn sections(&self) -> impl Iterator<Item = (&'static str, &'static Table)> {
        let sections = self.root.keys.iter();
        sections.filter_map(|section| match &section.shape {
            Shape::Table(table) => Some((section.name, *table)),
            _ => None,
        })
    }

    /// What a file comes to with one key more; `Err` if it is refused for that key's sake.
    fn with(&self, section: &str, key: &str, value: &str) -> Result<Option<String>, String> {
        let text = format!("{}[{section}]\n{key} = {value}\n", self.base);
        match (self.read)(&text) {
            Ok(made) => Ok(Some(made)),
            Err(problems) => {
                let of_the_key = |problem: &&Problem| {
                    problem.at.is_empty() || problem.at == format!("[{section}] {key}")
                };
                match problems.iter().find(of_the_key) {
                    Some(problem) => Err(problem.to_string()),
                    None => Ok(None),
                }
            }
        }
    }
}

fn written(value: Value) -> String {
    match value {
        Value::Text(text) => format!("{text:?}"),
        Value::Integer(integer) => integer.to_string(),
        Value::Flag(flag) => flag.to_string(),
        Value::Texts(texts) => format!("{texts:?}"),
        Value::Decimal(_) | Value::Decimals(_) => panic!("no such key"),
    }
}

#[test]
fn the_types_that_read_the_gates_configuration_have_the_keys_that_are_declared() {
    let expected = |text: &str| -> Vec<String> {
        let refused = Config::parse("f", text, &SecretResolver::with_environment([]));
        let message = refused.unwrap_err()[0].message.clone();
        let (_, names) = message.split_once("expected ").unwrap();
        let mut names: Vec<_> = names
            .split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect();
        names.sort();
        names
    };
    let declared = |table: &Table| -> Vec<String> {
        let mut names: Vec<_> = table.keys.iter().map(|key| key.name.to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(expected("no_such_section = 1\n"), declared(GATE_FILE.root));
    for (section, table) in READERS[0].sections() {
        let text = format!("[{section}]\nno_such_key = 1\n");
        assert_eq!(expected(&text), declared(table), "[{section}]");
    }
    let tls = "[listen.tls]\nno_such_key = 1\n";
    assert_eq!(
        expected(tls),
        declared(GATE_FILE.root.below("listen").below("tls"))
    );
}

#[test]
fn a_number_is_taken_within_its_range_and_nowhere_else() {
    let mut tried = 0;
    for reader in READERS {
        for (section, table) in reader.sections() {
            for key in table.keys {
                let Shape::Integer(least, most) = key.shape else {
                    continue;
                };
                tried += 1;
                for number in [least, most] {
                    let taken = reader.with(section, key.name, &number.to_string());
                    assert!(taken.is_ok(), "{taken:?}");
                }
                for number in [least.checked_sub(1), most.checked_add(1)]
                    .into_iter()
                    .flatten()
                {
                    let taken = reader.with(section, key.name, &number.to_string());
                    assert!(taken.is_err(), "[{section}] {} takes {number}", key.name);
                }
            }
        }
    }
    assert!(tried > 25, "{tried}");
}

#[test]
fn to_state_what_holds_without_a_key_changes_nothing() {
    let mut tried = 0;
    for reader in READERS {
        let without = (reader.read)(reader.base).unwrap();
        for (section, table) in reader.sections() {
            for key in table.keys {
                if let Absent::Means(value) = key.absent {
                    tried += 1;
                    let stated = reader.with(section, key.name, &written(value)).unwrap();
                    assert_eq!(stated.unwrap(), without, "[{section}] {}", key.name);
                }
            }
        }
    }
    assert!(tried > 40, "{tried}");
}

#[test]
fn a_word_out_of_a_choice_is_taken_and_no_other() {
    let mut tried = 0;
    for reader in READERS {
        for (section, table) in reader.sections() {
            for key in table.keys {
                let Shape::Choice(words) = key.shape else {
                    continue;
                };
                tried += 1;
                for (word, _) in words {
                    let taken = reader.with(section, key.name, &format!("{word:?}"));
                    assert!(taken.is_ok(), "{taken:?}");
                }
                assert!(reader.with(section, key.name, "\"another\"").is_err());
            }
        }
    }
    assert_eq!(tried, 3);
}

#[test]
fn a_value_of_another_type_is_refused() {
    for reader in READERS {
        for (section, table) in reader.sections() {
            for key in table.keys {
                let others = match key.shape {
                    Shape::Text(_) | Shape::Choice(_) => ["1", "true", "[]"],
                    Shape::Flag => ["1", "\"true\"", "[]"],
                    Shape::Integer(..) | Shape::Share => ["\"1\"", "true", "[]"],
                    Shape::List(_) | Shape::Some(_) => ["1", "\"a\"", "[1]"],
                    Shape::Table(_) => ["1", "\"a\"", "true"],
                    _ => panic!("no key of a configuration: {}", key.name),
                };
                for value in others {
                    let taken = reader.with(section, key.name, value);
                    assert!(taken.is_err(), "[{section}] {} takes {value}", key.name);
                }
            }
        }
    }
}
