//! Small grammars that several sections share.

use std::sync::Arc;

use http::{Method, Uri};

use crate::identity::settings::ClaimPath;
use crate::identity::{UserId, UserIdError};
use crate::policy::{CredentialPlace, Extractor};
use crate::tenant::{TenantGrammar, TenantId, TenantIdError};

/// A text does not fit a grammar; the message says which.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ValueError {
    #[error("a name is 1 to 64 of letters, digits, `_`, `.`, `:` and `-`")]
    Name,
    #[error("a title is 1 to 200 characters, none of them a control character")]
    Title,
    #[error("a role is 1 to 64 of letters, digits, `_`, `.`, `:` and `-`")]
    Role,
    #[error("a scope is visible ASCII without blank, `\"` and `\\` (RFC 6749 section 3.3)")]
    Scope,
    #[error("a route pattern is a route's name, or the start of one and `*`")]
    RoutePattern,
    #[error("a pattern is 1 to 512 characters without blanks and controls, `*` for any of them")]
    Glob,
    #[error("a model is 1 to 512 characters without blanks and controls, `*` for any of them")]
    ModelPattern,
    #[error("a model is 1 to 512 characters without blanks, controls and `*`")]
    Model,
    #[error("`{0}` is not a method in capital letters that may be forwarded")]
    Method(String),
    #[error("a JSON pointer begins with `/`, and `~` stands only in `~0` and `~1` (RFC 6901)")]
    Pointer,
    #[error("a claim is a name, or a JSON pointer beginning with `/`")]
    Claim,
    #[error("`*` leads into no claim: of one that is an array every element counts")]
    ClaimElements,
    #[error("`{0}` is not the name of a header")]
    Header(String),
    #[error(
        "`{0}` is not `path:NAME`, `query:NAME`, `header:NAME`, `body:/json/pointer`, `form:NAME`, \
         `event:/json/pointer` or `claim:NAME`"
    )]
    Extractor(String),
    #[error(
        "the array of items is at `body:/json/pointer`, or `body:` where it is the whole answer"
    )]
    Items,
    #[error("what stands beside the items is at `body:/json/pointer`")]
    Envelope,
    #[error("a parameter by which pages are asked for is at `query:NAME`")]
    Parameter,
    #[error("a media type such as `application/json` is needed")]
    MediaType,
    #[error("a workspace is an absolute path of letters, digits, `_`, `.` and `-`")]
    Workspace,
    #[error("the name of a JSON-RPC method is 1 to 128 visible characters")]
    RpcMethod,
    #[error("`{0}` is not `bearer`, `api_key`, `client_certificate` or `query:NAME`")]
    Credential(String),
    #[error(
        "the SHA-256 digest is needed: 64 hexadecimal digits (of an API key `fabric-gate key new` prints it)"
    )]
    Sha256,
    #[error("an absolute URL is needed, without user, fragment or blanks")]
    Url,
    #[error("the scheme has to be https, or http to a loopback address")]
    NotConfidential,
    #[error("the tenant id does not fit the pattern `{0}` of `[tenancy] id_pattern`")]
    TenantPattern(String),
    #[error(transparent)]
    Tenant(#[from] TenantIdError),
    #[error(transparent)]
    User(#[from] UserIdError),
}

/// Names of things go into metrics, records and patterns, where `*` and blanks would mean more.
pub(super) fn name(text: &str) -> Result<Arc<str>, ValueError> {
    if is_word(text) {
        Ok(text.into())
    } else {
        Err(ValueError::Name)
    }
}

/// The name of a rule: a sentence for people.
pub(super) fn title(text: &str) -> Result<Arc<str>, ValueError> {
    let length = text.chars().count();
    if (1..=200).contains(&length) && !text.chars().any(char::is_control) {
        Ok(text.into())
    } else {
        Err(ValueError::Title)
    }
}

/// A role name, safe inside a comma-separated list.
pub(crate) fn role(text: &str) -> Result<Arc<str>, ValueError> {
    if is_word(text) {
        Ok(text.into())
    } else {
        Err(ValueError::Role)
    }
}

/// A scope token (RFC 6749 section 3.3).
pub(super) fn scope(text: &str) -> Result<Arc<str>, ValueError> {
    let fits = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
    if fits && !text.is_empty() {
        Ok(text.into())
    } else {
        Err(ValueError::Scope)
    }
}

/// A tenant id, under the grammar of the files.
pub(super) fn tenant(grammar: &TenantGrammar, text: &str) -> Result<TenantId, ValueError> {
    grammar.parse(text).map_err(|error| match error {
        TenantIdError::Pattern => ValueError::TenantPattern(grammar.pattern()),
        TenantIdError::Unsafe => ValueError::Tenant(error),
    })
}

/// A user id.
pub(super) fn user(text: &str) -> Result<UserId, ValueError> {
    Ok(UserId::parse(text)?)
}

/// `task.read`, `task.*` or `*`.
pub(super) fn route_pattern(text: &str) -> Result<crate::identity::RoutePattern, ValueError> {
    let stem = text.strip_suffix('*').unwrap_or(text);
    if (stem.is_empty() && text == "*") || is_word(stem) {
        Ok(crate::identity::RoutePattern::new(text))
    } else {
        Err(ValueError::RoutePattern)
    }
}

/// A pattern over names of tools and prompts and URIs of resources.
pub(super) fn glob(text: &str) -> Result<crate::policy::Glob, ValueError> {
    let sound = |character: char| !character.is_control() && !character.is_whitespace();
    if (1..=512).contains(&text.len()) && text.chars().all(sound) {
        Ok(crate::policy::Glob::new(text))
    } else {
        Err(ValueError::Glob)
    }
}

/// A pattern over names of models.
pub(super) fn model_pattern(text: &str) -> Result<crate::policy::Glob, ValueError> {
    glob(text).map_err(|_longer_or_blank| ValueError::ModelPattern)
}

/// The name of a model: what may stand in a pattern, without a star.
pub(super) fn model(text: &str) -> Result<Arc<str>, ValueError> {
    match glob(text) {
        Ok(_) if !text.contains('*') => Ok(text.into()),
        Ok(_) | Err(_) => Err(ValueError::Model),
    }
}

/// A method. TRACE would echo credentials, and CONNECT asks for a tunnel, not a resource.
pub(super) fn method(text: &str) -> Result<Method, ValueError> {
    let method = Method::from_bytes(text.as_bytes()).ok();
    method
        .filter(|method| *method != Method::TRACE && *method != Method::CONNECT)
        .filter(|_| text.bytes().all(|byte| !byte.is_ascii_lowercase()))
        .ok_or_else(|| ValueError::Method(text.to_owned()))
}

/// A header name, in lower case.
pub(super) fn header(text: &str) -> Result<String, ValueError> {
    http::HeaderName::from_bytes(text.as_bytes())
        .map(|name| name.as_str().to_owned())
        .map_err(|_| ValueError::Header(text.to_owned()))
}

/// A header that backends believe, in the form names are compared in: lower case, with `-` for `_`
/// and `.`.
pub(super) fn identity_header(text: &str) -> Result<String, ValueError> {
    Ok(header(text)?.replace(['_', '.'], "-"))
}

/// The reference tokens of a JSON pointer (RFC 6901), unescaped. The empty pointer, which is the
/// whole document, is no place of a value here.
pub(super) fn pointer(text: &str) -> Result<Vec<String>, ValueError> {
    let tokens = text.strip_prefix('/').ok_or(ValueError::Pointer)?;
    tokens
        .split('/')
        .map(|token| {
            let stray = token.replace("~0", "").replace("~1", "").contains('~');
            if stray {
                Err(ValueError::Pointer)
            } else {
                // `~1` first: `~01` is `~1`, not `/` (RFC 6901 section 4).
                Ok(token.replace("~1", "/").replace("~0", "~"))
            }
        })
        .collect()
}

/// Where a claim is.
pub(super) fn claim(text: &str) -> Result<ClaimPath, ValueError> {
    if text.is_empty() {
        Err(ValueError::Claim)
    } else if text.starts_with('/') {
        Ok(ClaimPath::Pointer(pointer(text)?))
    } else {
        Ok(ClaimPath::Name(text.to_owned()))
    }
}

/// Where a value of a message is.
pub(super) fn extractor(text: &str) -> Result<Extractor, ValueError> {
    let unknown = || ValueError::Extractor(text.to_owned());
    let (kind, rest) = text.split_once(':').ok_or_else(unknown)?;
    if rest.is_empty() {
        return Err(unknown());
    }
    match kind {
        "path" => Ok(Extractor::Path(rest.to_owned())),
        "query" => Ok(Extractor::Query(rest.to_owned())),
        "header" => Ok(Extractor::Header(header(rest)?)),
        "body" => Ok(Extractor::Body(pointer(rest)?)),
        "form" => Ok(Extractor::Form(rest.to_owned())),
        "event" => Ok(Extractor::Event(pointer(rest)?)),
        "message" => Ok(Extractor::Message(pointer(rest)?)),
        "claim" => claimed(rest),
        _ => Err(unknown()),
    }
}

/// A value of the caller's token.
fn claimed(text: &str) -> Result<Extractor, ValueError> {
    let path = claim(text)?;
    match &path {
        ClaimPath::Pointer(tokens) if tokens.iter().any(|token| token == "*") => {
            Err(ValueError::ClaimElements)
        }
        ClaimPath::Name(_) | ClaimPath::Pointer(_) => Ok(Extractor::Claim(path)),
    }
}

/// A method of JSON-RPC 2.0 (section 4).
pub(super) fn rpc_method(text: &str) -> Result<Arc<str>, ValueError> {
    if (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.into())
    } else {
        Err(ValueError::RpcMethod)
    }
}

