//! The JOSE header: read before anything else of a token is believed.
//!
//! Keys and addresses of keys that a header brings along (`jwk`, `jku`, `x5u`, `x5c`) are never
//! looked at (CVE-2018-0114): a key comes from the issuer's key set or from nowhere.

use super::JwtError;
use super::json::{Json, Object};
use crate::identity::settings::{SignatureAlgorithm, TokenTypes};

/// Longest `kid` that is looked up.
const MAX_KID_LENGTH: usize = 256;

/// `typ` of an access token by RFC 9068.
const ACCESS_TOKEN: &str = "at+jwt";

/// What the verification needs of a header.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct JoseHeader {
    /// The algorithm the signer says it used.
    pub(super) algorithm: SignatureAlgorithm,
    /// Which key it says it used.
    pub(super) kid: Option<String>,
    /// `typ` in lower case and without `application/` (RFC 7515 section 4.1.9).
    typ: Option<String>,
}

impl JoseHeader {
    /// Reads a header.
    ///
    /// # Errors
    /// No JSON object with distinct names; an `alg` that is none of the asymmetric signatures by
    /// its exact name; an extension that changes what was signed or how (`crit`, `b64`, `zip`,
    /// `enc`, a nested token by `cty`); `kid` or `typ` that are no strings.
    pub(super) fn parse(document: &[u8]) -> Result<Self, JwtError> {
        let header = Object::parse(document).map_err(|_| JwtError::HeaderUnreadable)?;
        for name in ["crit", "b64", "zip", "enc"] {
            if header.get(name).is_some() {
                return Err(JwtError::ExtensionUnsupported);
            }
        }
        if let Some(content) = header.get("cty") {
            let content = content.as_text().ok_or(JwtError::HeaderUnreadable)?;
            if media_type(content) == "jwt" {
                return Err(JwtError::ExtensionUnsupported);
            }
        }
        let algorithm = header
            .get("alg")
            .and_then(Json::as_text)
            .and_then(SignatureAlgorithm::from_jose_name)
            .ok_or(JwtError::AlgorithmRefused)?;
        let kid = text(&header, "kid")?.map(str::to_owned);
        if kid.as_ref().is_some_and(|kid| kid.len() > MAX_KID_LENGTH) {
            return Err(JwtError::HeaderUnreadable);
        }
        let typ = text(&header, "typ")?.map(media_type);
        Ok(Self {
            algorithm,
            kid,
            typ,
        })
    }

    /// Whether an issuer takes tokens of this type.
    pub(super) fn is_accepted_by(&self, types: &TokenTypes) -> bool {
        match &self.typ {
            None => types.absent_allowed,
            Some(typ) => types.accepted.iter().any(|accepted| accepted == typ),
        }
    }

    /// Whether the token says that it is an access token by RFC 9068.
    pub(super) fn is_access_token(&self) -> bool {
        self.typ.as_deref() == Some(ACCESS_TOKEN)
    }
}

fn text<'h>(header: &'h Object<'_>, name: &str) -> Result<Option<&'h str>, JwtError> {
    match header.get(name) {
        None => Ok(None),
        Some(value) => value.as_text().map(Some).ok_or(JwtError::HeaderUnreadable),
    }
}

fn media_type(value: &str) -> String {
    let lower = value.to_ascii_lowercase();
    match lower.strip_prefix("application/") {
        Some(rest) => rest.to_owned(),
        None => lower,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_algorithm_is_known_by_its_exact_name_only() {
        for name in [
            "none", "None", "HS256", "rs256", "Rs256", "RS256 ", "", "ES256K", "EDDSA",
        ] {
            let header = format!(r#"{{"alg":"{name}"}}"#);
            assert_eq!(
                JoseHeader::parse(header.as_bytes()),
                Err(JwtError::AlgorithmRefused),
                "`{name}`"
            );
        }
        assert!(JoseHeader::parse(br#"{"alg":"RS256"}"#).is_ok());
    }

    #[test]
    fn what_changes_the_signed_bytes_is_refused_whatever_its_value() {
        for member in [
            r#""crit":[]"#,
            r#""crit":["exp"]"#,
            r#""b64":true"#,
            r#""b64":false"#,
            r#""zip":"DEF"#,
            r#""enc":"A128GCM""#,
            r#""cty":"JWT""#,
            r#""cty":"application/jwt""#,
        ] {
            let header = format!(r#"{{"alg":"RS256",{member}}}"#);
            assert!(JoseHeader::parse(header.as_bytes()).is_err(), "{member}");
        }
        assert!(JoseHeader::parse(br#"{"alg":"RS256","cty":"json"}"#).is_ok());
    }

    #[test]
    fn types_are_compared_without_case_and_media_type_prefix() {
        let types = TokenTypes {
            accepted: vec!["at+jwt".to_owned()],
            absent_allowed: false,
        };
        for (typ, accepted) in [
            (r#","typ":"at+jwt""#, true),
            (r#","typ":"AT+JWT""#, true),
            (r#","typ":"Application/at+JWT""#, true),
            (r#","typ":"JWT""#, false),
            (r#","typ":"logout+jwt""#, false),
            ("", false),
        ] {
            let header =
                JoseHeader::parse(format!(r#"{{"alg":"ES256"{typ}}}"#).as_bytes()).unwrap();
            assert_eq!(header.is_accepted_by(&types), accepted, "{typ}");
        }
    }

    #[test]
    fn a_key_id_is_a_string() {
        for kid in ["1", "null", "[\"a\"]", "{}"] {
            let header = format!(r#"{{"alg":"RS256","kid":{kid}}}"#);
            assert_eq!(
                JoseHeader::parse(header.as_bytes()),
                Err(JwtError::HeaderUnreadable)
            );
        }
        let header = JoseHeader::parse(br#"{"alg":"RS256","kid":"a"}"#).unwrap();
        assert_eq!(header.kid.as_deref(), Some("a"));
    }
}
