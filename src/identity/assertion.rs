//! What the gate says under its signature of who calls, for backends that want it signed.
//!
//! A backend that can be reached around the gate can't believe a header. It can believe a token that
//! verifies by the gate's key, was made for it (`aud`) and is a minute old at most. The token is an
//! ordinary JWT, so that any library takes it:
//!
//! | claim | says |
//! | --- | --- |
//! | `iss` | [`ISSUER`] |
//! | `aud` | the upstream's name in the policy |
//! | `sub`, `tid` | user and tenant |
//! | `kind` | `user`, `machine`, `webhook`, `development` |
//! | `roles` | an array |
//! | `scope` | words with blanks between them (RFC 8693 section 4.2); absent without any |
//! | `act` | who acts for the user, the outermost first (RFC 8693 section 4.1); absent without any |
//! | `iat`, `exp` | at most [`LIFETIME_SECONDS`] apart, and never past the end of the caller's own credential |
//!
//! There is no `jti`: it is not for one use. Signing costs more than all else that the gate does to a
//! head, so what was signed is used again while enough of its life is left. What it is found by
//! covers everything that it says of the caller: a role that was taken away is gone at once.

use std::sync::Arc;

use http::HeaderValue;
use jsonwebtoken::jwk::JwkSet;
use quick_cache::sync::Cache;
use serde::Serialize;

use super::Principal;
use super::signing_key::{PublicKey, SigningKey, SigningKeyError};
use crate::clock::{SharedClock, Timestamp};

/// `iss` of every assertion.
pub const ISSUER: &str = "fabric-gate";

/// Longest life of an assertion, in seconds.
pub const LIFETIME_SECONDS: i64 = 60;

/// What has to be left of an assertion's life for another request to go out with it, in seconds: the
/// backend may take its time to look at it, and its clock may be ahead.
const LEAST_LEFT_SECONDS: i64 = 30;

/// Most assertions that are remembered; each is about a kilobyte.
const REMEMBERED: usize = 10_000;

/// Signs assertions, and says by which keys they verify.
pub struct Assertions {
    key: SigningKey,
    key_set: Arc<str>,
    clock: SharedClock,
    remembered: Cache<[u8; 32], Remembered>,
}

/// An assertion that was signed. Both times are in seconds since the epoch.
#[derive(Clone)]
struct Remembered {
    text: HeaderValue,
    issued_at: i64,
    expires_at: i64,
}

/// All that is said of the caller.
#[derive(Serialize)]
struct Caller<'principal> {
    aud: &'principal str,
    sub: &'principal str,
    tid: &'principal str,
    kind: &'static str,
    roles: Vec<&'principal str>,
    #[serde(skip_serializing_if = "String::is_empty")]
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<Box<Actor<'principal>>>,
}

#[derive(Serialize)]
struct Actor<'principal> {
    sub: &'principal str,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<Box<Actor<'principal>>>,
}

#[derive(Serialize)]
struct Claims<'caller, 'principal> {
    iss: &'static str,
    #[serde(flatten)]
    caller: &'caller Caller<'principal>,
    iat: i64,
    exp: i64,
}

impl Assertions {
    /// Signs with `key`. The key set has the `others` too: those whose assertions are still about,
    /// or that will sign next.
    ///
    /// # Errors
    /// The key set can't be written as JSON.
    pub fn new(
        key: SigningKey,
        others: Vec<PublicKey>,
        clock: SharedClock,
    ) -> Result<Self, SigningKeyError> {
        let mut keys = vec![key.public().clone()];
        for other in others {
            if keys.iter().all(|listed| listed.kid() != other.kid()) {
                keys.push(other);
            }
        }
        let keys = keys.iter().map(|key| key.jwk().clone()).collect();
        Ok(Self {
            key,
            key_set: serde_json::to_string(&JwkSet { keys })?.into(),
            clock,
            remembered: Cache::new(REMEMBERED),
        })
    }

    /// The public keys as a JWK Set (RFC 7517 section 5).
    pub fn key_set(&self) -> &Arc<str> {
        &self.key_set
    }

    /// What is said of the caller to the backend of this name. The value is marked sensitive: whoever
    /// has it is the caller for as long as it lasts.
    ///
    /// # Errors
    /// It can't be signed.
    pub fn about(
        &self,
        principal: &Principal,
        upstream: &str,
    ) -> Result<HeaderValue, SigningKeyError> {
        let caller = Caller::of(principal, upstream);
        let end = principal.expires_at();
        let found_by = found_by(&caller, end)?;
        let now = self.clock.now().as_seconds();
        let longest = now.saturating_add(LIFETIME_SECONDS);
        let expires_at = end.map_or(longest, |end| end.as_seconds().min(longest));
        if let Some(known) = self.remembered.get(&found_by)
            && known.serves(now, expires_at)
        {
            return Ok(known.text);
        }
        let token = self.key.sign(&Claims {
            iss: ISSUER,
            caller: &caller,
            iat: now,
            exp: expires_at,
        })?;
        // A token is base64url and dots, so this can't fail.
        let mut text = HeaderValue::try_from(token).map_err(|_| {
            SigningKeyError::Sign(jsonwebtoken::errors::ErrorKind::InvalidToken.into())
        })?;
        text.set_sensitive(true);
        let signed = Remembered {
            text: text.clone(),
            issued_at: now,
            expires_at,
        };
        self.remembered.insert(found_by, signed);
        Ok(text)
    }
}

impl std::fmt::Debug for Assertions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Assertions({:?})", self.key)
    }
}

impl Remembered {
    /// Whether it may go out where one that is signed anew would last until `newest`. What came from
    /// the future (the clock was set back) would last too long.
    fn serves(&self, now: i64, newest: i64) -> bool {
        let left = self.expires_at.saturating_sub(now);
        let as_good_as_new = self.expires_at == newest;
        self.issued_at <= now && (left >= LEAST_LEFT_SECONDS || as_good_as_new)
    }
}

/// The digest of everything that an assertion says but the time, and of the end that bounds it.
fn found_by(caller: &Caller<'_>, end: Option<Timestamp>) -> Result<[u8; 32], SigningKeyError> {
    let said = serde_json::to_vec(&(caller, end.map(Timestamp::as_micros)))?;
    Ok(*blake3::hash(&said).as_bytes())
}

impl<'principal> Caller<'principal> {
    fn of(principal: &'principal Principal, upstream: &'principal str) -> Self {
        let actors = principal.delegation().actors.iter();
        Self {
            aud: upstream,
            sub: principal.user().as_str(),
            tid: principal.tenant().as_str(),
            kind: principal.kind().as_str(),
            roles: principal.roles().iter().map(|role| &**role).collect(),
            scope: principal.scopes().join(" "),
            act: actors.rev().fold(None, |act, actor| {
                let sub = &**actor;
                Some(Box::new(Actor { sub, act }))
            }),
        }
    }
}

#[cfg(test)]
mod tests;
