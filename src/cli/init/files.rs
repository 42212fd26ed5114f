//! The files that a gate starts from, each with what its reader has to know.

use crate::tenant::TenantId;

/// What was asked for.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) profile: Option<&'static str>,
    pub(super) backend: String,
    pub(super) issuer: Option<String>,
    pub(super) audience: String,
    pub(super) tenants: Vec<TenantId>,
    pub(super) admin_token: String,
}

/// A file that is to be written.
#[derive(Debug)]
pub(super) struct PlannedFile {
    /// Below the folder.
    pub(super) path: &'static str,
    pub(super) text: String,
    /// Whether only its owner may read it.
    pub(super) secret: bool,
}

/// All of them.
pub(super) fn planned(answers: &Answers) -> Vec<PlannedFile> {
    let open = |path, text: String| PlannedFile {
        path,
        text,
        secret: false,
    };
    vec![
        open("config/gate.toml", CONFIG.to_owned()),
        open("policies/10-identity.toml", identity(answers)),
        open("policies/20-tenants.toml", tenants(answers)),
        open("policies/30-routes.toml", routes(answers)),
        open("policies/40-rules.toml", RULES.to_owned()),
        PlannedFile {
            path: "data/admin-token",
            text: format!("{}\n", answers.admin_token),
            secret: true,
        },
        open("data/.gitignore", GITIGNORE.to_owned()),
    ]
}

const GITIGNORE: &str = "# Keys, logs and state: nothing of it belongs into a repository.\n*\n";

const CONFIG: &str = r#"# The process. Read at start; a change here needs a restart. What may be done is in policies/, which
# is reloaded while the gate runs. Paths are taken from the folder the gate is started in.

[listen]
address = "127.0.0.1:8080" # where callers come in
http2 = true
# tls = { certificate = "server.pem", private_key = "server.key.pem" }

[admin]
# Health, metrics and the admin API, on an address of their own that no route leads to.
address = "127.0.0.1:9901"
# A secret is a reference, never the secret: `file:PATH` or `env:NAME`.
token = "file:data/admin-token"

[policies]
directory = "policies"

[state]
url = "sqlite:data/gate.db" # who owns what, and beside it who spent what

[audit]
directory = "data/audit"
# No record, no service: a request that cannot be recorded is answered 503.
on_failure = "deny"
"#;

const RULES: &str = r#"# What roles on a route cannot say. Every condition of a rule that is present has to hold; a forbid
# wins over everything.

[memory]
# Who writes memory that all of a tenant read, where a backend has such.
shared_write_roles = ["admin", "lead"]

# In shadow nobody is refused: audit records say where somebody would have been. `mode = "enforce"`
# when you have seen whom it hits. `routes`, `methods` and `tenants` narrow a rule.
[[rules]]
name = "whoever is suspended does nothing"
effect = "forbid"
roles = ["suspended"]
mode = "shadow"
"#;

fn identity(answers: &Answers) -> String {
    let mut text = "# Who calls. A token is taken when its issuer is listed here, its signature verifies by that\n\
         # issuer's keys, and it was issued for one of the audiences.\n\n[[issuers]]\n"
        .to_owned();
    match &answers.issuer {
        Some(issuer) => {
            text.push_str("name = \"corp\" # what audit records and metrics call it\n");
            text.push_str(&format!(
                "issuer = {} # has to equal `iss`, to the last slash\n",
                quoted(issuer)
            ));
            text.push_str(&format!(
                "audiences = [{}] # `aud` has to hold one of these\n",
                quoted(&answers.audience)
            ));
            text.push_str(
                "# Keys by OpenID Connect discovery. The other choices: jwks_url = \"https://…\", jwks_file = \"…\".\n\
                 discovery = true\n",
            );
        }
        None => {
            text.push_str("name = \"dev\" # what audit records and metrics call it\n");
            text.push_str("issuer = \"https://dev.fabric-gate.local\" # has to equal `iss`\n");
            text.push_str(&format!(
                "audiences = [{}] # `aud` has to hold one of these\n",
                quoted(&answers.audience)
            ));
            text.push_str(
                "# The key of `fabric-gate dev token`, which signs for anybody: for this machine only. An identity\n\
                 # provider has `discovery = true` or `jwks_url = \"https://…\"` here.\n\
                 jwks_file = \"../data/dev/jwks.json\"\n\
                 algorithms = [\"EdDSA\"]\n",
            );
        }
    }
    text.push_str(
        "# A claim's name, or a JSON pointer where it is nested: roles = \"/realm_access/roles\".\n\
         claims = { user = \"sub\", tenant = \"tid\", roles = \"roles\", scopes = \"scope\" }\n",
    );
    text
}

fn tenants(answers: &Answers) -> String {
    let mut text = "# For whom. The tenant is the isolation boundary; the credential says which one it is.\n\n\
         [tenancy]\n# A good token of a tenant that is not listed is refused.\nunknown = \"deny\"\n\n\
         [defaults]\nlimits = { body_bytes = 10485760 } # of every tenant that does not say otherwise\n"
        .to_owned();
    for tenant in &answers.tenants {
        text.push_str(&format!("\n[[tenants]]\nid = \"{tenant}\"\n"));
    }
    text.push_str(
        "\n# The most that a tenant may spend on models, for routes whose `cost` is known:\n\
         # [[tenants.ceilings]]\n# scope = \"tenant\"\n# window = \"month\"\n# usd = \"25.00\"\n",
    );
    text
}

fn routes(answers: &Answers) -> String {
    let name = answers.profile.unwrap_or("backend");
    let mut text = format!(
        "# To what. A request that matches no route is answered 404 and reaches no backend.\n\n\
         [[upstreams]]\nname = \"{name}\"\nurl = {}\n\
         # What becomes of the caller's credential: \"strip\" takes it away, \"forward\" hands it on,\n\
         # \"handle:NAME\" replaces it by the backend's own secret.\n\
         authorization = \"strip\"\n",
        quoted(&answers.backend)
    );
    match answers.profile {
        Some(profile) => text.push_str(&format!(
            "# Its routes, and whose each of its objects is: `fabric-gate profile show {profile}`.\n\
             profile = \"{profile}\"\n"
        )),
        None => text.push_str(EVERYTHING),
    }
    text
}

const EVERYTHING: &str = r#"
# Every path goes to the backend, for every caller of a known tenant. That keeps strangers out, and
# not one tenant from another's objects: name the routes of your backend one by one, and say with
# `resource`, `creates` and `list` whose the objects are. `fabric-gate profile list` names backends
# for which that is done.
[[routes]]
name = "everything"
upstream = "backend"
methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
path = "/{*rest}"

[[routes]]
name = "root"
upstream = "backend"
methods = ["GET", "POST"]
path = "/"
"#;

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
