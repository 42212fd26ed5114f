//! What the commands do to the text of a file. Lines end in a line feed; a carriage return before
//! it is part of the line.

/// Width of line numbers, for the 999,999 lines a file may have.
const NUMBER_WIDTH: usize = 6;

/// Most lines that are shown.
pub(super) const MAX_LINES: usize = 999_999;

/// Lines above and below a change that are shown with it.
const CONTEXT: usize = 2;

/// Most occurrences that are named where there should be one.
const MOST_NAMED: usize = 100;

/// Lines `from..=to` of the text (counted from 1), each with its number. `to` of `None` is the last.
pub(super) fn numbered(text: &str, from: usize, to: Option<usize>) -> String {
    let lines = text.split('\n').enumerate();
    let shown = lines
        .map(|(index, line)| (index + 1, line))
        .skip_while(|(number, _)| *number < from)
        .take_while(|(number, _)| to.is_none_or(|to| *number <= to))
        .map(|(number, line)| format!("{number:>NUMBER_WIDTH$}\t{line}"));
    shown.collect::<Vec<_>>().join("\n")
}

/// Why a replacement is not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unreplaced {
    /// The old text is not there.
    Absent,
    /// It is there more than once, beginning in these lines, or in these first ones and more.
    Ambiguous {
        /// The lines, from 1.
        lines: Vec<usize>,
        /// Whether there are more than are named.
        more: bool,
    },
}

/// The text with `new` in place of the one occurrence of `old`, and the lines around the change
/// with their numbers. Occurrences that overlap are several: which one is meant is not said.
pub(super) fn replaced(text: &str, old: &str, new: &str) -> Result<(String, String), Unreplaced> {
    let mut places = occurrences(text, old);
    let start = places.next().ok_or(Unreplaced::Absent)?;
    if let Some(second) = places.next() {
        return Err(ambiguous(text, [start, second].into_iter().chain(places)));
    }
    let changed = text.replacen(old, new, 1);
    let line = line_feeds(text, 0, start) + 1;
    let snippet = numbered(
        &changed,
        line.saturating_sub(CONTEXT).max(1),
        Some(line + CONTEXT),
    );
    Ok((changed, snippet))
}

fn ambiguous(text: &str, places: impl Iterator<Item = usize>) -> Unreplaced {
    let (mut lines, mut line, mut counted) = (Vec::new(), 1, 0);
    for place in places {
        if lines.len() == MOST_NAMED {
            return Unreplaced::Ambiguous { lines, more: true };
        }
        line += line_feeds(text, counted, place);
        counted = place;
        lines.push(line);
    }
    Unreplaced::Ambiguous { lines, more: false }
}

/// Where `part` begins in the text, occurrences that overlap included. An empty part is nowhere.
fn occurrences(text: &str, part: &str) -> impl Iterator<Item = usize> {
    let mut from = (!part.is_empty()).then_some(0);
    std::iter::from_fn(move || {
        let rest = text.get(from?..)?;
        let start = from? + rest.find(part)?;
        let step = text.get(start..).and_then(|rest| rest.chars().next());
        from = step.map(|character| start + character.len_utf8());
        Some(start)
    })
}

/// How many lines end between the bytes `from` and `to`.
fn line_feeds(text: &str, from: usize, to: usize) -> usize {
    let between = text.bytes().take(to).skip(from);
    between.filter(|byte| *byte == b'\n').count()
}

/// The text with `more` as lines after line `after` (0 is before the first), or how many lines it
/// has if that is not one of them. The text ends in a line feed after that.
pub(super) fn inserted(text: &str, after: i64, more: &str) -> Result<String, usize> {
    let mut lines: Vec<&str> = text.split('\n').collect();
    if lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    let place = usize::try_from(after).ok().filter(|it| *it <= lines.len());
    let Some(place) = place else {
        return Err(lines.len());
    };
    lines.insert(place, more.trim_end_matches('\n'));
    let mut changed = lines.join("\n");
    if !changed.ends_with('\n') {
        changed.push('\n');
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_numbered_from_one_and_cut_to_the_range() {
        assert_eq!(
            numbered("a\nb\r\nc", 1, None),
            "     1\ta\n     2\tb\r\n     3\tc"
        );
        assert_eq!(numbered("a\nb\nc", 2, Some(2)), "     2\tb");
        assert_eq!(numbered("", 1, None), "     1\t");
        assert_eq!(numbered("a", 5, Some(2)), "");
    }

    #[test]
    fn a_replacement_is_made_where_the_old_text_stands_once() {
        let (text, snippet) = replaced("1\n2\n3\n4\n5\n6", "4", "vier").unwrap();
        assert_eq!(text, "1\n2\n3\nvier\n5\n6");
        assert_eq!(
            snippet,
            "     2\t2\n     3\t3\n     4\tvier\n     5\t5\n     6\t6"
        );
        assert_eq!(replaced("abc", "x", "y"), Err(Unreplaced::Absent));
        assert_eq!(replaced("abc", "", "y"), Err(Unreplaced::Absent));
        let ambiguous = |lines: &[usize], more| {
            let lines = lines.to_vec();
            Err(Unreplaced::Ambiguous { lines, more })
        };
        assert_eq!(replaced("a\nb\na", "a", "y"), ambiguous(&[1, 3], false));
        assert_eq!(
            replaced("ééé", "éé", "y"),
            ambiguous(&[1, 1], false),
            "occurrences that overlap are several"
        );
        let many = "a\n".repeat(101);
        let all: Vec<usize> = (1..=100).collect();
        assert_eq!(replaced(&many, "a", "y"), ambiguous(&all, true));
    }

    #[test]
    fn an_insertion_stands_after_the_line_it_names() {
        assert_eq!(inserted("a\nb\n", 0, "x\n"), Ok("x\na\nb\n".to_owned()));
        assert_eq!(inserted("a\nb", 1, "x"), Ok("a\nx\nb\n".to_owned()));
        assert_eq!(inserted("a\nb\n", 2, "x"), Ok("a\nb\nx\n".to_owned()));
        assert_eq!(inserted("", 0, "x"), Ok("x\n".to_owned()));
        assert_eq!(inserted("a\nb\n", 3, "x"), Err(2));
        assert_eq!(inserted("a\n", -1, "x"), Err(1));
    }

    proptest! {
        #[test]
        fn a_replacement_there_and_back_leaves_the_text(text in "[ab\n]{0,20}", at in 0usize..20) {
            let mut marked = text.clone();
            marked.insert(at.min(text.len()), 'X');
            let (changed, _) = replaced(&marked, "X", "é").unwrap();
            prop_assert_eq!(replaced(&changed, "é", "X").unwrap().0, marked);
        }
    }
}
