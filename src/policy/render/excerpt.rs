//! One line of a file, to be shown beside what is wrong with it.

use crate::policy::problem::Position;

/// Longest part of a line that is shown, in characters.
const MAX_CHARACTERS: usize = 160;

/// Shortest text that may be a secret by its look alone, in characters.
const SECRET_CHARACTERS: usize = 20;

/// A line, and where in it the mark stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    /// Line number.
    pub(super) number: String,
    /// The line, without what looks like a secret.
    pub(super) line: String,
    /// What stands before the mark: blanks, as wide as the text above.
    pub(super) indent: String,
    /// How wide the mark is; at least 1.
    pub(super) width: usize,
}

impl Excerpt {
    /// The line of a position; `None` past the end, and where it would show too little.
    pub(super) fn of(text: &str, position: Position) -> Option<Self> {
        let line = text.lines().nth(position.line.checked_sub(1)?)?;
        let before = position.column.checked_sub(1)?;
        let marked: String = line.chars().skip(before).collect();
        if before >= MAX_CHARACTERS {
            return None;
        }
        let shown: String = line.chars().take(MAX_CHARACTERS).collect();
        // A control character would do to a terminal what it says.
        let printable = |character: char| match character {
            '\t' => ' ',
            other if other.is_control() => '\u{fffd}',
            other => other,
        };
        let shown: String = shown.chars().map(printable).collect();
        let room = shown.chars().count().saturating_sub(before).max(1);
        Some(Self {
            number: position.line.to_string(),
            line: masked(&shown),
            indent: " ".repeat(before),
            width: width_of(&marked, line.chars().take(before).all(char::is_whitespace)).min(room),
        })
    }
}

/// How much of a text is one thing: a quoted text with its quotes, the head of a section where it begins
/// the line, a word, or one sign.
fn width_of(text: &str, begins: bool) -> usize {
    let mut characters = text.chars();
    match characters.next() {
        Some(quote @ ('"' | '\'')) => {
            let inside = characters.take_while(|character| *character != quote);
            inside.count() + 2
        }
        Some('[') if text.starts_with("[[") => text.find("]]").map_or(2, |end| end + 2),
        Some('[') if begins => text.find(']').map_or(1, |end| end + 1),
        Some('[' | '{') | None => 1,
        Some(_) => {
            let ends = |character: &char| !" ,]}=\t#".contains(*character);
            text.chars().take_while(ends).count().max(1)
        }
    }
}

/// The line with `…` for what looks like a secret: whatever a key of that kind holds that is no
/// reference, the password of a URL, and long texts of letters and digits. As many as there were
/// characters, so that what stands behind them keeps its place.
fn masked(line: &str) -> String {
    let mut masked = String::new();
    let mut rest = line;
    let mut hides = false;
    while let Some(found) = rest.find(['"', '\'', '=']) {
        let (before, after) = rest.split_at(found);
        let mut signs = after.chars();
        let sign = signs.next().unwrap_or('=');
        let inside = signs.as_str();
        masked.push_str(&shown(before, hides));
        masked.push(sign);
        if sign == '=' {
            hides = is_secret_key(before);
            rest = inside;
            continue;
        }
        let (content, after) = inside.split_once(sign).unwrap_or((inside, ""));
        masked.push_str(&without_secret(content, hides));
        if content.len() < inside.len() {
            masked.push(sign);
        }
        rest = after;
    }
    masked.push_str(&shown(rest, hides));
    masked
}

/// What stands outside of quotes: hidden behind a key that holds secrets.
fn shown(text: &str, hides: bool) -> String {
    let end = text.find(['#', ',', '}', ']']).unwrap_or(text.len());
    let (value, after) = text.split_at(end);
    match hides && !value.trim().is_empty() {
        true => format!("{}{after}", dots(value)),
        false => text.to_owned(),
    }
}

