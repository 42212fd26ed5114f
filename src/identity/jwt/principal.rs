//! From claims to the caller: which claim says what is the issuer's settings.

use std::convert::Infallible;
use std::sync::Arc;

use super::JwtError;
use super::claims::{Claims, Validity};
use super::delegation::{actor, delegation_of};
use super::intern::Interner;
use super::json::{Json, Object};
use super::kept::KeptClaims;
use super::machine::is_machine;
use crate::identity::settings::{ClaimPath, IssuerPrincipal, IssuerSettings};
use crate::identity::{AuthMethod, Principal, PrincipalKind, UserId};
use crate::tenant::{TenantGrammar, TenantId};

/// Most roles of a token.
const MAX_ROLES: usize = 100;

/// Longest role in bytes.
const MAX_ROLE_LENGTH: usize = 64;

/// Most scopes of a token.
const MAX_SCOPES: usize = 256;

/// Longest scope in bytes.
const MAX_SCOPE_LENGTH: usize = 256;

type Names = Arc<[Arc<str>]>;

/// Turns the claims of one issuer's tokens into principals.
#[derive(Debug)]
pub(super) struct PrincipalMapping {
    method: AuthMethod,
    grammar: TenantGrammar,
    tenants: Interner<TenantId>,
    roles: Interner<Names>,
    scopes: Interner<Names>,
    /// Claims that routes name.
    asked: Arc<[ClaimPath]>,
}

impl PrincipalMapping {
    pub(super) fn new(
        issuer: &IssuerSettings,
        grammar: TenantGrammar,
        asked: Arc<[ClaimPath]>,
    ) -> Self {
        Self {
            method: AuthMethod::jwt(&issuer.name),
            grammar,
            tenants: Interner::default(),
            roles: Interner::default(),
            scopes: Interner::default(),
            asked,
        }
    }

    /// The principal of a verified token. For a machine token it is the program itself, before the
    /// request's headers say for whom it acts.
    ///
    /// # Errors
    /// A claim is missing or not well-formed.
    pub(super) fn principal_of(
        &self,
        claims: &Claims<'_>,
        issuer: &IssuerSettings,
        validity: Validity,
    ) -> Result<(Principal, bool), JwtError> {
        let members = claims.members();
        let tenant = find(members, &issuer.claims.tenant)
            .and_then(Json::as_text)
            .ok_or(JwtError::TenantInvalid)?;
        let tenant = self.tenants.share(tenant, || {
            self.grammar
                .parse(tenant)
                .map_err(|_| JwtError::TenantInvalid)
        })?;
        let user = find(members, &issuer.claims.user)
            .and_then(Json::as_text)
            .and_then(|user| UserId::parse(user).ok())
            .ok_or(JwtError::UserInvalid)?;
        let roles = list(find(members, &issuer.claims.roles))
            .filter(|words| all_fit(words, MAX_ROLES, is_role))
            .ok_or(JwtError::RolesInvalid)?;
        let scopes = list(find(members, &issuer.claims.scopes))
            .filter(|words| all_fit(words, MAX_SCOPES, is_scope))
            .ok_or(JwtError::ScopesInvalid)?;
        // INVARIANT: the words were checked before they are joined. Neither grammar has a comma or
        // a blank, so the joined text names one list only.
        let Ok(roles) = self.roles.share(&roles.join(","), || distinct(&roles));
        let Ok(scopes) = self.scopes.share(&scopes.join(" "), || distinct(&scopes));
        let delegation = delegation_of(members)?;
        let machine = issuer
            .machine
            .as_ref()
            .is_some_and(|settings| is_machine(claims, settings));
        if machine {
            // It becomes an actor once a request names whom it acts for.
            actor(user.as_str())?;
        }
        let kind = match issuer.principal {
            IssuerPrincipal::Machine => PrincipalKind::Machine,
            IssuerPrincipal::User if machine => PrincipalKind::Machine,
            IssuerPrincipal::User => PrincipalKind::User,
        };
        let principal = Principal {
            tenant,
            user,
            kind,
            roles,
            scopes,
            delegation,
            method: self.method.clone(),
            token_id: claims.token_id().and_then(recordable).map(Arc::from),
            expires_at: Some(validity.until),
            routes: None,
            claims: KeptClaims::of(members, &self.asked),
        };
        Ok((principal, machine))
    }
}

/// The value a path leads to.
pub(super) fn find<'c, 'a>(claims: &'c Object<'a>, path: &ClaimPath) -> Option<&'c Json<'a>> {
    let tokens = match path {
        ClaimPath::Name(name) => return claims.get(name),
        ClaimPath::Pointer(tokens) => tokens,
    };
    let (first, rest) = tokens.split_first()?;
    rest.iter()
        .try_fold(claims.get(first)?, |value, token| match value {
            Json::Object(members) => members.get(token),
            Json::Array(elements) => elements.get(array_index(token)?),
            Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Float(_) | Json::Text(_) => None,
        })
}

