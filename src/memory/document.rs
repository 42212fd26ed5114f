//! An entry as JSON: the one form in which REST, MCP and exports show it, with the names of
//! Heartbit's memory entry.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Embedding, Entry, Owner, Reach, Version};

/// The texts of the namespaces of a reach.
#[derive(Clone, Debug)]
pub struct Names(Vec<(Owner, String)>);

impl Names {
    /// Of this reach.
    pub fn of(reach: &Reach) -> Self {
        let namespaces = reach.namespaces().into_iter();
        Self(
            namespaces
                .map(|it| (it.owner().clone(), it.to_string()))
                .collect(),
        )
    }

    /// The namespace of an owner; empty for one outside of the reach, whose entries nobody is given.
    fn text(&self, owner: &Owner) -> &str {
        let mut names = self.0.iter();
        let found = names.find(|(known, _)| known == owner);
        found.map_or("", |(_, text)| text)
    }
}

/// An entry for a reader.
#[derive(Clone, Debug, Serialize)]
pub struct EntryDocument<'entry> {
    /// The id.
    pub id: String,
    /// `tenant:{tid}:user:{uid}:` or `tenant:{tid}:shared:`.
    pub namespace: &'entry str,
    /// `user` or `shared`.
    pub scope: &'static str,
    /// The key by which it was made, if it has one.
    pub key: Option<&'entry str>,
    /// The contents.
    #[serde(flatten)]
    pub fields: FieldsDocument<'entry>,
    /// When it was created (RFC 3339, as all times are).
    pub created_at: String,
    /// When it was last written.
    pub updated_at: String,
    /// When it was last recalled.
    pub last_accessed: String,
    /// How often it was recalled.
    pub access_count: u64,
    /// When it is forgotten.
    pub expires_at: Option<String>,
    /// 1 and one more with each write; the `ETag`.
    pub version: u64,
    /// Who wrote this version; none once that user was erased.
    pub author: Option<&'entry str>,
}

impl<'entry> EntryDocument<'entry> {
    /// The document of an entry; with its embedding where that is asked for.
    pub fn new(entry: &'entry Entry, names: &'entry Names, embedding: bool) -> Self {
        Self {
            id: entry.id.to_string(),
            namespace: names.text(&entry.owner),
            scope: scope(&entry.owner),
            key: entry.address.key.as_deref(),
            fields: FieldsDocument::new(&entry.fields, embedding),
            created_at: entry.created_at.to_string(),
            updated_at: entry.updated_at.to_string(),
            last_accessed: entry.last_accessed.to_string(),
            access_count: entry.access_count,
            expires_at: entry.expires_at.map(|at| at.to_string()),
            version: entry.version,
            author: entry.author.as_deref(),
        }
    }
}

/// The word for whose an entry is.
fn scope(owner: &Owner) -> &'static str {
    match owner {
        Owner::User(_) => "user",
        Owner::Shared => "shared",
    }
}

/// One version of an entry for a reader.
#[derive(Clone, Debug, Serialize)]
pub struct VersionDocument<'entry> {
    /// Its number.
    pub version: u64,
    /// Who wrote it; none once that user was erased.
    pub author: Option<&'entry str>,
    /// When.
    pub at: String,
    /// The key it had.
    pub key: Option<&'entry str>,
    /// What the entry held.
    #[serde(flatten)]
    pub fields: FieldsDocument<'entry>,
}

impl<'entry> VersionDocument<'entry> {
    /// The document of a version.
    pub fn new(version: &'entry Version, embedding: bool) -> Self {
        Self {
            version: version.version,
            author: version.author.as_deref(),
            at: version.at.to_string(),
            key: version.address.key.as_deref(),
            fields: FieldsDocument::new(&version.fields, embedding),
        }
    }
}

/// The contents for a reader: every member is there, so that a reader need not know the defaults.
#[derive(Clone, Debug, Serialize)]
pub struct FieldsDocument<'entry> {
    content: &'entry str,
    agent: Option<&'entry str>,
    session: Option<&'entry str>,
    category: Option<&'entry str>,
    tags: &'entry [String],
    keywords: &'entry [String],
    summary: Option<&'entry str>,
    importance: u8,
    memory_type: &'static str,
    strength: f64,
    related_ids: &'entry [String],
    source_ids: &'entry [String],
    metadata: &'entry Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding: Option<&'entry Embedding>,
    confidentiality: &'static str,
    ttl_seconds: Option<u64>,
}

impl<'entry> FieldsDocument<'entry> {
    fn new(fields: &'entry super::Fields, embedding: bool) -> Self {
        Self {
            content: &fields.content,
            agent: fields.agent.as_deref(),
            session: fields.session.as_deref(),
            category: fields.category.as_deref(),
            tags: &fields.tags,
            keywords: &fields.keywords,
            summary: fields.summary.as_deref(),
            importance: fields.importance.get(),
            memory_type: fields.memory_type.as_str(),
            strength: fields.strength,
            related_ids: &fields.related_ids,
            source_ids: &fields.source_ids,
            metadata: &fields.metadata,
            embedding: fields.embedding.as_ref().filter(|_| embedding),
            confidentiality: fields.confidentiality.as_str(),
            ttl_seconds: fields.ttl_seconds,
        }
    }
}
