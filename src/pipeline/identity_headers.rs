//! Headers a caller may not speak through.
//!
//! Backends behind CGI, WSGI, PHP and some proxies fold `_` and `.` to `-`, or see `HTTP_` in front,
//! so `X_Fabric_Tenant` reaches them as `X-Fabric-Tenant`. A strip by exact name leaves such an
//! alias in place. Names are therefore judged in folded form, without building it: most names are
//! dismissed by their first letter.

use http::{HeaderMap, HeaderName};

use crate::decision::{Denial, DenialCode};

/// The header by which a request declares its tenant, in lower case.
pub const TENANT_HEADER: &str = "x-fabric-tenant";

/// What becomes of a request header on the way to the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is passed on.
    Forward,
    /// It says who calls, or is one the gate sets itself: always removed.
    Identity,
    /// It claims what a proxy in front would say of the client: removed, as no peer is trusted.
    ForwardingClaim,
    /// It makes a backend serve another method or path than the one decided on: always removed.
    Override,
    /// It concerns one connection only (RFC 9110 section 7.6.1): always removed. The fields that
    /// frame messages or negotiate (`Connection`, `TE`, `Trailer`, `Transfer-Encoding`, `Upgrade`)
    /// are not among them: the connection layer writes those itself.
    HopByHop,
}

/// What becomes of the header `name`. `profile_names` are further identity headers, such as
/// `snc-tenant`, in lower case with `-`.
pub fn fate<N: AsRef<str>>(name: &HeaderName, profile_names: &[N]) -> Fate {
    let folded = Folded::of(name.as_str());
    let fate = match folded.0.first() {
        Some(b'x') => fate_of_x(folded),
        Some(b'f') if folded.is("forwarded") => Fate::ForwardingClaim,
        Some(b't') if folded.is("true-client-ip") => Fate::ForwardingClaim,
        Some(b't') if folded.is("traceparent") => Fate::Identity,
        Some(b'c') if folded.begins("client-cert") || folded.is("cf-connecting-ip") => {
            Fate::ForwardingClaim
        }
        Some(b's') if folded.begins("ssl-client-") => Fate::ForwardingClaim,
        Some(b'k') if folded.is("keep-alive") => Fate::HopByHop,
        Some(b'p') if folded.is("proxy") => Fate::Override,
        Some(b'p') if folded.begins("proxy-") => Fate::HopByHop,
        _ => Fate::Forward,
    };
    let named = || profile_names.iter().any(|named| folded.is(named.as_ref()));
    if fate != Fate::Identity && named() {
        Fate::Identity
    } else {
        fate
    }
}

fn fate_of_x(folded: Folded<'_>) -> Fate {
    const CLAIMS: [&str; 4] = [
        "x-real-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-forwarded",
    ];
    const OVERRIDES: [&str; 7] = [
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
        "x-original-url",
        "x-original-uri",
        "x-original-method",
        "x-rewrite-url",
    ];
    // The third byte tells most of them apart.
    match folded.0.get(2) {
        Some(b'f') if folded.begins("x-fabric-") => Fate::Identity,
        Some(b'f') if folded.begins("x-forwarded-") => Fate::ForwardingClaim,
        Some(b's') if folded.begins("x-ssl-client-") => Fate::ForwardingClaim,
        Some(b'r') if folded.is("x-request-id") => Fate::Identity,
        _ if CLAIMS.iter().any(|claim| folded.is(claim)) => Fate::ForwardingClaim,
        _ if OVERRIDES.iter().any(|name| folded.is(name)) => Fate::Override,
        _ => Fate::Forward,
    }
}

/// Whether some backend takes the header `name` for the one called `wanted`.
pub fn spells(name: &HeaderName, wanted: &str) -> bool {
    let (name, wanted) = (Folded::of(name.as_str()).0, Folded::of(wanted).0);
    let folded = |bytes: &[u8]| bytes.iter().copied().map(folded).collect::<Vec<u8>>();
    name.len() == wanted.len() && folded(name) == folded(wanted)
}

/// Whether a header of the backend's answer is the gate's to say: `x-fabric-*` does not pass.
pub fn is_reserved_in_answers(name: &HeaderName) -> bool {
    Folded::of(name.as_str()).begins("x-fabric-")
}

/// The tenant a request declares by header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeclaredTenant<'headers> {
    /// The value; visible ASCII without blanks or commas.
    pub value: &'headers str,
    /// The name is `X-Fabric-Tenant` itself, not an alias of it. Hardened mode asks for that.
    pub exact: bool,
}

