//! Changing some members of an entry: JSON Merge Patch (RFC 7396) over those a writer sets.

use serde_json::{Map, Value};

use super::wanted::judge_members;
use super::{Fields, MemoryError, Wanted};

/// Applies a merge patch (RFC 7396 section 2): members of an object are merged, `null` removes one,
/// whatever else is said replaces what was there.
pub fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Value::Object(members) = target {
        for (name, value) in patch {
            if value.is_null() {
                members.remove(&name);
            } else {
                merge(members.entry(name).or_insert(Value::Null), value);
            }
        }
    }
}

/// What the fields are with the patch. A member that a patch removes gets what one has that was
/// never said. The key stays unless the patch says it.
///
/// # Errors
/// A member of the patch is unknown or the service's to set, or has a wrong value.
pub(super) fn patched(
    mut fields: Fields,
    patch: &Map<String, Value>,
) -> Result<Wanted, MemoryError> {
    // A `null` would remove an unknown member without a trace.
    judge_members(patch.keys())?;
    // A vector is long, and seldom what a patch is about.
    let embedding = match patch.contains_key("embedding") {
        true => None,
        false => fields.embedding.take(),
    };
    let mut target = serde_json::to_value(&fields).unwrap_or_default();
    merge(&mut target, Value::Object(patch.clone()));
    let Value::Object(mut members) = target else {
        return Err(MemoryError::invalid("body", "a JSON object"));
    };
    if let Some(key) = patch.get("key") {
        members.insert("key".to_owned(), key.clone());
    }
    let mut wanted = Wanted::read(members)?;
    if embedding.is_some() {
        wanted.fields.embedding = embedding;
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::memory::Embedding;

    #[test]
    fn the_examples_of_rfc_7396_appendix_a_hold() {
        for (original, patch, result) in [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":"b"}), json!({"a":null}), json!({})),
            (
                json!({"a":"b","b":"c"}),
                json!({"a":null}),
                json!({"b":"c"}),
            ),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
            (
                json!({"a":{"b":"c"}}),
                json!({"a":{"b":"d","c":null}}),
                json!({"a":{"b":"d"}}),
            ),
            (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a":"b"}), json!(["c"]), json!(["c"])),
            (json!({"a":"foo"}), json!(null), json!(null)),
            (json!({"a":"foo"}), json!("bar"), json!("bar")),
            (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
            (json!([1, 2]), json!({"a":"b","c":null}), json!({"a":"b"})),
            (
                json!({}),
                json!({"a":{"bb":{"ccc":null}}}),
                json!({"a":{"bb":{}}}),
            ),
        ] {
            let mut target = original.clone();
            merge(&mut target, patch.clone());
            assert_eq!(target, result, "{original} with {patch}");
        }
    }

    fn patch(fields: &Fields, patch: Value) -> Result<Wanted, String> {
        let patch = patch.as_object().unwrap();
        patched(fields.clone(), patch).map_err(|error| error.to_string())
    }

    #[test]
    fn a_patch_changes_what_it_says_and_nothing_else() {
        let mut fields = Fields::new("tea at four");
        fields.tags = vec!["tea".into()];
        fields.metadata = json!({ "a": { "b": 1, "c": 2 } })
            .as_object()
            .unwrap()
            .clone();
        fields.embedding = Some(Embedding::new(vec![0.1, 0.2]).unwrap());
        let wanted = patch(
            &fields,
            json!({ "importance": 9, "metadata": { "a": { "b": null } } }),
        );
        let mut expected = fields.clone();
        expected.importance = 9.try_into().unwrap();
        expected.metadata = json!({ "a": { "c": 2 } }).as_object().unwrap().clone();
        let wanted = wanted.unwrap();
        assert_eq!(wanted.fields, expected);
        assert_eq!(wanted.key, None);

        let wanted = patch(
            &fields,
            json!({ "tags": null, "embedding": null, "key": null }),
        );
        let wanted = wanted.unwrap();
        assert!(wanted.fields.tags.is_empty() && wanted.fields.embedding.is_none());
        assert_eq!(wanted.key, Some(None));
    }

    #[test]
    fn a_patch_can_neither_empty_an_entry_nor_name_what_is_not_the_writers() {
        let fields = Fields::new("x");
        assert!(patch(&fields, json!({ "content": null })).is_err());
        assert!(patch(&fields, json!({ "version": 3 })).is_err());
        assert_eq!(
            patch(&fields, json!({ "sumary": null })).unwrap_err(),
            "`body`: there is no member `sumary`; `summary` may be meant"
        );
    }

    /// RFC 7396 section 2 as it stands there, on values instead of in place.
    fn by_the_book(target: &Value, patch: &Value) -> Value {
        let Some(patch) = patch.as_object() else {
            return patch.clone();
        };
        let mut result = target.as_object().cloned().unwrap_or_default();
        for (name, value) in patch {
            match value {
                Value::Null => {
                    result.remove(name);
                }
                _ => {
                    let before = result.get(name).cloned().unwrap_or(Value::Null);
                    result.insert(name.clone(), by_the_book(&before, value));
                }
            }
        }
        Value::Object(result)
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..3i64).prop_map(Value::from),
            "[ab]{0,1}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                proptest::collection::btree_map("[a-c]", inner, 0..3)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn objects() -> impl Strategy<Value = Map<String, Value>> {
        proptest::collection::btree_map("[a-c]", values(), 0..4)
            .prop_map(|members| members.into_iter().collect())
    }

    proptest! {
        #[test]
        fn merging_is_rfc_7396(original in values(), change in values()) {
            let mut target = original.clone();
            merge(&mut target, change.clone());
            prop_assert_eq!(target, by_the_book(&original, &change));
        }

        #[test]
        fn patching_metadata_is_merging_it(before in objects(), change in objects()) {
            let mut fields = Fields::new("x");
            fields.metadata = before.clone();
            let wanted = patch(&fields, json!({ "metadata": change.clone() })).unwrap();
            let expected = by_the_book(&before.into(), &change.into());
            prop_assert_eq!(Value::Object(wanted.fields.metadata), expected);
        }
    }
}
