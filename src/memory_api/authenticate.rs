//! Who calls: the gate's assertion or a configured issuer's token, exactly one of them.
//!
//! The two are separate: an assertion is believed in its own header only, and no other token there.
//! Nothing else about a request says who calls; `X-Fabric-Tenant`, `X-Fabric-User` and whatever a
//! body claims are not read.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{AppState, Problem, ProblemCode};
use crate::clock::SharedClock;
use crate::decision::{Denial, DenialCode, Refusal};
use crate::identity::assertion;
use crate::identity::jwks::{KeySet, KeySetRegistry};
use crate::identity::settings::{
    ClaimNames, ClaimPath, IssuerPrincipal, IssuerSettings, KeySource, SignatureAlgorithm,
    TokenTypes,
};
use crate::identity::{DEFAULT_TOKEN_CAPACITY, Principal, TokenAuthenticator, TokenCache};
use crate::memory::Caller;
use crate::tenant::TenantGrammar;

/// The gate's assertion.
const ASSERTION: &str = "x-fabric-assertion";

/// What a tenant is told whose requests take half of all places.
const SHARE_IS_TAKEN: &str = "the tenant has as many requests under way as one may have; try again";

/// Clock difference to the gate that is forgiven.
const ASSERTION_LEEWAY: Duration = Duration::from_secs(5);

/// The rules for an assertion of a gate with these keys, made out to `audience`.
pub fn assertion_issuer(keys: KeySource, audience: String) -> IssuerSettings {
    let claim = |name: &str| ClaimPath::Name(name.to_owned());
    IssuerSettings {
        name: assertion::ISSUER.to_owned(),
        issuer: assertion::ISSUER.to_owned(),
        audiences: vec![audience],
        keys,
        algorithms: vec![SignatureAlgorithm::EdDSA],
        leeway: ASSERTION_LEEWAY,
        token_types: TokenTypes {
            accepted: vec!["jwt".to_owned()],
            absent_allowed: true,
        },
        principal: IssuerPrincipal::User,
        claims: ClaimNames {
            user: claim("sub"),
            tenant: claim("tid"),
            roles: claim("roles"),
            scopes: claim("scope"),
        },
        machine: None,
        max_lifetime: Duration::from_secs(assertion::LIFETIME_SECONDS.unsigned_abs()),
    }
}

/// Verifies identities.
#[derive(Debug)]
pub struct Authenticator {
    assertions: TokenAuthenticator,
    tokens: TokenAuthenticator,
}

impl Authenticator {
    /// Believes assertions by `assertions` and tokens of `issuers`. Their keys are fetched by
    /// `registry` and kept as the gate keeps its issuers'.
    pub fn new(
        assertions: Option<IssuerSettings>,
        issuers: &[IssuerSettings],
        grammar: &TenantGrammar,
        registry: &Arc<KeySetRegistry>,
        clock: &SharedClock,
    ) -> Self {
        let cache = Arc::new(TokenCache::new(DEFAULT_TOKEN_CAPACITY));
        // The digest keeps what the one has verified from the other; both last as long as the process.
        let none = Arc::from([]);
        let authenticator = |issuers: &[IssuerSettings], digest: u8| {
            TokenAuthenticator::new(
                issuers,
                grammar,
                &none,
                [digest; 32],
                registry,
                Arc::clone(&cache),
                Arc::clone(clock),
            )
        };
        Self {
            assertions: authenticator(assertions.as_slice(), 1),
            tokens: authenticator(issuers, 2),
        }
    }

    /// The caller of a request with these headers.
    ///
    /// # Errors
    /// `request_rejected` for two identities, `credentials_missing` for none, what
    /// [`TokenAuthenticator::verify`] says of one that does not hold.
    pub async fn caller(&self, headers: &HeaderMap) -> Result<Arc<Principal>, Refusal> {
        let (authenticator, token) = match (
            single(headers, ASSERTION)?,
            single(headers, header::AUTHORIZATION.as_str())?,
        ) {
            (Some(_), Some(_)) => return Err(two_identities()),
            (Some(assertion), None) => (&self.assertions, assertion),
            (None, Some(authorization)) => (&self.tokens, bearer(authorization)?),
            (None, None) => return Err(DenialCode::CredentialsMissing.into()),
        };
        let verified = match authenticator.cached(token) {
            Some(verified) => verified,
            None => authenticator.verify(token).await?,
        };
        verified.principal(headers)
    }

    /// The names of those who are believed, with their keys.
    pub fn key_sets(&self) -> impl Iterator<Item = (&str, &Arc<KeySet>)> {
        self.assertions.key_sets().chain(self.tokens.key_sets())
    }
}

/// Lets nobody pass who is not verified.
pub(super) async fn require(
    State(state): State<AppState>,
    mut request: Request,
    next: Next,
) -> Response {
    match state.authenticator.caller(request.headers()).await {
        Ok(principal) => {
            let caller = Caller::new(&principal, &state.rules);
            state.memory.saw(&caller);
            let tenant = caller.tenant().clone();
            let mut response = match state.requests_of_tenants.take(&tenant) {
                Some(share) => {
                    request.extensions_mut().insert(caller);
                    let mut response = next.run(request).await;
                    // Held until the answer is through.
                    response.extensions_mut().insert(share);
                    response
                }
                None => Problem::because(ProblemCode::Overloaded, SHARE_IS_TAKEN).into_response(),
            };
            response.extensions_mut().insert(tenant);
            response
        }
        Err(refusal) => {
            if let Refusal::Failed(failure) = &refusal {
                tracing::warn!(code = refusal.code(), log = ?failure.log, "an identity can't be verified");
            }
            Problem::from(refusal).into_response()
        }
    }
}

/// The caller of a request that [`require`] let pass.
impl FromRequestParts<AppState> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &AppState) -> Result<Self, Problem> {
        // Absent only on a route that stands outside of `require`: nobody is let in by mistake.
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::new(ProblemCode::Internal))
    }
}

/// The value of a header that may stand once.
fn single<'headers>(
    headers: &'headers HeaderMap,
    name: &str,
) -> Result<Option<&'headers str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(two_identities());
    }
    match value.to_str() {
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(malformed("the credential is not visible ASCII")),
    }
}

/// `Bearer` and one token (RFC 6750 section 2.1; the scheme in any case, RFC 9110 section 11.1).
fn bearer(authorization: &str) -> Result<&str, Refusal> {
    match authorization.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            Ok(token.trim_start_matches(' '))
        }
        _ => Err(malformed("Authorization has to be `Bearer` and one token")),
    }
}

fn two_identities() -> Refusal {
    let detail = "the request carries more than one identity: either one X-Fabric-Assertion or one \
                  Authorization is taken";
    Denial::because(DenialCode::RequestRejected, detail).into()
}

fn malformed(detail: &'static str) -> Refusal {
    Denial::because(DenialCode::TokenInvalid, detail).into()
}
