//! Whom the gate believes: issuers, keys, webhooks, certificates, `[development]`.

use super::{Found, Risk, listed, paired, texts};
use crate::identity::settings::{ApiKeySettings, IssuerSettings, KeySource};
use crate::policy::PolicySnapshot;

pub(super) fn compare(old: &PolicySnapshot, new: &PolicySnapshot, found: &mut Found) {
    let (added, gone, pairs) = paired(&old.issuers, &new.issuers, |it| &it.name);
    for issuer in added {
        let says = format!("tokens of {} are believed", issuer.issuer);
        found.put(Risk::Opens, "issuers", &issuer.name, says);
    }
    for issuer in gone {
        let says = format!("tokens of {} are believed no more", issuer.issuer);
        found.put(Risk::Closes, "issuers", &issuer.name, says);
    }
    for (before, after) in pairs {
        if before != after {
            issuers(before, after, found);
        }
    }
    let (added, gone, pairs) = paired(&old.api_keys, &new.api_keys, |it| &it.name);
    for key in added {
        found.put(
            Risk::Opens,
            "api_keys",
            &key.name,
            format!("is new: {}", stands_for(key)),
        );
    }
    for key in gone {
        let says = format!("is gone: {}", stands_for(key));
        found.put(Risk::Closes, "api_keys", &key.name, says);
    }
    for (before, after) in pairs {
        keys(before, after, found);
    }
    let (added, gone, pairs) = paired(&old.webhooks, &new.webhooks, |it| &it.name);
    entries(
        "webhooks",
        found,
        (
            added
                .into_iter()
                .map(|it| (it.name.clone(), format!("{} at {}", it.tenant, it.path)))
                .collect(),
            gone.into_iter().map(|it| it.name.clone()).collect(),
            pairs
                .into_iter()
                .filter(|(old, new)| {
                    let parts = |it: &crate::identity::settings::WebhookSettings| {
                        (
                            it.path.clone(),
                            it.scheme,
                            it.tenant.clone(),
                            it.user.clone(),
                            it.roles.clone(),
                            it.tolerance,
                        )
                    };
                    parts(old) != parts(new)
                })
                .map(|(_, new)| new.name.clone())
                .collect(),
        ),
    );
    let certificates = (&old.client_certificates, &new.client_certificates);
    let (added, gone, pairs) = paired(certificates.0, certificates.1, |it| &it.name);
    entries(
        "client_certificates",
        found,
        (
            added
                .into_iter()
                .map(|it| (it.name.clone(), format!("{} of {}", it.user, it.tenant)))
                .collect(),
            gone.into_iter().map(|it| it.name.clone()).collect(),
            pairs
                .into_iter()
                .filter(|(old, new)| format!("{old:?}") != format!("{new:?}"))
                .map(|(_, new)| new.name.clone())
                .collect(),
        ),
    );
    match (&old.development, &new.development) {
        (None, Some(who)) => {
            let says = format!(
                "whoever has no credential is {} of {}",
                who.user, who.tenant
            );
            found.put(Risk::Opens, "development", "", says);
        }
        (Some(_), None) => {
            found.put(Risk::Closes, "development", "", "a credential is needed");
        }
        (Some(old), Some(new)) if format!("{old:?}") != format!("{new:?}") => {
            let says = format!(
                "whoever has no credential is {} of {}",
                new.user, new.tenant
            );
            found.put(Risk::Unclear, "development", "", says);
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
}

type Entries = (Vec<(String, String)>, Vec<String>, Vec<String>);

fn entries(section: &'static str, found: &mut Found, (added, gone, changed): Entries) {
    for (name, who) in added {
        found.put(Risk::Opens, section, &name, format!("is new: {who}"));
    }
    for name in gone {
        found.put(Risk::Closes, section, &name, "is gone");
    }
    for name in changed {
        found.put(Risk::Unclear, section, &name, "says something else");
    }
}

fn issuers(old: &IssuerSettings, new: &IssuerSettings, found: &mut Found) {
    let before = found.0.len();
    let at = ("issuers", new.name.as_str());
    found.changed(Risk::Opens, at, "issuer", (&old.issuer, &new.issuer));
    let audiences = (&*old.audiences, &*new.audiences);
    found.list((Risk::Opens, Risk::Closes), at, "audiences", audiences);
    let keys = (source(&old.keys), source(&new.keys));
    found.changed(Risk::Opens, at, "keys", keys);
    let names = |it: &IssuerSettings| -> Vec<String> {
        it.algorithms.iter().map(|it| format!("{it:?}")).collect()
    };
    let algorithms = (&*names(old), &*names(new));
    found.list((Risk::Opens, Risk::Closes), at, "algorithms", algorithms);
    let claims = |it: &IssuerSettings| format!("{:?}", it.claims);
    found.changed(Risk::Unclear, at, "claims", (claims(old), claims(new)));
    let lifetime = |it: &IssuerSettings| it.max_lifetime.as_secs();
    let (shorter, longer) = (lifetime(old), lifetime(new));
    let risk = if longer > shorter {
        Risk::Opens
    } else {
        Risk::Closes
    };
    found.changed(risk, at, "longest lifetime in seconds", (shorter, longer));
    if found.0.len() == before {
        found.put(Risk::Unclear, at.0, at.1, "says something else");
    }
}

fn stands_for(key: &ApiKeySettings) -> String {
    let roles = texts(&key.roles);
    format!(
        "{} of {}, roles {}",
        key.user,
        key.tenant,
        listed(&roles, "none")
    )
}

fn source(keys: &KeySource) -> String {
    match keys {
        KeySource::Url(url) => format!("those at {url}"),
        KeySource::File(path) => format!("those in {}", path.display()),
        KeySource::Discovery(issuer) => format!("those that {issuer} announces"),
    }
}

fn keys(old: &ApiKeySettings, new: &ApiKeySettings, found: &mut Found) {
    let at = ("api_keys", new.name.as_str());
    if old.sha256 != new.sha256 {
        found.put(Risk::Unclear, at.0, at.1, "is another key");
    }
    let who = |it: &ApiKeySettings| format!("{} of {}", it.user, it.tenant);
    found.changed(Risk::Unclear, at, "stands for", (who(old), who(new)));
    let roles = (&*texts(&old.roles), &*texts(&new.roles));
    found.list((Risk::Opens, Risk::Closes), at, "roles", roles);
    let scopes = (&*texts(&old.scopes), &*texts(&new.scopes));
    found.list((Risk::Opens, Risk::Closes), at, "scopes", scopes);
    if old.expires_at != new.expires_at {
        let ends = |it: &ApiKeySettings| {
            it.expires_at
                .map_or_else(|| "never".to_owned(), |at| at.to_string())
        };
        let later = match (old.expires_at, new.expires_at) {
            (Some(old), Some(new)) => new > old,
            (_, new) => new.is_none(),
        };
        let risk = if later { Risk::Opens } else { Risk::Closes };
        found.changed(risk, at, "ends", (ends(old), ends(new)));
    }
    if old.routes != new.routes {
        let reach = |it: &ApiKeySettings| {
            let routes = it.routes.as_deref();
            routes.map_or_else(
                || "everything".to_owned(),
                |routes| {
                    let names: Vec<&str> = routes.iter().map(|it| it.as_str()).collect();
                    names.join(", ")
                },
            )
        };
        found.changed(Risk::Unclear, at, "may reach", (reach(old), reach(new)));
    }
}
