//! `/`: the console, one page built into the program.
//!
//! The page itself holds nothing and is open to whoever reaches the listener; it asks for the admin token
//! and sends it with each request, as any other client of `/v1`. No cookie: a browser would add one to
//! requests of strangers' pages and to every port of the host, and there is nothing such a request
//! could ride on.
//!
//! A page of a stranger whose name points here by then (DNS rebinding) gets nothing from `/v1` without the token. It could show
//! this very page under its own name and wait for somebody to sign in, so the page is served under
//! addresses, `localhost` and the configured names only.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{AdminState, problem};

/// What the page may do: run and ask nothing but what this listener serves, and never make script
/// out of text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";

/// Sent with each file of the console.
const HEADERS: [(&str, &str); 6] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-cache"),
];

const INDEX: &[u8] = include_bytes!("../../console/index.html");

macro_rules! file {
    ($name:literal) => {
        ($name, include_bytes!(concat!("../../console/", $name)))
    };
}

/// The other files, by name.
const FILES: [(&str, &[u8]); FILE_COUNT] = [
    file!("api.js"),
    file!("audit.js"),
    file!("ceilings.js"),
    file!("console.css"),
    file!("dom.js"),
    file!("explain.js"),
    file!("figures.js"),
    file!("format.js"),
    file!("health.js"),
    file!("icon.svg"),
    file!("look.js"),
    file!("main.js"),
    file!("plot.js"),
    file!("record.js"),
    file!("resources.js"),
    file!("session.js"),
    file!("streams.js"),
    file!("tail.js"),
    file!("tenants.js"),
    file!("theme.js"),
    file!("traffic.js"),
    file!("trouble.js"),
];
const FILE_COUNT: usize = 22;

/// The page.
pub(super) async fn index(State(state): State<Arc<AdminState>>, headers: HeaderMap) -> Response {
    served(&state, &headers, "text/html; charset=utf-8", INDEX)
}

/// What the page is made of.
pub(super) async fn file(
    State(state): State<Arc<AdminState>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some((name, bytes)) = FILES.iter().find(|(known, _)| *known == name) else {
        return problem(StatusCode::NOT_FOUND, "not_found", "there is no such page");
    };
    let kind = match name.rsplit_once('.') {
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        Some(_) | None => "text/javascript; charset=utf-8",
    };
    served(&state, &headers, kind, bytes)
}

fn served(
    state: &AdminState,
    asked: &HeaderMap,
    kind: &'static str,
    bytes: &'static [u8],
) -> Response {
    let host = asked.get(header::HOST).and_then(|host| host.to_str().ok());
    if !is_served_under(host.unwrap_or_default(), &state.hosts) {
        return problem(
            StatusCode::MISDIRECTED_REQUEST,
            "request_rejected",
            "the console is not served under this name: open it by its address or localhost, or \
             put the name into [admin] hosts",
        );
    }
    let tag = format!("\"{}\"", blake3::hash(bytes).to_hex());
    let known = asked.get(header::IF_NONE_MATCH);
    if known.is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, HEADERS, [(header::ETAG, tag)]).into_response();
    }
    let own = [(header::CONTENT_TYPE, kind.to_owned()), (header::ETAG, tag)];
    (HEADERS, own, bytes).into_response()
}

/// Whether a `Host` is an address, `localhost` or one of these names.
fn is_served_under(host: &str, names: &[String]) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    let name = name.to_ascii_lowercase();
    address.parse::<IpAddr>().is_ok()
        || name == "localhost"
        || name.ends_with(".localhost")
        || names.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_page_has_no_script_or_style_in_itself() {
        let page = text(INDEX).to_ascii_lowercase();
        assert!(!page.contains("<style"), "a style element");
        for tag in page.split('<').skip(1) {
            let tag = tag.split('>').next().unwrap_or_default();
            assert!(
                !tag.starts_with("script") || tag.contains(" src=\"console/"),
                "<{tag}>"
            );
            for attribute in tag.split_whitespace().skip(1) {
                let inline = attribute.starts_with("style=") || attribute.starts_with("on");
                assert!(!inline, "<{tag}>");
            }
        }
        assert!(!page.contains("javascript:"));
    }

    #[test]
    fn the_scripts_never_make_markup_or_script_out_of_text() {
        for (name, bytes) in FILES {
            let text = text(bytes);
            for sink in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
                "srcdoc",
                "setAttribute(\"style\"",
                "createContextualFragment",
                "document.cookie",
                "localStorage.setItem(TOKEN",
            ] {
                assert!(!text.contains(sink), "{name} has `{sink}`");
            }
        }
    }

    #[test]
    fn the_console_names_no_other_host() {
        for (name, bytes) in FILES.into_iter().chain([("index.html", INDEX)]) {
            let text = text(bytes).replace("http://www.w3.org/2000/svg", "");
            assert!(!text.contains("http://"), "{name}");
            assert!(!text.contains("https://"), "{name}");
        }
    }

    #[test]
    fn every_file_of_the_folder_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/console");
        let mut there: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "index.html")
            .collect();
        there.sort();
        assert_eq!(there, FILES.map(|(name, _)| name));
    }

    #[test]
    fn a_page_under_a_strangers_name_is_not_served() {
        let names = ["gate.internal".to_owned()];
        for host in [
            "localhost",
            "localhost:9901",
            "LOCALHOST:9901",
            "gate.localhost",
            "127.0.0.1:9901",
            "10.0.0.7",
            "[::1]:9901",
            "Gate.internal:9901",
        ] {
            assert!(is_served_under(host, &names), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:9901",
            "gate.internal.evil.example",
            "evil.example:localhost",
        ] {
            assert!(!is_served_under(host, &names), "{host}");
        }
    }

    #[test]
    fn the_policy_is_the_one_that_is_documented() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/console.md");
        let documented = std::fs::read_to_string(page).unwrap();
        assert!(documented.contains(POLICY), "{POLICY}");
    }
}
