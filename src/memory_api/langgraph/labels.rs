//! The labels of an item's namespace, and the path they are kept as.

use percent_encoding::percent_decode_str;

use crate::identity::namespace::encoded;
use crate::memory::PathFilter;
use crate::memory_api::{Problem, ProblemCode};

/// Longest label, and longest key, in bytes.
const LONGEST: usize = 512;

/// Longest path in bytes: stores index it.
const LONGEST_PATH: usize = 1024;

/// Stands for any label where namespaces are matched.
pub(super) const ANY: &str = "*";

/// A namespace of items inside the caller's own; no label is the top of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Labels(Vec<String>);

impl Labels {
    /// Reads labels by the rules of LangGraph: none is empty, none holds a period, by which they
    /// are joined in a query.
    pub(super) fn parse(labels: Vec<String>) -> Result<Self, Problem> {
        for label in &labels {
            if label.contains('.') {
                return Err(refused("a label of a namespace holds no period"));
            }
            judge_name("a label of a namespace", label)?;
        }
        let labels = Self(labels);
        if labels.path().len() > LONGEST_PATH {
            return Err(refused(format!(
                "a namespace has at most {LONGEST_PATH} bytes, all but [A-Za-z0-9_-] counted as %XX"
            )));
        }
        Ok(labels)
    }

    /// Reads the labels of an item, of which there is at least one.
    pub(super) fn of_item(labels: Vec<String>) -> Result<Self, Problem> {
        if labels.is_empty() {
            return Err(refused("`namespace`: at least one label"));
        }
        Self::parse(labels)
    }

    /// The labels that [`Labels::path`] gave this for.
    pub(super) fn of_path(path: &str) -> Result<Self, Problem> {
        let labels = path
            .split_terminator('/')
            .map(|label| percent_decode_str(label).decode_utf8().map(String::from))
            .collect::<Result<_, _>>();
        labels
            .map(Self)
            .map_err(|_never| Problem::new(ProblemCode::Internal))
    }

    /// The path of an entry: each label percent-encoded and closed by `/`. No two namespaces have
    /// one, and one begins with another's exactly if it is below it.
    pub(super) fn path(&self) -> String {
        self.0
            .iter()
            .map(|label| encoded(label) + "/")
            .collect::<String>()
    }

    /// These labels and everything below.
    pub(super) fn under(&self) -> PathFilter {
        match self.0.is_empty() {
            true => PathFilter::Any,
            false => PathFilter::Under(self.path()),
        }
    }

    /// The labels before the first that stands for any.
    pub(super) fn fixed(&self) -> Self {
        let fixed = self.0.iter().take_while(|label| *label != ANY);
        Self(fixed.cloned().collect())
    }

    /// Whether it begins with these, where [`ANY`] stands for any one.
    pub(super) fn begins_with(&self, prefix: &Self) -> bool {
        let pairs = self.0.iter().zip(&prefix.0);
        self.0.len() >= prefix.0.len() && pairs.into_iter().all(matches)
    }

    /// Whether it ends with these, where [`ANY`] stands for any one.
    pub(super) fn ends_with(&self, suffix: &Self) -> bool {
        let pairs = self.0.iter().rev().zip(suffix.0.iter().rev());
        self.0.len() >= suffix.0.len() && pairs.into_iter().all(matches)
    }

    /// The first labels, at most so many.
    pub(super) fn cut(mut self, depth: usize) -> Self {
        self.0.truncate(depth);
        self
    }

    /// The labels as text.
    pub(super) fn into_texts(self) -> Vec<String> {
        self.0
    }
}

fn matches((label, wanted): (&String, &String)) -> bool {
    wanted == ANY || label == wanted
}

/// A key by the same rules, but for the period.
pub(super) fn key(key: String) -> Result<String, Problem> {
    judge_name("a key", &key)?;
    Ok(key)
}

/// PostgreSQL can't keep a NUL.
fn judge_name(what: &str, name: &str) -> Result<(), Problem> {
    if name.is_empty() || name.len() > LONGEST || name.contains('\0') {
        return Err(refused(format!(
            "{what} is 1 to {LONGEST} bytes of text without NUL"
        )));
    }
    Ok(())
}

pub(super) fn refused(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::because(ProblemCode::RequestRejected, detail)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(labels: &[&str]) -> Labels {
        Labels::parse(labels.iter().map(|label| (*label).to_owned()).collect()).unwrap()
    }

    #[test]
    fn labels_that_langgraph_refuses_are_refused() {
        for wrong in ["", "a.b", "a\0", &"x".repeat(513)] {
            assert!(Labels::parse(vec![wrong.to_owned()]).is_err(), "{wrong}");
        }
        assert!(
            Labels::parse(vec!["é".repeat(171); 2]).is_err(),
            "the path is too long"
        );
        assert!(Labels::parse(vec!["x".repeat(512)]).is_ok());
        assert!(
            Labels::of_item(vec![]).is_err(),
            "an item stands below a label"
        );
        assert!(key("a.b/c d%".to_owned()).is_ok());
    }

    #[test]
    fn namespaces_are_matched_label_by_label() {
        let namespace = labels(&["users", "ann", "notes"]);
        for prefix in [&["users"][..], &["*", "ann"], &[], &["users", "*", "*"]] {
            assert!(namespace.begins_with(&labels(prefix)), "{prefix:?}");
        }
        for prefix in [&["user"][..], &["ann"], &["*", "*", "*", "*"]] {
            assert!(!namespace.begins_with(&labels(prefix)), "{prefix:?}");
        }
        for suffix in [&["notes"][..], &["ann", "*"], &["*", "ann", "notes"]] {
            assert!(namespace.ends_with(&labels(suffix)), "{suffix:?}");
        }
        for suffix in [&["otes"][..], &["users"], &["*", "users", "ann", "notes"]] {
            assert!(!namespace.ends_with(&labels(suffix)), "{suffix:?}");
        }
        assert_eq!(labels(&["a", "*", "b"]).fixed(), labels(&["a"]));
    }

    fn any_labels() -> impl Strategy<Value = Vec<String>> {
        let label = prop_oneof!["[ab/%*]{1,3}", "[^.\0]{1,8}"];
        proptest::collection::vec(label, 0..4)
    }

    proptest! {
        #[test]
        fn a_path_gives_its_labels_back_and_begins_with_those_above_and_no_others(
            one in any_labels(),
            other in any_labels(),
        ) {
            let (Ok(first), Ok(second)) =
                (Labels::parse(one.clone()), Labels::parse(other.clone()))
            else {
                return Ok(());
            };
            let path = first.path();
            prop_assert_eq!(Labels::of_path(&path).unwrap(), first);
            prop_assert_eq!(path.starts_with(&second.path()), one.starts_with(&other));
        }
    }
}