/// An array index by RFC 6901 section 4: digits without a leading zero.
fn array_index(token: &str) -> Option<usize> {
    let plain = token == "0" || (!token.starts_with('0') && !token.starts_with('+'));
    plain.then(|| token.parse().ok()).flatten()
}

/// The words of a list claim: absent, one string with blanks between, or an array of strings.
fn list<'c>(value: Option<&'c Json<'_>>) -> Option<Vec<&'c str>> {
    match value {
        None | Some(Json::Null) => Some(Vec::new()),
        Some(Json::Text(words)) => Some(words.split(' ').filter(|word| !word.is_empty()).collect()),
        Some(Json::Array(elements)) => elements.iter().map(Json::as_text).collect(),
        Some(Json::Bool(_) | Json::Integer(_) | Json::Float(_) | Json::Object(_)) => None,
    }
}

/// Whether the words are few enough and each fits.
fn all_fit(words: &[&str], most: usize, fits: fn(&str) -> bool) -> bool {
    words.len() <= most && words.iter().all(|word| fits(word))
}

/// The distinct words in their order.
fn distinct(words: &[&str]) -> Result<Names, Infallible> {
    let mut distinct: Vec<Arc<str>> = Vec::with_capacity(words.len());
    for word in words {
        if !distinct.iter().any(|held| **held == **word) {
            distinct.push(Arc::from(*word));
        }
    }
    Ok(distinct.into())
}

fn is_role(word: &str) -> bool {
    !word.is_empty()
        && word.len() <= MAX_ROLE_LENGTH
        && word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte))
}

/// A scope-token of RFC 6749 section 3.3.
fn is_scope(word: &str) -> bool {
    !word.is_empty()
        && word.len() <= MAX_SCOPE_LENGTH
        && word
            .bytes()
            .all(|byte| (0x21..0x7f).contains(&byte) && byte != b'"' && byte != b'\\')
}

/// A `jti` that may stand in a record as it is; another one is left out, for it decides nothing.
fn recordable(token_id: &str) -> Option<&str> {
    UserId::parse(token_id).is_ok().then_some(token_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLAIMS: &str = r#"{
        "tid": "acme",
        "https://example.com/tenant": "by-name",
        "a/b": {"c~d": ["x", {"e": "by-pointer"}]}
    }"#;

    fn found(path: &ClaimPath) -> Option<String> {
        let claims = Object::parse(CLAIMS.as_bytes()).unwrap();
        find(&claims, path)
            .and_then(Json::as_text)
            .map(str::to_owned)
    }

    fn pointer(tokens: &[&str]) -> ClaimPath {
        ClaimPath::Pointer(tokens.iter().map(|&token| token.to_owned()).collect())
    }

    #[test]
    fn a_name_is_taken_literally_and_a_pointer_is_walked() {
        let name = |name: &str| found(&ClaimPath::Name(name.to_owned()));
        assert_eq!(
            name("https://example.com/tenant").as_deref(),
            Some("by-name")
        );
        assert_eq!(name("a/b/c~d"), None);
        let deep = pointer(&["a/b", "c~d", "1", "e"]);
        assert_eq!(found(&deep).as_deref(), Some("by-pointer"));
        for astray in [
            &["a/b", "c~d", "01", "e"][..],
            &["a/b", "c~d", "+1", "e"],
            &["a/b", "c~d", "-", "e"],
            &["a/b", "c~d", "2"],
            &["tid", "x"],
            &["none"],
            &[],
        ] {
            assert_eq!(found(&pointer(astray)), None, "{astray:?}");
        }
    }

    #[test]
    fn lists_come_as_text_or_as_an_array_of_text_and_as_nothing_else() {
        let words = |json: &str| {
            let document = format!("{{\"roles\":{json}}}");
            let claims = Object::parse(document.as_bytes()).unwrap();
            list(claims.get("roles")).map(|words| words.join("|"))
        };
        assert_eq!(words("\"lead\"").as_deref(), Some("lead"));
        assert_eq!(words("\" lead  dev \"").as_deref(), Some("lead|dev"));
        assert_eq!(words("[\"lead\",\"dev\"]").as_deref(), Some("lead|dev"));
        assert_eq!(words("null").as_deref(), Some(""));
        for other in ["true", "7", "{}", "[1]", "[[\"lead\"]]", "[null]"] {
            assert_eq!(words(other), None, "{other}");
        }
    }

    #[test]
    fn a_role_that_could_be_two_is_refused() {
        for role in ["a,b", "a b", "", "é", "a\n", "a/b", &"r".repeat(65)] {
            assert!(!all_fit(&[role], MAX_ROLES, is_role), "`{role}`");
        }
        let longest = "r".repeat(64);
        let roles = ["tenant:admin", "a_B.c-9", &longest];
        assert!(all_fit(&roles, MAX_ROLES, is_role));
    }

    #[test]
    fn a_hundred_roles_are_taken_and_one_more_is_not() {
        let roles = ["lead"; MAX_ROLES + 1];
        assert!(all_fit(&roles[..MAX_ROLES], MAX_ROLES, is_role));
        assert!(!all_fit(&roles, MAX_ROLES, is_role));
    }
}