fn without_secret(content: &str, hides: bool) -> String {
    let reference = content.starts_with("env:")
        || content.starts_with("file:")
        || content.starts_with("handle:")
        || matches!(content, "forward" | "strip");
    let token_like = content.chars().count() >= SECRET_CHARACTERS
        && content.chars().any(|character| character.is_ascii_digit())
        && content
            .chars()
            .any(|character| character.is_ascii_alphabetic())
        && content
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || "-_+/=.".contains(character))
        && !content.starts_with('/');
    if !reference && (hides || token_like) {
        return dots(content);
    }
    match content.split_once("://") {
        Some((scheme, rest)) => match rest.split_once('@') {
            Some((user, host)) => format!("{scheme}://{}@{host}", dots(user)),
            None => content.to_owned(),
        },
        None => content.to_owned(),
    }
}

fn dots(text: &str) -> String {
    "…".repeat(text.chars().count())
}

/// Whether the key at the end of a text, `… key `, holds a secret.
fn is_secret_key(before: &str) -> bool {
    let word = |character: char| !character.is_ascii_alphanumeric() && !"_-".contains(character);
    let key = before.trim_end().rsplit(word).next().unwrap_or_default();
    let key = key.to_ascii_lowercase();
    let mut parts = key.split(['_', '-']);
    let secret = [
        "secret",
        "password",
        "passwd",
        "token",
        "authorization",
        "key",
        "apikey",
        "credential",
        "private",
    ];
    key != "token_types" && parts.any(|part| secret.contains(&part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(text: &str, line: usize, column: usize) -> Excerpt {
        Excerpt::of(text, Position { line, column }).unwrap()
    }

    #[test]
    fn a_mark_is_as_wide_as_the_thing_it_stands_under() {
        for (line, column, width) in [
            ("metods = [\"GET\"]", 1, 6),
            ("methods = [\"get\", 1]", 12, 5),
            ("methods = [\"get\", 1]", 19, 1),
            ("x = { y = 1 }", 5, 1),
            ("[[routes]] # r", 1, 10),
            ("[tenancy] # t", 1, 9),
            ("x = 12", 5, 2),
            ("x = \"open", 5, 5),
        ] {
            assert_eq!(excerpt(line, 1, column).width, width, "{line}");
        }
        assert_eq!(
            excerpt("ü = 1", 1, 5).indent.len(),
            4,
            "characters, not bytes"
        );
        assert_eq!(Excerpt::of("a\n", Position { line: 9, column: 1 }), None);
    }

    #[test]
    fn what_looks_like_a_secret_is_not_shown() {
        for line in [
            "secret = \"hunter2\"",
            "secret = hunter2",
            "{ name = \"a\", token = \"hunter2\" }",
            "authorization = \"Bearer hunter2\"",
            "url = \"http://hunter2@host\"",
            "url = \"http://user:hunter2@host/\"",
            "anything = \"hunter2hunter2hunter2hunter2\"",
            "api_key = \"hunter2",
            "client-secret='hunter2'",
        ] {
            let shown = masked(line);
            assert!(!shown.contains("hunter2"), "{shown}");
            assert_eq!(shown.chars().count(), line.chars().count(), "{shown}");
        }
    }

    #[test]
    fn what_is_no_secret_is_shown() {
        for line in [
            "path = \"/a/{id}\" # whose",
            "secret = \"env:HOOK_SECRET\"",
            "authorization = \"handle:tenant/{tenant}/key\"",
            "token_types = [\"at+jwt\"]",
            "jwks_url = \"https://idp.example.com/.well-known/jwks.json\"",
            "[[api_keys]]",
            "roles = [\"member\", \"tenant-administrator\"]",
        ] {
            assert_eq!(masked(line), line);
        }
    }

    #[test]
    fn a_line_does_nothing_to_the_terminal_and_is_not_endless() {
        let long = format!("x = \"\u{1b}[2J{}\"", "a".repeat(5_000));
        let excerpt = excerpt(&long, 1, 5);
        assert!(!excerpt.line.contains('\u{1b}'));
        assert_eq!(excerpt.line.chars().count(), MAX_CHARACTERS);
        assert_eq!(excerpt.width, MAX_CHARACTERS - 4);
    }
}
