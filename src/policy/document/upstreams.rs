//! `[[upstreams]]`: where the backends are, and what they get of the caller's credential.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::bare;
use super::protected_resource::protected_resource;
use super::reader::Fields;
use super::routes::cost_of;
use super::routes::rewriting::workspace_root;
use super::values::{self, ValueError};
use crate::identity::RoutePattern;
use crate::policy::problem::ProblemKind;
use crate::policy::profiles::{PROFILES, Profile};
use crate::policy::{
    CostPolicy, UpstreamAddress, UpstreamAuthorization, UpstreamPolicy, UpstreamProtocol,
};

/// Longest wait for a connection when the file does not say, in seconds.
pub(super) const CONNECT_TIMEOUT_SECONDS: u64 = 2;

/// Reads one entry; a relative `ca` is taken from `base`.
pub(super) fn upstream(fields: &Fields<'_>, base: &Path) -> Option<UpstreamPolicy> {
    fields.require("url");
    let profile = profile(fields);
    let address = fields.parsed("url", address);
    let protocol = if fields.flag("http2", false) {
        UpstreamProtocol::Http2
    } else {
        UpstreamProtocol::Http1
    };
    let authorization = fields.parsed("authorization", authorization);
    let ca = fields.text("ca").map(|ca| ca.with(base.join(ca.value)));
    let encrypted = matches!(
        address.as_ref().map(|address| &address.value),
        Some(UpstreamAddress::Tcp { tls: true, .. })
    );
    if let Some(ca) = ca.as_ref().filter(|_| address.is_some() && !encrypted) {
        fields.report().add(
            &ca.place,
            ProblemKind::Conflict,
            "only an https upstream has a certificate to check",
        );
    }
    let workspace = fields.parsed("workspace", workspace_root);
    let assertion = fields.stated_flag("assertion");
    let strip_prefix = fields.parsed("strip_prefix", prefix);
    let connect = fields.integer("connect_timeout_seconds", 1..=60);
    let protected_resource = protected_resource(fields).map(Arc::new);
    let costs = costs(fields, profile);
    // A credential is passed on only where a file says so.
    let stated = fields.has("authorization") == authorization.is_some();
    Some(UpstreamPolicy {
        name: fields.text("name")?.value.into(),
        address: address.filter(|_| stated)?.value,
        protocol,
        authorization: authorization.map_or(UpstreamAuthorization::Strip, |found| found.value),
        assertion,
        strip_prefix: strip_prefix.map(|found| found.value),
        ca: ca.map(|ca| ca.value),
        protected_resource,
        connect_timeout: Duration::from_secs(connect.unwrap_or(CONNECT_TIMEOUT_SECONDS)),
        workspace: workspace.map(|found| found.value),
        profile,
        costs,
        identity_headers: bare(fields.all_parsed("identity_headers", values::identity_header)),
    })
}

