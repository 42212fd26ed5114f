//! `docs/metrics.md`: the list of metrics, as the page has it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

/// What the page, or an exposition, says of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// `counter`, `gauge`, `histogram`.
    pub kind: String,
    /// Its labels.
    pub labels: BTreeSet<String>,
}

/// A file of the repository.
pub fn file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Every metric of the page.
pub fn documented() -> BTreeMap<String, Metric> {
    let page = fs::read_to_string(file("docs/metrics.md")).unwrap();
    let mut found = BTreeMap::new();
    for entry in page.split("\n### `").skip(1) {
        let (name, rest) = entry.split_once('`').unwrap();
        let facts = rest.lines().nth(2).unwrap();
        let [kind, labels, unit] = facts.split(" · ").collect::<Vec<_>>()[..] else {
            panic!("{name}: `{facts}` is not kind · labels · unit");
        };
        assert!(unit.starts_with("unit: "), "{name}: {unit}");
        for part in ["**Alert:** ", "```promql\n"] {
            assert!(rest.contains(part), "{name} has no {part}");
        }
        let labels = labels.strip_prefix("labels: ").unwrap();
        let labels = labels.split(", ").filter(|label| *label != "none");
        let metric = Metric {
            kind: kind.to_owned(),
            labels: labels
                .map(|label| label.trim_matches('`').to_owned())
                .collect(),
        };
        assert!(
            found.insert(name.to_owned(), metric).is_none(),
            "{name} twice"
        );
    }
    found
}

/// Every expression of the page.
pub fn expressions() -> Vec<String> {
    let page = fs::read_to_string(file("docs/metrics.md")).unwrap();
    let blocks = page.split("```promql\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap().to_owned())
        .collect()
}

/// Every metric that an exposition has a sample of.
pub fn exposed(text: &str) -> BTreeMap<String, Metric> {
    let mut kinds = BTreeMap::new();
    let mut found: BTreeMap<String, Metric> = BTreeMap::new();
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            kinds.insert(name.to_owned(), kind.to_owned());
        }
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        let (series, _) = line.rsplit_once(' ').unwrap();
        let (sample, labels) = series.split_once('{').unwrap_or((series, ""));
        let name = ["_bucket", "_sum", "_count"]
            .iter()
            .filter_map(|end| sample.strip_suffix(end))
            .find(|name| kinds.get(*name).is_some_and(|kind| kind == "histogram"))
            .unwrap_or(sample);
        let labels = labels
            .trim_end_matches('}')
            .split("\",")
            .filter_map(|label| {
                let (label, _) = label.split_once("=\"")?;
                (label != "le").then(|| label.to_owned())
            });
        let metric = Metric {
            kind: kinds[name].clone(),
            labels: labels.collect(),
        };
        let known = found
            .entry(name.to_owned())
            .or_insert_with(|| metric.clone());
        assert_eq!(*known, metric, "{name} has one set of labels");
    }
    found
}

/// The metrics that a PromQL expression names, each with the labels it selects by.
pub fn named(expression: &str) -> Vec<(String, Vec<(String, String)>)> {
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(at) = ["fabric_", "process_start"]
        .iter()
        .filter_map(|it| rest.find(it))
        .min()
    {
        rest = &rest[at..];
        let end = rest
            .find(|character| !is_name(character))
            .unwrap_or(rest.len());
        let name = rest[..end].to_owned();
        rest = &rest[end..];
        let mut matchers = Vec::new();
        if let Some(selected) = rest.strip_prefix('{') {
            let (selected, _) = selected.split_once('}').unwrap();
            for matcher in selected.split("\",").map(str::trim) {
                let label = matcher.split(['=', '!']).next().unwrap();
                let value = matcher.split('"').nth(1).unwrap();
                matchers.push((label.to_owned(), value.to_owned()));
            }
        }
        found.push((name, matchers));
    }
    found
}

/// The labels that an expression groups by.
pub fn grouped(expression: &str) -> Vec<String> {
    let groups = expression.split(" by (").skip(1);
    groups
        .flat_map(|group| group.split(')').next().unwrap().split(','))
        .map(|label| label.trim().to_owned())
        .collect()
}

/// Labels that Prometheus adds to what it scrapes.
const ADDED: [&str; 3] = ["instance", "job", "le"];

/// Holds an expression against the page: every metric is there, and has the labels it is asked for.
pub fn hold(expression: &str, place: &str, page: &BTreeMap<String, Metric>) {
    let named = named(expression);
    assert!(!named.is_empty(), "{place} names no metric: {expression}");
    let mut labels = BTreeSet::new();
    for (name, matchers) in named {
        let base = ["_bucket", "_sum", "_count"]
            .iter()
            .filter_map(|end| name.strip_suffix(end))
            .find(|base| {
                page.get(*base)
                    .is_some_and(|metric| metric.kind == "histogram")
            })
            .unwrap_or(&name);
        let metric = page
            .get(base)
            .unwrap_or_else(|| panic!("{place}: there is no {name}"));
        for (label, _) in matchers {
            assert!(
                metric.labels.contains(&label) || ADDED.contains(&label.as_str()),
                "{place}: {name} has no label {label}"
            );
        }
        labels.extend(metric.labels.iter().cloned());
    }
    for label in grouped(expression) {
        assert!(
            labels.contains(&label) || ADDED.contains(&label.as_str()),
            "{place}: nothing in it has a label {label}"
        );
    }
}

#[test]
fn each_example_of_the_page_asks_for_metrics_and_labels_that_are_on_it() {
    let page = documented();
    for expression in expressions() {
        hold(&expression, "docs/metrics.md", &page);
    }
}

#[test]
fn the_metrics_that_are_promised_are_on_the_page() {
    let page = documented();
    for (name, labels) in [
        (
            "fabric_gate_requests_total",
            &["route", "tenant", "decision"][..],
        ),
        ("fabric_gate_denials_total", &["reason", "tenant"]),
        ("fabric_gate_request_seconds", &[]),
        ("fabric_gate_overhead_seconds", &[]),
        ("fabric_gate_spent_usd_total", &["tenant"]),
        (
            "fabric_gate_ceiling_used_ratio",
            &["tenant", "scope", "window"],
        ),
        ("fabric_gate_reserved_usd", &["tenant"]),
        ("fabric_gate_policy_info", &["revision"]),
        ("fabric_gate_policy_reloads_total", &["result"]),
        ("fabric_gate_jwks_fetches_total", &["issuer", "result"]),
        ("fabric_gate_audit_records_total", &["result"]),
        ("fabric_gate_open_streams", &["tenant"]),
    ] {
        let labels: BTreeSet<String> = labels.iter().map(|label| (*label).to_owned()).collect();
        assert_eq!(
            page.get(name).map(|metric| &metric.labels),
            Some(&labels),
            "{name}"
        );
    }
}
