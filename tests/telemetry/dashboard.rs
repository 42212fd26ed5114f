//! The dashboard, held against the schema of Grafana's dashboards as far as it uses it, and its
//! expressions against the metrics that there are.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::page::{documented, file, hold};

fn dashboard() -> Value {
    let text = fs::read_to_string(file("deploy/grafana/fabric-gate.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["panels"].as_array().unwrap().iter()
}

/// Every expression, with the variables of the dashboard filled in.
pub fn expressions() -> Vec<String> {
    let dashboard = dashboard();
    let targets = panels(&dashboard)
        .filter_map(|panel| panel["targets"].as_array())
        .flatten();
    let annotations = dashboard["annotations"]["list"].as_array().unwrap();
    targets
        .chain(annotations)
        .map(|it| it["expr"].as_str().unwrap())
        .map(|expression| {
            expression
                .replace("$__rate_interval", "5m")
                .replace("$tenant", ".*")
                .replace("$route", ".*")
        })
        .collect()
}

#[test]
fn every_panel_asks_for_metrics_and_labels_that_there_are() {
    let page = documented();
    let expressions = expressions();
    for expression in &expressions {
        assert!(
            !expression.contains('$'),
            "a variable that the dashboard has not: {expression}"
        );
        hold(expression, "the dashboard", &page);
    }
    let all = expressions.concat();
    for name in page.keys() {
        assert!(all.contains(name.as_str()), "no panel shows {name}");
    }
}

#[test]
fn every_panel_has_a_title_a_place_of_its_own_and_the_chosen_data_source() {
    let dashboard = dashboard();
    let mut ids = BTreeSet::new();
    let mut taken: Vec<[i64; 4]> = Vec::new();
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().unwrap();
        assert!(
            !title.is_empty() && ids.insert(panel["id"].as_i64().unwrap()),
            "{title}"
        );
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_i64().unwrap());
        assert!(
            x >= 0 && w > 0 && h > 0 && x + w <= 24,
            "{title}: the grid has 24 columns"
        );
        let apart = |other: &[i64; 4]| {
            x + w <= other[0]
                || other[0] + other[2] <= x
                || y + h <= other[1]
                || other[1] + other[3] <= y
        };
        assert!(taken.iter().all(apart), "{title} lies over another panel");
        taken.push([x, y, w, h]);
        let kind = panel["type"].as_str().unwrap();
        if kind == "row" {
            continue;
        }
        assert!(
            ["timeseries", "stat", "bargauge"].contains(&kind),
            "{title}: {kind}"
        );
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        assert!(
            panel["fieldConfig"]["defaults"]["unit"].is_string(),
            "{title} has no unit"
        );
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{title}");
        let references: BTreeSet<_> = targets
            .iter()
            .map(|it| it["refId"].as_str().unwrap())
            .collect();
        assert_eq!(references.len(), targets.len(), "{title}");
        assert!(
            targets
                .iter()
                .all(|it| it["datasource"]["uid"] == "${datasource}"),
            "{title}"
        );
    }
}

#[test]
fn it_can_be_narrowed_to_tenants_and_routes_and_has_a_row_for_each_concern() {
    let dashboard = dashboard();
    let variables: Vec<_> = dashboard["templating"]["list"]
        .as_array()
        .unwrap()
        .iter()
        .collect();
    let names: Vec<_> = variables
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["datasource", "tenant", "route"]);
    let page = documented();
    for variable in &variables[1..] {
        let definition = variable["definition"].as_str().unwrap();
        let (metric, label) = definition
            .strip_prefix("label_values(")
            .and_then(|rest| rest.strip_suffix(')')?.split_once(", "))
            .unwrap();
        assert!(page[metric].labels.contains(label), "{definition}");
    }
    let rows: Vec<_> = panels(&dashboard)
        .filter(|it| it["type"] == "row")
        .map(|it| it["title"].as_str().unwrap())
        .collect();
    assert_eq!(
        rows,
        [
            "Traffic",
            "Refusals",
            "Money",
            "Ceilings",
            "Backends",
            "Streams",
            "Keys",
            "Audit, policies and export",
            "Memory service"
        ]
    );
    assert_eq!(dashboard["uid"], "fabric-gate");
    assert!(dashboard["schemaVersion"].as_i64().unwrap() >= 39);
    assert!(
        dashboard["id"].is_null(),
        "an id would be another's where it is imported"
    );
}