/// Where a credential may stand.
pub(super) fn credential(text: &str) -> Result<CredentialPlace, ValueError> {
    match text {
        "bearer" => Ok(CredentialPlace::Bearer),
        "api_key" => Ok(CredentialPlace::ApiKeyHeader),
        "client_certificate" => Ok(CredentialPlace::ClientCertificate),
        _ => match text.strip_prefix("query:") {
            Some(name) if !name.is_empty() => Ok(CredentialPlace::Query(name.to_owned())),
            _ => Err(ValueError::Credential(text.to_owned())),
        },
    }
}

/// 32 bytes in hexadecimal.
pub(super) fn sha256(text: &str) -> Result<[u8; 32], ValueError> {
    let mut digest = [0; 32];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != digest.len() || !rest.is_empty() {
        return Err(ValueError::Sha256);
    }
    let nibble = |byte: u8| char::from(byte).to_digit(16);
    for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
        let (Some(high), Some(low)) = (nibble(*high), nibble(*low)) else {
            return Err(ValueError::Sha256);
        };
        *byte = u8::try_from(high << 4 | low).map_err(|_| ValueError::Sha256)?;
    }
    Ok(digest)
}

/// A URL keys may be fetched from: https, or http where nobody is in between.
pub(crate) fn confidential_url(text: &str) -> Result<String, ValueError> {
    let url = absolute_url(text)?;
    match url.scheme_str() {
        Some("https") => Ok(text.to_owned()),
        Some("http") if url.host().is_some_and(is_loopback) => Ok(text.to_owned()),
        _ => Err(ValueError::NotConfidential),
    }
}

