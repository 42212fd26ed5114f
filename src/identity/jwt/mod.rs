//! Bearer tokens: signed JWTs of configured issuers, and nothing that merely looks like one.
//!
//! A token passes these gates in order, and the first one that refuses ends it:
//!
//! 1. `compact`: size, three segments, one spelling (RFC 7515 section 7.1);
//! 2. `header`: algorithm by exact name, no extensions, no keys of its own (RFC 8725 section 3.1);
//! 3. the issuer is picked by the exact, still unverified `iss`, and by its audience where several
//!    entries share one issuer; from here on only that entry's rules hold;
//! 4. the algorithm and `typ` are on that issuer's lists;
//! 5. the signature fits a key of that issuer's key set;
//! 6. `claims`: times, lifetime, audience, subject, the RFC 9068 members;
//! 7. the claims that say who calls become a [`Principal`](super::Principal), beside those that
//!    routes name as places of ids (`kept`).
//!
//! Whatever is wrong with a token is a denial, `token_invalid` or `token_expired`; only missing keys
//! of an issuer are a failure. A token that passed is remembered by
//! [`TokenCache`](super::TokenCache), by the hash of all of it.

mod authenticator;
mod claims;
mod compact;
mod delegation;
mod header;
mod intern;
mod json;
mod kept;
mod machine;
mod principal;
mod verified;

pub use authenticator::TokenAuthenticator;
pub use kept::{ClaimValue, KeptClaims};
pub use verified::VerifiedToken;

use crate::decision::{Denial, DenialCode, Refusal};

/// Why a token is not taken. The texts go to the caller: they say what to mend and nothing about
/// other tenants, keys or settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum JwtError {
    #[error("the token is longer than 16 KiB")]
    TooLong,
    #[error("the token is not three base64url segments")]
    Malformed,
    #[error("the token's header can't be read")]
    HeaderUnreadable,
    #[error("the token's header asks for an extension that is not supported")]
    ExtensionUnsupported,
    #[error("the token's algorithm is not accepted")]
    AlgorithmRefused,
    #[error("the token's type is not accepted")]
    TypeRefused,
    #[error("the token's claims can't be read")]
    ClaimsUnreadable,
    #[error("the token's issuer is not accepted")]
    IssuerUnknown,
    #[error("the token's audience is not accepted")]
    AudienceRefused,
    #[error("the token's signing key is not known")]
    KeyUnknown,
    #[error("the token's signature is not valid")]
    SignatureInvalid,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYetValid,
    #[error("the token's lifetime is longer than its issuer may give")]
    LifetimeTooLong,
    #[error("the token lacks a claim it needs, or it has the wrong type")]
    ClaimMissing,
    #[error("the token's tenant claim is missing or not well-formed")]
    TenantInvalid,
    #[error("the token's user claim is missing or not well-formed")]
    UserInvalid,
    #[error("the token's roles are not well-formed")]
    RolesInvalid,
    #[error("the token's scopes are not well-formed")]
    ScopesInvalid,
    #[error("the token's actor chain is not well-formed")]
    DelegationInvalid,
}

impl From<JwtError> for Refusal {
    fn from(error: JwtError) -> Self {
        match error {
            JwtError::Expired => Denial::new(DenialCode::TokenExpired).into(),
            JwtError::TooLong
            | JwtError::Malformed
            | JwtError::HeaderUnreadable
            | JwtError::ExtensionUnsupported
            | JwtError::AlgorithmRefused
            | JwtError::TypeRefused
            | JwtError::ClaimsUnreadable
            | JwtError::IssuerUnknown
            | JwtError::AudienceRefused
            | JwtError::KeyUnknown
            | JwtError::SignatureInvalid
            | JwtError::NotYetValid
            | JwtError::LifetimeTooLong
            | JwtError::ClaimMissing
            | JwtError::TenantInvalid
            | JwtError::UserInvalid
            | JwtError::RolesInvalid
            | JwtError::ScopesInvalid
            | JwtError::DelegationInvalid => {
                Denial::because(DenialCode::TokenInvalid, error.to_string()).into()
            }
        }
    }
}
