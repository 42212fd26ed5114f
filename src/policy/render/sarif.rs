//! Problems for code scanning: SARIF 2.1.0 (OASIS).

use serde_json::{Value, json};

use crate::policy::lint::LINTS;
use crate::policy::problem::{Problem, Severity};

/// One run of one tool, with every lint as a rule.
pub fn render_sarif(problems: &[Problem]) -> Value {
    let rules: Vec<_> = LINTS
        .iter()
        .map(|lint| {
            json!({
                "id": lint.name,
                "shortDescription": { "text": lint.what },
                "fullDescription": { "text": lint.why },
                "help": { "text": lint.remedy },
            })
        })
        .collect();
    let results: Vec<_> = problems.iter().map(result).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "fabric-gate check",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(problem: &Problem) -> Value {
    let level = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut place = json!({ "artifactLocation": { "uri": uri(&problem.file) } });
    if let (Some(position), Some(place)) = (problem.position, place.as_object_mut()) {
        let region = json!({ "startLine": position.line, "startColumn": position.column });
        place.insert("region".to_owned(), region);
    }
    let message = match problem.at.as_str() {
        "" => problem.sentence(),
        at => format!("{at}: {}", problem.sentence()),
    };
    json!({
        "ruleId": problem.lint.map_or_else(|| json!(problem.kind), |lint| json!(lint)),
        "level": level,
        "message": { "text": message },
        "locations": [{ "physicalLocation": place }],
    })
}

/// A path as a relative reference (RFC 3986 section 4.2).
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    path.bytes().fold(String::new(), |mut uri, byte| {
        match plain(byte) {
            true => uri.push(char::from(byte)),
            false => uri.push_str(&format!("%{byte:02X}")),
        }
        uri
    })
}
