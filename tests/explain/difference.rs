//! Two policies in words: what opens access is told as such, and before what closes it.

use std::path::Path;

use fabric_gate::policy::difference::{Difference, Risk, differences, render};
use fabric_gate::policy::{PolicyDirectory, PolicySnapshot, compile};
use fabric_gate::secret::SecretResolver;

const POLICIES: &str = r#"
[[issuers]]
name = "corp"
issuer = "https://idp.example.com"
audiences = ["fabric"]
jwks_url = "https://idp.example.com/jwks.json"
algorithms = ["RS256"]
claims = { tenant = "tid" }
[tenancy]
unknown = "deny"
[defaults]
limits = { requests_per_second = 10 }
[memory]
shared_write_roles = ["lead"]
[[tenants]]
id = "acme"
[[tenants.ceilings]]
scope = "tenant"
window = "month"
usd = "10"
[[prices]]
model = "gauge-1"
input = "2.00"
output = "8.00"
[[upstreams]]
name = "backend"
url = "http://127.0.0.1:9111"
authorization = "strip"
[[rules]]
name = "no contractors"
effect = "forbid"
roles = ["contractor"]
mode = "enforce"
[[routes]]
name = "read"
upstream = "backend"
methods = ["GET"]
path = "/things/{id}"
roles = ["member", "lead"]
scopes = ["read"]
resource = { kind = "thing", id = "path:id" }
guard = { tenant = "body:/tenant" }
[[routes]]
name = "paid"
upstream = "backend"
methods = ["POST"]
path = "/paid"
cost = { fixed_usd = "0.01" }
"#;

fn compiled(text: &str) -> PolicySnapshot {
    let files = PolicyDirectory::from_texts(Path::new("p"), [("p.toml", text)]).unwrap();
    compile(&files, &SecretResolver::default()).unwrap()
}

/// What changes where this is replaced.
fn changed(from: &str, to: &str) -> Vec<Difference> {
    assert!(POLICIES.contains(from), "{from}");
    differences(&compiled(POLICIES), &compiled(&POLICIES.replace(from, to)))
}

#[test]
fn what_opens_and_what_closes_are_each_other_turned_round() {
    for (from, to, section) in [
        (
            "roles = [\"member\", \"lead\"]",
            "roles = [\"member\", \"lead\", \"guest\"]",
            "routes",
        ),
        ("roles = [\"member\", \"lead\"]\n", "", "routes"),
        ("scopes = [\"read\"]\n", "", "routes"),
        (
            "methods = [\"GET\"]",
            "methods = [\"GET\", \"POST\"]",
            "routes",
        ),
        (
            "resource = { kind = \"thing\", id = \"path:id\" }\n",
            "",
            "routes",
        ),
        ("guard = { tenant = \"body:/tenant\" }\n", "", "routes"),
        (
            "roles = [\"member\", \"lead\"]\nscopes = [\"read\"]\nresource = { kind = \"thing\", id = \"path:id\" }\nguard = { tenant = \"body:/tenant\" }",
            "public = true",
            "routes",
        ),
        ("mode = \"enforce\"", "mode = \"shadow\"", "rules"),
        ("unknown = \"deny\"", "unknown = \"provision\"", "tenancy"),
        (
            "requests_per_second = 10",
            "requests_per_second = 20",
            "defaults",
        ),
        ("usd = \"10\"", "usd = \"20\"", "tenants"),
        (
            "[[tenants.ceilings]]\nscope = \"tenant\"\nwindow = \"month\"\nusd = \"10\"\n",
            "",
            "tenants",
        ),
        (
            "shared_write_roles = [\"lead\"]",
            "shared_write_roles = [\"lead\", \"member\"]",
            "memory",
        ),
        (
            "audiences = [\"fabric\"]",
            "audiences = [\"fabric\", \"other\"]",
            "issuers",
        ),
        (
            "algorithms = [\"RS256\"]",
            "algorithms = [\"RS256\", \"EdDSA\"]",
            "issuers",
        ),
        ("input = \"2.00\"", "input = \"1.00\"", "prices"),
    ] {
        let opened = changed(from, to);
        let first = opened
            .first()
            .unwrap_or_else(|| panic!("{from} -> {to}: nothing"));
        assert_eq!(
            (first.risk, first.section),
            (Risk::Opens, section),
            "{opened:#?}"
        );
        let (old, new) = (compiled(&POLICIES.replace(from, to)), compiled(POLICIES));
        let closed = differences(&old, &new);
        assert!(
            closed
                .iter()
                .any(|it| it.risk == Risk::Closes && it.section == section),
            "{closed:#?}"
        );
        assert!(
            closed.iter().all(|it| it.risk != Risk::Opens),
            "{from}: {closed:#?}"
        );
    }
}

#[test]
fn the_same_in_other_words_is_no_difference() {
    assert_eq!(differences(&compiled(POLICIES), &compiled(POLICIES)), []);
    let commented = POLICIES.replace("[[routes]]", "# a comment\n[[routes]]");
    assert_eq!(differences(&compiled(POLICIES), &compiled(&commented)), []);
    assert_eq!(render(&[]), "no difference");
}

#[test]
fn what_is_new_and_what_is_gone_is_named_with_who_it_is_for() {
    let more = format!(
        "{POLICIES}[[routes]]\nname = \"open\"\nupstream = \"backend\"\nmethods = [\"GET\"]\npath = \"/open\"\n[[tenants]]\nid = \"globex\"\n"
    );
    let found = differences(&compiled(POLICIES), &compiled(&more));
    let told = render(&found);
    assert!(told.starts_with("opens\n"), "{told}");
    assert!(
        told.contains(
            "routes `open`: is new: GET /open of `backend`, for every caller of a known tenant"
        ),
        "{told}"
    );
    assert!(told.contains("tenants `globex`: is new"), "{told}");
    let gone = differences(&compiled(&more), &compiled(POLICIES));
    assert!(gone.iter().all(|it| it.risk == Risk::Closes), "{gone:#?}");
}

#[test]
fn prices_are_told_by_how_much_they_change() {
    let found = changed("output = \"8.00\"", "output = \"10.00\"");
    assert_eq!(
        found[0].says,
        "output for a million tokens: 8.00 -> 10.00 USD (+25%)"
    );
    assert_eq!(found[0].risk, Risk::Closes);
}

#[test]
fn what_opens_comes_first() {
    let text = POLICIES
        .replace("usd = \"10\"", "usd = \"5\"")
        .replace("unknown = \"deny\"", "unknown = \"provision\"")
        .replace("127.0.0.1:9111", "127.0.0.1:9112");
    let found = differences(&compiled(POLICIES), &compiled(&text));
    let risks: Vec<Risk> = found.iter().map(|it| it.risk).collect();
    assert_eq!(
        risks,
        [Risk::Opens, Risk::Unclear, Risk::Closes],
        "{found:#?}"
    );
}
