//! Who calls: every kind of credential becomes one [`Principal`], or nothing.
//!
//! A `Principal` has private fields and no public constructor, so holding one proves that a
//! credential was verified. The kinds of credential are independent of each other: a token that
//! fails is never tried as an API key, and a request that carries two kinds is refused before any
//! of them is looked at.

mod principal;
pub mod settings;

pub use principal::{
    AuthMethod, Delegation, MAX_DELEGATION_DEPTH, MAX_USER_LENGTH, Principal, PrincipalKind,
    RoutePattern, UserId, UserIdError,
};
