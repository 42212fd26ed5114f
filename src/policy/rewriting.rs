//! What a route writes into a request, and what it takes out of it.

use super::Extractor;
use super::template::Template;

/// A place in a request that can be changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A `{parameter}` of the route's path: one segment or a part of one.
    Path(String),
    /// A query parameter.
    Query(String),
    /// A header, in lower case.
    Header(String),
    /// A place in a JSON body (RFC 6901 reference tokens; `*` is every element of an array).
    Body(Vec<String>),
    /// A field of an url-encoded or multipart form.
    Form(String),
}

/// `set`: a value that says who calls, in place of every copy the caller sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetRule {
    /// Where.
    pub at: Place,
    /// The value.
    pub value: Template,
}

/// `prefix`: the caller's value moves into the caller's own space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixRule {
    /// Where.
    pub at: Place,
    /// What is put in front.
    pub with: Template,
    /// It is an element of its own, in front of those of the array at the place.
    pub element: bool,
    /// What becomes of a request without a value there.
    pub absent: AbsentValue,
}

/// What becomes of a request that lacks a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AbsentValue {
    /// It is refused.
    #[default]
    Deny,
    /// The prefix alone is put there: the whole of the caller's space.
    Insert,
    /// It stays without.
    Leave,
}

/// Everything a route changes in a request. No place stands in two rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewriting {
    /// What goes.
    pub remove: Vec<Place>,
    /// What becomes a digest of tenant and value.
    pub scoped: Vec<Place>,
    /// What moves into the caller's space.
    pub prefix: Vec<PrefixRule>,
    /// What is written.
    pub set: Vec<SetRule>,
    /// Paths of files that have to stay inside the caller's workspace.
    pub workspace_paths: Vec<Extractor>,
}

impl Rewriting {
    /// Whether the request body has to be read.
    pub fn reads_request_body(&self) -> bool {
        let changed = |place: &Place| matches!(place, Place::Body(_) | Place::Form(_));
        self.places().any(changed) || self.workspace_paths.iter().any(Extractor::reads_body)
    }

    /// Whether an answer has to be searched for what only the backend is meant to see.
    pub fn restores_answers(&self) -> bool {
        !self.prefix.is_empty() || !self.scoped.is_empty()
    }

    fn places(&self) -> impl Iterator<Item = &Place> {
        self.remove
            .iter()
            .chain(&self.scoped)
            .chain(self.prefix.iter().map(|rule| &rule.at))
            .chain(self.set.iter().map(|rule| &rule.at))
    }
}