/// The one declaration by header, if there is any.
///
/// # Errors
/// `request_rejected` when there are several, aliases included: two backends would pick different
/// ones. `tenant_invalid` when the value is empty, a list, or not visible ASCII.
pub fn declared(headers: &HeaderMap) -> Result<Option<DeclaredTenant<'_>>, Denial> {
    let mut found = None;
    for (name, value) in headers {
        let text = name.as_str();
        if text.len() < TENANT_HEADER.len() || !Folded::of(text).is(TENANT_HEADER) {
            continue;
        }
        let visible = std::str::from_utf8(value.as_bytes())
            .ok()
            .filter(|text| !text.is_empty())
            .filter(|text| {
                text.bytes()
                    .all(|byte| byte.is_ascii_graphic() && byte != b',')
            });
        let declaration = visible.map(|value| DeclaredTenant {
            value,
            exact: text == TENANT_HEADER,
        });
        if found.replace(declaration).is_some() {
            return Err(Denial::because(
                DenialCode::RequestRejected,
                "the tenant is declared by several headers",
            ));
        }
    }
    match found {
        None => Ok(None),
        Some(Some(declaration)) => Ok(Some(declaration)),
        Some(None) => Err(Denial::new(DenialCode::TenantInvalid)),
    }
}

/// A header name (in lower case, as every [`HeaderName`] is) with `_` and `.` read as `-` and
/// `HTTP_` in front dropped.
#[derive(Clone, Copy)]
struct Folded<'name>(&'name [u8]);

impl<'name> Folded<'name> {
    fn of(name: &'name str) -> Self {
        let mut bytes = name.as_bytes();
        while let [b'h', b't', b't', b'p', b'-' | b'_' | b'.', rest @ ..] = bytes {
            bytes = rest;
        }
        Self(bytes)
    }

    fn is(self, name: &str) -> bool {
        self.0.len() == name.len() && self.begins(name)
    }

    fn begins(self, prefix: &str) -> bool {
        self.0.len() >= prefix.len()
            && self
                .0
                .iter()
                .zip(prefix.as_bytes())
                .all(|(byte, wanted)| folded(*byte) == *wanted)
    }
}

