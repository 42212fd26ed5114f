//! Where pages lead: files that are there, and headings that stand in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::pages::{all, prose, root};

/// The anchors of a page, as GitHub makes them of its headings.
fn anchors(page: &Path) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let headings = prose(page).into_iter().map(|(_, line)| line);
    headings
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let slug = slug(line.trim_start_matches('#').trim());
            let before = seen.entry(slug.clone()).or_insert(0);
            *before += 1;
            if *before == 1 {
                slug
            } else {
                format!("{slug}-{}", *before - 1)
            }
        })
        .collect()
}

fn slug(heading: &str) -> String {
    let kept = heading.chars().filter_map(|char| match char {
        ' ' => Some('-'),
        '-' | '_' => Some(char),
        _ if char.is_alphanumeric() => Some(char.to_ascii_lowercase()),
        _ => None,
    });
    kept.collect()
}

/// The targets of a line's links.
fn targets(line: &str) -> Vec<&str> {
    let links = line.split("](").skip(1);
    links.filter_map(|rest| rest.split(')').next()).collect()
}

/// What is wrong with a link of a page, if anything.
fn broken(page: &Path, target: &str) -> Option<String> {
    if target.contains("://") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path: PathBuf = if file.is_empty() {
        page.to_owned()
    } else {
        page.parent().unwrap().join(file)
    };
    if !path.exists() {
        return Some("is not there".to_owned());
    }
    let is_page = path.extension().is_some_and(|extension| extension == "md");
    let missing = is_page && !anchor.is_empty() && !anchors(&path).contains(anchor);
    missing.then(|| format!("has no heading `{anchor}`: {:?}", anchors(&path)))
}

#[test]
fn every_page_and_heading_a_page_leads_to_is_there() {
    let mut wrong = Vec::new();
    for page in all() {
        for (number, line) in prose(&page) {
            for target in targets(&line) {
                if let Some(what) = broken(&page, target) {
                    wrong.push(format!("{}:{number}: `{target}` {what}", page.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_link_to_a_page_or_heading_that_is_not_there_is_found() {
    let page = root().join("README.md");
    assert_eq!(broken(&page, "docs/limits.md#money"), None);
    assert!(broken(&page, "docs/limits.md#mony").is_some());
    assert!(broken(&page, "docs/limit.md").is_some());
    assert_eq!(
        slug("`[[issuers]]`: JSON Web Tokens"),
        "issuers-json-web-tokens"
    );
    assert_eq!(
        slug("A tenant saw another's data"),
        "a-tenant-saw-anothers-data"
    );
}

/// Alerts say where to read on; somebody who is woken by one finds it there.
#[test]
fn every_alert_has_its_place_among_the_incidents() {
    let incidents = root().join("docs/incidents.md");
    let text = fs::read_to_string(&incidents).unwrap();
    let rules = fs::read_to_string(root().join("deploy/prometheus/rules.yml")).unwrap();
    let alerts: Vec<_> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert!(!alerts.is_empty(), "there are no alerts");
    for alert in alerts {
        assert!(
            text.contains(&format!("`{alert}`")),
            "{alert} is in no incident"
        );
    }
    let anchors = anchors(&incidents);
    for named in rules.split("incidents.md#").skip(1) {
        let end = named.find(|char: char| !(char.is_alphanumeric() || "-_".contains(char)));
        let anchor = &named[..end.unwrap_or(named.len())];
        assert!(anchors.contains(anchor), "an alert leads to `{anchor}`");
    }
}
