//! The alert rules, and everything else in PromQL.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use fabric_gate::decision::{DenialCode, FailureCode};

use crate::page::{documented, expressions, file, hold, named};

/// Headings of the page of incidents that alerts lead to.
const INCIDENTS: [&str; 7] = [
    "a-tenant-saw-anothers-data",
    "budget-denies-everyone",
    "issuer-is-down",
    "audit-log-fails",
    "a-reload-was-rejected",
    "a-backend-fails",
    "shadow-rules-deny",
];

fn promtool(arguments: &[&str]) {
    let run = Command::new("promtool")
        .args(arguments)
        .current_dir(file("deploy/prometheus"))
        .output();
    let output =
        run.unwrap_or_else(|error| panic!("promtool: {error}; `scripts/setup test` installs it"));
    assert!(
        output.status.success(),
        "promtool {arguments:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The rules, each a name and its lines.
fn rules() -> Vec<(String, String)> {
    let text = fs::read_to_string(file("deploy/prometheus/rules.yml")).unwrap();
    let rules = text.split("      - alert: ").skip(1);
    rules
        .map(|rule| rule.split_once('\n').unwrap())
        .map(|(name, rest)| (name.to_owned(), rest.to_owned()))
        .collect()
}

fn expression(rule: &str) -> String {
    let lines = rule
        .lines()
        .skip_while(|line| !line.ends_with("expr: |"))
        .skip(1);
    let indented = lines.take_while(|line| line.starts_with("          "));
    indented.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_rules_are_well_formed_and_fire_when_their_tests_say() {
    promtool(&["check", "rules", "rules.yml"]);
    promtool(&["test", "rules", "rules.test.yml"]);
}

#[test]
fn every_expression_anywhere_is_one_that_prometheus_takes() {
    let mut text = "groups:\n  - name: expressions\n    rules:\n".to_owned();
    let all = expressions()
        .into_iter()
        .chain(crate::dashboard::expressions());
    for (number, expression) in all.enumerate() {
        let expression = serde_json::to_string(expression.trim()).unwrap();
        text.push_str(&format!(
            "      - record: expression:{number}\n        expr: {expression}\n"
        ));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("expressions.yml");
    fs::write(&path, text).unwrap();
    promtool(&["check", "rules", "--lint=none", path.to_str().unwrap()]);
}

#[test]
fn every_rule_asks_for_metrics_and_labels_that_there_are() {
    let page = documented();
    let rules = rules();
    assert!(rules.len() >= 15, "{}", rules.len());
    for (name, rule) in &rules {
        hold(&expression(rule), name, &page);
    }
}

/// A reason that no refusal has would make an alert that never fires.
#[test]
fn every_reason_that_a_rule_or_a_panel_names_is_one_of_a_refusal() {
    let denials = DenialCode::ALL.iter().map(|code| code.facts().code);
    let known: BTreeSet<&str> = denials
        .chain(FailureCode::ALL.iter().map(|code| code.facts().code))
        .collect();
    let rules = rules();
    let of_rules = rules.iter().map(|(_, rule)| expression(rule));
    for expression in of_rules.chain(crate::dashboard::expressions()) {
        for (metric, matchers) in named(&expression) {
            for (label, value) in matchers {
                if label != "reason" || metric != "fabric_gate_denials_total" {
                    continue;
                }
                for reason in value.split('|') {
                    let begins = reason.strip_suffix(".+");
                    let is_known = match begins {
                        Some(begins) => known.iter().any(|code| code.starts_with(begins)),
                        None => known.contains(reason),
                    };
                    assert!(is_known, "{reason} in {expression}");
                }
            }
        }
    }
}

#[test]
fn every_rule_says_how_grave_it_is_and_leads_to_what_to_do_and_is_tested() {
    let tests = fs::read_to_string(file("deploy/prometheus/rules.test.yml")).unwrap();
    let incidents = fs::read_to_string(file("docs/incidents.md")).ok();
    for (name, rule) in rules() {
        assert!(
            ["critical", "warning", "info"]
                .iter()
                .any(|it| rule.contains(&format!("severity: {it}"))),
            "{name}"
        );
        assert!(
            rule.contains("summary: ") && rule.contains("description: "),
            "{name}"
        );
        assert!(
            tests.contains(&format!("- alertname: {name}\n")),
            "{name} has no test in which it fires"
        );
        let (_, anchor) = rule.split_once("docs/incidents.md#").unwrap();
        let anchor = anchor.lines().next().unwrap().trim();
        assert!(INCIDENTS.contains(&anchor), "{name}: {anchor}");
        if let Some(page) = &incidents {
            assert!(
                anchors(page).contains(anchor),
                "{name}: docs/incidents.md has no {anchor}"
            );
        }
    }
}

/// The anchors of a page's headings, as they are made of them on the web.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let kept = line.trim_start_matches('#').trim().to_lowercase();
            kept.chars()
                .filter(|it| it.is_alphanumeric() || [' ', '-', '_'].contains(it))
                .map(|it| if it == ' ' { '-' } else { it })
                .collect()
        })
        .collect()
}