fn profile(fields: &Fields<'_>) -> Option<&'static Profile> {
    let choices: Vec<_> = PROFILES
        .iter()
        .map(|profile| (profile.name, profile))
        .collect();
    fields.choice("profile", &choices)
}

/// `costs`: what the profile's routes cost, over what the profile itself says. Keys are names of its
/// routes, or the start of some and `*`; `false` takes away what the profile says.
fn costs(
    fields: &Fields<'_>,
    profile: Option<&'static Profile>,
) -> Vec<(RoutePattern, Option<CostPolicy>)> {
    let Some(table) = fields.table("costs") else {
        return Vec::new();
    };
    if profile.is_none() {
        fields.report().add(
            table.place(),
            ProblemKind::Conflict,
            "`costs` says what the routes of a profile cost; own routes have a `cost` each",
        );
    }
    let tables = table.named_tables().into_iter();
    let mut costs: Vec<(RoutePattern, Option<CostPolicy>)> = tables
        .filter_map(|(name, cost)| {
            let pattern = table.parse(name, values::route_pattern)?;
            let cost = match cost {
                Some(cost) => Some(cost_of(&cost, None)?),
                None => None,
            };
            Some((pattern.value, cost))
        })
        .collect();
    // What says more of a name stands over what says less.
    costs.sort_by_key(|(pattern, _)| {
        let text = pattern.as_str();
        (!text.ends_with('*'), text.len())
    });
    costs
}

fn address(text: &str) -> Result<UpstreamAddress, UpstreamError> {
    if let Some(path) = text.strip_prefix("unix:") {
        let path = PathBuf::from(path);
        return if path.is_absolute() {
            Ok(UpstreamAddress::Unix(path))
        } else {
            Err(UpstreamError::RelativeSocket)
        };
    }
    let url = values::absolute_url(text)?;
    if !matches!(url.path(), "" | "/") || url.query().is_some() {
        return Err(UpstreamError::HasPath);
    }
    let (tls, default_port) = match url.scheme_str() {
        Some("http") => (false, 80),
        Some("https") => (true, 443),
        _ => return Err(UpstreamError::Scheme),
    };
    let host = url.host().ok_or(ValueError::Url)?;
    // A port that does not fit is told like an absent one; the authority's text tells them apart.
    let stated = url.authority().is_some_and(|it| it.as_str() != host);
    let port = match url.port_u16() {
        Some(port) if port != 0 => port,
        None if !stated => default_port,
        Some(_) | None => return Err(UpstreamError::Port),
    };
    Ok(UpstreamAddress::Tcp {
        host: values::bare_host(host).to_owned(),
        port,
        tls,
    })
}

/// The beginning of a path: whole segments of plain text, without the slash that ends the last.
pub(super) fn prefix(text: &str) -> Result<Arc<str>, UpstreamError> {
    let plain = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    match text.strip_prefix('/') {
        Some(below) if below.split('/').all(plain) => Ok(text.into()),
        Some(_) | None => Err(UpstreamError::Prefix),
    }
}

fn authorization(text: &str) -> Result<UpstreamAuthorization, UpstreamError> {
    match text {
        "forward" => Ok(UpstreamAuthorization::Forward),
        "strip" => Ok(UpstreamAuthorization::Strip),
        _ => match text.strip_prefix("handle:") {
            Some(handle) if is_handle(handle) => {
                Ok(UpstreamAuthorization::Handle(handle.to_owned()))
            }
            _ => Err(UpstreamError::Authorization),
        },
    }
}

/// A handle is a path below the secrets directory that can't leave it.
fn is_handle(handle: &str) -> bool {
    handle.replace("{tenant}", "t").split('/').all(|segment| {
        !segment.is_empty()
            && !segment.starts_with('.')
            && segment
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
    })
}

#[derive(Debug, thiserror::Error)]
pub(super) enum UpstreamError {
    #[error("an upstream is `http://HOST:PORT`, `https://HOST:PORT` or `unix:/PATH`")]
    Scheme,
    #[error("the path of a unix socket has to be absolute")]
    RelativeSocket,
    #[error("an upstream has no path and no query; the path of the request is passed on")]
    HasPath,
    #[error(
        "a prefix is `/NAME` or several such, of letters, digits, `-`, `.`, `_` and `~`, without a `/` at its end"
    )]
    Prefix,
    #[error("the port has to be between 1 and 65535")]
    Port,
    #[error(
        "authorization is `forward`, `strip` or `handle:` and a path of letters, digits, `_`, `.` and `-`"
    )]
    Authorization,
    #[error(transparent)]
    Value(#[from] ValueError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16, tls: bool) -> UpstreamAddress {
        let host = host.to_owned();
        UpstreamAddress::Tcp { host, port, tls }
    }

    #[test]
    fn an_address_is_read_with_the_default_port_of_its_scheme() {
        for (text, expected) in [
            ("http://127.0.0.1:9111", tcp("127.0.0.1", 9111, false)),
            ("https://backend/", tcp("backend", 443, true)),
            ("http://[::1]:80", tcp("::1", 80, false)),
            (
                "unix:/run/b.sock",
                UpstreamAddress::Unix("/run/b.sock".into()),
            ),
        ] {
            assert_eq!(address(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn an_address_that_says_more_or_less_is_refused() {
        for text in [
            "backend:80",
            "ftp://backend",
            "http://user@backend",
            "http://backend/base",
            "http://backend?x",
            "http://backend:0",
            "http://backend:99999",
            "http://backend:",
            "unix:relative.sock",
            "http://",
        ] {
            assert!(address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_prefix_is_made_of_whole_plain_segments() {
        for text in ["/memory", "/a/b-c.d", "/~x"] {
            assert_eq!(&*prefix(text).unwrap(), text);
        }
        for text in [
            "", "/", "memory", "/memory/", "//a", "/a//b", "/..", "/a/.", "/{id}", "/a%20", "/a b",
            "/a?b", "/a#b", "/a;b",
        ] {
            assert!(prefix(text).is_err(), "`{text}`");
        }
    }

    #[test]
    fn a_handle_stays_inside_the_secrets_directory() {
        assert!(is_handle("tenant/{tenant}/backend-token"));
        for handle in [
            "",
            "/etc/passwd",
            "a/../b",
            "a//b",
            "{user}/x",
            ".hidden",
            "a/",
        ] {
            assert!(!is_handle(handle), "`{handle}`");
        }
    }
}
