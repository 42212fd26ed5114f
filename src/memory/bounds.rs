//! What is taken in: sizes, names, and text that every store can keep.

use serde_json::Value;

use super::{Address, Fields, MemoryError};

/// Sizes of what is taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Most bytes of one entry ([`Fields::bytes`]).
    pub entry_bytes: u64,
    /// Most bytes of a name: agent, session, category, key, a tag, a keyword, an id.
    pub name_bytes: usize,
    /// Most bytes of a path.
    pub path_bytes: usize,
    /// Most tags, keywords, related ids and source ids, of each.
    pub names: usize,
    /// Deepest nesting of the metadata, itself included.
    pub metadata_depth: usize,
    /// Longest lifetime in seconds.
    pub ttl_seconds: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            entry_bytes: 256 * 1024,
            name_bytes: 512,
            path_bytes: 4096,
            names: 100,
            metadata_depth: 32,
            ttl_seconds: 10 * 366 * 86_400,
        }
    }
}

impl Bounds {
    /// Whether the fields are within the bounds.
    ///
    /// # Errors
    /// The first that is not.
    pub fn judge(&self, fields: &Fields) -> Result<(), MemoryError> {
        let given = fields.bytes();
        if given > self.entry_bytes {
            let limit = self.entry_bytes;
            return Err(MemoryError::TooLarge { limit, given });
        }
        judge_text("content", &fields.content)?;
        judge_text("summary", fields.summary.as_deref().unwrap_or_default())?;
        self.judge_names(fields)?;
        for (name, value) in &fields.metadata {
            judge_text("metadata", name)?;
            judge_metadata(value, self.metadata_depth.saturating_sub(1))?;
        }
        if !(0.0..=1.0).contains(&fields.strength) {
            return Err(MemoryError::invalid("strength", "a number from 0 to 1"));
        }
        match fields.ttl_seconds {
            Some(seconds) if seconds == 0 || seconds > self.ttl_seconds => {
                let reason = format!("1 to {} seconds", self.ttl_seconds);
                Err(MemoryError::invalid("ttl_seconds", reason))
            }
            _ => Ok(()),
        }
    }

    fn judge_names(&self, fields: &Fields) -> Result<(), MemoryError> {
        let single = [
            ("agent", &fields.agent),
            ("session", &fields.session),
            ("category", &fields.category),
        ];
        for (field, name) in single {
            if let Some(name) = name {
                self.judge_name(field, name)?;
            }
        }
        let lists = [
            ("tags", &fields.tags),
            ("keywords", &fields.keywords),
            ("related_ids", &fields.related_ids),
            ("source_ids", &fields.source_ids),
        ];
        for (field, names) in lists {
            if names.len() > self.names {
                let reason = format!("at most {} of them", self.names);
                return Err(MemoryError::invalid(field, reason));
            }
            for name in names {
                self.judge_name(field, name)?;
            }
        }
        Ok(())
    }

    /// Whether an entry may stand there.
    ///
    /// # Errors
    /// The path is too long or holds a NUL, or the key is no name.
    pub fn judge_address(&self, address: &Address) -> Result<(), MemoryError> {
        judge_text("path", &address.path)?;
        if address.path.len() > self.path_bytes {
            let reason = format!("at most {} bytes", self.path_bytes);
            return Err(MemoryError::invalid("path", reason));
        }
        match &address.key {
            Some(key) => self.judge_name("key", key),
            None => Ok(()),
        }
    }

    /// Whether a name (an agent, a key, a tag) is one: not empty, not too long, no NUL, which
    /// PostgreSQL can't keep.
    ///
    /// # Errors
    /// It is none.
    pub fn judge_name(&self, field: &'static str, name: &str) -> Result<(), MemoryError> {
        if !name.is_empty() && name.len() <= self.name_bytes && !name.contains('\0') {
            return Ok(());
        }
        let reason = format!("1 to {} bytes of text without NUL", self.name_bytes);
        Err(MemoryError::invalid(field, reason))
    }
}

/// PostgreSQL keeps no NUL in a text, nor in a text of a JSON document.
fn judge_text(field: &'static str, text: &str) -> Result<(), MemoryError> {
    if text.contains('\0') {
        return Err(MemoryError::invalid(field, "text without NUL (U+0000)"));
    }
    Ok(())
}

