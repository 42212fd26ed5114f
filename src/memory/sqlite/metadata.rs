//! Conditions on metadata, as a function that SQL calls.
//!
//! SQLite's own JSON functions compare texts of objects, and a member's name with a quote in it has
//! no path there. So the comparison is ours, and it runs inside the query like any other condition.

use std::cmp::Ordering;

use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use serde_json::Value;

use crate::memory::{Comparison, Condition};

/// Makes `metadata_holds(metadata, member, comparison, value)` known to a connection.
pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    connection.create_scalar_function(
        "metadata_holds",
        4,
        // Not from a schema, which a stranger may have written.
        FunctionFlags::SQLITE_UTF8
            | FunctionFlags::SQLITE_DETERMINISTIC
            | FunctionFlags::SQLITE_DIRECTONLY,
        called,
    )
}

/// The arguments that follow the metadata in a call of the function.
pub(super) fn arguments(condition: &Condition) -> [String; 3] {
    [
        Value::from(condition.member.clone()).to_string(),
        word(condition.comparison).to_owned(),
        condition.value.to_string(),
    ]
}

fn called(context: &Context<'_>) -> rusqlite::Result<bool> {
    let metadata: Value = parsed(context.get_raw(0).as_str()?)?;
    // The condition is the same for every row of a query.
    let member = context.get_or_create_aux(1, |member| {
        serde_json::from_str::<Vec<String>>(member.as_str()?)
            .map_err(|error| Box::new(error) as Box<dyn std::error::Error + Send + Sync>)
    })?;
    let wanted = context.get_or_create_aux(3, |value| {
        serde_json::from_str::<Value>(value.as_str()?)
            .map_err(|error| Box::new(error) as Box<dyn std::error::Error + Send + Sync>)
    })?;
    let comparison = comparison(context.get_raw(2).as_str()?);
    let found = member
        .iter()
        .try_fold(&metadata, |value, name| value.as_object()?.get(name));
    Ok(comparison.is_some_and(|comparison| holds(comparison, found, &wanted)))
}

fn parsed(text: &str) -> rusqlite::Result<Value> {
    serde_json::from_str(text).map_err(|error| rusqlite::Error::UserFunctionError(Box::new(error)))
}

fn holds(comparison: Comparison, found: Option<&Value>, wanted: &Value) -> bool {
    let ordered = || found.and_then(|found| order(found, wanted));
    match comparison {
        Comparison::Equal => found.is_some_and(|found| equal(found, wanted)),
        Comparison::NotEqual => !found.is_some_and(|found| equal(found, wanted)),
        Comparison::Greater => ordered().is_some_and(Ordering::is_gt),
        Comparison::GreaterOrEqual => ordered().is_some_and(Ordering::is_ge),
        Comparison::Less => ordered().is_some_and(Ordering::is_lt),
        Comparison::LessOrEqual => ordered().is_some_and(Ordering::is_le),
    }
}

fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(_), Value::Number(_)) => order(one, other) == Some(Ordering::Equal),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(name, one)| other.get(name).is_some_and(|other| equal(one, other)))
        }
        _ => one == other,
    }
}

/// Between two numbers by value, between two texts by code point.
fn order(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => match (one.as_i128(), other.as_i128()) {
            (Some(one), Some(other)) => Some(one.cmp(&other)),
            (Some(one), None) => against(other.as_f64()?, one).map(Ordering::reverse),
            (None, Some(other)) => against(one.as_f64()?, other),
            (None, None) => one.as_f64()?.partial_cmp(&other.as_f64()?),
        },
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        _ => None,
    }
}

/// A float against a whole number of 65 bits, which may have no float of its own.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the whole part of a float below 2^100 is a number of 128 bits"
)]
fn against(float: f64, whole: i128) -> Option<Ordering> {
    if float.abs() >= 2.0_f64.powi(100) {
        return float.partial_cmp(&0.0);
    }
    let by_whole_part = (float.trunc() as i128).cmp(&whole);
    Some(by_whole_part.then(float.fract().partial_cmp(&0.0)?))
}

const fn word(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "=",
        Comparison::NotEqual => "!=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
    }
}

fn comparison(word: &str) -> Option<Comparison> {
    Some(match word {
        "=" => Comparison::Equal,
        "!=" => Comparison::NotEqual,
        ">" => Comparison::Greater,
        ">=" => Comparison::GreaterOrEqual,
        "<" => Comparison::Less,
        "<=" => Comparison::LessOrEqual,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(metadata: &Value, member: &[&str], comparison: Comparison, value: Value) -> bool {
        let connection = Connection::open_in_memory().unwrap();
        register(&connection).unwrap();
        let [member, comparison, value] = arguments(&Condition {
            member: member.iter().map(|name| (*name).to_owned()).collect(),
            comparison,
            value,
        });
        let arguments = (metadata.to_string(), member, comparison, value);
        connection
            .query_row("SELECT metadata_holds(?1, ?2, ?3, ?4)", arguments, |row| {
                row.get(0)
            })
            .unwrap()
    }

    #[test]
    fn values_are_compared_as_json_and_not_as_text() {
        let metadata = json!({"n": 1, "o": {"a": 1, "b": [1.0]}, "s": "b", "big": u64::MAX});
        let holds =
            |member: &str, comparison, value| asked(&metadata, &[member], comparison, value);
        assert!(holds("n", Comparison::Equal, json!(1.0)));
        assert!(holds("o", Comparison::Equal, json!({"b": [1], "a": 1})));
        assert!(!holds("o", Comparison::Equal, json!({"b": [1]})));
        assert!(holds("s", Comparison::Greater, json!("a")));
        assert!(holds("s", Comparison::Less, json!("é")));
        assert!(
            !holds("s", Comparison::Greater, json!(0)),
            "no order between kinds"
        );
        assert!(!holds("n", Comparison::Equal, json!("1")));
        assert!(holds("big", Comparison::Greater, json!(u64::MAX - 1)));
        assert!(holds("big", Comparison::Less, json!(u64::MAX as f64)));
        assert!(holds("n", Comparison::Less, json!(1.5)));
        assert!(holds("n", Comparison::Greater, json!(-1e300)));
    }

    #[test]
    fn what_is_not_there_is_unequal_to_everything() {
        let metadata = json!({"a": {"b": null}});
        for (comparison, expected) in [
            (Comparison::Equal, false),
            (Comparison::NotEqual, true),
            (Comparison::GreaterOrEqual, false),
            (Comparison::LessOrEqual, false),
        ] {
            let found = asked(&metadata, &["a", "c"], comparison, Value::Null);
            assert_eq!(found, expected, "{comparison:?}");
        }
        assert!(asked(
            &metadata,
            &["a", "b"],
            Comparison::Equal,
            Value::Null
        ));
    }

    #[test]
    fn a_members_name_is_a_name_and_no_path() {
        let metadata = json!({"a.b": 1, "\"": 2, "$": {"[0]": 3}});
        let is =
            |member: &[&str], value: i64| asked(&metadata, member, Comparison::Equal, json!(value));
        assert!(is(&["a.b"], 1));
        assert!(is(&["\""], 2));
        assert!(is(&["$", "[0]"], 3));
        assert!(!is(&["a", "b"], 1));
    }
}
