//! The header fields that repeat the body (SEP-2243, "Server Validation" of 2026-07-28).

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;

use super::WITHOUT_MIRROR_FIELDS;
use super::calls::Mirrored;

const VERSION: &str = "mcp-protocol-version";
const METHOD: &str = "mcp-method";
const NAME: &str = "mcp-name";

/// A header field that does not say what the body says: somebody in front would decide about one
/// thing and the server do another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderMismatch {
    /// It differs from the body, or the body has nothing of the kind.
    #[error("the {0} header does not match the body")]
    Differs(&'static str),
    /// The version of the protocol asks for it.
    #[error("the {0} header is required")]
    Missing(&'static str),
    /// It stands there twice, or is not readable.
    #[error("the {0} header is malformed")]
    Malformed(&'static str),
}

/// The version that the header says; `None` where it says none.
///
/// # Errors
/// Two of them, or one that is no visible text.
pub(super) fn version(fields: &HeaderMap) -> Result<Option<&str>, HeaderMismatch> {
    single(fields, VERSION, "MCP-Protocol-Version")
}

/// Holds the fields against one message; `alone` says that the body has no other.
///
/// A field that is there has to agree in every version. In versions that have them, the fields have
/// to be there with a request; for notifications 2026-07-28 leaves it open.
///
/// # Errors
/// See [`HeaderMismatch`].
pub(super) fn check(
    fields: &HeaderMap,
    version: Option<&str>,
    alone: bool,
    body: &Mirrored<'_>,
) -> Result<(), HeaderMismatch> {
    let in_body = body.version.as_deref();
    let mirrors = [version, in_body]
        .into_iter()
        .flatten()
        .any(|version| !WITHOUT_MIRROR_FIELDS.contains(&version));
    let required = mirrors && body.is_request;
    match (version, in_body) {
        (Some(field), Some(body)) if field != body => {
            return Err(HeaderMismatch::Differs("MCP-Protocol-Version"));
        }
        (Some(_), None) if required => {
            return Err(HeaderMismatch::Differs("MCP-Protocol-Version"));
        }
        (None, Some(_)) if required => {
            return Err(HeaderMismatch::Missing("MCP-Protocol-Version"));
        }
        _ => {}
    }
    match single(fields, METHOD, "Mcp-Method")? {
        Some(method) if !alone || Some(method) != body.method => {
            return Err(HeaderMismatch::Differs("Mcp-Method"));
        }
        None if required => return Err(HeaderMismatch::Missing("Mcp-Method")),
        Some(_) | None => {}
    }
    match single(fields, NAME, "Mcp-Name")? {
        Some(name) if !alone || Some(&*decoded(name)?) != body.name.as_deref() => {
            return Err(HeaderMismatch::Differs("Mcp-Name"));
        }
        None if required && body.named => return Err(HeaderMismatch::Missing("Mcp-Name")),
        Some(_) | None => {}
    }
    Ok(())
}

fn single<'fields>(
    fields: &'fields HeaderMap,
    name: &str,
    shown: &'static str,
) -> Result<Option<&'fields str>, HeaderMismatch> {
    let mut values = fields.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    // A comma would be two fields to whoever joins them, and stands in no version and no method; in
    // a name it is allowed, so it is the second field that is refused.
    if values.next().is_some() {
        return Err(HeaderMismatch::Malformed(shown));
    }
    let text = value
        .to_str()
        .map_err(|_not_visible| HeaderMismatch::Malformed(shown))?;
    Ok(Some(text.trim_matches([' ', '\t'])))
}

