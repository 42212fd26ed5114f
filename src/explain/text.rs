//! An explanation for people.

use std::fmt::Write;

use super::explanation::Explanation;

/// Several lines, without a line break at the end. What strangers wrote is escaped.
pub fn render(told: &Explanation) -> String {
    let mut text = String::new();
    let verdict = match (told.permits(), told.status) {
        (true, None) => "permit".to_owned(),
        (true, Some(status)) => format!("permit: {status}, answered by the gate"),
        (false, status) => {
            let code = told.code.as_deref().unwrap_or_default();
            format!("deny: {} {code}", status.unwrap_or_default())
        }
    };
    let mut line = |content: &str| {
        let shown: String = content
            .chars()
            .map(|it| if it.is_control() { '\u{fffd}' } else { it })
            .collect();
        // Writing to a text can't fail.
        let _written = writeln!(text, "{}", shown.trim_end());
    };
    line(&verdict);
    line(&format!("policy {}", told.policy_revision));
    line("");
    for step in &told.steps {
        let mark = match step.outcome {
            "passed" => "+",
            "refused" => "!",
            _ => "-",
        };
        line(&format!("{mark} {:<13}{}", step.step, step.says));
    }
    if !told.near.is_empty() {
        line("");
        line("routes that come near");
        for near in &told.near {
            line(&format!(
                "  {} {} {}: {}",
                near.name,
                near.methods.join(","),
                near.path,
                near.why
            ));
        }
    }
    if !told.ceilings.is_empty() {
        line("");
        line("ceilings");
        for it in &told.ceilings {
            let value = if it.value.is_empty() { "" } else { " " };
            let resets = it.resets_at.as_deref().unwrap_or("never");
            line(&format!(
                "  {}{value}{} {}: {} spent and {} reserved of {} USD, resets {resets}",
                it.scope, it.value, it.window, it.spent_usd, it.reserved_usd, it.limit_usd
            ));
        }
    }
    if let Some(price) = &told.price {
        line("");
        line(&format!(
            "price of `{}`: {price}",
            told.model.as_deref().unwrap_or_default()
        ));
    }
    if let Some(backend) = &told.backend {
        line("");
        line(&format!(
            "the backend gets {} {}",
            backend.method, backend.target
        ));
        for (name, value) in &backend.headers {
            line(&format!("  {name}: {value}"));
        }
        if !backend.stripped.is_empty() {
            line(&format!(
                "  removed or said anew: {}",
                backend.stripped.join(", ")
            ));
        }
        if !backend.body_changed_at.is_empty() {
            line(&format!(
                "  the body is changed at {}",
                backend.body_changed_at.join(", ")
            ));
        }
        if backend.in_line {
            line("  it waits in line first");
        }
    }
    if !told.not_asked.is_empty() {
        line("");
        line("not asked");
        for open in &told.not_asked {
            line(&format!("  {open}"));
        }
    }
    text.trim_end().to_owned()
}
