//! Paths below `/memories`, in the one form that is accepted.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode_str;
use unicode_normalization::is_nfc;

use crate::identity::namespace::encoded;
use crate::memory::{Address, Area, PathFilter};

/// What every path begins with.
pub const ROOT: &str = "/memories";

/// Longest name of a file or directory, in bytes.
const MAX_NAME: usize = 255;

/// Most directories above a file, the file itself included.
const MAX_DEPTH: usize = 16;

/// Longest path, in bytes.
const MAX_LENGTH: usize = 1024;

/// A path that has one meaning: `/memories`, or names below it. Nothing in it is interpreted: there
/// are no links, no `.` and no `..`, and case counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePath {
    names: Vec<String>,
}

/// Why a text is no path. The texts are for the model that wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It leads elsewhere.
    #[error("Path must start with /memories")]
    NotBelowRoot,
    /// It is too long or too deep.
    #[error("Path is longer than {MAX_LENGTH} bytes or deeper than {MAX_DEPTH} names")]
    TooLong,
    /// A name is empty or too long.
    #[error("Path has a name that is empty or longer than {MAX_NAME} bytes")]
    NameLength,
    /// A name is `.` or `..`, or holds what some reader takes for one of them or for a separator.
    #[error("Path would escape /memories directory")]
    Escapes,
    /// A name holds a character that does not show, or ends in a dot or a blank.
    #[error(
        "Path has a name with a control character, in decomposed Unicode, or with a blank or a dot at its end"
    )]
    NotPlain,
}

impl PathError {
    /// What the model is told that wrote `text` for a path.
    pub(super) fn told(self, text: &str) -> String {
        match self {
            Self::NotBelowRoot => format!("{self}, got: {text}"),
            Self::Escapes => format!("Path {text} would escape {ROOT} directory"),
            Self::TooLong | Self::NameLength | Self::NotPlain => self.to_string(),
        }
    }
}

impl FilePath {
    /// Reads a path. One slash at its end is accepted.
    ///
    /// # Errors
    /// It is not in the one form.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.len() > MAX_LENGTH {
            return Err(PathError::TooLong);
        }
        let below = text.strip_prefix(ROOT).ok_or(PathError::NotBelowRoot)?;
        let below = match below.strip_prefix('/') {
            Some(below) => below,
            None if below.is_empty() => "",
            None => return Err(PathError::NotBelowRoot),
        };
        let below = below.strip_suffix('/').unwrap_or(below);
        if below.is_empty() {
            let ends_in_one = text.len() <= ROOT.len() + 1;
            let names = Vec::new();
            return ends_in_one
                .then_some(Self { names })
                .ok_or(PathError::NameLength);
        }
        Self::of(below.split('/').map(str::to_owned).collect())
    }

    fn of(names: Vec<String>) -> Result<Self, PathError> {
        let length: usize = names.iter().map(|name| name.len() + 1).sum();
        if names.len() > MAX_DEPTH || ROOT.len() + length > MAX_LENGTH {
            return Err(PathError::TooLong);
        }
        for name in &names {
            judge(name)?;
        }
        Ok(Self { names })
    }

    /// Whether this is the path of something in the directory of `other`, or below.
    pub(super) fn is_below(&self, other: &Self) -> bool {
        self.names.len() > other.names.len() && self.names.starts_with(&other.names)
    }

    /// The path that `names` lead to from the directory of this path.
    ///
    /// # Errors
    /// It would be too long or too deep.
    pub(super) fn join(&self, names: &[String]) -> Result<Self, PathError> {
        Self::of([self.names.as_slice(), names].concat())
    }

    /// The names that lead from the directory of this path to the file at `address`; `None` if it
    /// is not below.
    pub(super) fn names_to(&self, address: &Address) -> Option<Vec<String>> {
        let rest = address.path.strip_prefix(&self.directory())?;
        let labels = rest.split_terminator('/').map(|label| {
            let name = percent_decode_str(label).decode_utf8();
            name.ok().map(Cow::into_owned)
        });
        let mut names: Vec<String> = labels.collect::<Option<_>>()?;
        names.push(address.key.clone()?);
        Some(names)
    }

    /// Whether it is `/memories` itself.
    pub fn is_root(&self) -> bool {
        self.names.is_empty()
    }

    /// The address of the file of this path; `None` for the root, which is none.
    pub fn address(&self) -> Option<Address> {
        let (name, above) = self.names.split_last()?;
        Some(Address {
            area: Area::Files,
            path: labels(above),
            key: Some(name.clone()),
        })
    }

    /// The path, as addresses have it, of what stands in the directory of this path.
    pub fn directory(&self) -> String {
        labels(&self.names)
    }

    /// Everything below the directory of this path.
    pub fn below(&self) -> PathFilter {
        PathFilter::Under(self.directory())
    }

    /// The addresses at which a file would make a directory of this path impossible: those of the
    /// directories above it.
    pub fn above(&self) -> Vec<Address> {
        let parents = (1..self.names.len()).filter_map(|length| {
            let names = self.names.get(..length)?.to_vec();
            Self { names }.address()
        });
        parents.collect()
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(ROOT)?;
        for name in &self.names {
            write!(formatter, "/{name}")?;
        }
        Ok(())
    }
}