const fn folded(byte: u8) -> u8 {
    match byte {
        b'_' | b'.' => b'-',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const PROFILE: [&str; 2] = ["snc-tenant", "snc-userid"];

    fn name(text: &str) -> HeaderName {
        text.parse().unwrap()
    }

    fn headers(fields: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (field, value) in fields {
            headers.append(
                name(field),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        headers
    }

    #[test]
    fn every_header_has_its_fate() {
        for (text, expected) in [
            ("Accept", Fate::Forward),
            ("Authorization", Fate::Forward),
            ("Content-Type", Fate::Forward),
            ("Host", Fate::Forward),
            ("Cookie", Fate::Forward),
            ("X-Api-Key", Fate::Forward),
            ("X-Fabricated", Fate::Forward),
            ("X-Requested-With", Fate::Forward),
            ("Tracestate", Fate::Forward),
            ("TE", Fate::Forward),
            ("Upgrade", Fate::Forward),
            ("X-Fabric-Tenant", Fate::Identity),
            ("X_Fabric_Tenant", Fate::Identity),
            ("X.Fabric.Tenant", Fate::Identity),
            ("X-Fabric_Roles", Fate::Identity),
            ("X-Fabric-Anything-At-All", Fate::Identity),
            ("HTTP_X_FABRIC_TENANT", Fate::Identity),
            ("Http-Http.X-Fabric-User", Fate::Identity),
            ("SNC-Tenant", Fate::Identity),
            ("snc_userid", Fate::Identity),
            ("X-Request-Id", Fate::Identity),
            ("X_Request_Id", Fate::Identity),
            ("Traceparent", Fate::Identity),
            ("Forwarded", Fate::ForwardingClaim),
            ("X-Forwarded-For", Fate::ForwardingClaim),
            ("X_Forwarded_User", Fate::ForwardingClaim),
            ("X-Forwarded", Fate::ForwardingClaim),
            ("X-Real-IP", Fate::ForwardingClaim),
            ("X-Client-IP", Fate::ForwardingClaim),
            ("True-Client-IP", Fate::ForwardingClaim),
            ("X-SSL-Client-Cert", Fate::ForwardingClaim),
            ("SSL-Client-Verify", Fate::ForwardingClaim),
            ("Client-Cert", Fate::ForwardingClaim),
            ("Client-Cert-Chain", Fate::ForwardingClaim),
            ("X-HTTP-Method-Override", Fate::Override),
            ("X-HTTP-Method", Fate::Override),
            ("X_Method_Override", Fate::Override),
            ("X-Original-URL", Fate::Override),
            ("X-Rewrite-URL", Fate::Override),
            ("X-Original-Method", Fate::Override),
            ("Proxy", Fate::Override),
            ("Proxy-Connection", Fate::HopByHop),
            ("Proxy-Authorization", Fate::HopByHop),
            ("Keep-Alive", Fate::HopByHop),
        ] {
            assert_eq!(fate(&name(text), &PROFILE), expected, "{text}");
        }
        let none: [&str; 0] = [];
        assert_eq!(fate(&name("snc-tenant"), &none), Fate::Forward);
    }

    #[test]
    fn an_answer_cannot_speak_for_the_gate() {
        assert!(is_reserved_in_answers(&name("X-Fabric-Cost-Usd")));
        assert!(is_reserved_in_answers(&name("X_Fabric.Cost_Usd")));
        assert!(!is_reserved_in_answers(&name("X-Request-Id")));
        assert!(!is_reserved_in_answers(&name("Content-Type")));
    }

    #[test]
    fn one_declaration_is_found_under_its_name_and_its_aliases() {
        assert_eq!(declared(&headers(&[("accept", "*/*")])).unwrap(), None);
        for (field, exact) in [
            ("X-Fabric-Tenant", true),
            ("x_fabric_tenant", false),
            ("HTTP_X_FABRIC_TENANT", false),
        ] {
            let headers = headers(&[("accept", "*/*"), (field, "acme")]);
            let value = "acme";
            assert_eq!(
                declared(&headers).unwrap(),
                Some(DeclaredTenant { value, exact }),
                "{field}"
            );
        }
    }

    #[test]
    fn several_declarations_are_refused_even_when_they_agree() {
        for second in ["x-fabric-tenant", "x_fabric_tenant", "x.fabric-tenant"] {
            let twice = headers(&[("x-fabric-tenant", "acme"), (second, "acme")]);
            let denial = declared(&twice);
            assert_eq!(
                denial.unwrap_err().code,
                DenialCode::RequestRejected,
                "{second}"
            );
        }
    }

    #[test]
    fn a_declaration_that_is_no_single_word_is_invalid() {
        for value in ["", " ", "acme,globex", "acme globex", "acme\t", "acm\u{e9}"] {
            let once = headers(&[("x-fabric-tenant", value)]);
            let denial = declared(&once);
            assert_eq!(
                denial.unwrap_err().code,
                DenialCode::TenantInvalid,
                "{value:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn nothing_that_folds_to_an_identity_header_survives(
            protected in prop_oneof![
                Just("x-fabric-tenant"),
                Just("x-fabric-user"),
                Just("x-fabric-assertion"),
                Just("snc-userid"),
                Just("x-request-id"),
                Just("traceparent"),
            ],
            prefix in "(HTTP_|http-|Http\\.){0,2}",
            choices in proptest::collection::vec(0_usize..3, 20),
            upper in proptest::collection::vec(any::<bool>(), 20),
        ) {
            let spelled: String = protected
                .chars()
                .zip(choices.iter().zip(&upper))
                .map(|(letter, (choice, upper))| match letter {
                    '-' => ['-', '_', '.'][*choice],
                    letter if *upper => letter.to_ascii_uppercase(),
                    letter => letter,
                })
                .collect();
            let name = name(&format!("{prefix}{spelled}"));
            prop_assert_eq!(fate(&name, &PROFILE), Fate::Identity);
        }

        #[test]
        fn a_name_is_identity_exactly_when_a_plain_fold_says_so(text in "[xX][-_.]?[fFabr]{1,3}[a-z-_.]{0,12}") {
            let mut plain = text.to_ascii_lowercase().replace(['_', '.'], "-");
            while let Some(rest) = plain.strip_prefix("http-") {
                plain = rest.to_owned();
            }
            let identity = plain.starts_with("x-fabric-") || plain == "x-request-id";
            prop_assert_eq!(fate(&name(&text), &PROFILE) == Fate::Identity, identity);
        }
    }
}
