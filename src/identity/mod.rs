//! Who calls: every kind of credential becomes one [`Principal`], or nothing.
//!
//! A `Principal` has private fields, so holding one proves that a credential was verified; the one
//! that is only supposed (`explain`) says so by its method. The kinds of credential are independent of each other: a token that
//! fails is never tried as an API key, and a request that carries two kinds is refused before any
//! of them is looked at.

pub mod api_key;
pub mod assertion;
pub mod client_certificate;
pub mod development_key;
mod digest;
pub mod jwks;
mod jwt;
pub mod namespace;
mod principal;
pub mod renewal;
mod replay;
pub mod settings;
pub mod signing_key;
mod supposed;
mod token_cache;
pub mod webhook;

pub use jwt::{ClaimValue, KeptClaims, TokenAuthenticator, VerifiedToken};
pub use principal::{
    AuthMethod, Delegation, MAX_DELEGATION_DEPTH, MAX_USER_LENGTH, Principal, PrincipalKind,
    RoutePattern, UserId, UserIdError,
};
pub use replay::{DEFAULT_CAPACITY as DEFAULT_REPLAY_CAPACITY, ReplayGuard};
pub use supposed::Supposed;
pub use token_cache::{DEFAULT_CAPACITY as DEFAULT_TOKEN_CAPACITY, TokenCache};