fn labels(names: &[String]) -> String {
    let mut path = String::new();
    for name in names {
        path.push_str(&encoded(name));
        path.push('/');
    }
    path
}

fn judge(name: &str) -> Result<(), PathError> {
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(PathError::NameLength);
    }
    let lower = name.to_ascii_lowercase();
    let coded = ["%2e", "%2f", "%5c", "%00"];
    if name == "."
        || name == ".."
        || name.contains('\\')
        || coded.iter().any(|it| lower.contains(it))
    {
        return Err(PathError::Escapes);
    }
    // Format characters that do not show, but for the two joiners, which words need.
    let hidden = |character: char| {
        character.is_control()
            || matches!(
                character,
                '\u{ad}'
                    | '\u{61c}'
                    | '\u{200b}'
                    | '\u{200e}'..='\u{200f}'
                    | '\u{2028}'..='\u{202e}'
                    | '\u{2060}'..='\u{2069}'
                    | '\u{feff}'
            )
    };
    let ends = name.ends_with(['.', ' ']) || name.starts_with(' ');
    if ends || name.chars().any(hidden) || !is_nfc(name) {
        return Err(PathError::NotPlain);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_is_the_root_or_plain_names_below_it() {
        assert!(FilePath::parse("/memories").unwrap().is_root());
        assert!(FilePath::parse("/memories/").unwrap().is_root());
        let file = FilePath::parse("/memories/Straße/2026 plan.md").unwrap();
        let address = file.address().unwrap();
        assert_eq!(address.path, "Stra%C3%9Fe/");
        assert_eq!(address.key.as_deref(), Some("2026 plan.md"));
        assert_eq!(file.to_string(), "/memories/Straße/2026 plan.md");
        assert_eq!(FilePath::parse("/memories/a/").unwrap().directory(), "a/");
        assert!(FilePath::parse("/memories/می\u{200c}خواهم").is_ok());
        assert!(
            FilePath::parse("/memories/.hidden").is_ok(),
            "a leading dot is plain"
        );
    }

    #[test]
    fn what_could_mean_something_else_is_refused() {
        for (text, error) in [
            ("", PathError::NotBelowRoot),
            ("/", PathError::NotBelowRoot),
            ("memories/a", PathError::NotBelowRoot),
            ("/memoriesa", PathError::NotBelowRoot),
            ("/Memories/a", PathError::NotBelowRoot),
            ("/etc/passwd", PathError::NotBelowRoot),
            ("/memories/../secret", PathError::Escapes),
            ("/memories/a/..", PathError::Escapes),
            ("/memories/./a", PathError::Escapes),
            ("/memories/..\\a", PathError::Escapes),
            ("/memories/%2e%2E/a", PathError::Escapes),
            ("/memories/a%2Fb", PathError::Escapes),
            ("/memories//a", PathError::NameLength),
            ("/memories//", PathError::NameLength),
            ("/memories/a//", PathError::NameLength),
            ("/memories/a\0b", PathError::NotPlain),
            ("/memories/a\nb", PathError::NotPlain),
            ("/memories/a\u{202e}b", PathError::NotPlain),
            ("/memories/a\u{200b}", PathError::NotPlain),
            ("/memories/\u{200f}a", PathError::NotPlain),
            ("/memories/a.", PathError::NotPlain),
            ("/memories/a ", PathError::NotPlain),
            ("/memories/e\u{301}", PathError::NotPlain),
        ] {
            assert_eq!(FilePath::parse(text), Err(error), "{text:?}");
        }
        let long = format!("/memories/{}", "a".repeat(256));
        assert_eq!(FilePath::parse(&long), Err(PathError::NameLength));
        let deep = format!("/memories{}", "/a".repeat(17));
        assert_eq!(FilePath::parse(&deep), Err(PathError::TooLong));
        assert!(FilePath::parse(&deep.replacen("/a", "", 1)).is_ok());
    }

    #[test]
    fn a_files_directories_are_the_places_where_no_file_may_be() {
        let file = FilePath::parse("/memories/a/b/c").unwrap();
        let above: Vec<_> = file
            .above()
            .into_iter()
            .map(|address| (address.path, address.key.unwrap()))
            .collect();
        assert_eq!(
            above,
            [
                (String::new(), "a".to_owned()),
                ("a/".to_owned(), "b".to_owned())
            ]
        );
    }

    #[test]
    fn what_a_refused_path_was_is_told_where_it_helps() {
        for (text, told) in [
            (
                "/etc/passwd",
                "Path must start with /memories, got: /etc/passwd",
            ),
            (
                "/memories/../x",
                "Path /memories/../x would escape /memories directory",
            ),
        ] {
            assert_eq!(FilePath::parse(text).unwrap_err().told(text), told);
        }
        let long = format!("/memories/{}", "a/".repeat(600));
        let told = FilePath::parse(&long).unwrap_err().told(&long);
        assert!(told.len() < 100, "{told}");
    }

    #[test]
    fn a_file_is_found_again_by_its_names_from_a_directory_and_moves_with_them() {
        let directory = FilePath::parse("/memories/ä b").unwrap();
        let file = FilePath::parse("/memories/ä b/c%/d.md").unwrap();
        let names = directory.names_to(&file.address().unwrap()).unwrap();
        assert_eq!(names, ["c%", "d.md"]);
        let other = FilePath::parse("/memories/x").unwrap();
        assert_eq!(
            other.join(&names).unwrap().to_string(),
            "/memories/x/c%/d.md"
        );
        assert_eq!(other.names_to(&file.address().unwrap()), None);
        let deep = FilePath::parse(&format!("/memories{}", "/a".repeat(15))).unwrap();
        assert_eq!(deep.join(&names), Err(PathError::TooLong));
        let long = FilePath::parse(&format!(
            "/memories{}",
            format!("/{}", "a".repeat(250)).repeat(4)
        ))
        .unwrap();
        assert_eq!(long.join(&["b".repeat(10)]).err(), None);
        assert_eq!(long.join(&["b".repeat(11)]), Err(PathError::TooLong));
    }

    proptest! {
        #[test]
        fn two_texts_have_one_address_only_if_they_differ_by_a_slash_at_the_end(
            one in "/memories(/[aA%é.: ]{1,3}){1,3}/?",
            other in "/memories(/[aA%é.: ]{1,3}){1,3}/?",
        ) {
            if let (Ok(first), Ok(second)) = (FilePath::parse(&one), FilePath::parse(&other)) {
                let same = one.trim_end_matches('/') == other.trim_end_matches('/');
                prop_assert_eq!(first.address() == second.address(), same);
            }
        }

        #[test]
        fn whatever_is_accepted_is_written_as_it_was_read(text in "/memories(/.{0,6}){0,4}") {
            if let Ok(path) = FilePath::parse(&text) {
                prop_assert_eq!(path.to_string(), text.strip_suffix('/').unwrap_or(&text));
            }
        }
    }
}
