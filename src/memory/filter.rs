//! What a caller narrows a reading by. A store pushes all of it into its query, as
//! `(namespaces and clearance of the reach) AND (filter)`; a filter never widens.

use serde_json::Value;

use super::{Area, EntryId, MemoryType};
use crate::clock::Timestamp;

/// Conditions that all have to hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// The area.
    pub area: Area,
    /// The path.
    pub path: PathFilter,
    /// Exactly this key.
    pub key: Option<String>,
    /// Only these, if any are named.
    pub ids: Option<Vec<EntryId>>,
    /// Exactly this agent.
    pub agent: Option<String>,
    /// Exactly this session.
    pub session: Option<String>,
    /// Exactly this category.
    pub category: Option<String>,
    /// Each of these tags.
    pub tags: Vec<String>,
    /// At least one of these tags, if any are named.
    pub any_tags: Vec<String>,
    /// This kind of memory.
    pub memory_type: Option<MemoryType>,
    /// At least this important.
    pub min_importance: Option<u8>,
    /// Created at this point or later.
    pub created_from: Option<Timestamp>,
    /// Created before this point.
    pub created_before: Option<Timestamp>,
    /// What the metadata has to be.
    pub conditions: Vec<Condition>,
}

impl Filter {
    /// Everything of an area.
    pub fn all(area: Area) -> Self {
        Self {
            area,
            path: PathFilter::Any,
            key: None,
            ids: None,
            agent: None,
            session: None,
            category: None,
            tags: Vec::new(),
            any_tags: Vec::new(),
            memory_type: None,
            min_importance: None,
            created_from: None,
            created_before: None,
            conditions: Vec::new(),
        }
    }
}

/// Which paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathFilter {
    /// Any.
    Any,
    /// Exactly this one.
    At(String),
    /// This one and all below it: those whose text begins with it.
    Under(String),
}

/// A condition on one value of the metadata.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The names of members, from the outside in; never empty. They are names, not pointers: a dot
    /// or a slash in one is part of it.
    pub member: Vec<String>,
    /// How to compare.
    pub comparison: Comparison,
    /// With what.
    pub value: Value,
}

/// How a value of the metadata is compared. A value that is not there is equal to nothing, and
/// unequal to everything; an order is between two numbers or between two texts (by code point) and
/// does not hold otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Equal as JSON: numbers by value (`1` and `1.0` are equal), objects without order.
    Equal,
    /// Not equal.
    NotEqual,
    /// Greater.
    Greater,
    /// Greater or equal.
    GreaterOrEqual,
    /// Less.
    Less,
    /// Less or equal.
    LessOrEqual,
}
