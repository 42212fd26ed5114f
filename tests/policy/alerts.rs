//! Who is written to when a ceiling is spent.

use super::*;

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn with(alerts: &str) -> Result<PolicySnapshot, Vec<Problem>> {
    let directory = tempfile::tempdir().unwrap();
    let text = format!("[tenancy]\nunknown = \"provision\"\n[costs]\nalerts = {alerts}\n");
    std::fs::write(directory.path().join("10-costs.toml"), text).unwrap();
    let secrets = SecretResolver::with_environment([("KEY", KEY), ("WEAK", "whsec_c2hvcnQ=")]);
    let files = PolicyDirectory::read(directory.path()).unwrap();
    compile(&files, &secrets)
}

#[test]
fn alerts_go_to_a_place_that_only_its_owner_reads() {
    let snapshot = with("{ url = \"https://ops.example/alerts\", secret = \"env:KEY\" }").unwrap();
    assert_eq!(snapshot.alerts.unwrap().url, "https://ops.example/alerts");
    let there = "url = \"https://ops.example/alerts\"";
    for (alerts, kind) in [
        (format!("{{ {there} }}"), ProblemKind::Missing),
        ("{ secret = \"env:KEY\" }".to_owned(), ProblemKind::Missing),
        (
            format!("{{ {there}, secret = \"{KEY}\" }}"),
            ProblemKind::BadValue,
        ),
        (
            format!("{{ {there}, secret = \"env:WEAK\" }}"),
            ProblemKind::Secret,
        ),
        (
            format!("{{ {there}, secret = \"env:ABSENT\" }}"),
            ProblemKind::Secret,
        ),
        (
            "{ url = \"http://ops.example/alerts\", secret = \"env:KEY\" }".to_owned(),
            ProblemKind::BadValue,
        ),
        (
            format!("{{ {there}, secret = \"env:KEY\", token = \"x\" }}"),
            ProblemKind::UnknownKey,
        ),
    ] {
        let problems = with(&alerts).unwrap_err();
        let kinds: Vec<_> = problems.iter().map(|problem| problem.kind).collect();
        assert_eq!(kinds, [kind], "{alerts}: {problems:?}");
        assert!(!format!("{problems:?}").contains("MfKQ9r8"), "{alerts}");
    }
}
