//! What editors, shells and people leave behind: never worse than the policy before.

use std::fs;
use std::os::unix::fs::symlink;

use super::tests::{Watched, tenant};
use super::*;

/// A directory whose second file forbids something.
fn forbidding() -> Watched {
    Watched::over(|home| {
        let policies = home.join("policies");
        fs::create_dir(&policies).unwrap();
        fs::write(policies.join("p.toml"), tenant("acme")).unwrap();
        fs::write(
            policies.join("rules.toml"),
            "[[rules]]\nname = \"not mallory\"\neffect = \"forbid\"\nusers = [\"mallory\"]\n",
        )
        .unwrap();
    })
}

fn rules(watched: &Watched) -> PathBuf {
    watched.home.path().join("policies/rules.toml")
}

fn forbids_gone(watched: &Watched) -> Vec<String> {
    let warnings = watched.loader.status().warnings.into_iter();
    warnings
        .filter(|warning| warning.lint == Some(FORBID_GONE))
        .map(|warning| warning.message)
        .collect()
}

#[test]
fn what_editors_leave_beside_a_policy_is_no_policy() {
    let watched = Watched::plain();
    let policies = watched.home.path().join("policies");
    for name in [
        ".p.toml.swp",
        "p.toml~",
        "4913",
        "#p.toml#",
        ".p.toml.kate-swp",
        "p.toml___jb_tmp___",
        "sedAbC123",
    ] {
        fs::write(policies.join(name), b"\x00\xff[[tenants]]").unwrap();
    }
    symlink("me@host.1:2", policies.join(".#p.toml")).unwrap();
    let outcome = watched.loader.reload_now();
    assert!(
        matches!(outcome, ReloadOutcome::Unchanged(_)),
        "{outcome:?}"
    );
    watched.still_picks_up("globex");
    assert_eq!(watched.loader.status().reloads_rejected, 0);
}

#[test]
fn rules_that_were_emptied_are_refused_and_go_on_forbidding() {
    for left in ["", "\n", " \r\n\t\n", "\u{feff}\n"] {
        let watched = forbidding();
        let before = watched.loader.status().revision;
        fs::write(rules(&watched), left).unwrap();
        watched.refuses("the file is empty");
        assert_eq!(watched.loader.status().revision, before, "{left:?}");
    }
}

#[test]
fn a_forbid_that_goes_with_its_file_is_told() {
    let watched = forbidding();
    assert_eq!(forbids_gone(&watched), Vec::<String>::new());
    fs::remove_file(rules(&watched)).unwrap();
    watched.installs("acme");
    assert_eq!(
        forbids_gone(&watched),
        ["the rule \"not mallory\" forbade something before this reload and no longer does"]
    );
    let outcome = watched.loader.reload_now();
    assert!(matches!(outcome, ReloadOutcome::Unchanged(_)));
    assert_eq!(
        forbids_gone(&watched).len(),
        1,
        "who asks again is told too"
    );
    watched.still_picks_up("globex");
    assert_eq!(
        forbids_gone(&watched),
        Vec::<String>::new(),
        "it is told of the reload that lost it"
    );
}

#[test]
fn a_forbid_that_became_a_trial_or_a_comment_is_told() {
    for left in [
        "[[rules]]\nname = \"not mallory\"\neffect = \"forbid\"\nusers = [\"mallory\"]\nmode = \
         \"shadow\"\n",
        "# [[rules]]\n# name = \"not mallory\"\n",
    ] {
        let watched = forbidding();
        fs::write(rules(&watched), left).unwrap();
        watched.installs("acme");
        assert_eq!(forbids_gone(&watched).len(), 1, "{left}");
    }
}

#[test]
fn a_forbid_that_moved_to_another_file_is_not_told_as_gone() {
    let watched = forbidding();
    fs::rename(
        rules(&watched),
        watched.home.path().join("policies/more.toml"),
    )
    .unwrap();
    watched.installs("acme");
    assert_eq!(forbids_gone(&watched), Vec::<String>::new());
}

#[test]
fn a_suspension_or_ceilings_that_go_with_their_file_are_told() {
    let priced = "[tenancy]\nunknown = \"provision\"\n\
                  [[upstreams]]\nname = \"u\"\nurl = \"http://127.0.0.1:1\"\n\
                  [[routes]]\nname = \"r\"\nupstream = \"u\"\nmethods = [\"GET\"]\npath = \"/\"\n\
                  cost = { fixed_usd = \"0.01\" }\n";
    let watched = Watched::over(|home| {
        let policies = home.join("policies");
        fs::create_dir(&policies).unwrap();
        fs::write(
            policies.join("p.toml"),
            format!("{priced}{}", tenant("acme")),
        )
        .unwrap();
        fs::write(
            policies.join("rules.toml"),
            "[[defaults.ceilings]]\nscope = \"tenant\"\nwindow = \"month\"\nusd = \"25.00\"\n",
        )
        .unwrap();
    });
    let second = "\n[[tenants]]\nid = \"acme\"\nsuspended = true\n";
    fs::write(watched.file(), format!("{priced}{second}")).unwrap();
    watched.installs("acme");
    assert_eq!(forbids_gone(&watched), Vec::<String>::new());
    fs::write(rules(&watched), "# nothing\n").unwrap();
    watched.installs("acme");
    assert_eq!(
        forbids_gone(&watched),
        ["[defaults] had ceilings before this reload and has none any more"]
    );
    fs::write(watched.file(), format!("{priced}{}", tenant("globex"))).unwrap();
    watched.installs("globex");
    assert_eq!(
        forbids_gone(&watched),
        ["the tenant \"acme\" was suspended before this reload and is served now"]
    );
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let nested = format!("x = {}\n", "[".repeat(100_000));
    let tables = format!("x = {}\n", "{a=".repeat(100_000));
    let dotted = format!("{}x = 1\n", "a.".repeat(100_000));
    for (content, message) in [
        (&b"[[tenants]]\nid = \"a\0b\"\n"[..], "Syntax"),
        (b"# M\xfcnchen\n", "not UTF-8"),
        (b"\xff\xfe[\0[\0\n\0", "not UTF-8"),
        (nested.as_bytes(), "Syntax"),
        (tables.as_bytes(), "Syntax"),
        (dotted.as_bytes(), "Syntax"),
    ] {
        let watched = Watched::plain();
        fs::write(watched.file(), content).unwrap();
        watched.refuses(message);
        watched.still_picks_up("globex");
    }
}

#[test]
fn a_byte_order_mark_and_the_line_ends_of_windows_are_read() {
    let watched = Watched::plain();
    let text = tenant("globex").replace('\n', "\r\n");
    fs::write(watched.file(), format!("\u{feff}{text}")).unwrap();
    watched.installs("globex");
    watched.still_picks_up("initech");
}

#[test]
fn a_link_to_nothing_beside_a_policy_is_refused() {
    let watched = Watched::plain();
    let link = watched.home.path().join("policies/q.toml");
    symlink("gone", &link).unwrap();
    watched.refuses("can't be read");
    fs::remove_file(link).unwrap();
    watched.still_picks_up("globex");
}

#[test]
fn a_copy_beside_a_policy_is_refused_as_what_it_repeats() {
    let watched = Watched::plain();
    let copy = watched.home.path().join("policies/p (copy).toml");
    fs::copy(watched.file(), &copy).unwrap();
    watched.refuses("this tenant is listed already");
    fs::remove_file(copy).unwrap();
    watched.still_picks_up("globex");
}
