//! What a writer says of an entry.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Embedding;

/// The contents of an entry: the fields of Heartbit's memory entry that a writer sets, so that its
/// store maps one to one, and what CONTRACT and LangGraph add (session, metadata, lifetime).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fields {
    /// What is remembered, as text; what full-text search looks at.
    pub content: String,
    /// The agent that remembers: a partition of the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The agent's session: a partition of the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// A category, free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Tags, without order or repetition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Words to be found by that the content does not hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// A short form of the content, searched as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// How much it matters.
    #[serde(default)]
    pub importance: Importance,
    /// What kind of memory.
    #[serde(default)]
    pub memory_type: MemoryType,
    /// How well it is remembered, 0 to 1, as of the last write.
    #[serde(default = "full_strength")]
    pub strength: f64,
    /// Ids of entries it has to do with. They are kept as text and never looked up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related_ids: Vec<String>,
    /// Ids of what it was made from. They are kept as text and never looked up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_ids: Vec<String>,
    /// Whatever else; the value of a LangGraph item.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// The caller's vector for the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding: Option<Embedding>,
    /// Who may see it.
    #[serde(default)]
    pub confidentiality: Confidentiality,
    /// Seconds until it is forgotten, counted from its last write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u64>,
}

const fn full_strength() -> f64 {
    1.0
}

impl Fields {
    /// Fields that hold this content and otherwise what a writer gets that says nothing else.
    pub fn new(content: impl Into<String>) -> Self {
        Self {
            content: content.into(),
            agent: None,
            session: None,
            category: None,
            tags: Vec::new(),
            keywords: Vec::new(),
            summary: None,
            importance: Importance::default(),
            memory_type: MemoryType::default(),
            strength: full_strength(),
            related_ids: Vec::new(),
            source_ids: Vec::new(),
            metadata: Map::new(),
            embedding: None,
            confidentiality: Confidentiality::default(),
            ttl_seconds: None,
        }
    }

    /// The text that full-text search indexes: content, summary and keywords, a line each.
    pub fn searchable(&self) -> String {
        let mut text = self.content.clone();
        let rest = self.summary.iter().chain(&self.keywords);
        for more in rest {
            text.push('\n');
            text.push_str(more);
        }
        text
    }

    /// Bytes that count towards a quota: those of the texts, of the metadata as JSON, and four for
    /// each dimension of the embedding.
    pub fn bytes(&self) -> u64 {
        let texts = [&self.agent, &self.session, &self.category, &self.summary];
        let lists = [
            &self.tags,
            &self.keywords,
            &self.related_ids,
            &self.source_ids,
        ];
        let of_texts: usize = texts.into_iter().flatten().map(String::len).sum();
        let of_lists: usize = lists.into_iter().flatten().map(String::len).sum();
        let of_metadata = match self.metadata.is_empty() {
            true => 0,
            false => serde_json::to_string(&self.metadata).map_or(0, |text| text.len()),
        };
        let of_embedding = self.embedding.as_ref().map_or(0, |it| it.dimensions() * 4);
        (self.content.len() + of_texts + of_lists + of_metadata + of_embedding) as u64
    }

    /// What tells whether a creation that is repeated with the same key is the same creation:
    /// BLAKE3 of the fields as JSON.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        // A map of strings, numbers and vectors always has a JSON form.
        let text = serde_json::to_vec(self).unwrap_or_default();
        hasher.update(&text);
        hasher.finalize().into()
    }
}

/// How much an entry matters, 1 to 10; 5 when nobody says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Importance(u8);

impl Importance {
    /// The importance as a number, 1 to 10.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl Default for Importance {
    fn default() -> Self {
        Self(5)
    }
}

impl TryFrom<u8> for Importance {
    type Error = ImportanceError;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        match number {
            1..=10 => Ok(Self(number)),
            _ => Err(ImportanceError),
        }
    }
}

impl From<Importance> for u8 {
    fn from(importance: Importance) -> Self {
        importance.0
    }
}

/// A number is no importance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an importance is a whole number from 1 to 10")]
pub struct ImportanceError;

/// What kind of memory (Heartbit's three).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemoryType {
    /// Something that happened.
    #[default]
    Episodic,
    /// Something that is so.
    Semantic,
    /// Something concluded from others.
    Reflection,
}

impl MemoryType {
    /// The word in JSON and in the stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Episodic => "episodic",
            Self::Semantic => "semantic",
            Self::Reflection => "reflection",
        }
    }
}

/// Who may see an entry, from everybody to few.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Confidentiality {
    /// Whoever talks to the agent.
    Public,
    /// The tenant's people.
    #[default]
    Internal,
    /// Those who need it.
    Confidential,
    /// As few as possible.
    Restricted,
}

impl Confidentiality {
    /// All of them, rising.
    pub const ALL: [Self; 4] = [
        Self::Public,
        Self::Internal,
        Self::Confidential,
        Self::Restricted,
    ];

    /// The word in JSON and configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Confidential => "confidential",
            Self::Restricted => "restricted",
        }
    }

    /// The rank in the stores, 0 to 3, rising: a cap is a comparison of ranks.
    pub const fn rank(self) -> u8 {
        match self {
            Self::Public => 0,
            Self::Internal => 1,
            Self::Confidential => 2,
            Self::Restricted => 3,
        }
    }

    /// The confidentiality of a stored rank; one that is unknown is the highest.
    pub const fn of_rank(rank: i64) -> Self {
        match rank {
            0 => Self::Public,
            1 => Self::Internal,
            2 => Self::Confidential,
            _ => Self::Restricted,
        }
    }
}

impl fmt::Display for Confidentiality {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Confidentiality {
    type Err = ConfidentialityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|level| level.as_str() == text)
            .ok_or(ConfidentialityError)
    }
}

/// A word is no confidentiality.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a confidentiality is `public`, `internal`, `confidential` or `restricted`")]
pub struct ConfidentialityError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_content_alone_read_and_write_as_the_same() {
        let fields: Fields = serde_json::from_str(r#"{"content":"tea at four"}"#).unwrap();
        assert_eq!(fields, Fields::new("tea at four"));
        let text = serde_json::to_string(&fields).unwrap();
        assert_eq!(serde_json::from_str::<Fields>(&text).unwrap(), fields);
    }

    #[test]
    fn an_importance_outside_one_to_ten_is_refused() {
        for wrong in ["0", "11", "-1", "5.5"] {
            let text = format!(r#"{{"content":"","importance":{wrong}}}"#);
            assert!(serde_json::from_str::<Fields>(&text).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ranks_rise_with_confidentiality_and_an_unknown_one_is_the_highest() {
        for level in Confidentiality::ALL {
            assert_eq!(Confidentiality::of_rank(level.rank().into()), level);
            assert_eq!(level.as_str().parse(), Ok(level));
        }
        assert!(Confidentiality::ALL.is_sorted());
        assert_eq!(Confidentiality::of_rank(9), Confidentiality::Restricted);
    }

    #[test]
    fn bytes_count_every_part_a_writer_fills() {
        let mut fields = Fields::new("four");
        fields.tags = vec!["ab".to_owned()];
        fields.summary = Some("s".to_owned());
        fields.embedding = Some(Embedding::new(vec![1.0, 2.0]).unwrap());
        fields.metadata.insert("k".to_owned(), Value::Bool(true));
        assert_eq!(fields.bytes(), 4 + 2 + 1 + 8 + r#"{"k":true}"#.len() as u64);
    }
}
