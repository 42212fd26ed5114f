//! Tenants that nobody can be of.

use super::caller::callers;
use super::{Findings, Lint, Subject};

pub(super) static LINT: Lint = Lint {
    name: "tenant-without-credential",
    what: "a tenant that no API key, webhook, client certificate or development identity is of, where there \
           is no issuer either",
    why: "nobody can call in its name",
    remedy: "add an issuer whose tokens name it, or a key: `fabric-gate key new --tenant …`",
    look,
};

fn look(subject: &Subject<'_>, findings: &mut Findings) {
    // A token can name any tenant.
    if !subject.snapshot.issuers.is_empty() {
        return;
    }
    let callers = callers(subject);
    // Where there is none at all no tenant is told apart.
    if callers.is_empty() {
        return;
    }
    for (id, tenant) in &subject.snapshot.tenants {
        if !tenant.suspended && !callers.iter().any(|caller| caller.tenant == id) {
            let spot = subject.places.entry("tenants", id.as_str());
            findings.add(
                spot.map(|spot| spot.key("id")),
                format!("there is no issuer, and no credential is of the tenant `{id}`"),
            );
        }
    }
}