fn judge_metadata(value: &Value, depth: usize) -> Result<(), MemoryError> {
    let deeper = || match depth.checked_sub(1) {
        Some(rest) => Ok(rest),
        None => Err(MemoryError::invalid("metadata", "it is nested too deep")),
    };
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        Value::String(text) => judge_text("metadata", text),
        Value::Array(values) => {
            let rest = deeper()?;
            values
                .iter()
                .try_for_each(|value| judge_metadata(value, rest))
        }
        Value::Object(members) => {
            let rest = deeper()?;
            members.iter().try_for_each(|(name, value)| {
                judge_text("metadata", name)?;
                judge_metadata(value, rest)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is refused, by the name of the field.
    fn refused(change: impl FnOnce(&mut Fields)) -> Option<&'static str> {
        let mut fields = Fields::new("tea at four");
        change(&mut fields);
        match Bounds::default().judge(&fields) {
            Ok(()) => None,
            Err(MemoryError::Invalid { field, .. }) => Some(field),
            Err(MemoryError::TooLarge { .. }) => Some("size"),
            Err(other) => panic!("{other}"),
        }
    }

    fn nested(depth: usize) -> Value {
        (1..depth).fold(json!({}), |inner, _| json!({ "n": inner }))
    }

    #[test]
    fn each_field_has_a_bound_and_what_is_at_it_is_taken() {
        type Case = (Option<&'static str>, fn(&mut Fields));
        let cases: [Case; 22] = [
            (None, |_| ()),
            (Some("content"), |it| it.content = "a\0b".into()),
            (Some("summary"), |it| it.summary = Some("\0".into())),
            (None, |it| it.agent = Some("a".repeat(512))),
            (Some("agent"), |it| it.agent = Some("a".repeat(513))),
            (Some("session"), |it| it.session = Some(String::new())),
            (Some("category"), |it| it.category = Some("\0".into())),
            (None, |it| it.tags = vec!["t".into(); 100]),
            (Some("tags"), |it| it.tags = vec!["t".into(); 101]),
            (Some("keywords"), |it| it.keywords = vec![String::new()]),
            (Some("related_ids"), |it| it.related_ids = vec!["\0".into()]),
            (Some("source_ids"), |it| {
                it.source_ids = vec!["s".into(); 101];
            }),
            (None, |it| it.strength = 0.0),
            (Some("strength"), |it| it.strength = 1.1),
            (Some("strength"), |it| it.strength = f64::NAN),
            (None, |it| it.ttl_seconds = Some(1)),
            (Some("ttl_seconds"), |it| it.ttl_seconds = Some(0)),
            (Some("ttl_seconds"), |it| it.ttl_seconds = Some(u64::MAX)),
            (None, |it| it.content = "x".repeat(256 * 1024)),
            (Some("size"), |it| it.content = "x".repeat(256 * 1024 + 1)),
            (None, |it| {
                it.metadata.insert("deep".into(), nested(31));
            }),
            (Some("metadata"), |it| {
                it.metadata.insert("deep".into(), nested(32));
            }),
        ];
        for (index, (expected, change)) in cases.into_iter().enumerate() {
            assert_eq!(refused(change), expected, "case {index}");
        }
    }

    #[test]
    fn no_nul_is_taken_anywhere_in_the_metadata() {
        for value in [
            json!({ "a": "\0" }),
            json!({ "\0": 1 }),
            json!({ "a": [{ "b": ["\0"] }] }),
            json!({ "a": { "\0": 1 } }),
        ] {
            let taken = refused(|it| it.metadata = value.as_object().unwrap().clone());
            assert_eq!(taken, Some("metadata"), "{value}");
        }
    }

    #[test]
    fn a_key_is_a_name_and_a_path_is_bounded() {
        let bounds = Bounds::default();
        let at = |path: &str, key: Option<&str>| {
            let mut address = Address::memory(key.map(str::to_owned));
            address.path = path.to_owned();
            bounds.judge_address(&address).is_ok()
        };
        assert!(at("", None) && at("a/", Some("k")));
        assert!(!at("", Some("")) && !at("", Some("a\0b")));
        assert!(at(&"a".repeat(4096), None) && !at(&"a".repeat(4097), None));
    }
}
