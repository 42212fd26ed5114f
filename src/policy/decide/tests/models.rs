use super::*;

const METERED: &str = r#"
[[routes]]
name = "chat"
upstream = "u"
methods = ["POST"]
path = "/v1/chat/completions"
roles = ["operator"]
cost = { usage = "openai" }
"#;

/// What becomes of a request for these models by a caller with these roles.
fn asked(
    rules: &str,
    roles: &[&str],
    models: &[&str],
) -> (Result<(), DenialCode>, Option<String>, usize) {
    let snapshot = snapshot(&format!("{METERED}\n{rules}"));
    let principal = caller(roles, &[]);
    let entry = decided(&snapshot, "chat", &principal, Method::POST);
    if let Err(refused) = code(&entry) {
        return (Err(refused), None, 0);
    }
    let mut routes = snapshot.routes.iter();
    let route = routes.find(|found| *found.name == *"chat").unwrap();
    let models: Vec<_> = models.iter().map(|&model| model.to_owned()).collect();
    let outcome = authorize_models(
        &snapshot,
        route,
        &principal,
        &Method::POST,
        entry.standing,
        &models,
    );
    let decision = outcome.decision.map_err(|denial| denial.code);
    let rule = outcome.rule.map(|rule| rule.to_string());
    (decision, rule, outcome.would_deny.len())
}

const NO_O1: &str = "[[rules]]\nname = \"no o1\"\neffect = \"forbid\"\nmodels = [\"o1*\"]\n\
                     users = [\"alice\"]";

#[test]
fn a_forbidden_model_is_forbidden_and_the_others_may_be_used() {
    let forbidden = (Err(DenialCode::ModelForbidden), Some("no o1".to_owned()), 0);
    for models in [&["o1"][..], &["gpt-4o", "o1-mini"], &["O1-Pro"], &[" o1"]] {
        assert_eq!(asked(NO_O1, &["operator"], models), forbidden, "{models:?}");
    }
    for models in [&["gpt-4o"][..], &["xo1"], &[]] {
        let outcome = asked(NO_O1, &["operator"], models);
        assert_eq!(outcome, (Ok(()), None, 0), "{models:?}");
    }
    let others = NO_O1.replace("alice", "bob");
    assert_eq!(asked(&others, &["operator"], &["o1"]).0, Ok(()));
}

#[test]
fn a_permit_for_some_models_lets_in_for_these_and_no_others() {
    let permit = "[[rules]]\nname = \"minis\"\neffect = \"permit\"\nmodels = [\"*-mini\"]";
    let permitted = (Ok(()), Some("minis".to_owned()), 0);
    assert_eq!(asked(permit, &[], &["gpt-4o-mini"]), permitted);
    for models in [
        &["gpt-4o"][..],
        &["gpt-4o-mini", "gpt-4o"],
        &["GPT-4o-MINI"],
        &[],
    ] {
        let refused = asked(permit, &[], models).0;
        assert_eq!(refused, Err(DenialCode::RoleRequired), "{models:?}");
    }
    assert_eq!(asked(permit, &["operator"], &["gpt-4o"]).0, Ok(()));
    let both = format!("{permit}\n{}", NO_O1.replace("o1*", "gpt-*"));
    let refused = asked(&both, &[], &["gpt-4o-mini"]).0;
    assert_eq!(refused, Err(DenialCode::ModelForbidden), "a forbid wins");
}

#[test]
fn a_forbid_in_shadow_mode_is_recorded_once_and_changes_nothing() {
    let shadow = format!("{NO_O1}\nmode = \"shadow\"");
    let outcome = asked(&shadow, &["operator"], &["o1", "o1-mini"]);
    assert_eq!(outcome, (Ok(()), None, 1));
}

#[test]
fn a_rule_about_models_does_not_decide_about_the_request() {
    let snapshot = snapshot(&format!("{METERED}\n{NO_O1}"));
    let principal = caller(&["operator"], &[]);
    let entry = decided(&snapshot, "chat", &principal, Method::POST);
    assert_eq!(code(&entry), Ok(()));
    assert_eq!(entry.standing, Standing::Route);
}
