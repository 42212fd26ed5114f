//! Conditions on metadata as callers write them in JSON.
//!
//! ```text
//! {"color": "red", "size": {"$gte": 2, "$lt": 9}, "owner": {"name": "Ann"}}
//! ```
//!
//! A member is compared with a value, or by operators: `$eq`, `$ne`, `$gt`, `$gte`, `$lt`, `$lte`.
//! An object without operators stands for conditions on its members, all of which have to hold. That
//! is the language of LangGraph's store; what it does not know is refused, not left out.

use serde_json::{Map, Value};

use super::{Comparison, Condition, MemoryError};

/// Most conditions of one filter.
const MOST: usize = 32;

/// Deepest member that a condition may be on.
const DEEPEST: usize = 8;

impl Condition {
    /// The conditions that a JSON object states, in its order.
    ///
    /// # Errors
    /// An operator is unknown or stands beside a member, or the conditions are too many or too deep;
    /// `field` is the member of the request that holds them.
    pub fn all_of(
        stated: &Map<String, Value>,
        field: &'static str,
    ) -> Result<Vec<Self>, MemoryError> {
        let mut conditions = Vec::new();
        let mut member = Vec::new();
        collect(stated, &mut member, &mut conditions)
            .map_err(|reason| MemoryError::invalid(field, reason))?;
        Ok(conditions)
    }
}

/// Adds the conditions on the members of `stated`, which stands at `member`.
fn collect(
    stated: &Map<String, Value>,
    member: &mut Vec<String>,
    conditions: &mut Vec<Condition>,
) -> Result<(), String> {
    for (name, value) in stated {
        if name.starts_with('$') {
            let operator = operator(name)?;
            if member.is_empty() {
                return Err(format!(
                    "`{name}` has to stand below the member it compares"
                ));
            }
            push(conditions, member, operator, value)?;
            continue;
        }
        if stated.keys().any(|other| other.starts_with('$')) {
            return Err(format!(
                "operators stand beside the member `{}`",
                shown(name)
            ));
        }
        member.push(name.clone());
        if member.len() > DEEPEST {
            return Err(format!("conditions reach at most {DEEPEST} members deep"));
        }
        match value.as_object().filter(|inner| !inner.is_empty()) {
            Some(inner) => collect(inner, member, conditions)?,
            None => push(conditions, member, Comparison::Equal, value)?,
        }
        member.pop();
    }
    Ok(())
}

fn push(
    conditions: &mut Vec<Condition>,
    member: &[String],
    comparison: Comparison,
    value: &Value,
) -> Result<(), String> {
    if conditions.len() >= MOST {
        return Err(format!("at most {MOST} conditions"));
    }
    conditions.push(Condition {
        member: member.to_vec(),
        comparison,
        value: value.clone(),
    });
    Ok(())
}

fn operator(name: &str) -> Result<Comparison, String> {
    match name {
        "$eq" => Ok(Comparison::Equal),
        "$ne" => Ok(Comparison::NotEqual),
        "$gt" => Ok(Comparison::Greater),
        "$gte" => Ok(Comparison::GreaterOrEqual),
        "$lt" => Ok(Comparison::Less),
        "$lte" => Ok(Comparison::LessOrEqual),
        _ => Err(format!(
            "there is no operator `{}`; there are $eq, $ne, $gt, $gte, $lt and $lte",
            shown(name)
        )),
    }
}

/// As much of a caller's own word as a refusal repeats.
fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(stated: &Value) -> Result<Vec<(String, Comparison, Value)>, String> {
        let conditions = Condition::all_of(stated.as_object().unwrap(), "filter");
        match conditions {
            Ok(conditions) => Ok(conditions
                .into_iter()
                .map(|it| (it.member.join("/"), it.comparison, it.value))
                .collect()),
            Err(MemoryError::Invalid { field, reason }) => Err(format!("{field}: {reason}")),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_value_an_operator_and_an_object_are_conditions_on_the_member_they_stand_at() {
        use Comparison::{Equal, GreaterOrEqual, Less};
        let stated = json!({
            "color": "red",
            "empty": {},
            "owner": {"name": "Ann", "age": {"$gte": 30, "$lt": 40}},
            "tags": ["a", {"$not": "an operator in here"}],
            "a.b/c": null,
        });
        let mut expected = vec![
            ("a.b/c".to_owned(), Equal, json!(null)),
            ("color".to_owned(), Equal, json!("red")),
            ("empty".to_owned(), Equal, json!({})),
            ("owner/age".to_owned(), GreaterOrEqual, json!(30)),
            ("owner/age".to_owned(), Less, json!(40)),
            ("owner/name".to_owned(), Equal, json!("Ann")),
            (
                "tags".to_owned(),
                Equal,
                json!(["a", {"$not": "an operator in here"}]),
            ),
        ];
        let mut found = read(&stated).unwrap();
        for conditions in [&mut expected, &mut found] {
            conditions.sort_by_key(|it| format!("{it:?}"));
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_not_in_the_language_is_refused_and_not_left_out() {
        for (stated, reason) in [
            (json!({"a": {"$in": [1]}}), "there is no operator `$in`"),
            (json!({"$or": [{"a": 1}]}), "there is no operator `$or`"),
            (json!({"$eq": 1}), "has to stand below"),
            (json!({"a": {"$eq": 1, "b": 2}}), "beside the member `b`"),
            (json!({"a": {"b": 2, "$eq": 1}}), "beside the member `b`"),
            (
                json!({"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":1}}}}}}}}}),
                "at most 8 members deep",
            ),
        ] {
            let refusal = read(&stated).unwrap_err();
            assert!(
                refusal.starts_with("filter: ") && refusal.contains(reason),
                "{refusal}"
            );
        }
    }

    #[test]
    fn conditions_are_counted() {
        let many = |count: usize| {
            let members = (0..count).map(|index| (format!("m{index}"), json!(index)));
            Value::Object(members.collect())
        };
        assert_eq!(read(&many(32)).unwrap().len(), 32);
        assert_eq!(
            read(&many(33)),
            Err("filter: at most 32 conditions".to_owned())
        );
    }
}
