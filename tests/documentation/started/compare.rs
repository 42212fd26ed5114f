//! Holds what a command printed to what its page says it prints.
//!
//! In a page `…` stands for any run of characters inside a line, and alone on a line for any lines:
//! ids, hashes and times differ from one run to the next.

const ANYTHING: char = '…';

/// Whether the page tells what was printed. Blanks at the ends of lines and empty lines do not count.
pub fn tells(page: &str, printed: &str) -> bool {
    lines_match(&lines(page), &lines(printed))
}

fn lines(text: &str) -> Vec<&str> {
    let trimmed = text.lines().map(str::trim_end);
    trimmed.filter(|line| !line.is_empty()).collect()
}

fn lines_match(page: &[&str], printed: &[&str]) -> bool {
    let Some((first, rest)) = page.split_first() else {
        return printed.is_empty();
    };
    if first.trim() == "…" {
        return (0..=printed.len()).any(|skipped| lines_match(rest, &printed[skipped..]));
    }
    printed
        .split_first()
        .is_some_and(|(line, others)| line_matches(first, line) && lines_match(rest, others))
}

fn line_matches(page: &str, printed: &str) -> bool {
    let Some((start, open)) = page.split_once(ANYTHING) else {
        return page == printed;
    };
    let Some(mut left) = printed.strip_prefix(start) else {
        return false;
    };
    let mut pieces: Vec<&str> = open.split(ANYTHING).collect();
    let end = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some((_, behind)) = left.split_once(piece) else {
            return false;
        };
        left = behind;
    }
    left.ends_with(end)
}

#[test]
fn a_page_tells_what_was_printed_but_for_its_ellipses() {
    for (page, printed) in [
        ("a\nb", "a\n\nb  \n"),
        ("{\"id\":\"…\",\"n\":1}", "{\"id\":\"4f\",\"n\":1}"),
        ("…\nlast", "one\ntwo\nlast"),
        ("…\nlast", "last"),
        ("a … b … c", "a 1 b 2 c"),
    ] {
        assert!(tells(page, printed), "{page:?} of {printed:?}");
    }
    for (page, printed) in [
        ("a", "a\nb"),
        ("a\nb", "a"),
        ("404", "200"),
        ("{\"id\":\"…\",\"n\":1}", "{\"id\":\"4f\",\"n\":2}"),
        ("…\nlast", "last\none"),
        ("a … b … c", "a 1 c"),
        ("aa…a", "aa"),
    ] {
        assert!(!tells(page, printed), "{page:?} of {printed:?}");
    }
}
