//! How the cases came out, for people and for programs that show tests.

use std::fmt::Write;

use super::run::CaseResult;
use crate::explain::render as explanation;

/// For people: each failure with what was expected and the explanation, and the counts.
pub fn render(results: &[CaseResult]) -> String {
    let mut text = String::new();
    // Writing to a text can't fail.
    for failed in results.iter().filter(|result| !result.passed()) {
        let _written = writeln!(text, "FAILED {}: {}", failed.at, failed.name);
        for difference in &failed.differences {
            let _written = writeln!(
                text,
                "  {}: expected {}, got {}",
                difference.what,
                difference.expected.escape_debug(),
                difference.got.escape_debug()
            );
        }
        if let Some(told) = &failed.explanation {
            for line in explanation(told).lines() {
                let _written = writeln!(text, "{}", format!("    {line}").trim_end());
            }
        }
        text.push('\n');
    }
    let passed = results.iter().filter(|result| result.passed()).count();
    let failed = results.len() - passed;
    let _written = write!(text, "{passed} passed, {failed} failed");
    text
}

/// As JUnit has it.
pub fn junit(results: &[CaseResult]) -> String {
    let failed = results.iter().filter(|result| !result.passed()).count();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuite name=\"policies\" tests=\"{}\" failures=\"{failed}\">\n",
        results.len()
    );
    for result in results {
        let file = result.at.split(':').next().unwrap_or_default();
        // Writing to a text can't fail.
        let _written = write!(
            text,
            "  <testcase classname=\"{}\" name=\"{}\"",
            escaped(file),
            escaped(&result.name)
        );
        if result.passed() {
            text.push_str("/>\n");
            continue;
        }
        let lines: Vec<String> = result
            .differences
            .iter()
            .map(|it| format!("{}: expected {}, got {}", it.what, it.expected, it.got))
            .collect();
        let _written = writeln!(
            text,
            "><failure message=\"{}\"/></testcase>",
            escaped(&lines.join("; "))
        );
    }
    text.push_str("</testsuite>");
    text
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            control if control.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}
