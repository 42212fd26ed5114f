//! A file's keys as JSON Schema, draft 2020-12.
//!
//! Keywords are those that draft 7 has too, and beside `$ref` stands nothing that validates: editors'
//! TOML servers know both drafts.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::{Absent, File, Grammar, Key, Rule, Shape, Table, Value};

/// Where schemas are published.
const BASE: &str = "https://fabric-gate.dev/schemas";

/// The schema of a kind of file.
pub fn schema(file: &File) -> Json {
    let mut tables = BTreeMap::new();
    collect(file.root, &mut tables);
    let definitions: Map<String, Json> = tables
        .into_iter()
        .map(|(name, table)| (name.to_owned(), of_table(table)))
        .collect();
    let mut schema = of_table(file.root);
    state(
        &mut schema,
        "$schema",
        json!("https://json-schema.org/draft/2020-12/schema"),
    );
    let id = format!("{BASE}/{}.schema.json", file.name);
    state(&mut schema, "$id", json!(id));
    state(&mut schema, "$defs", Json::Object(definitions));
    state(&mut schema, "title", json!(file.title));
    state(&mut schema, "description", json!(file.says));
    sorted(schema)
}

/// Every table that is referred to, by name.
fn collect(table: &'static Table, found: &mut BTreeMap<&'static str, &'static Table>) {
    let names = table.names.as_ref().map(|names| names.value);
    let shapes = table.keys.iter().map(|key| &key.shape).chain(names);
    for below in shapes.filter_map(Shape::table) {
        if found.insert(below.name, below).is_none() {
            collect(below, found);
        }
    }
}

