//! What a query asks for, name by name: each once, unless it may be repeated, and none unknown. A
//! filter that was misspelt would otherwise be no filter.

use super::problems::invalid;
use crate::memory::{Scope, unknown};
use crate::memory_api::Problem;

/// The pairs of a query.
#[derive(Debug)]
pub(super) struct Asked(Vec<(String, String)>);

impl Asked {
    /// Reads a query of which only these names mean something; `tag` may stand several times.
    pub(super) fn read(query: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let mut asked: Vec<(String, String)> = Vec::new();
        for (name, value) in pairs {
            if !known.contains(&&*name) {
                return Err(invalid("query", &unknown("parameter", &name, known)));
            }
            if name != "tag" && asked.iter().any(|(earlier, _)| *earlier == name) {
                let reason = format!("`{name}` is given more than once");
                return Err(invalid("query", &reason));
            }
            asked.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(asked))
    }

    /// The value of a name.
    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of a name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let of_name = self.0.iter().filter(move |(known, _)| known == name);
        of_name.map(|(_, value)| value.as_str())
    }

    /// `true` or `false`; `false` when absent.
    pub(super) fn flag(&self, name: &'static str) -> Result<bool, Problem> {
        match self.one(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(invalid(name, "`true` or `false`")),
        }
    }

    /// Whose entries, where the caller says whose.
    pub(super) fn scope(&self) -> Result<Option<Scope>, Problem> {
        match self.one("scope") {
            None => Ok(None),
            Some("user") => Ok(Some(Scope::User)),
            Some("shared") => Ok(Some(Scope::Shared)),
            Some(_) => Err(invalid("scope", "`user` or `shared`")),
        }
    }

    /// Whether embeddings are shown: `include=embedding`.
    pub(super) fn with_embedding(&self) -> Result<bool, Problem> {
        match self.one("include") {
            None => Ok(false),
            Some("embedding") => Ok(true),
            Some(_) => Err(invalid("include", "`embedding` or nothing")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_means_nothing_or_stands_twice_is_refused() {
        let read = |query| Asked::read(Some(query), &["tag", "agent", "limit"]);
        let asked = read("tag=a&tag=b%20c&agent=x").unwrap();
        assert_eq!(asked.all("tag").collect::<Vec<_>>(), ["a", "b c"]);
        assert_eq!(asked.one("agent"), Some("x"));
        assert_eq!(asked.one("limit"), None);
        let refused = read("agnt=x").unwrap_err();
        assert_eq!(
            refused.message(),
            "`query`: there is no parameter `agnt`; `agent` may be meant"
        );
        assert!(read("agent=x&agent=x").is_err());
        assert!(read("tenant=globex").is_err());
        assert!(Asked::read(None, &[]).is_ok());
    }
}
