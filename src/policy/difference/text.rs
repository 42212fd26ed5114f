//! Differences for people.

use std::fmt::Write;

use super::{Difference, Risk};

/// Each under what it does.
pub fn render(differences: &[Difference]) -> String {
    if differences.is_empty() {
        return "no difference".to_owned();
    }
    let mut text = String::new();
    for (risk, title) in [
        (Risk::Opens, "opens"),
        (Risk::Unclear, "to be looked at"),
        (Risk::Closes, "closes"),
        (Risk::Other, "neither"),
    ] {
        let mut of_it = differences.iter().filter(|it| it.risk == risk).peekable();
        if of_it.peek().is_none() {
            continue;
        }
        // Writing to a text can't fail.
        let _written = writeln!(text, "{title}");
        for it in of_it {
            let name = match it.name.as_str() {
                "" => String::new(),
                name => format!(" `{}`", name.escape_debug()),
            };
            let _written = writeln!(text, "  {}{name}: {}", it.section, it.says.escape_debug());
        }
        text.push('\n');
    }
    let _written = write!(text, "{} differences", differences.len());
    text
}
