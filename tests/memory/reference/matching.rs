//! Whether an entry fits a filter.

use std::cmp::Ordering;

use fabric_gate::memory::{Comparison, Condition, Entry, Filter, PathFilter};
use serde_json::{Map, Number, Value};

pub(super) fn fits(filter: &Filter, entry: &Entry) -> bool {
    let (fields, address) = (&entry.fields, &entry.address);
    let is = |wanted: &Option<String>, value: &Option<String>| wanted.is_none() || wanted == value;
    let tagged = |tag: &String| fields.tags.contains(tag);
    address.area == filter.area
        && path_fits(&filter.path, &address.path)
        && is(&filter.key, &address.key)
        && filter
            .ids
            .as_ref()
            .is_none_or(|ids| ids.contains(&entry.id))
        && is(&filter.agent, &fields.agent)
        && is(&filter.session, &fields.session)
        && is(&filter.category, &fields.category)
        && filter.tags.iter().all(tagged)
        && (filter.any_tags.is_empty() || filter.any_tags.iter().any(tagged))
        && filter.memory_type.is_none_or(|it| it == fields.memory_type)
        && filter
            .min_importance
            .is_none_or(|it| it <= fields.importance.get())
        && filter.created_from.is_none_or(|it| it <= entry.created_at)
        && filter.created_before.is_none_or(|it| entry.created_at < it)
        && filter
            .conditions
            .iter()
            .all(|condition| holds(condition, &fields.metadata))
}

pub(super) fn path_fits(filter: &PathFilter, path: &str) -> bool {
    match filter {
        PathFilter::Any => true,
        PathFilter::At(exactly) => path == exactly,
        PathFilter::Under(above) => path.starts_with(above.as_str()),
    }
}

fn holds(condition: &Condition, metadata: &Map<String, Value>) -> bool {
    let (first, rest) = condition.member.split_first().unwrap();
    let mut value = metadata.get(first);
    for name in rest {
        value = value
            .and_then(Value::as_object)
            .and_then(|members| members.get(name));
    }
    let equal = value.is_some_and(|value| equal(value, &condition.value));
    let order = value.and_then(|value| order(value, &condition.value));
    match condition.comparison {
        Comparison::Equal => equal,
        Comparison::NotEqual => !equal,
        Comparison::Greater => order == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
        Comparison::Less => order == Some(Ordering::Less),
        Comparison::LessOrEqual => order.is_some_and(Ordering::is_le),
    }
}

fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => by_value(one, other) == Ordering::Equal,
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let same = |(name, value): (&String, &Value)| {
                other.get(name).is_some_and(|other| equal(value, other))
            };
            one.len() == other.len() && one.iter().all(same)
        }
        _ => one == other,
    }
}

fn order(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => Some(by_value(one, other)),
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        _ => None,
    }
}

/// The order of two numbers, exactly: whole ones as whole ones, and a float against a whole one
/// without making a float of that.
fn by_value(one: &Number, other: &Number) -> Ordering {
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => one.cmp(&other),
        (Some(one), None) => against(other.as_f64().unwrap(), one).reverse(),
        (None, Some(other)) => against(one.as_f64().unwrap(), other),
        (None, None) => {
            let floats = (one.as_f64().unwrap(), other.as_f64().unwrap());
            floats.0.partial_cmp(&floats.1).unwrap()
        }
    }
}

/// The number if it is written without fraction or exponent, which JSON's floats never are.
fn whole(number: &Number) -> Option<i128> {
    let signed = number.as_i64().map(i128::from);
    signed.or_else(|| number.as_u64().map(i128::from))
}

/// The order of a float and a whole number of at most 65 bits.
fn against(float: f64, whole: i128) -> Ordering {
    // Past 2^100 it is beyond every whole number here; below, its whole part is exact as an i128.
    if float.abs() > 2.0_f64.powi(100) {
        return float.partial_cmp(&0.0).unwrap();
    }
    let rest = float - float.trunc();
    let by_whole_part = (float.trunc() as i128).cmp(&whole);
    by_whole_part.then(rest.partial_cmp(&0.0).unwrap())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_compared_by_value_where_a_float_could_not_tell_them_apart() {
        let compared = |one: Value, other: Value| order(&one, &other).unwrap();
        assert_eq!(compared(json!(1), json!(1.0)), Ordering::Equal);
        let big = 9_007_199_254_740_993_i64;
        assert_eq!(compared(json!(big), json!(big - 1)), Ordering::Greater);
        assert_eq!(compared(json!(big as f64), json!(big)), Ordering::Less);
        assert_eq!(compared(json!(-1.5), json!(-1)), Ordering::Less);
        assert_eq!(compared(json!(1e300), json!(u64::MAX)), Ordering::Greater);
        assert_eq!(compared(json!(-0.0), json!(0)), Ordering::Equal);
    }
}