fn of_table(table: &Table) -> Json {
    let properties: Map<String, Json> = table
        .keys
        .iter()
        .map(|key| (key.name.to_owned(), of_key(key)))
        .collect();
    let required: Vec<&str> = table
        .keys
        .iter()
        .filter(|key| key.absent == Absent::Refused)
        .map(|key| key.name)
        .collect();
    let mut schema = json!({
        "type": "object",
        "description": table.says,
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        state(&mut schema, "required", json!(required));
    }
    if let Some(names) = &table.names {
        state(&mut schema, "additionalProperties", of_shape(names.value));
        state(&mut schema, "propertyNames", of_text(&names.name));
    }
    let rules: Vec<Json> = table
        .rules
        .iter()
        .map(|rule| of_rule(table, rule))
        .collect();
    // Taplo, which looks into `allOf` for keys to offer, would not see those beside it.
    if !rules.is_empty() {
        state(&mut schema, "if", json!(true));
        state(&mut schema, "then", open(json!({ "allOf": rules })));
    }
    schema
}

fn of_key(key: &Key) -> Json {
    let mut schema = of_shape(&key.shape);
    state(&mut schema, "description", json!(description(key)));
    if let Absent::Means(value) = key.absent {
        state(&mut schema, "default", of_value(value));
    }
    if !key.examples.is_empty() {
        let examples: Vec<_> = key.examples.iter().map(|value| of_value(*value)).collect();
        state(&mut schema, "examples", json!(examples));
    }
    schema
}

/// What an editor shows of a key.
fn description(key: &Key) -> String {
    let mut text = key.says.to_owned();
    if let Shape::Choice(words) = &key.shape {
        for (word, says) in *words {
            text.push_str(&format!("\n- `\"{word}\"`: {says}"));
        }
    }
    if let Shape::Integer(least, most) = key.shape {
        text.push_str(&format!("\n\nBetween {least} and {most}."));
    }
    match key.absent {
        Absent::Refused => text.push_str("\n\nRequired."),
        Absent::None => {}
        Absent::Means(value) => {
            text.push_str(&format!("\n\nDefault: `{}`.", of_value(value)));
        }
        Absent::Says(says) => text.push_str(&format!("\n\nWhere it is absent: {says}.")),
    }
    text
}

fn of_shape(shape: &Shape) -> Json {
    match shape {
        Shape::Text(grammar) => of_text(grammar),
        Shape::Choice(words) => of_choice(words),
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::False => json!({ "const": false }),
        Shape::Share => json!({ "type": "number", "minimum": 0, "maximum": 1 }),
        Shape::Anything => json!({}),
        Shape::Integer(least, most) => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        Shape::IntegerOf(numbers) => json!({ "enum": numbers }),
        Shape::Decimal(grammar) => json!({ "anyOf": [{ "type": "number" }, of_text(grammar)] }),
        Shape::Decimals => json!({ "type": "array", "items": { "type": "number" } }),
        Shape::Timestamp => json!({ "type": "string", "format": "date-time" }),
        Shape::Table(table) => json!({ "$ref": format!("#/$defs/{}", table.name) }),
        Shape::List(inner) => json!({ "type": "array", "items": of_shape(inner) }),
        Shape::Some(inner) => {
            json!({ "type": "array", "items": of_shape(inner), "minItems": 1 })
        }
        Shape::OneOrMore(inner) => {
            let list = json!({ "type": "array", "items": of_shape(inner) });
            json!({ "anyOf": [of_shape(inner), list] })
        }
        Shape::Either(shapes) => {
            let shapes: Vec<Json> = shapes.iter().map(of_shape).collect();
            json!({ "anyOf": shapes })
        }
    }
}

fn of_text(grammar: &Grammar) -> Json {
    let mut schema = json!({ "type": "string" });
    if let Some(pattern) = grammar.pattern {
        state(&mut schema, "pattern", json!(pattern));
    }
    if !grammar.examples.is_empty() {
        state(&mut schema, "examples", json!(grammar.examples));
    }
    if grammar.words.is_empty() {
        return schema;
    }
    json!({ "anyOf": [{ "enum": grammar.words }, schema] })
}

/// The words, and what each means where Taplo and its kin look for it.
fn of_choice(words: &[(&str, &str)]) -> Json {
    let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let says: Vec<&str> = words.iter().map(|(_, says)| *says).collect();
    json!({ "enum": names, "x-taplo": { "docs": { "enumValues": says } } })
}

fn of_value(value: Value) -> Json {
    match value {
        Value::Text(text) => json!(text),
        Value::Integer(integer) => json!(integer),
        Value::Decimal(number) => number_of(number),
        Value::Flag(flag) => json!(flag),
        Value::Texts(texts) => json!(texts),
        Value::Decimals(numbers) => numbers.iter().map(|number| number_of(number)).collect(),
    }
}

fn number_of(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or(Json::Null)
}

fn of_rule(table: &Table, rule: &Rule) -> Json {
    let there = |name: &str| is_there(table, name);
    let any = |names: &[&str]| match names {
        [name] => there(name),
        names => {
            let names: Vec<Json> = names.iter().map(|name| there(name)).collect();
            open(json!({ "anyOf": names }))
        }
    };
    open(match rule {
        Rule::ExactlyOne(groups) => {
            let groups: Vec<Json> = groups.iter().map(|group| any(group)).collect();
            json!({ "oneOf": groups })
        }
        Rule::AtLeastOne(names) => any(names),
        Rule::Needs(name, other) => json!({ "if": there(name), "then": there(other) }),
        Rule::Apart(name, other) => {
            json!({ "not": open(json!({ "allOf": [there(name), there(other)] })) })
        }
        Rule::RequiredUnless(name, flag) => json!({ "anyOf": [there(name), there(flag)] }),
        Rule::Voids(flag, names) => {
            json!({ "if": there(flag), "then": open(json!({ "not": any(names) })) })
        }
    })
}

/// Says that it is about some of the keys only: Tombi takes a part of a schema for all of it else.
fn open(mut schema: Json) -> Json {
    state(&mut schema, "additionalProperties", json!(true));
    schema
}

/// That a key is there; a flag, that it is true.
fn is_there(table: &Table, name: &str) -> Json {
    let is_flag = table
        .key(name)
        .is_some_and(|key| matches!(key.shape, Shape::Flag) && key.absent != Absent::None);
    open(match is_flag {
        true => json!({ "required": [name], "properties": { name: { "const": true } } }),
        false => json!({ "required": [name] }),
    })
}

fn state(schema: &mut Json, keyword: &str, value: Json) {
    if let Some(object) = schema.as_object_mut() {
        object.insert(keyword.to_owned(), value);
    }
}

/// The same text whichever way the build of `serde_json` orders its objects.
fn sorted(value: Json) -> Json {
    match value {
        Json::Object(object) => {
            let members: BTreeMap<String, Json> = object.into_iter().collect();
            let members = members
                .into_iter()
                .map(|(name, value)| (name, sorted(value)));
            Json::Object(members.collect())
        }
        Json::Array(items) => items.into_iter().map(sorted).collect(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static INNER: Table = Table {
        name: "inner",
        keys: &[Key::new("deep", Shape::Flag, "Deep.").default(Value::Flag(true))],
        ..Table::EMPTY
    };

    static ROOT: Table = Table {
        keys: &[
            Key::new("count", Shape::Integer(1, 9), "How many.").default(Value::Integer(3)),
            Key::new("inner", Shape::Table(&INNER), "More."),
            Key::new("word", Shape::Choice(&[("a", "The first.")]), "Which.").required(),
        ],
        rules: &[Rule::Needs("count", "inner")],
        ..Table::EMPTY
    };

    #[test]
    fn a_table_becomes_a_closed_object_whose_keys_are_described() {
        let schema = schema(&File {
            name: "t",
            title: "T",
            says: "A file.",
            root: &ROOT,
        });
        assert_eq!(
            schema["$id"],
            "https://fabric-gate.dev/schemas/t.schema.json"
        );
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["required"], json!(["word"]));
        assert_eq!(schema["properties"]["count"]["maximum"], 9);
        assert_eq!(schema["properties"]["count"]["default"], 3);
        assert_eq!(
            schema["properties"]["count"]["description"],
            "How many.\n\nBetween 1 and 9.\n\nDefault: `3`."
        );
        let reference = &schema["properties"]["inner"]["$ref"];
        assert_eq!(reference, "#/$defs/inner");
        assert_eq!(schema["$defs"]["inner"]["additionalProperties"], false);
        assert_eq!(
            schema["then"]["allOf"][0]["if"]["required"],
            json!(["count"]),
            "the rule between them"
        );
    }
}