/// An absolute URL with a host and no user information.
pub(super) fn absolute_url(text: &str) -> Result<Uri, ValueError> {
    let url = text.parse::<Uri>().map_err(|_| ValueError::Url)?;
    let authority = url.authority().ok_or(ValueError::Url)?;
    let sound = url.scheme().is_some()
        && !authority.host().is_empty()
        && !authority.as_str().contains('@')
        && !text.contains('#');
    if sound { Ok(url) } else { Err(ValueError::Url) }
}

/// A host without the brackets of an IPv6 literal.
pub(super) fn bare_host(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

fn is_loopback(host: &str) -> bool {
    let host = bare_host(host);
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_unescaped_as_rfc_6901_says() {
        assert_eq!(pointer("/a~1b/~01/").unwrap(), ["a/b", "~1", ""]);
        for text in ["", "a", "/~", "/~2", "/a~"] {
            assert!(pointer(text).is_err(), "`{text}`");
        }
    }

    #[test]
    fn a_namespaced_claim_is_a_name() {
        let name = "https://example.com/tenant";
        assert_eq!(claim(name).unwrap(), ClaimPath::Name(name.to_owned()));
    }

    #[test]
    fn a_hash_is_64_hexadecimal_digits() {
        assert_eq!(sha256(&"0aF0".repeat(16)).unwrap()[..2], [0x0a, 0xf0]);
        for text in [
            "",
            "00",
            &"g0".repeat(32),
            &"00".repeat(33),
            &"é".repeat(32),
        ] {
            assert!(sha256(text).is_err(), "`{text}`");
        }
    }

    #[test]
    fn keys_come_over_tls_or_from_this_machine() {
        for text in [
            "https://idp.example.com/keys",
            "http://127.0.0.1:9/keys",
            "http://[::1]/k",
            "http://localhost/k",
        ] {
            assert!(confidential_url(text).is_ok(), "{text}");
        }
        for text in [
            "http://idp.example.com/keys",
            "http://127.0.0.1.evil.example/k",
            "http://127.0.0.1@evil.example/k",
            "https://a@b/k",
            "ftp://127.0.0.1/k",
            "/keys",
            "https://",
        ] {
            assert!(confidential_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_method_that_echoes_or_tunnels_is_refused() {
        assert_eq!(method("PATCH").unwrap(), Method::PATCH);
        for text in ["TRACE", "CONNECT", "get", "", "G T"] {
            assert!(method(text).is_err(), "`{text}`");
        }
    }

    #[test]
    fn a_star_is_a_wildcard_at_the_end_only() {
        for text in ["*", "task.*", "task.read"] {
            assert!(route_pattern(text).is_ok(), "`{text}`");
        }
        for text in ["", "*.read", "task.**", "a*b"] {
            assert!(route_pattern(text).is_err(), "`{text}`");
        }
    }
}