/// A value as it was before it was made fit for a header field ("Value Encoding").
fn decoded(value: &str) -> Result<Cow<'_, str>, HeaderMismatch> {
    let coded = value
        .strip_prefix("=?base64?")
        .and_then(|rest| rest.strip_suffix("?="));
    let Some(coded) = coded else {
        return Ok(Cow::Borrowed(value));
    };
    let malformed = || HeaderMismatch::Malformed("Mcp-Name");
    let bytes = STANDARD.decode(coded).map_err(|_| malformed())?;
    String::from_utf8(bytes)
        .map(Cow::Owned)
        .map_err(|_| malformed())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::super::{Calls, McpFault};
    use super::*;

    const MODERN: &str = "2026-07-28";

    fn fields(list: &[(&'static str, &str)]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in list {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            fields.append(*name, value);
        }
        fields
    }

    fn call(name: &str, version: Option<&str>) -> String {
        let mut params = serde_json::json!({ "name": name, "arguments": {} });
        if let Some(version) = version {
            params["_meta"] = serde_json::json!({ super::super::VERSION_IN_BODY: version });
        }
        let message = serde_json::json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params,
        });
        message.to_string()
    }

    fn mismatch(body: &str, list: &[(&'static str, &str)]) -> Option<HeaderMismatch> {
        match Calls::read(body.as_bytes(), &fields(list)) {
            Ok(_) => None,
            Err(McpFault::Mismatch(mismatch)) => Some(mismatch),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn fields_that_agree_pass_in_the_old_and_the_new_protocol() {
        let modern = [
            ("mcp-protocol-version", MODERN),
            ("mcp-method", "tools/call"),
            ("mcp-name", "echo"),
        ];
        assert_eq!(mismatch(&call("echo", Some(MODERN)), &modern), None);
        assert_eq!(mismatch(&call("echo", None), &[]), None);
        let old = [("mcp-protocol-version", "2025-06-18")];
        assert_eq!(mismatch(&call("echo", None), &old), None);
    }

    #[test]
    fn a_field_that_says_something_else_is_refused_in_every_version() {
        for (version, in_body) in [(MODERN, Some(MODERN)), ("2025-11-25", None)] {
            let body = call("echo", in_body);
            let version = ("mcp-protocol-version", version);
            let method = ("mcp-method", "tools/call");
            let name = ("mcp-name", "echo");
            assert_eq!(mismatch(&body, &[version, method, name]), None);
            for (list, refused) in [
                ([version, ("mcp-method", "tools/list"), name], "Mcp-Method"),
                ([version, ("mcp-method", "Tools/call"), name], "Mcp-Method"),
                ([version, method, ("mcp-name", "shell")], "Mcp-Name"),
                ([version, method, ("mcp-name", "ECHO")], "Mcp-Name"),
            ] {
                let found = mismatch(&body, &list);
                assert_eq!(found, Some(HeaderMismatch::Differs(refused)), "{list:?}");
            }
        }
    }

    #[test]
    fn the_version_of_header_and_body_is_one() {
        let mirrored = [("mcp-method", "tools/call"), ("mcp-name", "echo")];
        for (field, body) in [
            (Some("2025-06-18"), Some(MODERN)),
            (Some(MODERN), None),
            (None, Some(MODERN)),
            (Some("2027-01-01"), None),
        ] {
            let mut list = mirrored.to_vec();
            list.extend(field.map(|field| ("mcp-protocol-version", field)));
            assert!(
                mismatch(&call("echo", body), &list).is_some(),
                "{field:?} {body:?}"
            );
        }
    }

    #[test]
    fn the_new_protocol_asks_for_the_fields() {
        let version = ("mcp-protocol-version", MODERN);
        let body = call("echo", Some(MODERN));
        for (list, missing) in [
            (vec![version, ("mcp-name", "echo")], "Mcp-Method"),
            (vec![version, ("mcp-method", "tools/call")], "Mcp-Name"),
        ] {
            let found = mismatch(&body, &list);
            assert_eq!(found, Some(HeaderMismatch::Missing(missing)));
        }
    }

    #[test]
    fn a_name_beyond_ascii_is_decoded_before_it_is_compared() {
        let body = call("wetter für münchen", Some(MODERN));
        let list = |name: &'static str| {
            [
                ("mcp-protocol-version", MODERN),
                ("mcp-method", "tools/call"),
                ("mcp-name", name),
            ]
        };
        let right = list("=?base64?d2V0dGVyIGbDvHIgbcO8bmNoZW4=?=");
        assert_eq!(mismatch(&body, &right), None);
        let other = list("=?base64?c2hlbGw=?=");
        assert_eq!(
            mismatch(&body, &other),
            Some(HeaderMismatch::Differs("Mcp-Name"))
        );
        let broken = list("=?base64?!!?=");
        assert_eq!(
            mismatch(&body, &broken),
            Some(HeaderMismatch::Malformed("Mcp-Name"))
        );
    }

    #[test]
    fn a_field_stands_once_and_a_name_belongs_to_a_method_that_has_one() {
        let twice = [("mcp-method", "tools/call"), ("mcp-method", "tools/call")];
        assert_eq!(
            mismatch(&call("echo", None), &twice),
            Some(HeaderMismatch::Malformed("Mcp-Method"))
        );
        let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        assert_eq!(
            mismatch(list, &[("mcp-name", "echo")]),
            Some(HeaderMismatch::Differs("Mcp-Name"))
        );
    }
}
